//! Orders: looking for some, and taking them along as a spreadsheet.

use std::sync::Arc;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

use super::super::Pages;
use super::super::answer::{Answer, page, see_other};
use super::super::visit::Visit;
use super::{Boss, query};
use crate::http::{PageQuery, Query, Routes};
use crate::kernel::actor::{Actor, Role};
use crate::kernel::error::{Error, Kind};
use crate::kernel::ids::{OrderId, ProductId};
use crate::kernel::page::PageRequest;
use crate::ledger::{Order, OrderFilter, State as OrderState};
use crate::purchases::csv;

/// How many orders a page shows.
const ORDERS_SHOWN: u32 = 25;
/// How many orders the export reads at a time.
const EXPORT_PAGE: u32 = 1_000;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin/orders", list).get("/admin/orders.csv", export)
}

/// What is looked for, as it was typed.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// An order's id, a buyer's number or e-mail address.
    #[serde(default)]
    q: String,
    #[serde(default)]
    product: String,
    #[serde(default)]
    state: String,
}

/// What is found by it.
enum Meant {
    /// One order, by its id.
    One(OrderId),
    /// Those that the filter means.
    Some(OrderFilter),
    /// There is no such buyer or product.
    Nobody,
}

impl Wanted {
    async fn meant(&self, pages: &Pages) -> Result<Meant, Error> {
        let typed = self.q.trim();
        if let Ok(id) = typed.parse() {
            return Ok(Meant::One(id));
        }
        let buyer = if typed.is_empty() { None } else { Some(pages.users.find(typed).await.map(|user| user.id)) };
        let buyer = match buyer.transpose() {
            Ok(buyer) => buyer,
            Err(error) if error.kind() == Kind::NotFound => return Ok(Meant::Nobody),
            Err(error) => return Err(error),
        };
        let Ok(product) =
            Some(self.product.trim()).filter(|it| !it.is_empty()).map(str::parse::<ProductId>).transpose()
        else {
            return Ok(Meant::Nobody);
        };
        Ok(Meant::Some(OrderFilter { buyer, product, state: self.state.parse().ok() }))
    }

    /// The same again, from another place in the list.
    fn query(&self, cursor: &str) -> String {
        query([("q", self.q.trim()), ("product", self.product.trim()), ("state", &self.state), ("cursor", cursor)])
    }
}

#[derive(Template)]
#[template(path = "admin/orders.html")]
struct OrdersPage<'a> {
    v: &'a Visit,
    wanted: &'a Wanted,
    orders: Vec<Order>,
    /// Whether what is looked for is nobody's.
    is_unknown: bool,
    first: String,
    next: String,
}

async fn list(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Query(wanted): Query<Wanted>,
    PageQuery(page_wanted): PageQuery,
) -> Answer {
    let is_first = page_wanted.after.is_none();
    let (orders, next, is_unknown) = match wanted.meant(&pages).await? {
        Meant::One(id) => match pages.purchases.any(id).await {
            Ok(_) => return Ok(see_other(&format!("/admin/orders/{id}"))),
            Err(error) if error.kind() == Kind::NotFound => (Vec::new(), None, true),
            Err(error) => return Err(error.into()),
        },
        Meant::Nobody => (Vec::new(), None, true),
        Meant::Some(filter) => {
            let found = pages.purchases.search(filter, PageRequest { limit: ORDERS_SHOWN, ..page_wanted }).await?;
            (found.items, found.next_cursor, false)
        }
    };
    let first = if is_first { String::new() } else { format!("/admin/orders?{}", wanted.query("")) };
    let next = next.map_or(String::new(), |cursor| format!("/admin/orders?{}", wanted.query(&cursor)));
    page(&visit, &OrdersPage { v: &visit, wanted: &wanted, orders, is_unknown, first, next })
}

/// What is still to be exported.
struct Rest {
    pages: Arc<Pages>,
    actor: Actor,
    filter: OrderFilter,
    after: Option<String>,
}

/// Sends page by page, as fast as they are taken, so that a year's orders do not have to fit into memory.
async fn export(State(pages): State<Arc<Pages>>, Boss(_, actor): Boss, Query(wanted): Query<Wanted>) -> Answer {
    let rest = match wanted.meant(&pages).await? {
        Meant::Some(filter) => Some(Rest { pages, actor, filter, after: None }),
        Meant::One(id) => return Ok(sheet(Body::from(one(&pages, id).await?))),
        Meant::Nobody => None,
    };
    let titles = stream::once(std::future::ready(Ok(Bytes::from_static(csv::TITLES.as_bytes()))));
    let lines = stream::try_unfold(rest, |rest| async move {
        let Some(rest) = rest else { return Ok(None) };
        let (text, rest) = rest.next().await?;
        Ok::<_, Error>(Some((Bytes::from(text), rest)))
    });
    Ok(sheet(Body::from_stream(futures_util::StreamExt::chain(titles, lines))))
}

impl Rest {
    async fn next(self) -> Result<(Vec<u8>, Option<Self>), Error> {
        // It may go on for longer than who asked for it is an admin.
        self.pages.users.may_still_act(self.actor)?;
        if self.pages.users.judge(self.actor)?.role != Role::Admin {
            return Err(Error::internal("an export was ended with the rights of who asked for it"));
        }
        let page = PageRequest { limit: EXPORT_PAGE, after: self.after.clone() };
        let found = self.pages.purchases.search(self.filter.clone(), page).await?;
        let mut text = Vec::new();
        for order in &found.items {
            csv::write(&mut text, order)?;
        }
        let rest = found.next_cursor.map(|cursor| Self { after: Some(cursor), ..self });
        Ok((text, rest))
    }
}

async fn one(pages: &Pages, id: OrderId) -> Result<Vec<u8>, Error> {
    let mut text = csv::TITLES.as_bytes().to_vec();
    match pages.purchases.any(id).await {
        Ok(order) => csv::write(&mut text, &order)?,
        Err(error) if error.kind() == Kind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(text)
}

fn sheet(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"orders.csv\""),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

/// The kind of badge for a state, for `ui::badge`.
pub(super) fn badge(state: OrderState) -> &'static str {
    match state {
        OrderState::Held => "soon",
        OrderState::Completed => "good",
        OrderState::Cancelled => "bad",
        OrderState::Refunded => "plain",
    }
}

/// The word for a state.
pub(super) fn state_word(visit: &Visit, state: OrderState) -> &'static str {
    let t = &visit.t.admin.orders;
    match state {
        OrderState::Held => t.held,
        OrderState::Completed => t.completed,
        OrderState::Cancelled => t.cancelled,
        OrderState::Refunded => t.refunded,
    }
}
