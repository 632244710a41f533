//! What the API's description says of this room, and of an order.

use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;
use uuid::Uuid;

use super::http::OrderView;
use crate::http::{Document, Operation, shape};
use crate::kernel::error::Error;
use crate::kernel::ids::OrderId;
use crate::ledger::{PaymentStatus, Reason, Refusal, State};

/// An order that examples tell of.
pub(crate) const ORDER: OrderId = OrderId(Uuid::from_u128(0x019a_be3c_5b00_7000_8000_0000_0000_0001));

pub(super) fn states() -> Schema {
    shape::words(State::WORDS)
}

pub(super) fn reasons() -> Schema {
    shape::words(Reason::WORDS)
}

pub(super) fn payment_statuses() -> Schema {
    shape::words(PaymentStatus::WORDS)
}

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    let list = Operation::get("/purchases", "listPurchases", "Lists the own orders")
        .says("The newest first.")
        .for_user()
        .gives_page::<OrderView>("A part of the orders.", &order(State::Completed));
    let show = Operation::get("/purchases/{orderId}", "showPurchase", "Shows one of the own orders")
        .for_user()
        .path("orderId", &shape::uuid(), "The order's id.")
        .gives::<OrderView>(200, "The order.", &order(State::Completed))
        .refuses(Error::from(Refusal::OrderNotFound));
    let cancel = Operation::post("/purchases/{orderId}/cancel", "refundPurchase", "Pays a completed order back")
        .says("Its units go back on sale. A repeat returns the first resolution.")
        .for_user()
        .path("orderId", &shape::uuid(), "The order's id.")
        .gives::<OrderView>(200, "The order is refunded.", &order(State::Refunded))
        .replayable()
        .refuses(Error::from(Refusal::OrderNotFound))
        .refuses(Error::from(Refusal::KeyMismatch))
        .refuses(Error::from(Refusal::Resolved(ORDER, State::Held)))
        .refuses(Error::from(Refusal::Resolved(ORDER, State::Cancelled)))
        .refuses(Error::from(Refusal::InProgress(ORDER)));
    document.add("purchases", "A buyer's orders and refunds.", vec![list, show, cancel]);
}

/// An order in this state.
pub(crate) fn order(state: State) -> Value {
    let paid = matches!(state, State::Completed | State::Refunded);
    let closed = matches!(state, State::Cancelled | State::Refunded);
    let status = match state {
        State::Held | State::Cancelled => PaymentStatus::Unpaid,
        State::Completed => PaymentStatus::Paid,
        State::Refunded => PaymentStatus::Refunded,
    };
    let mut order = json!({
        "id": ORDER.to_string(),
        "productId": "100",
        "quantity": 1,
        "amount": 1_590_000,
        "currency": "KRW",
        "state": state.as_str(),
        "createdAt": "2026-12-01T09:00:01Z",
        "payment": {
            "provider": "simulated",
            "reference": paid.then_some("sim-7f3a"),
            "status": status.as_str(),
        },
    });
    for (name, is_there, at) in [
        ("expiresAt", state == State::Held, "2026-12-01T09:10:01Z"),
        ("settledAt", paid, "2026-12-01T09:00:01Z"),
        ("closedAt", closed, "2026-12-01T09:05:00Z"),
    ] {
        if is_there {
            order[name] = at.into();
        }
    }
    if state == State::Cancelled {
        order["reason"] = Reason::ByBuyer.as_str().into();
    }
    order
}
