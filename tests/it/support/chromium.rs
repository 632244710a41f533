//! A real browser: Debian's Chromium and its driver, one of each for a test that asks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{TypingData, WebElement};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{TestApp, in_time, not_tested};

/// Where `.ci/run` puts the checks for accessibility.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-servers/axe/node_modules/axe-core/axe.min.js");
/// Where pictures go, for people to look at.
const SCREENS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screens");

/// How a browser is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) width: u32,
    pub(crate) language: &'static str,
    pub(crate) dark: bool,
    pub(crate) scripts: bool,
}

impl Default for Looks {
    fn default() -> Self {
        Self { width: 1_280, language: "en", dark: false, scripts: true }
    }
}

impl Looks {
    /// Where its pictures go.
    pub(crate) fn folder(self) -> String {
        let (width, colours) =
            (if self.width < 600 { "narrow" } else { "wide" }, if self.dark { "dark" } else { "light" });
        format!("{width}-{colours}-{}", self.language)
    }
}

/// Tests that go on a `tour` of a file's pages in each of the looks: wide and narrow, light and dark, in both languages.
macro_rules! tours {
    ($tour:path) => {
        $crate::support::chromium::tours! { $tour;
            every_page_wide_light_english: 1_280, false, "en";
            every_page_wide_light_korean: 1_280, false, "ko";
            every_page_wide_dark_english: 1_280, true, "en";
            every_page_wide_dark_korean: 1_280, true, "ko";
            every_page_narrow_light_english: 360, false, "en";
            every_page_narrow_light_korean: 360, false, "ko";
            every_page_narrow_dark_english: 360, true, "en";
            every_page_narrow_dark_korean: 360, true, "ko";
        }
    };
    ($tour:path; $($name:ident: $width:literal, $dark:literal, $language:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            $tour(Looks { width: $width, dark: $dark, language: $language, ..Looks::default() }).await;
        })*
    };
}
pub(crate) use tours;

/// A window of a browser, on a shop; it ends with this.
pub(crate) struct Window {
    driver: WebDriver,
    base: String,
    process: Child,
    _profile: TempDir,
}

impl Drop for Window {
    /// The driver's whole group, so that no Chromium outlives a test that failed.
    fn drop(&mut self) {
        if let Some(group) = self.process.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            let _is_gone_already = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Window {
    /// Opens a browser on `app`; `None` when there is none, except in CI, where that is a failure.
    pub(crate) async fn open(app: &TestApp, looks: Looks) -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let Ok(mut process) = command.spawn() else {
            not_tested("pages are not tested in a browser: install Debian's 'chromium' and 'chromium-driver'");
            return None;
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = in_time(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("chromedriver tells its port");
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
        })
        .await;
        let profile = tempfile::tempdir().unwrap();
        let mut chrome = DesiredCapabilities::chrome();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let size = format!("--window-size={},900", looks.width.max(500));
        let language = format!("--lang={}", looks.language);
        for argument in
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        {
            chrome.add_arg(argument).unwrap();
        }
        for argument in [&folder, &size, &language] {
            chrome.add_arg(argument).unwrap();
        }
        let mut preferences = json!({"intl.accept_languages": looks.language});
        if !looks.scripts {
            preferences["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        chrome.add_experimental_option("prefs", preferences).unwrap();
        let driver = in_time(WebDriver::new(format!("http://127.0.0.1:{port}"), chrome)).await.unwrap();
        // The browser ends with its process, whatever becomes of the test.
        driver.clone().leak().unwrap();
        let window = Self { driver, base: format!("http://{}", app.address), process, _profile: profile };
        let media =
            json!({"features": [{"name": "prefers-color-scheme", "value": if looks.dark { "dark" } else { "light" }}]});
        window.tell("Emulation.setEmulatedMedia", media).await;
        let size = json!({"width": looks.width, "height": 900, "deviceScaleFactor": 1, "mobile": looks.width < 600});
        window.tell("Emulation.setDeviceMetricsOverride", size).await;
        Some(window)
    }

    async fn tell(&self, command: &str, parameters: Value) -> Value {
        self.driver.cdp().send_raw(command, parameters).await.unwrap()
    }

    /// Opens a page.
    pub(crate) async fn go(&self, path: &str) {
        in_time(self.driver.goto(format!("{}{path}", self.base))).await.unwrap();
    }

    pub(crate) async fn back(&self) {
        in_time(self.driver.back()).await.unwrap();
    }

    /// The path of the page that is shown.
    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.base).expect("the browser stays in the shop").to_owned()
    }

    /// What is found by a CSS selector, once it is there.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let found =
            self.driver.query(By::Css(css)).wait(Duration::from_secs(10), Duration::from_millis(50)).first().await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("nothing is '{css}': {error}\n{}", self.text().await),
        }
    }

    /// Writes into the field with this name, in place of what is there.
    pub(crate) async fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("[name='{name}']")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.find(css).await;
        element.scroll_into_view().await.unwrap();
        element.click().await.unwrap();
    }

    /// Sends keys to whatever has the focus.
    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) {
        self.driver.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Goes on with the Tab key until what a CSS selector finds has the focus.
    pub(crate) async fn tab_to(&self, css: &str) {
        for _ in 0..80 {
            self.keys(Key::Tab + "").await;
            let script = "return document.activeElement.matches(arguments[0])";
            let found = self.driver.execute(script, vec![json!(css)]).await.unwrap();
            if found.json() == &json!(true) {
                return;
            }
        }
        panic!("the keyboard never comes to '{css}'\n{}", self.text().await);
    }

    /// What the page says.
    pub(crate) async fn text(&self) -> String {
        self.driver.find(By::Tag("body")).await.unwrap().text().await.unwrap_or_default()
    }

    /// Waits until the page says `text`, on whichever page the browser comes to.
    pub(crate) async fn sees(&self, text: &str) {
        const WAIT: &str = "const [text, done] = arguments; \
             const look = () => { if (document.body.innerText.includes(text)) done(true); }; \
             new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true}); \
             look();";
        // A page that is left while it is looked at takes its script along.
        let seen = async { while self.driver.execute_async(WAIT, vec![json!(text)]).await.is_err() {} };
        let is_seen = tokio::time::timeout(Duration::from_secs(15), seen).await.is_ok();
        assert!(is_seen, "'{text}' does not come on {}:\n{}", self.path().await, self.text().await);
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Puts a picture of the whole page into `target/screens`.
    pub(crate) async fn picture(&self, name: &str) {
        let whole =
            self.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]").await;
        let clip = json!({"x": 0, "y": 0, "width": whole[0], "height": whole[1], "scale": 1});
        let taken = self.tell("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip})).await;
        let picture = PathBuf::from(SCREENS).join(format!("{name}.png"));
        std::fs::create_dir_all(picture.parent().unwrap()).unwrap();
        std::fs::write(picture, BASE64_STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// Fails when the page is wider than the window, or when axe-core finds a serious fault in it.
    pub(crate) async fn is_accessible(&self) {
        let path = self.path().await;
        let widths = self.run("return [document.documentElement.scrollWidth, window.innerWidth]").await;
        assert!(widths[0].as_i64() <= widths[1].as_i64(), "{path} is wider than the window: {widths}");
        let Ok(axe) = std::fs::read_to_string(Path::new(AXE)) else {
            not_tested(&format!("accessibility is not tested: {AXE} is missing; '.ci/run' installs it"));
            return;
        };
        self.run(&format!("{axe}\nwindow.axe = axe;")).await;
        let script = "const done = arguments[arguments.length - 1]; \
                      axe.run(document).then(found => done(found.violations), error => done(String(error)));";
        let found = self.driver.execute_async(script, Vec::new()).await.unwrap().json().clone();
        let serious = |fault: &&Value| ["serious", "critical"].map(Value::from).contains(&fault["impact"]);
        let faults: Vec<_> = found.as_array().unwrap_or_else(|| panic!("{found}")).iter().filter(serious).collect();
        let told = faults.iter().map(|fault| format!("{}: {}", fault["help"], fault["nodes"][0]["html"]));
        assert!(faults.is_empty(), "{path}:\n{}", told.collect::<Vec<_>>().join("\n"));
    }
}
