//! A product's page, and what a buyer does there.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;

use super::Pages;
use super::answer::{Answer, NotNow, page, see_other, turned_away};
use super::form::Form;
use super::item::Item;
use super::visit::{Visit, is_name, random_name};
use crate::http::{Path, Query, Routes};
use crate::kernel::error::{Error, Text};
use crate::kernel::ids::{ProductId, UserId};
use crate::ledger::{Key, Kind, SaleState};
use crate::payments::Answer as Paid;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/shop/{productId}", product)
        .post("/shop/{productId}/buy", buy)
        .post("/shop/{productId}/enter", enter)
}

/// Whether a request is a new purchase, which the door turns away when it would wait too long.
#[must_use]
pub fn is_purchase(method: &Method, path: &str) -> bool {
    let what = path.strip_prefix("/shop/").and_then(|rest| rest.split_once('/'));
    method == Method::POST && matches!(what, Some((_, "buy" | "enter")))
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage<'a> {
    v: &'a Visit,
    item: Item,
    description: String,
    limit: Option<i64>,
    hold_seconds: i64,
    /// What this form's order is known by: sent twice, it is one order.
    key: String,
    /// Why the last try gave no order; empty when there was none.
    refused: &'static str,
}

impl ProductPage<'_> {
    /// Whether there is anything to wait for or to buy.
    fn can_come_to_sale(&self) -> bool {
        matches!(self.item.state, SaleState::Open | SaleState::Upcoming)
    }

    /// Whether it can be bought in one call.
    fn is_reservation(&self) -> bool {
        self.item.kind == Kind::Reservation
    }
}

#[derive(Debug, Deserialize)]
struct Said {
    said: Option<String>,
}

async fn product(
    State(pages): State<Arc<Pages>>,
    visit: Visit,
    Path(id): Path<ProductId>,
    Query(Said { said }): Query<Said>,
) -> Answer {
    let product = pages.products.get(&id).await?;
    let item = Item::of(&product, pages.clock.now());
    let template = ProductPage {
        v: &visit,
        item,
        description: product.entry.description.clone(),
        limit: product.live.terms.per_buyer_limit,
        hold_seconds: product.live.terms.hold_seconds,
        key: random_name(),
        refused: said.map_or("", |word| refusal(&visit, &word).unwrap_or_default()),
    };
    page(&visit, &template)
}

/// What a buyer is told on the product's page, by the word of the refusal.
fn refusal(visit: &Visit, word: &str) -> Option<&'static str> {
    let t = &visit.t.buying;
    match word {
        "sold_out" => Some(t.sold_out),
        "limit_reached" => Some(t.limit_reached),
        "sale_not_open" => Some(t.not_open),
        "sale_closed" => Some(t.closed),
        "not_a_reservation" => Some(t.not_a_reservation),
        "bad_quantity" => Some(t.bad_quantity),
        "used_form" => Some(t.used_form),
        _ => None,
    }
}

/// What a buyer wants.
#[derive(Debug, Deserialize)]
struct Wanted {
    quantity: Option<String>,
    key: Option<String>,
}

impl Wanted {
    /// A number that is none is left to the ledger to refuse.
    fn quantity(&self) -> i64 {
        self.quantity.as_deref().map_or(1, |text| text.trim().parse().unwrap_or(0))
    }

    /// The form's key, in its scope. A form has always one: without it, a second click would be a second order.
    fn key(&self, buyer: UserId, product: &ProductId, what: &str) -> Result<Key, Error> {
        let key = self.key.as_deref().filter(|key| is_name(key)).ok_or_else(|| {
            let detail = Text::fixed(
                "This form lacks its number; open the page anew.",
                "양식에 번호가 없습니다. 페이지를 새로 여세요.",
            );
            Error::invalid_field("key", "required", detail)
        })?;
        Ok(Key::new(buyer, &format!("/shop/{product}/{what}"), key))
    }
}

/// Buys in one call.
async fn buy(State(pages): State<Arc<Pages>>, Path(id): Path<ProductId>, Form(visit, wanted): Form<Wanted>) -> Answer {
    let buyer = visit.member()?.user;
    let key = wanted.key(buyer, &id, "buy")?;
    let answer = pages.payments.pre_order(buyer, id.as_str(), wanted.quantity(), Some(key)).await;
    outcome(&id, answer)
}

/// Takes the units, and leads to where they are paid.
async fn enter(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<ProductId>,
    Form(visit, wanted): Form<Wanted>,
) -> Answer {
    let buyer = visit.member()?.user;
    let key = wanted.key(buyer, &id, "enter")?;
    let answer = pages.payments.enter(buyer, id.as_str(), wanted.quantity(), Some(key)).await;
    outcome(&id, answer)
}

/// To the order, whatever became of it; to the product, when there is none.
fn outcome(product: &ProductId, answer: Result<Paid, Error>) -> Result<Response, NotNow> {
    let error = match answer {
        Ok(paid) => return Ok(see_other(&format!("/orders/{}", paid.order.id))),
        Err(error) => error,
    };
    if let Some((_, order)) = error.parts().extra.iter().find(|(name, _)| *name == "orderId") {
        return Ok(turned_away(&format!("/orders/{order}"), &error));
    }
    let said = match error.parts().fields.first() {
        Some(fault) if fault.code == "not_a_reservation" => "not_a_reservation",
        Some(_) => "bad_quantity",
        None if error.code() == "idempotency_mismatch" => "used_form",
        None => error.code(),
    };
    match said {
        "sold_out" | "limit_reached" | "sale_not_open" | "sale_closed" | "not_a_reservation" | "bad_quantity"
        | "used_form" => Ok(turned_away(&format!("/shop/{product}?said={said}"), &error)),
        _ => Err(error.into()),
    }
}
