//! What the API's description says of this room.

use serde_json::json;
use utoipa::openapi::schema::Schema;

use super::http::{ENTER, PRE_ORDER, Wanted};
use crate::http::{Document, Operation, shape};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::limits::QUANTITY_MAX;
use crate::ledger::{Failure, Refusal, State};
use crate::purchases::doc::{ORDER, order};
use crate::purchases::http::OrderView;

/// When a sale of the examples opens: 2026-12-01T09:00:00Z.
const OPENS_AT: Timestamp = Timestamp(1_796_115_600_000_000);

pub(super) fn quantity() -> Schema {
    shape::number_or(1, 1, QUANTITY_MAX)
}

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    document.add("payments", "Entering and settling a payment.", vec![pre_order(), enter(), confirm(), cancel()]);
}

fn refusing(operation: Operation, refusals: impl IntoIterator<Item = Refusal>) -> Operation {
    refusals.into_iter().map(Error::from).fold(operation, Operation::refuses)
}

/// What a purchase of either kind takes, and how it is refused.
fn entry(operation: Operation, then: State) -> Operation {
    let operation = operation
        .for_user()
        .takes::<Wanted>(&json!({ "productId": "100", "quantity": 1 }))
        .gives::<OrderView>(201, "The order.", &order(then))
        .replayable();
    let refusals = [
        Refusal::ProductNotFound,
        Refusal::SaleNotOpen(OPENS_AT),
        Refusal::SaleClosed,
        Refusal::SoldOut,
        Refusal::LimitReached,
        Refusal::KeyMismatch,
        Refusal::InProgress(ORDER),
    ];
    refusing(operation, refusals)
}

fn pre_order() -> Operation {
    let operation = Operation::post(PRE_ORDER, "preOrder", "Buys a reservation product in one call").says(
        "Takes the units, charges and settles. A refusal that names an `orderId` is about an order that was cancelled.",
    );
    refusing(entry(operation, State::Completed), unpaid()).leads_to(&["showPurchase", "refundPurchase"], "orderId")
}

fn enter() -> Operation {
    let operation = Operation::post(ENTER, "enterPayment", "Takes units and waits for the payment")
        .says("Either type of product. The units are held until `expiresAt`, for this buyer alone.");
    entry(operation, State::Held).leads_to(&["confirmPayment", "cancelPayment", "showPurchase"], "orderId")
}

/// How a charge can end otherwise than with a completed order.
fn unpaid() -> [Refusal; 5] {
    [
        Refusal::Unpaid(ORDER, Failure::Declined),
        Refusal::Unpaid(ORDER, Failure::Abandoned),
        Refusal::HoldExpired(ORDER),
        Refusal::Resolved(ORDER, State::Cancelled),
        Refusal::Resolved(ORDER, State::Refunded),
    ]
}

/// What the end of a held order takes, and how it is refused.
fn ending(operation: Operation, then: State) -> Operation {
    let operation = operation
        .for_user()
        .path("orderId", &shape::uuid(), "The order's id.")
        .gives::<OrderView>(200, "The order as it is now.", &order(then))
        .replayable();
    refusing(operation, [Refusal::OrderNotFound, Refusal::KeyMismatch, Refusal::InProgress(ORDER)])
}

fn confirm() -> Operation {
    let operation =
        Operation::post("/payments/{orderId}/confirm", "confirmPayment", "Charges a held order and settles it")
            .says("A repeat returns the first resolution.");
    refusing(ending(operation, State::Completed), unpaid())
}

fn cancel() -> Operation {
    let operation = Operation::post("/payments/{orderId}/cancel", "cancelPayment", "Leaves a held order")
        .says("Its units go back on sale. A repeat returns the first resolution.");
    let refusals = [Refusal::Resolved(ORDER, State::Completed), Refusal::Resolved(ORDER, State::Refunded)];
    refusing(ending(operation, State::Cancelled), refusals)
}
