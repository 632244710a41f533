//! Products: the list, making one, and all that can be done with one.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::super::Pages;
use super::super::account::Nothing;
use super::super::answer::{Answer, page, see_other, told};
use super::super::form::Faults;
use super::super::item::Item;
use super::super::visit::Visit;
use super::terms::{Typed, offset_of};
use super::{Boss, BossForm, Confirm, Said, query, sentence};
use crate::http::{PageQuery, Path, Query, Routes};
use crate::kernel::error::Error;
use crate::kernel::ids::ProductId;
use crate::kernel::page::PageRequest;
use crate::ledger::Kind;
use crate::products::Product;

/// How many products a page shows.
const PRODUCTS_SHOWN: u32 = 25;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/admin/products", list)
        .get("/admin/new-product", new_page)
        .post("/admin/new-product", add)
        .get("/admin/products/{id}", show)
        .post("/admin/products/{id}", edit)
        .post("/admin/products/{id}/stock", adjust)
        .post("/admin/products/{id}/open", open_now)
        .post("/admin/products/{id}/close", close_now)
        .get("/admin/products/{id}/delete", delete_page)
        .post("/admin/products/{id}/delete", delete)
}

#[derive(Template)]
#[template(path = "admin/products.html")]
struct ProductsPage<'a> {
    v: &'a Visit,
    items: Vec<Item>,
    said: &'static str,
    first: &'static str,
    next: String,
}

async fn list(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Query(said): Query<Said>,
    PageQuery(wanted): PageQuery,
) -> Answer {
    let first = if wanted.after.is_none() { "" } else { "/admin/products" };
    let found = pages.products.list(None, PageRequest { limit: PRODUCTS_SHOWN, ..wanted }).await?;
    let now = pages.clock.now();
    let items = found.items.iter().map(|product| Item::of(product, now)).collect();
    let next = found.next_cursor.map_or(String::new(), |it| format!("/admin/products?{}", query([("cursor", &*it)])));
    page(&visit, &ProductsPage { v: &visit, items, said: said.text(&visit), first, next })
}

#[derive(Template)]
#[template(path = "admin/new_product.html")]
struct NewPage<'a> {
    v: &'a Visit,
    typed: Typed,
    faults: Faults,
}

async fn new_page(Boss(visit, _): Boss) -> Answer {
    page(&visit, &NewPage { v: &visit, typed: Typed::blank(&visit), faults: Faults::none() })
}

async fn add(State(pages): State<Arc<Pages>>, BossForm(visit, admin, typed): BossForm<Typed>) -> Answer {
    match pages.products.add(&typed.draft(), visit.by(admin).into()).await {
        Ok(product) => Ok(see_other(&format!("/admin/products/{}?said=created", product.entry.id))),
        Err(error) => {
            let faults = Faults::of(&visit, &error);
            told(&visit, error, &NewPage { v: &visit, typed, faults })
        }
    }
}

/// What somebody types to change the units.
#[derive(Debug, Default, Deserialize)]
struct Adjustment {
    #[serde(default)]
    delta: String,
    #[serde(default)]
    reason: String,
}

#[derive(Template)]
#[template(path = "admin/product.html")]
struct ProductPage<'a> {
    v: &'a Visit,
    item: Item,
    typed: Typed,
    faults: Faults,
    adjustment: Adjustment,
    stock_faults: Faults,
    said: &'static str,
    /// Why the last action did nothing; empty when there was none.
    fault: String,
}

impl<'a> ProductPage<'a> {
    /// A product, as it is.
    fn of(visit: &'a Visit, pages: &Pages, product: &Product) -> Self {
        Self {
            v: visit,
            item: Item::of(product, pages.clock.now()),
            typed: Typed::of(visit, product),
            faults: Faults::none(),
            adjustment: Adjustment::default(),
            stock_faults: Faults::none(),
            said: "",
            fault: String::new(),
        }
    }

    fn is_reservation(&self) -> bool {
        self.item.kind == Kind::Reservation
    }
}

async fn show(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Path(id): Path<ProductId>,
    Query(said): Query<Said>,
) -> Answer {
    let product = pages.products.get(&id).await?;
    page(&visit, &ProductPage { said: said.text(&visit), ..ProductPage::of(&visit, &pages, &product) })
}

async fn edit(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<ProductId>,
    BossForm(visit, admin, typed): BossForm<Typed>,
) -> Answer {
    match pages.products.edit(&id, typed.change(), visit.by(admin)).await {
        Ok(_) => Ok(see_other(&format!("/admin/products/{id}?said=saved"))),
        Err(error) => {
            let product = pages.products.get(&id).await?;
            let faults = Faults::of(&visit, &error);
            told(&visit, error, &ProductPage { typed, faults, ..ProductPage::of(&visit, &pages, &product) })
        }
    }
}

async fn adjust(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<ProductId>,
    BossForm(visit, admin, adjustment): BossForm<Adjustment>,
) -> Answer {
    // What is no number is left to the room to refuse.
    let delta = adjustment.delta.trim().parse().unwrap_or(0);
    match pages.stock.adjust(id.clone(), delta, Some(&adjustment.reason), visit.by(admin).into()).await {
        Ok(_) => Ok(see_other(&format!("/admin/products/{id}?said=adjusted"))),
        Err(error) => {
            let product = pages.products.get(&id).await?;
            let stock_faults = Faults::of(&visit, &error);
            let template = ProductPage { adjustment, stock_faults, ..ProductPage::of(&visit, &pages, &product) };
            told(&visit, error, &template)
        }
    }
}

async fn open_now(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<ProductId>,
    BossForm(visit, admin, Nothing {}): BossForm<Nothing>,
) -> Answer {
    let done = pages.products.open_now(&id, visit.by(admin)).await;
    ended(&pages, &visit, &id, done, "opened").await
}

async fn close_now(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<ProductId>,
    BossForm(visit, admin, Nothing {}): BossForm<Nothing>,
) -> Answer {
    let done = pages.products.close_now(&id, visit.by(admin)).await;
    ended(&pages, &visit, &id, done, "closed").await
}

/// Shows the product as it is after an action, and what came of it.
async fn ended(pages: &Pages, visit: &Visit, id: &ProductId, done: Result<Product, Error>, word: &str) -> Answer {
    match done {
        Ok(_) => Ok(see_other(&format!("/admin/products/{id}?said={word}"))),
        Err(error) => {
            let product = pages.products.get(id).await?;
            let fault = sentence(visit, &error);
            told(visit, error, &ProductPage { fault, ..ProductPage::of(visit, pages, &product) })
        }
    }
}

async fn delete_page(State(pages): State<Arc<Pages>>, Boss(visit, _): Boss, Path(id): Path<ProductId>) -> Answer {
    let product = pages.products.get(&id).await?;
    let t = &visit.t.admin.products;
    let template = Confirm {
        v: &visit,
        title: t.delete_title.to_owned(),
        asks: vec![visit.say(t.delete_ask, &product.entry.name)],
        action: format!("/admin/products/{id}/delete"),
        button: t.delete_do,
        field: None,
        back: format!("/admin/products/{id}"),
        fault: String::new(),
    };
    page(&visit, &template)
}

async fn delete(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<ProductId>,
    BossForm(visit, admin, Nothing {}): BossForm<Nothing>,
) -> Answer {
    pages.products.delete(&id, visit.by(admin)).await?;
    Ok(see_other("/admin/products?said=deleted"))
}

/// In which zone times are typed.
impl Visit {
    /// What the reader calls it.
    pub(super) fn zone(&self) -> &'static str {
        if offset_of(self) == "Z" { "UTC" } else { "한국 시간(UTC+9)" }
    }
}
