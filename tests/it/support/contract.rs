//! Every answer that a test gets is held against the description of the API: a status or a refusal's code that is not
//! described fails the test that meets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use preorder::server;
use preorder::target::Targets;
use serde_json::Value;

use super::Answer;

/// One route's statuses, and the codes that each may have; none for one that is no refusal.
struct Described {
    method: String,
    segments: Vec<String>,
    statuses: BTreeMap<u16, BTreeSet<String>>,
}

/// What can be wrong with a field.
static FAULTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let document = server::document(&Targets::all());
    let fault = "/components/schemas/Problem/properties/errors/items/properties/code/enum";
    document.pointer(fault).unwrap().as_array().unwrap().clone()
});

static DESCRIBED: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let document = server::document(&Targets::all());
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap().iter();
            all.push(Described {
                method: method.to_uppercase(),
                segments: path.split('/').map(str::to_owned).collect(),
                statuses: responses.map(|(status, it)| (status.parse().unwrap(), codes(&document, it))).collect(),
            });
        }
    }
    all
});

/// The codes of a response, which may stand under `components`.
fn codes(document: &Value, response: &Value) -> BTreeSet<String> {
    let response = match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => response,
    };
    let codes = &response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"];
    codes.as_array().into_iter().flatten().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// The route of a request: of the path with the fewest names, as the router has it. `None` when there is none for programs.
fn described(method: &str, path: &str) -> Option<&'static Described> {
    let asked: Vec<_> = path.split('/').collect();
    let is_name = |segment: &String| segment.starts_with('{');
    let fits = |segment: &String, word: &str| if is_name(segment) { !word.is_empty() } else { segment == word };
    let leads = |route: &&Described| {
        route.segments.len() == asked.len() && route.segments.iter().zip(&asked).all(|(it, word)| fits(it, word))
    };
    let names = |route: &&Described| route.segments.iter().filter(|segment| is_name(segment)).count();
    let found = DESCRIBED.iter().filter(leads).min_by_key(names)?;
    DESCRIBED.iter().find(|route| route.segments == found.segments && route.method == method)
}

/// Fails when the description does not know of such an answer.
#[track_caller]
pub(super) fn hold_to(method: &str, path: &str, answer: &Answer) {
    let Some(route) = described(method, path) else { return };
    let status = answer.status.as_u16();
    let Some(codes) = route.statuses.get(&status) else {
        panic!("{method} {path} answered {status}, which is not described: {}", answer.body);
    };
    if answer.header("content-type") == "application/problem+json" {
        let code = answer.body["code"].as_str().unwrap();
        assert!(codes.contains(code), "{method} {path} refused with {status} '{code}', which is not described");
        for fault in answer.body["errors"].as_array().into_iter().flatten() {
            assert!(FAULTS.contains(&fault["code"]), "{method} {path} tells of {fault}, whose code is not described");
        }
    } else {
        assert!(codes.is_empty(), "{method} {path} answered {status} without a problem document");
    }
}
