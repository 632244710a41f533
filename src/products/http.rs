//! `/products`: routes, request and response types, handlers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

use super::model::{Change, Product, ProductDraft};
use super::service::Products;
use crate::http::{HttpError, InPath, Json, Keeper, PageQuery, PageView, Path, Query, Routes};
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
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    id: String,
    name: String,
    description: String,
    r#type: &'static str,
    price: i64,
    currency: String,
    opens_at: Option<String>,
    closes_at: Option<String>,
    per_buyer_limit: Option<i64>,
    hold_seconds: i64,
    sale_state: &'static str,
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
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewProductBody {
    id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    r#type: Option<String>,
    price: Option<i64>,
    currency: Option<String>,
    stock: Option<i64>,
    opens_at: Option<String>,
    closes_at: Option<String>,
    per_buyer_limit: Option<i64>,
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
#[derive(Debug, Deserialize)]
#[expect(clippy::option_option, reason = "a field that is not there is not the same as null")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeBody {
    #[serde(default, deserialize_with = "kept")]
    name: Option<String>,
    #[serde(default, deserialize_with = "kept")]
    description: Option<String>,
    #[serde(default, deserialize_with = "kept")]
    price: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    opens_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    closes_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    per_buyer_limit: Option<Option<i64>>,
    #[serde(default, deserialize_with = "kept")]
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

#[derive(Debug, Deserialize)]
struct OfType {
    r#type: Option<String>,
}

impl OfType {
    fn kind(&self) -> Result<Option<Kind>, Error> {
        match self.r#type.as_deref() {
            None | Some("all") => Ok(None),
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
