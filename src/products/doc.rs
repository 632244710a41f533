//! What the API's description says of this room.

use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;

use super::http::{ALL, ChangeBody, NewProductBody, ProductView};
use super::rules::{DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX, product_exists};
use crate::http::{Document, Operation, shape};
use crate::kernel::error::Error;
use crate::kernel::limits::{HOLD_SECONDS_DEFAULT, HOLD_SECONDS_MAX, STOCK_MAX};
use crate::kernel::money::PRICE_MAX;
use crate::ledger::{Kind, Refusal, SaleState, offers};

pub(super) fn name() -> Schema {
    shape::line(1, NAME_CHARS_MAX)
}

pub(super) fn description() -> Schema {
    shape::text(0, DESCRIPTION_CHARS_MAX)
}

pub(super) fn description_or_null() -> Schema {
    shape::or_null(description())
}

pub(super) fn kinds() -> Schema {
    shape::words(Kind::WORDS)
}

pub(super) fn sale_states() -> Schema {
    shape::words(SaleState::WORDS)
}

pub(super) fn price() -> Schema {
    shape::number(0, PRICE_MAX)
}

pub(super) fn currency_or_null() -> Schema {
    shape::or_null(shape::currency())
}

pub(super) fn stock_or_null() -> Schema {
    shape::or_null(shape::number_or(0, 0, STOCK_MAX))
}

pub(super) fn time_or_null() -> Schema {
    shape::or_null(shape::time())
}

pub(super) fn limit_or_null() -> Schema {
    shape::or_null(shape::number(1, STOCK_MAX))
}

pub(super) fn hold() -> Schema {
    shape::number(1, HOLD_SECONDS_MAX)
}

pub(super) fn hold_or_null() -> Schema {
    shape::or_null(shape::number_or(HOLD_SECONDS_DEFAULT, 1, HOLD_SECONDS_MAX))
}

/// What a window must be beyond its two times.
const WINDOW: &str = "A window closes after it opens, it lies between 1970 and 9999, and a general product has none.";

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    document.add("products", "The catalogue and its sale windows.", vec![list(), add(), show(), edit(), delete()]);
}

fn product() -> Value {
    json!({
        "id": "100",
        "name": "Laptop",
        "description": "One of a hundred.",
        "type": "reservation",
        "price": 1_590_000,
        "currency": "KRW",
        "opensAt": "2026-12-01T09:00:00Z",
        "closesAt": "2026-12-01T18:00:00Z",
        "perBuyerLimit": 1,
        "holdSeconds": HOLD_SECONDS_DEFAULT,
        "saleState": "upcoming",
        "createdAt": "2026-11-22T09:00:00Z",
    })
}

fn list() -> Operation {
    let types: Vec<_> = std::iter::once(ALL).chain(Kind::WORDS.iter().copied()).collect();
    Operation::get("/products", "listProducts", "Lists the catalogue")
        .says("By id.")
        .query("type", &shape::first_of(&types), "Products of one type only.")
        .gives_page::<ProductView>("A part of the catalogue.", &product())
}

fn add() -> Operation {
    let mut draft = product();
    draft["stock"] = 100.into();
    if let Some(draft) = draft.as_object_mut() {
        draft.retain(|name, _| name != "saleState" && name != "createdAt");
    }
    Operation::post("/products", "addProduct", "Makes a product")
        .says(format!("Every fault is told at once. {WINDOW}"))
        .for_admin()
        .takes::<NewProductBody>(&draft)
        .gives::<ProductView>(201, "The product is on sale.", &product())
        .leads_to(&["showProduct", "changeProduct", "showStockOfProduct", "deleteProduct"], "id")
        .leads_to(&["showStock", "adjustStock", "listMovements"], "productId")
        .refuses(product_exists())
}

fn show() -> Operation {
    Operation::get("/products/{id}", "showProduct", "Shows a product")
        .path("id", &shape::product_id(), "The product's id.")
        .gives::<ProductView>(200, "The product.", &product())
        .refuses(Error::from(Refusal::ProductNotFound))
}

fn edit() -> Operation {
    Operation::patch("/products/{id}", "changeProduct", "Changes a product")
        .says(format!(
            "What is left out stays as it is; `null` takes an end of the window or the limit away. Its orders keep their \
             price and their hold. {WINDOW}"
        ))
        .for_admin()
        .path("id", &shape::product_id(), "The product's id.")
        .takes::<ChangeBody>(&json!({ "price": 1_490_000, "closesAt": null }))
        .gives::<ProductView>(200, "The product as it is now.", &product())
        .refuses(Error::from(Refusal::ProductNotFound))
        .refuses(offers::limit_below_orders(2, 1))
}

fn delete() -> Operation {
    Operation::delete("/products/{id}", "deleteProduct", "Takes a product off sale for good")
        .says("Its orders stay; open holds may still be settled, completed orders refunded.")
        .for_admin()
        .path("id", &shape::product_id(), "The product's id.")
        .gives_nothing(204, "The product is gone.")
        .refuses(Error::from(Refusal::ProductNotFound))
}
