//! A browser without a script: it keeps cookies, fills forms in, follows redirects, and reads what a page says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};

use super::{PASSWORD, TestApp};

/// Redirects that are followed before a test gives up.
const REDIRECTS_MAX: usize = 5;

/// A browser, with its own cookies. A clone is another tab of it.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    base: String,
    language: &'static str,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl TestApp {
    /// A browser that speaks English and has never been here.
    pub(crate) fn browser(&self) -> Browser {
        let client = Client::builder().redirect(Policy::none()).no_gzip().build().unwrap();
        Browser { client, base: format!("http://{}", self.address), language: "en", cookies: Arc::default() }
    }

    /// A browser in which the account `name@example.com` is signed in; it must be there.
    pub(crate) async fn signed_in_browser(&self, name: &str) -> Browser {
        let browser = self.browser();
        browser.sign_in(name).await;
        browser
    }
}

impl Browser {
    /// The same tab for somebody who reads Korean.
    pub(crate) fn korean(self) -> Self {
        Self { language: "ko-KR,ko;q=0.9,en;q=0.8", ..self }
    }

    /// Signs the account `name@example.com` in.
    pub(crate) async fn sign_in(&self, name: &str) -> Seen {
        let page = self.open("/signin").await;
        let email = format!("{name}@example.com");
        self.submit(&page, "/signin", &[("email", &email), ("password", PASSWORD)]).await
    }

    /// Types an address in, and follows where it leads.
    pub(crate) async fn open(&self, path: &str) -> Seen {
        self.follow(self.ask(Method::GET, path).await).await
    }

    /// The answer itself, wherever it would lead.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Seen {
        self.send(path, self.request(method, path)).await
    }

    /// Fills a page's form in and sends it, and follows where it leads.
    pub(crate) async fn submit(&self, page: &Seen, action: &str, typed: &[(&str, &str)]) -> Seen {
        self.follow(self.post(action, &page.form(action, typed)).await).await
    }

    /// Sends fields as a form would; the answer itself.
    pub(crate) async fn post(&self, path: &str, fields: &[(String, String)]) -> Seen {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        self.send(path, request.body(body)).await
    }

    /// A request with what this browser sends with every one.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("accept-language", self.language);
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    pub(crate) async fn send(&self, path: &str, request: RequestBuilder) -> Seen {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if rest.contains("Max-Age=0") {
                self.jar().remove(name);
            } else {
                self.jar().insert(name.to_owned(), value.to_owned());
            }
        }
        Seen { path: path.to_owned(), status, headers, html: response.text().await.unwrap() }
    }

    async fn follow(&self, mut seen: Seen) -> Seen {
        for _ in 0..REDIRECTS_MAX {
            if seen.status != StatusCode::SEE_OTHER {
                return seen;
            }
            let path = seen.header(LOCATION.as_str()).to_owned();
            seen = self.ask(Method::GET, &path).await;
        }
        panic!("{} leads round in circles", seen.path);
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).cloned()
    }

    /// Puts a cookie in.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.jar().insert(name.to_owned(), value.to_owned());
    }

    fn jar(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap()
    }
}

/// What a browser shows.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Where it is.
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// It has this status, and is a page.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.path, self.text());
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8");
        self
    }

    /// It says all of this.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        let said = self.text();
        for text in texts {
            assert!(said.contains(text), "{} does not say '{text}': {said}", self.path);
        }
        self
    }

    /// It says nothing of this.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        let said = self.text();
        assert!(!said.contains(text), "{} says '{text}': {said}", self.path);
        self
    }

    /// What can be read on it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let body = self.html.find("<body").map_or(&*self.html, |at| &self.html[at..]);
        for piece in body.split('<') {
            text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
            text.push(' ');
        }
        unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The fields that the form for `action` sends when somebody types this into it.
    #[track_caller]
    pub(crate) fn form(&self, action: &str, typed: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut fields: Vec<_> = self.fields(action).unwrap_or_else(|| panic!("no form for {action}: {}", self.html));
        for (name, value) in typed {
            fields.retain(|(it, _)| it != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        fields
    }

    /// Whether there is a form for `action`.
    pub(crate) fn has_form(&self, action: &str) -> bool {
        self.fields(action).is_some()
    }

    fn fields(&self, action: &str) -> Option<Vec<(String, String)>> {
        let action = format!("action=\"{action}\"");
        let form = self
            .html
            .split("<form ")
            .skip(1)
            .find(|form| form.split_once('>').is_some_and(|(tag, _)| unescaped(tag).contains(&action)))?;
        let form = form.split("</form>").next().unwrap();
        let inputs = form.split("<input ").skip(1).filter_map(|input| {
            let tag = input.split('>').next().unwrap();
            let is_chosen = !tag.contains("type=\"radio\"") || tag.contains("checked");
            let name = attribute(tag, "name").filter(|_| is_chosen)?;
            Some((name, attribute(tag, "value").unwrap_or_default()))
        });
        let areas = form.split("<textarea ").skip(1).filter_map(|area| {
            let (tag, rest) = area.split_once('>')?;
            Some((attribute(tag, "name")?, unescaped(rest.split("</textarea>").next()?)))
        });
        Some(inputs.chain(areas).collect())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

fn unescaped(text: &str) -> String {
    [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
