//! The description of the API: that it is whole, and that it is what the program says wherever it is asked.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use preorder::http::Route;
use preorder::server;
use preorder::target::{Target, Targets};
use reqwest::Method;
use serde_json::Value;

use crate::support::chromium::{Looks, Window};
use crate::support::{PYTHON, Shell, TestApp, not_tested, reservation};

/// The routes that a document describes, as `GET /products/{id}`.
fn described(document: &Value) -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes
}

/// The routes that a process with these targets serves to programs.
fn served(app: &TestApp, targets: &Targets) -> BTreeSet<String> {
    let pages = server::rooms(&app.app, &"pages".parse().unwrap());
    let probes: BTreeSet<_> =
        server::rooms(&app.app, &"users".parse().unwrap()).list().iter().map(Route::to_string).collect();
    let for_people: BTreeSet<_> = pages.list().iter().map(Route::to_string).filter(|it| !probes.contains(it)).collect();
    let rooms = server::rooms(&app.app, targets);
    let is_for_programs = |route: &String| !for_people.contains(route) && !route.starts_with("GET /docs");
    rooms.list().iter().map(Route::to_string).filter(is_for_programs).collect()
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let app = TestApp::start().await;
    assert_eq!(described(&server::document(&Targets::all())), served(&app, &Targets::all()));
    for target in Target::ALL {
        let targets: Targets = target.as_str().parse().unwrap();
        assert_eq!(described(&server::document(&targets)), served(&app, &targets), "{target:?}");
    }
}

#[tokio::test]
async fn the_server_and_the_command_line_give_the_same_description() {
    let app = TestApp::start().await;
    let answer = app.anonymous().get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let mut served = answer.ok(200);
    let shell = Shell::new();
    let printed: Value = serde_json::from_str(&shell.ok("openapi")).unwrap();
    assert_eq!(printed, served);
    served["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!("document", served);
}

#[test]
fn the_description_is_openapi_and_its_examples_are_what_it_says() {
    if !Path::new(PYTHON).exists() {
        not_tested(&format!("the description is not checked: {PYTHON} is missing; '.ci/run' installs it"));
        return;
    }
    let mut targets: Vec<Targets> = Target::ALL.into_iter().map(|target| target.as_str().parse().unwrap()).collect();
    targets.push(Targets::all());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/description.py");
    for targets in targets {
        let mut checker = Command::new(PYTHON);
        let mut checker =
            checker.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        checker.stdin.take().unwrap().write_all(server::document(&targets).to_string().as_bytes()).unwrap();
        let told = checker.wait_with_output().unwrap();
        assert!(told.status.success(), "{targets}: {}", String::from_utf8_lossy(&told.stderr));
        let examples: usize = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
        assert!(examples > 5, "{targets}: only {examples} examples were checked");
    }
}

#[tokio::test]
async fn the_page_shows_every_route_and_tries_one_with_nothing_but_its_own_files() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 10)).await;
    for dark in [false, true] {
        let Some(window) = Window::open(&app, Looks { dark, ..Looks::default() }).await else { return };
        window.go("/docs").await;
        window.find("#operations-server-isAlive").await;
        let shown = window.run("return document.querySelectorAll('.opblock').length").await;
        assert_eq!(shown, described(&server::document(&Targets::all())).len());
        assert_eq!(window.run("return document.documentElement.matches('.dark-mode')").await, dark);
        window.picture(if dark { "docs-dark" } else { "docs-light" }).await;

        window.click("#operations-stock-showStock .opblock-summary-control").await;
        window.click("#operations-stock-showStock .try-out__btn").await;
        window.click("#operations-stock-showStock [placeholder='productId']").await;
        window.keys("100").await;
        window.click("#operations-stock-showStock .execute").await;
        window.find("#operations-stock-showStock .live-responses-table").await;
        window.sees("\"available\": 10").await;

        let elsewhere = "return performance.getEntriesByType('resource').map(it => it.name).filter(it => \
                         !it.startsWith(location.origin + '/') && !it.startsWith('data:'))";
        assert_eq!(window.run(elsewhere).await, serde_json::json!([]));
    }
}

#[tokio::test]
async fn the_pages_files_come_packed_or_not() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("/docs").await;
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    for (file, kind) in
        [("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css"), ("docs.js", "text/javascript")]
    {
        let asker = app.anonymous();
        let request = asker.request(Method::GET, &format!("/docs/{file}"));
        let plain = request.try_clone().unwrap().send().await.unwrap();
        assert!(plain.headers()["content-type"].to_str().unwrap().starts_with(kind), "{file}");
        assert!(!plain.headers().contains_key("content-encoding"));
        let plain = plain.bytes().await.unwrap();
        let packed = request.header("accept-encoding", "gzip").send().await.unwrap();
        if packed.headers().contains_key("content-encoding") {
            let packed = packed.bytes().await.unwrap();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
            assert!(packed.len() < plain.len() / 2 && unpacked == plain, "{file}");
        }
    }
    app.anonymous().get("/docs/page.html").await.refused(404, "not_found");
}
