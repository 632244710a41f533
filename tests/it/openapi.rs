//! The description of the API: that it is whole, and that it is what the program says wherever it is asked.

use std::collections::BTreeSet;

use preorder::http::Route;
use preorder::server;
use preorder::target::{Target, Targets};
use serde_json::Value;

use crate::support::{Shell, TestApp};

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
    rooms.list().iter().map(Route::to_string).filter(|route| !for_people.contains(route)).collect()
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
