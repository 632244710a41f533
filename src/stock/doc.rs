//! What the API's description says of this room.

use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, Schema};

use super::http::{Adjustment, GoneView, MovementView, STREAMED_MAX, StockView};
use super::service::REASON_CHARS_MAX;
use crate::http::{Document, Operation, shape};
use crate::kernel::error::Error;
use crate::kernel::limits::STOCK_MAX;
use crate::ledger::{MovementKind, Refusal, Stock};

pub(super) fn kinds() -> Schema {
    shape::words(MovementKind::WORDS)
}

pub(super) fn order_or_null() -> Schema {
    shape::or_null(shape::uuid())
}

pub(super) fn reason_or_null() -> Schema {
    shape::or_null(shape::text(0, REASON_CHARS_MAX))
}

/// Anything but nothing.
pub(super) fn delta() -> Schema {
    AnyOfBuilder::new().item(shape::number(1, STOCK_MAX)).item(shape::number(-STOCK_MAX, -1)).into()
}

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    let counts = |path, name, id| {
        Operation::get(path, id, "Shows a product's counts")
            .says("Never older than the last commit by more than a second.")
            .path(name, &shape::product_id(), "The product's id.")
            .gives::<StockView>(200, "The counts.", &stock())
            .refuses(Error::from(Refusal::ProductNotFound))
    };
    let routes = vec![
        counts("/products/{id}/stock", "id", "showStockOfProduct"),
        stream(),
        counts("/stocks/{productId}", "productId", "showStock"),
        adjust(),
        movements(),
    ];
    document.add("stock", "Live counts, adjustments, and the history of both.", routes);
}

fn stock() -> Value {
    json!({ "productId": "100", "total": 100, "available": 37, "held": 3, "sold": 60, "asOf": "2026-12-01T09:00:01Z" })
}

fn movement() -> Value {
    json!({
        "productId": "100",
        "number": 42,
        "kind": "restock",
        "available": 10,
        "held": 0,
        "sold": 0,
        "orderId": null,
        "actor": "admin:1",
        "reason": "Another box came.",
        "at": "2026-12-01T09:00:01Z",
    })
}

fn stream() -> Operation {
    Operation::get("/stocks/stream", "streamStock", "Tells counts as they change")
        .says(
            "Server-sent events: `stock`, whose data is a `Stock`, and `gone`, whose data is a `ProductGone`, for a product \
             that is not sold any more. With products named, their counts come first; without, every change from now on is \
             told. The stream has no end; a client that was cut off names the last event that it saw.",
        )
        .query_list("productId", &shape::product_id(), STREAMED_MAX, "The products to hear of.")
        .header("Last-Event-ID", &shape::like("^[0-9]+-[0-9]+$"), "The `id` of the last event that was seen.")
        .checks()
        .streams::<StockView>(
            "The stream.",
            "id: 1764-7\nevent: stock\ndata: {\"productId\":\"100\",\"total\":100,\"available\":37,\"held\":3,\"sold\":60,\
             \"asOf\":\"2026-12-01T09:00:01Z\"}\n\n",
        )
        .streams::<GoneView>("The stream.", "id: 1764-8\nevent: gone\ndata: {\"productId\":\"100\"}\n\n")
        .refuses(Error::from(Refusal::ProductNotFound))
}

fn adjust() -> Operation {
    let in_use = Refusal::CannotWithdraw { stock: Stock { available: 37, held: 3, sold: 60 }, delta: -40 };
    Operation::post("/stocks/{productId}/adjustments", "adjustStock", "Restocks, or takes available units off sale")
        .for_admin()
        .path("productId", &shape::product_id(), "The product's id.")
        .takes::<Adjustment>(&json!({ "delta": 10, "reason": "Another box came." }))
        .gives::<MovementView>(201, "The units have moved.", &movement())
        .refuses(Error::from(Refusal::ProductNotFound))
        .refuses(Error::from(in_use))
}

fn movements() -> Operation {
    Operation::get("/stocks/{productId}/movements", "listMovements", "Lists how a product's units moved")
        .says("The newest first. The three amounts are what a movement added to the counts.")
        .for_admin()
        .path("productId", &shape::product_id(), "The product's id.")
        .gives_page::<MovementView>("A part of the history.", &movement())
        .refuses(Error::from(Refusal::ProductNotFound))
}
