//! `/payments`: routes, request types, handlers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::doc;
use super::service::Payments;
use crate::http::{Buyer, HttpError, IdempotencyKey, Json, Path, Routes};
use crate::kernel::error::Error;
use crate::kernel::ids::OrderId;
use crate::purchases::http::{answered, scoped};

/// Where purchases come in.
pub(super) const PRE_ORDER: &str = "/payments/pre-order";
pub(super) const ENTER: &str = "/payments";

/// The routes of this room.
pub fn routes(payments: Arc<Payments>) -> Routes {
    Routes::new()
        .post(PRE_ORDER, pre_order)
        .post(ENTER, enter)
        .post("/payments/{orderId}/confirm", confirm)
        .post("/payments/{orderId}/cancel", cancel)
        .with_state(payments)
}

/// Turns a request away at the door when it is a new purchase that would wait too long; the body is not looked at. One
/// with an idempotency key is turned away as well: whether it is a repeat only the ledger could tell, and it may be
/// repeated again.
///
/// # Errors
/// `503 busy`; nothing was done.
pub fn has_room(payments: &Payments, method: &Method, path: &str) -> Result<(), Error> {
    if method == Method::POST && (path == PRE_ORDER || path == ENTER) { payments.has_room() } else { Ok(()) }
}

/// What a buyer wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// The product's id; what can't be one is as unknown as one that nobody has.
    product_id: String,
    #[serde(default = "one")]
    #[schema(required = false, schema_with = doc::quantity)]
    quantity: i64,
}

fn one() -> i64 {
    1
}

/// Buys `quantity` units in one call: hold, charge, settle.
async fn pre_order(
    State(payments): State<Arc<Payments>>,
    Buyer(buyer): Buyer,
    uri: Uri,
    key: Option<IdempotencyKey>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, HttpError> {
    let key = scoped(key, buyer.user, &uri);
    let answer = payments.pre_order(buyer.user, &wanted.product_id, wanted.quantity, key).await?;
    Ok(answered(StatusCode::CREATED, answer.order, answer.replayed))
}

/// Takes `quantity` units and waits for the buyer to pay.
async fn enter(
    State(payments): State<Arc<Payments>>,
    Buyer(buyer): Buyer,
    uri: Uri,
    key: Option<IdempotencyKey>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, HttpError> {
    let key = scoped(key, buyer.user, &uri);
    let answer = payments.enter(buyer.user, &wanted.product_id, wanted.quantity, key).await?;
    Ok(answered(StatusCode::CREATED, answer.order, answer.replayed))
}

/// Charges a held order and settles it.
async fn confirm(
    State(payments): State<Arc<Payments>>,
    Buyer(buyer): Buyer,
    uri: Uri,
    Path(order): Path<OrderId>,
    key: Option<IdempotencyKey>,
) -> Result<Response, HttpError> {
    let answer = payments.confirm(buyer.user, order, scoped(key, buyer.user, &uri)).await?;
    Ok(answered(StatusCode::OK, answer.order, answer.replayed))
}

/// The buyer leaves.
async fn cancel(
    State(payments): State<Arc<Payments>>,
    Buyer(buyer): Buyer,
    uri: Uri,
    Path(order): Path<OrderId>,
    key: Option<IdempotencyKey>,
) -> Result<Response, HttpError> {
    let answer = payments.cancel(buyer.user, order, scoped(key, buyer.user, &uri)).await?;
    Ok(answered(StatusCode::OK, answer.order, answer.replayed))
}
