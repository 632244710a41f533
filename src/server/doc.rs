//! The API's description, of the rooms that this process serves.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;

use super::Health;
use super::not_ready;
use crate::http::{Document, OPENAPI, Operation, Routes, shape};
use crate::target::{Target, Targets};
use crate::{activity, metrics, newsfeed, payments, products, purchases, stock, trail, users};

const TITLE: &str = "preorder";

const DESCRIPTION: &str = "\
Limited-stock preorder sales that never oversell.

Times are RFC 3339 in UTC, money is a whole number of the currency's minor unit, lists come in pages. Every error is an \
`application/problem+json` document: `code` is a stable word for programs, `detail` a sentence in the reader's language \
(`Accept-Language: ko` or `en`), and `requestId` is how the log calls the request.

Who asks too often is answered `429`, and a server that is busy answers `503`: both say in `Retry-After` when to come back. \
A purchase with an `Idempotency-Key` can be repeated without fear of buying twice.";

pub(super) fn ok() -> Schema {
    shape::words(&["ok"])
}

/// The description (OpenAPI 3.1) of every route that `targets` have for programs.
#[must_use]
pub fn document(targets: &Targets) -> Value {
    type Describe = fn(&mut Document);
    let rooms: [(Target, Describe); 8] = [
        (Target::Users, users::doc::describe),
        (Target::Users, trail::doc::describe),
        (Target::Products, products::doc::describe),
        (Target::Stock, stock::doc::describe),
        (Target::Payments, payments::doc::describe),
        (Target::Purchases, purchases::doc::describe),
        (Target::Activity, activity::doc::describe),
        (Target::Newsfeed, newsfeed::doc::describe),
    ];
    let mut document = Document::new(users::doc::refused_tokens());
    for (target, describe) in rooms {
        if targets.contains(target) {
            describe(&mut document);
        }
    }
    document.add("server", "What whoever runs the server asks.", probes());
    document.finish(TITLE, env!("CARGO_PKG_VERSION"), DESCRIPTION)
}

/// The description's own route.
pub(super) fn routes(targets: &Targets) -> Routes {
    let targets = targets.clone();
    // Written for the first who asks: most processes are never asked.
    let text = Arc::new(LazyLock::new(Box::new(move || {
        let text = serde_json::to_vec(&document(&targets));
        text.expect("a document of texts and numbers can always be written").into()
    }) as Written));
    Routes::new().get("/openapi.json", description).with_state(text)
}

type Written = Box<dyn FnOnce() -> Bytes + Send>;

/// The description of the API.
async fn description(State(text): State<Arc<LazyLock<Bytes, Written>>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], Bytes::clone(&text))
}

fn probes() -> Vec<Operation> {
    let ok = json!({ "status": "ok" });
    vec![
        Operation::get("/healthz", "isAlive", "Tells whether the process is alive")
            .probe()
            .gives::<Health>(200, "It is.", &ok),
        Operation::get("/readyz", "isReady", "Tells whether the database answers")
            .probe()
            .gives::<Health>(200, "It does.", &ok)
            .refuses(not_ready()),
        metrics::doc::read(),
        Operation::get("/openapi.json", "describeApi", "Gives this description")
            .says("OpenAPI 3.1, of what this process serves.")
            .gives_any(200, "The description.", &json!({ "openapi": OPENAPI, "paths": {} })),
    ]
}
