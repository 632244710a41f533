//! What a receiver reads: an event as JSON, made when it is sent, and the same at every attempt.
//!
//! An order's row goes on changing, and an event tells of one moment. So only what never changes is taken from the row, and
//! the rest follows from what happened and from what the event's own row says.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::model::{Notice, WebhookId};
use super::rules::hex;
use crate::kernel::clock::Timestamp;
use crate::ledger::{About, Event, EventKind, Order, Reason, State};

/// What is told when somebody tries a target.
pub(super) const PING: &str = "ping";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    id: &'a str,
    r#type: &'a str,
    created_at: String,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Data {
    Order(OrderTold),
    Stock(StockTold),
    WebhookId(i64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderTold {
    id: String,
    buyer_id: i64,
    product_id: String,
    quantity: i64,
    amount: i64,
    currency: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    /// Of money that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentTold>,
}

#[derive(Serialize)]
struct PaymentTold {
    provider: String,
    reference: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StockTold {
    product_id: String,
    total: i64,
    available: i64,
    held: i64,
    sold: i64,
}

/// The notice of an event; `order` is the row of the order that it is about. `None` when there is no such row.
pub(super) fn notice(number: i64, event: Event, order: Option<Order>) -> Option<Notice> {
    let Event { kind, at, about } = event;
    let (subject, data) = match about {
        About::Order { id, reason } => (id.to_string(), Data::Order(told(kind, at, reason, order?))),
        About::Product { id, held, sold } => {
            let subject = id.to_string();
            let stock = StockTold { product_id: subject.clone(), total: held + sold, available: 0, held, sold };
            (subject, Data::Stock(stock))
        }
    };
    Some(made(number, id_of(number, kind, at, &subject), kind.as_str(), subject, at, data))
}

/// A notice that tells of nothing, for trying a target; `random` makes its id.
pub(super) fn ping(webhook: WebhookId, at: Timestamp, random: &[u8; 16]) -> Notice {
    made(0, format!("evt_{}", hex(random)), PING, webhook.to_string(), at, Data::WebhookId(webhook.0))
}

fn made(number: i64, id: String, kind: &'static str, subject: String, at: Timestamp, data: Data) -> Notice {
    let envelope = Envelope { id: &id, r#type: kind, created_at: at.to_string(), data };
    let body = serde_json::to_string(&envelope).expect("texts and numbers are always JSON").into();
    Notice { number, id, kind, subject, body }
}

/// Follows from the event alone, so that it is the same at every attempt. Numbers begin again after an old backup was
/// restored: what tells its events from those of the time that was lost is the moment.
fn id_of(number: i64, kind: EventKind, at: Timestamp, subject: &str) -> String {
    let hash = Sha256::digest(format!("{number} {kind} {} {subject}", at.0));
    format!("evt_{}", hex(&hash[..16]))
}

/// The order as it was at `at`.
fn told(kind: EventKind, at: Timestamp, reason: Option<Reason>, order: Order) -> OrderTold {
    let settled = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let (state, settled_at, closed_at) = match kind {
        EventKind::OrderCompleted => (State::Completed, settled(Some(at)), None),
        EventKind::OrderRefunded => (State::Refunded, settled(order.settled_at), Some(at.to_string())),
        EventKind::OrderCancelled | EventKind::ProductSoldOut => (State::Cancelled, None, Some(at.to_string())),
    };
    let payment = (state != State::Cancelled)
        .then(|| PaymentTold { provider: order.payment.provider.into_owned(), reference: order.payment.reference });
    OrderTold {
        id: order.id.to_string(),
        buyer_id: order.buyer.0,
        product_id: order.product.to_string(),
        quantity: order.quantity,
        amount: order.amount,
        currency: order.currency.to_string(),
        state: state.as_str(),
        reason: reason.map(Reason::as_str),
        created_at: order.created_at.to_string(),
        settled_at,
        closed_at,
        payment,
    }
}
