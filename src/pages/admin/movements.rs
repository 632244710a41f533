//! A product's history: every change of its units, with who did it and why.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::super::Pages;
use super::super::answer::{Answer, page};
use super::super::visit::Visit;
use super::{Boss, query};
use crate::http::{PageQuery, Path, Routes};
use crate::kernel::ids::ProductId;
use crate::kernel::page::PageRequest;
use crate::ledger::{Movement, MovementKind};

/// How many movements a page shows.
const MOVEMENTS_SHOWN: u32 = 50;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin/products/{id}/movements", list)
}

#[derive(Template)]
#[template(path = "admin/movements.html")]
struct MovementsPage<'a> {
    v: &'a Visit,
    product: ProductId,
    name: String,
    movements: Vec<Movement>,
    first: String,
    next: String,
}

impl MovementsPage<'_> {
    fn kind(&self, kind: MovementKind) -> &'static str {
        let t = &self.v.t.admin.movements;
        match kind {
            MovementKind::Hold => t.hold,
            MovementKind::Sell => t.sell,
            MovementKind::Release => t.release,
            MovementKind::Refund => t.refund,
            MovementKind::Restock => t.restock,
            MovementKind::Withdraw => t.withdraw,
        }
    }

    /// Who it was, and their page if they have one.
    fn who(&self, actor: &str) -> (String, String) {
        let t = &self.v.t.admin.movements;
        let page = |number| format!("/admin/users/{number}");
        match actor.split_once(':') {
            Some(("user", number)) => (self.v.say(t.by_user, number), page(number)),
            Some(("admin", number)) => (self.v.say(t.by_admin, number), page(number)),
            _ if actor == "console" => (t.console.to_owned(), String::new()),
            _ => (t.system.to_owned(), String::new()),
        }
    }

    /// A change with its sign; nothing for none.
    fn change(&self, units: i64) -> String {
        match units {
            0 => String::new(),
            1.. => format!("+{}", self.v.number(units)),
            _ => self.v.number(units).replace('-', "−"),
        }
    }
}

async fn list(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Path(id): Path<ProductId>,
    PageQuery(wanted): PageQuery,
) -> Answer {
    let product = pages.products.get(&id).await?;
    let here = format!("/admin/products/{id}/movements");
    let first = if wanted.after.is_none() { String::new() } else { here.clone() };
    let found = pages.stock.movements(id.clone(), PageRequest { limit: MOVEMENTS_SHOWN, ..wanted }).await?;
    let next = found.next_cursor.map_or(String::new(), |cursor| format!("{here}?{}", query([("cursor", &*cursor)])));
    let name = product.entry.name.clone();
    page(&visit, &MovementsPage { v: &visit, product: id, name, movements: found.items, first, next })
}
