//! The board's stream: what has been so far, and then each second as it ends.
//!
//! What a product has left is told by `/stocks/stream`, to admins as to everybody; this is what only they may see.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;

use super::super::Pages;
use super::super::answer::NotNow;
use super::super::visit::Visit;
use super::Boss;
use crate::http::Routes;
use crate::http::events::{COME_BACK, HEARTBEAT, UNBUFFERED};
use crate::kernel::actor::{Actor, Role};
use crate::ledger::Stock;
use crate::pulse::{KEPT_S, Reader, Second};

/// Kinds of refusals that are shown.
const REFUSALS_SHOWN: usize = 12;

/// Products whose past is told.
const PRODUCTS_TOLD: usize = 64;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin/live", live)
}

/// Refusals of one kind, as the reader calls it.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) lately: u64,
    pub(super) total: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecondView {
    orders: u64,
    requests: u64,
    waiting: usize,
    latency_ms: LatencyView,
    refusals: Vec<Refusal>,
}

#[derive(Serialize)]
struct LatencyView {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl SecondView {
    fn new(second: &Second, refusals: Vec<Refusal>) -> Self {
        let [p50, p90, p99] =
            second.micros.map(|micros| f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0);
        let Second { orders, requests, waiting, .. } = *second;
        Self { orders, requests, waiting, latency_ms: LatencyView { p50, p90, p99 }, refusals }
    }
}

/// What has been so far.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PastView {
    /// How many seconds are worth keeping.
    kept: usize,
    orders: Vec<u64>,
    /// Each product's counts, second by second: available, held, sold.
    products: BTreeMap<String, Vec<[i64; 3]>>,
}

/// Refusals by kind, the most frequent first.
pub(super) fn refusals(visit: &Visit, pages: &Pages) -> Vec<Refusal> {
    let found = pages.pulse.refusals().into_iter().take(REFUSALS_SHOWN);
    found
        .map(|it| Refusal { code: it.code, title: title(visit, it.code), lately: it.lately, total: it.total })
        .collect()
}

/// What a refusal is called; a rare one has its code alone.
fn title(visit: &Visit, code: &str) -> &'static str {
    let t = &visit.t.admin.refusals;
    match code {
        "sold_out" => t.sold_out,
        "limit_reached" => t.limit_reached,
        "sale_not_open" => t.sale_not_open,
        "sale_closed" => t.sale_closed,
        "payment_declined" => t.payment_declined,
        "payment_abandoned" => t.payment_abandoned,
        "hold_expired" => t.hold_expired,
        "rate_limited" => t.rate_limited,
        "busy" => t.busy,
        "in_progress" => t.in_progress,
        "unauthenticated" | "signed_out" => t.unauthenticated,
        "validation_failed" => t.validation_failed,
        "not_found" => t.not_found,
        "product_not_found" => t.product_not_found,
        "form_stale" => t.form_stale,
        _ => "",
    }
}

/// Who listens.
struct Listener {
    pages: Arc<Pages>,
    visit: Visit,
    actor: Actor,
    reader: Reader,
}

impl Listener {
    /// Whether who listens is an admin still.
    fn may_listen(&self) -> bool {
        let users = &self.pages.users;
        users.may_still_act(self.actor).is_ok() && users.judge(self.actor).is_ok_and(|actor| actor.role == Role::Admin)
    }

    fn second(&self) -> Event {
        let view = SecondView::new(&self.pages.pulse.last(), refusals(&self.visit, &self.pages));
        event("second", &view)
    }
}

async fn live(State(pages): State<Arc<Pages>>, Boss(visit, actor): Boss) -> Result<Response, NotNow> {
    let reader = pages.pulse.look_on()?;
    let past = event("past", &past(&pages)).retry(COME_BACK);
    let listener = Listener { pages, visit, actor, reader };
    let now = listener.second();
    let seconds = stream::unfold(listener, |mut listener| async move {
        listener.reader.next().await?;
        listener.may_listen().then(|| (listener.second(), listener))
    });
    let events = stream::iter([past, now]).chain(seconds).map(Ok::<_, Infallible>);
    let mut response = (UNBUFFERED, Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn past(pages: &Pages) -> PastView {
    let counts = |Stock { available, held, sold }: Stock| [available, held, sold];
    let moved = pages.pulse.moved(PRODUCTS_TOLD).into_iter();
    PastView {
        kept: KEPT_S,
        orders: pages.pulse.seconds().iter().map(|second| second.orders).collect(),
        products: moved.map(|id| (id.to_string(), pages.pulse.course(&id).into_iter().map(counts).collect())).collect(),
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("texts and numbers can always be written");
    Event::default().event(name).data(data)
}
