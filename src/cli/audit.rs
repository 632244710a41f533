//! `preorder audit`: every invariant of the ledger and of what the community counts, proven from the rows.

use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::output::Table;
use crate::audit::prove;
use crate::ledger::audit::Audit;

#[derive(Serialize)]
struct AuditView<'a> {
    ok: bool,
    checks: Vec<CheckView<'a>>,
    products: Vec<CountsView<'a>>,
    orders: OrdersView,
}

#[derive(Serialize)]
struct CheckView<'a> {
    name: &'a str,
    ok: bool,
    detail: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsView<'a> {
    product_id: &'a str,
    total: i64,
    available: i64,
    held: i64,
    sold: i64,
}

#[derive(Serialize)]
struct OrdersView {
    held: i64,
    completed: i64,
    cancelled: i64,
    refunded: i64,
}

impl<'a> From<&'a Audit> for AuditView<'a> {
    fn from(audit: &'a Audit) -> Self {
        let checks = audit.checks.iter().map(|c| CheckView { name: c.name, ok: c.ok, detail: &c.detail });
        let products = audit.products.iter().map(|p| CountsView {
            product_id: &p.product,
            total: p.total,
            available: p.available,
            held: p.held,
            sold: p.sold,
        });
        let orders = audit.orders;
        Self {
            ok: audit.ok(),
            checks: checks.collect(),
            products: products.collect(),
            orders: OrdersView {
                held: orders.held,
                completed: orders.completed,
                cancelled: orders.cancelled,
                refunded: orders.refunded,
            },
        }
    }
}

/// Runs it.
///
/// # Errors
/// When an invariant is broken, or the database can't be read.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let db = context.db().await?;
    let audit = prove(&db).await?;
    context.output().answer(&AuditView::from(&audit), || people(&audit))?;
    if audit.ok() {
        return Ok(());
    }
    Err(Failure::failed(
        "The rows break an invariant; see above.",
        "Stop the sale, keep a copy of the database as it is, and compare the movements with the orders.",
    ))
}

fn people(audit: &Audit) -> String {
    let mut checks = Table::new(&["check", "", "what"]);
    for check in &audit.checks {
        let word = if check.ok { "ok" } else { "BROKEN" };
        checks.row([check.name.to_owned(), word.to_owned(), check.detail.clone()]);
    }
    let mut products = Table::new(&["product", "total", "available", "held", "sold"]).numbers([1, 2, 3, 4]);
    for counts in &audit.products {
        let numbers = [counts.total, counts.available, counts.held, counts.sold].map(|number| number.to_string());
        products.row(std::iter::once(counts.product.clone()).chain(numbers));
    }
    let orders = audit.orders;
    format!(
        "{checks}\n\n{products}\n\nOrders: {} held, {} completed, {} cancelled, {} refunded.",
        orders.held, orders.completed, orders.cancelled, orders.refunded
    )
}
