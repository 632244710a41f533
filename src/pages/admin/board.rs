//! The board: how the sale goes, as it was when the page was asked for. The script goes on from there.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::super::Pages;
use super::super::answer::{Answer, page};
use super::super::item::Item;
use super::super::visit::Visit;
use super::Boss;
use super::live::{Refusal, refusals};
use crate::http::Routes;
use crate::kernel::page::PageRequest;
use crate::pulse::Second;

/// Products on the board: those that moved last, and then by id.
const PRODUCTS_SHOWN: u32 = 8;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin", board)
}

#[derive(Template)]
#[template(path = "admin/board.html")]
struct Board<'a> {
    v: &'a Visit,
    second: Second,
    refusals: Vec<Refusal>,
    items: Vec<Item>,
}

impl Board<'_> {
    /// Microseconds as milliseconds, with a digit behind the point.
    fn ms(&self, index: usize) -> String {
        let tenths = self.second.micros[index] / 100;
        format!("{}.{}", tenths / 10, tenths % 10)
    }

    /// What the stream of counts is asked for.
    fn stocks(&self) -> String {
        let ids = self.items.iter().map(|item| ("productId", item.id.as_str()));
        format!("/stocks/stream?{}", super::query(ids))
    }

    fn summary(&self) -> String {
        self.v.say2(self.v.t.admin.board.summary, self.second.orders, self.second.waiting)
    }
}

async fn board(State(pages): State<Arc<Pages>>, Boss(visit, _): Boss) -> Answer {
    let (now, mut items) = (pages.clock.now(), Vec::new());
    for id in pages.pulse.moved(PRODUCTS_SHOWN as usize) {
        // One that has been deleted meanwhile is left out.
        items.extend(pages.products.get(&id).await.ok().map(|product| Item::of(&product, now)));
    }
    let others = pages.products.list(None, PageRequest { limit: PRODUCTS_SHOWN, after: None }).await?;
    for item in others.items.iter().map(|product| Item::of(product, now)) {
        if items.len() < PRODUCTS_SHOWN as usize && items.iter().all(|known| known.id != item.id) {
            items.push(item);
        }
    }
    let refusals = refusals(&visit, &pages);
    page(&visit, &Board { v: &visit, second: pages.pulse.last(), refusals, items })
}
