//! The front page: what is on sale.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::Pages;
use super::answer::{Answer, page};
use super::item::Item;
use super::visit::Visit;
use crate::http::{PageQuery, Query, Routes};
use crate::kernel::page::PageRequest;
use crate::ledger::Kind;

/// How many products a page shows.
const PRODUCTS_SHOWN: u32 = 12;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/", home)
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    v: &'a Visit,
    /// The word of the kind that is shown; empty for all.
    kind: &'a str,
    items: Vec<Item>,
    first: String,
    next: String,
}

#[derive(Debug, Deserialize)]
struct Filter {
    r#type: Option<String>,
}

/// Products, a page of them.
async fn home(
    State(pages): State<Arc<Pages>>,
    visit: Visit,
    Query(filter): Query<Filter>,
    PageQuery(wanted): PageQuery,
) -> Answer {
    let kind = filter.r#type.and_then(|word| word.parse::<Kind>().ok());
    let is_first = wanted.after.is_none();
    let found = pages.products.list(kind, PageRequest { limit: PRODUCTS_SHOWN, ..wanted }).await?;
    let now = pages.clock.now();
    let items = found.items.iter().map(|product| Item::of(product, now)).collect();
    let kind = kind.map_or("", Kind::as_str);
    let first = if is_first { String::new() } else { format!("/?type={kind}") };
    let next = found.next_cursor.map_or(String::new(), |cursor| format!("/?type={kind}&cursor={cursor}"));
    page(&visit, &Home { v: &visit, kind, items, first, next })
}
