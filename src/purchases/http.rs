//! `/purchases`: routes, handlers, and the order as everybody sees it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::doc;
use super::service::Purchases;
use crate::http::problem::IDEMPOTENT_REPLAYED;
use crate::http::{Buyer, HttpError, IdempotencyKey, InPath, Json, PageQuery, PageView, Path, Routes, shape};
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, UserId};
use crate::ledger::{Key, Order, Reason, Refusal, State as OrderState};

/// The routes of this room.
pub fn routes(purchases: Arc<Purchases>) -> Routes {
    Routes::new()
        .get("/purchases", list)
        .get("/purchases/{orderId}", show)
        .post("/purchases/{orderId}/cancel", cancel)
        .with_state(purchases)
}

/// An order as its buyer sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    #[schema(schema_with = shape::uuid)]
    id: String,
    #[schema(schema_with = shape::product_id)]
    product_id: String,
    quantity: i64,
    /// What all of it costs, in the currency's minor unit.
    amount: i64,
    #[schema(schema_with = shape::currency)]
    currency: String,
    #[schema(schema_with = doc::states)]
    state: &'static str,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = doc::reasons)]
    reason: Option<&'static str>,
    #[schema(schema_with = shape::time)]
    created_at: String,
    /// Of a hold; nothing else runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = shape::time)]
    expires_at: Option<String>,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = shape::time)]
    settled_at: Option<String>,
    /// When it was cancelled or refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = shape::time)]
    closed_at: Option<String>,
    payment: PaymentView,
}

/// How an order is paid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
struct PaymentView {
    provider: String,
    /// The provider's own name for the payment.
    #[schema(required)]
    reference: Option<String>,
    #[schema(schema_with = doc::payment_statuses)]
    status: &'static str,
}

impl From<Order> for OrderView {
    fn from(order: Order) -> Self {
        Self {
            id: order.id.to_string(),
            product_id: order.product.to_string(),
            quantity: order.quantity,
            amount: order.amount,
            currency: order.currency.to_string(),
            state: order.state.as_str(),
            reason: order.reason.map(Reason::as_str),
            created_at: order.created_at.to_string(),
            expires_at: (order.state == OrderState::Held).then(|| order.expires_at.to_string()),
            settled_at: order.settled_at.map(|at| at.to_string()),
            closed_at: order.closed_at.map(|at| at.to_string()),
            payment: PaymentView {
                provider: order.payment.provider.into_owned(),
                reference: order.payment.reference,
                status: order.payment.status.as_str(),
            },
        }
    }
}

impl InPath for OrderId {
    fn from_path(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn unknown() -> Error {
        Refusal::OrderNotFound.into()
    }
}

/// The buyer's orders, newest first.
async fn list(
    State(purchases): State<Arc<Purchases>>,
    Buyer(buyer): Buyer,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<OrderView>>, HttpError> {
    Ok(Json(purchases.of_buyer(buyer.user, page).await?.into()))
}

/// One of the buyer's orders.
async fn show(
    State(purchases): State<Arc<Purchases>>,
    Buyer(buyer): Buyer,
    Path(order): Path<OrderId>,
) -> Result<Json<OrderView>, HttpError> {
    Ok(Json(purchases.get(buyer.user, order).await?.into()))
}

/// Pays a completed order back.
async fn cancel(
    State(purchases): State<Arc<Purchases>>,
    Buyer(buyer): Buyer,
    uri: Uri,
    Path(order): Path<OrderId>,
    key: Option<IdempotencyKey>,
) -> Result<Response, HttpError> {
    let (order, replayed) = purchases.refund(buyer.user, order, scoped(key, buyer.user, &uri)).await?;
    Ok(answered(StatusCode::OK, order, replayed))
}

/// A key in its scope: every route that takes one is a `POST`, so buyer, path and key say it all.
pub(crate) fn scoped(key: Option<IdempotencyKey>, buyer: UserId, uri: &Uri) -> Option<Key> {
    key.map(|IdempotencyKey(key)| Key::new(buyer, uri.path(), &key))
}

/// An order as an answer, marked when it was given before.
pub(crate) fn answered(status: StatusCode, order: Order, replayed: bool) -> Response {
    let mut response = (status, Json(OrderView::from(order))).into_response();
    if replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
