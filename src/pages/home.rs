//! The front page: what is on sale.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::Pages;
use super::answer::{Answer, page};
use super::visit::Visit;
use crate::http::{PageQuery, Routes};
use crate::kernel::page::Page;
use crate::products::Product;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/", home)
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    v: &'a Visit,
    products: Page<Product>,
}

/// Products, a page of them.
async fn home(State(pages): State<Arc<Pages>>, visit: Visit, PageQuery(wanted): PageQuery) -> Answer {
    let products = pages.products.list(None, wanted).await?;
    page(&visit, &Home { v: &visit, products })
}
