//! `/stocks`, and `/products/{id}/stock`: routes, views, handlers.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::doc;
use super::service::StockRoom;
use super::stream::{Listening, News, Seen};
use crate::http::events::{COME_BACK, HEARTBEAT, UNBUFFERED, last_event};
use crate::http::{Admin, HttpError, InPath, Json, Keeper, PageQuery, PageView, Path, Routes, shape};
use crate::kernel::error::{Error, Text};
use crate::kernel::ids::{OrderId, ProductId};
use crate::ledger::{Changes, Live, Movement};

/// Products that one stream can name.
pub(super) const STREAMED_MAX: usize = 100;

/// The routes of this room.
pub fn routes(stock: Arc<StockRoom>) -> Routes {
    Routes::new()
        .get("/products/{id}/stock", counts)
        .get("/stocks/stream", listen)
        .get("/stocks/{productId}", counts)
        .post("/stocks/{productId}/adjustments", adjust)
        .get("/stocks/{productId}/movements", movements)
        .with_state(stock)
}

/// A product's counts as everybody sees them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stock)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    #[schema(schema_with = shape::product_id)]
    product_id: String,
    total: i64,
    available: i64,
    held: i64,
    sold: i64,
    /// When these were the counts.
    #[schema(schema_with = shape::time)]
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Movement)]
#[serde(rename_all = "camelCase")]
pub struct MovementView {
    #[schema(schema_with = shape::product_id)]
    product_id: String,
    /// Which of the product's movements it is.
    number: i64,
    #[schema(schema_with = doc::kinds)]
    kind: &'static str,
    available: i64,
    held: i64,
    sold: i64,
    #[schema(required, schema_with = doc::order_or_null)]
    order_id: Option<String>,
    /// Who moved them, such as `admin:1`.
    actor: String,
    #[schema(required)]
    reason: Option<String>,
    #[schema(schema_with = shape::time)]
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

/// What is told of a product that is not sold any more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductGone)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoneView {
    #[schema(schema_with = shape::product_id)]
    product_id: String,
}

/// Units that come, or available ones that go when `delta` is negative.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Adjustment {
    #[schema(schema_with = doc::delta)]
    delta: i64,
    #[schema(schema_with = doc::reason_or_null)]
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
    Keeper(by): Keeper,
    Path(product): Path<ProductId>,
    Json(Adjustment { delta, reason }): Json<Adjustment>,
) -> Result<(StatusCode, Json<MovementView>), HttpError> {
    let movement = stock.adjust(product, delta, reason.as_deref(), by.into()).await?;
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

/// The counts of the products that the query names, as they are and as they change; or every change from now on.
async fn listen(
    State(stock): State<Arc<StockRoom>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<impl IntoResponse, HttpError> {
    let wanted = wanted(query.as_deref().unwrap_or_default())?;
    let listening = stock.listen(wanted, last_event(&headers, seen)?)?;
    let hello = Bytes::from(format!(": listening\nretry: {}\n\n", COME_BACK.as_millis()));
    let events = stream::unfold(listening, |mut listening| async move {
        let text = match tokio::time::timeout(HEARTBEAT, listening.next()).await {
            Ok(news) => told(&listening, &*news?),
            Err(_nothing_happened) => Bytes::from_static(b":\n\n"),
        };
        Some((text, listening))
    });
    let body = stream::once(std::future::ready(hello)).chain(events).map(Ok::<_, Infallible>);
    let kind = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((kind, UNBUFFERED, Body::from_stream(body)))
}

/// The products of `?productId=&productId=`; `None` when it names none.
fn wanted(query: &str) -> Result<Option<BTreeSet<ProductId>>, Error> {
    let named = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "productId");
    let products: BTreeSet<_> =
        named.map(|(_, id)| id.parse().map_err(|_| ProductId::unknown())).collect::<Result<_, _>>()?;
    if products.len() > STREAMED_MAX {
        let detail = Text::made(
            format!("At most {STREAMED_MAX} products; leave it out to hear of all."),
            format!("상품은 {STREAMED_MAX}개까지입니다. 생략하면 모든 상품의 변경을 받습니다."),
        );
        return Err(Error::invalid_field("productId", "too_many", detail));
    }
    Ok(Some(products).filter(|products| !products.is_empty()))
}

/// Reads an event's id, as [`told`] writes it.
fn seen(id: &str) -> Option<Seen> {
    let (run, number) = id.split_once('-')?;
    Some(Seen { run: run.parse().ok()?, number: number.parse().ok()? })
}

/// What the listener wants to hear of `news`, as text.
fn told(listening: &Listening, news: &News) -> Bytes {
    let (run, Changes { up_to: number, products }) = (listening.run(), &news.changes);
    let texts = news.texts.get_or_init(|| {
        let text = |(product, live): &(ProductId, Option<Live>)| {
            let (event, data) = match live {
                Some(live) => ("stock", json(&StockView::new(product, live))),
                None => ("gone", json(&GoneView { product_id: product.to_string() })),
            };
            Bytes::from(format!("id: {run}-{number}\nevent: {event}\ndata: {data}\n\n"))
        };
        products.iter().map(text).collect()
    });
    let mut wanted =
        products.iter().zip(texts).filter(|((product, _), _)| listening.wants(product)).map(|(_, text)| text);
    let first = wanted.next().cloned().unwrap_or_default();
    let rest: Vec<_> = wanted.collect();
    if rest.is_empty() { first } else { std::iter::once(&first).chain(rest).flatten().copied().collect() }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers can always be written")
}
