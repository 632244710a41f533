//! `/products`: routes, request and response types, handlers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::doc;
use super::model::{Change, Product, ProductDraft};
use super::service::Products;
use crate::http::{HttpError, InPath, Json, Keeper, PageQuery, PageView, Path, Query, Routes, shape};
use crate::kernel::clock::Clock;
use crate::kernel::error::{Error, Text};
use crate::kernel::ids::ProductId;
use crate::ledger::{Kind, Refusal};

/// The room's services, as its handlers see them.
#[derive(Clone)]
struct Room {
    products: Arc<Products>,
    clock: Arc<dyn Clock>,
}

/// The routes of this room.
pub fn routes(products: Arc<Products>, clock: Arc<dyn Clock>) -> Routes {
    Routes::new()
        .get("/products", list)
        .post("/products", add)
        .get("/products/{id}", show)
        .patch("/products/{id}", edit)
        .delete("/products/{id}", delete)
        .with_state(Room { products, clock })
}

/// A product as everybody sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    #[schema(schema_with = shape::product_id)]
    id: String,
    name: String,
    description: String,
    #[schema(schema_with = doc::kinds)]
    r#type: &'static str,
    /// Of one unit, in the currency's minor unit.
    price: i64,
    #[schema(schema_with = shape::currency)]
    currency: String,
    /// When the sale begins; `null` when it always has.
    #[schema(required, schema_with = doc::time_or_null)]
    opens_at: Option<String>,
    /// When the sale ends; `null` when it never does.
    #[schema(required, schema_with = doc::time_or_null)]
    closes_at: Option<String>,
    /// How many units one buyer may have at most; `null` for no limit.
    #[schema(required)]
    per_buyer_limit: Option<i64>,
    /// How long a hold lives.
    hold_seconds: i64,
    #[schema(schema_with = doc::sale_states)]
    sale_state: &'static str,
    #[schema(schema_with = shape::time)]
    created_at: String,
}

impl ProductView {
    /// The product as it stands at the clock's present moment.
    #[must_use]
    pub fn new(Product { entry, live }: &Product, clock: &dyn Clock) -> Self {
        let terms = &live.terms;
        Self {
            id: entry.id.to_string(),
            name: entry.name.clone(),
            description: entry.description.clone(),
            r#type: terms.kind.as_str(),
            price: terms.price,
            currency: terms.currency.to_string(),
            opens_at: terms.opens_at.map(|at| at.to_string()),
            closes_at: terms.closes_at.map(|at| at.to_string()),
            per_buyer_limit: terms.per_buyer_limit,
            hold_seconds: terms.hold_seconds,
            sale_state: live.sale_state(clock.now()).as_str(),
            created_at: entry.created_at.to_string(),
        }
    }
}

impl InPath for ProductId {
    fn from_path(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn unknown() -> Error {
        Refusal::ProductNotFound.into()
    }
}

/// A new product. Whatever is missing or wrong is told in one answer.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewProduct)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewProductBody {
    #[schema(required, schema_with = shape::product_id)]
    id: Option<String>,
    #[schema(required, schema_with = doc::name)]
    name: Option<String>,
    #[schema(schema_with = doc::description_or_null)]
    description: Option<String>,
    #[schema(required, schema_with = doc::kinds)]
    r#type: Option<String>,
    #[schema(required, schema_with = doc::price)]
    price: Option<i64>,
    #[schema(schema_with = doc::currency_or_null)]
    currency: Option<String>,
    #[schema(schema_with = doc::stock_or_null)]
    stock: Option<i64>,
    #[schema(schema_with = doc::time_or_null)]
    opens_at: Option<String>,
    #[schema(schema_with = doc::time_or_null)]
    closes_at: Option<String>,
    #[schema(schema_with = doc::limit_or_null)]
    per_buyer_limit: Option<i64>,
    #[schema(schema_with = doc::hold_or_null)]
    hold_seconds: Option<i64>,
}

impl From<NewProductBody> for ProductDraft {
    fn from(body: NewProductBody) -> Self {
        Self {
            id: body.id,
            name: body.name,
            description: body.description,
            kind: body.r#type,
            price: body.price,
            currency: body.currency,
            stock: body.stock,
            opens_at: body.opens_at,
            closes_at: body.closes_at,
            per_buyer_limit: body.per_buyer_limit,
            hold_seconds: body.hold_seconds,
        }
    }
}

/// Changes; `null` clears a window's end or the limit, and nothing else.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProductChange)]
#[expect(clippy::option_option, reason = "a field that is not there is not the same as null")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    #[serde(default, deserialize_with = "kept")]
    #[schema(schema_with = doc::name)]
    name: Option<String>,
    #[serde(default, deserialize_with = "kept")]
    #[schema(schema_with = doc::description)]
    description: Option<String>,
    #[serde(default, deserialize_with = "kept")]
    #[schema(schema_with = doc::price)]
    price: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = doc::time_or_null)]
    opens_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = doc::time_or_null)]
    closes_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = doc::limit_or_null)]
    per_buyer_limit: Option<Option<i64>>,
    #[serde(default, deserialize_with = "kept")]
    #[schema(schema_with = doc::hold)]
    hold_seconds: Option<i64>,
}

/// Tells `null` from a field that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A field that every product has: `null` would clear it, and can't.
fn kept<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Option::deserialize(deserializer)?;
    let cleared = || D::Error::invalid_value(Unexpected::Unit, &"a value; without the field, it stays as it is");
    value.map(Some).ok_or_else(cleared)
}

impl From<ChangeBody> for Change {
    fn from(body: ChangeBody) -> Self {
        Self {
            name: body.name,
            description: body.description,
            price: body.price,
            opens_at: body.opens_at,
            closes_at: body.closes_at,
            per_buyer_limit: body.per_buyer_limit,
            hold_seconds: body.hold_seconds,
        }
    }
}

/// Products of either type.
pub(super) const ALL: &str = "all";

#[derive(Debug, Deserialize)]
struct OfType {
    r#type: Option<String>,
}

impl OfType {
    fn kind(&self) -> Result<Option<Kind>, Error> {
        match self.r#type.as_deref() {
            None | Some(ALL) => Ok(None),
            Some(word) => word.parse().map(Some).map_err(|_| {
                let detail =
                    Text::fixed("Allowed: all, reservation, general.", "허용되는 값: all, reservation, general.");
                Error::invalid_field("type", "not_allowed", detail)
            }),
        }
    }
}

/// Products by id.
async fn list(
    State(room): State<Room>,
    Query(of_type): Query<OfType>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<ProductView>>, HttpError> {
    let page = room.products.list(of_type.kind()?, page).await?;
    Ok(Json(PageView::new(page, |product| ProductView::new(&product, &*room.clock))))
}

/// One product.
async fn show(State(room): State<Room>, Path(id): Path<ProductId>) -> Result<Json<ProductView>, HttpError> {
    Ok(Json(ProductView::new(&room.products.get(&id).await?, &*room.clock)))
}

/// Makes a product.
async fn add(
    State(room): State<Room>,
    Keeper(by): Keeper,
    Json(body): Json<NewProductBody>,
) -> Result<(StatusCode, Json<ProductView>), HttpError> {
    let product = room.products.add(&body.into(), by.into()).await?;
    Ok((StatusCode::CREATED, Json(ProductView::new(&product, &*room.clock))))
}

/// Changes a product.
async fn edit(
    State(room): State<Room>,
    Keeper(by): Keeper,
    Path(id): Path<ProductId>,
    Json(body): Json<ChangeBody>,
) -> Result<Json<ProductView>, HttpError> {
    let product = room.products.edit(&id, body.into(), by).await?;
    Ok(Json(ProductView::new(&product, &*room.clock)))
}

/// Takes a product off sale for good.
async fn delete(
    State(room): State<Room>,
    Keeper(by): Keeper,
    Path(id): Path<ProductId>,
) -> Result<StatusCode, HttpError> {
    room.products.delete(&id, by).await?;
    Ok(StatusCode::NO_CONTENT)
}
