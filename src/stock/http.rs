//! `/stocks`, and `/products/{id}/stock`: routes, views, handlers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::service::StockRoom;
use crate::http::{Admin, HttpError, Json, PageQuery, PageView, Path, Routes};
use crate::kernel::ids::{OrderId, ProductId};
use crate::ledger::{Live, Movement, Mover};

/// The routes of this room.
pub fn routes(stock: Arc<StockRoom>) -> Routes {
    Routes::new()
        .get("/products/{id}/stock", counts)
        .get("/stocks/{productId}", counts)
        .post("/stocks/{productId}/adjustments", adjust)
        .get("/stocks/{productId}/movements", movements)
        .with_state(stock)
}

/// A product's counts as everybody sees them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    product_id: String,
    total: i64,
    available: i64,
    held: i64,
    sold: i64,
    as_of: String,
}

impl StockView {
    /// The counts of `product`.
    #[must_use]
    pub fn new(product: &ProductId, Live { stock, as_of, .. }: &Live) -> Self {
        Self {
            product_id: product.to_string(),
            total: stock.total(),
            available: stock.available,
            held: stock.held,
            sold: stock.sold,
            as_of: as_of.to_string(),
        }
    }
}

/// A movement as admins see it; the three amounts are what it added to the counts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MovementView {
    product_id: String,
    number: i64,
    kind: &'static str,
    available: i64,
    held: i64,
    sold: i64,
    order_id: Option<String>,
    actor: String,
    reason: Option<String>,
    at: String,
}

impl From<Movement> for MovementView {
    fn from(movement: Movement) -> Self {
        Self {
            product_id: movement.product.to_string(),
            number: movement.number,
            kind: movement.kind.as_str(),
            available: movement.change.available,
            held: movement.change.held,
            sold: movement.change.sold,
            order_id: movement.order.as_ref().map(OrderId::to_string),
            actor: movement.actor,
            reason: movement.reason,
            at: movement.at.to_string(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjustment {
    delta: i64,
    reason: Option<String>,
}

/// The live counts.
async fn counts(
    State(stock): State<Arc<StockRoom>>,
    Path(product): Path<ProductId>,
) -> Result<Json<StockView>, HttpError> {
    let live = stock.live(&product)?;
    Ok(Json(StockView::new(&product, &live)))
}

/// Restocks or withdraws.
async fn adjust(
    State(stock): State<Arc<StockRoom>>,
    Admin(admin): Admin,
    Path(product): Path<ProductId>,
    Json(Adjustment { delta, reason }): Json<Adjustment>,
) -> Result<(StatusCode, Json<MovementView>), HttpError> {
    let movement = stock.adjust(product, delta, reason.as_deref(), Mover::Admin(admin.user)).await?;
    Ok((StatusCode::CREATED, Json(movement.into())))
}

/// The history, newest first.
async fn movements(
    State(stock): State<Arc<StockRoom>>,
    Admin(_): Admin,
    Path(product): Path<ProductId>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<MovementView>>, HttpError> {
    Ok(Json(stock.movements(product, page).await?.into()))
}
