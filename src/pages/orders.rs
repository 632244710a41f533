//! A buyer's orders: the list, and each with what happened to it and what can be done.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::Pages;
use super::account::Nothing;
use super::answer::{Answer, page, see_other, turned_away};
use super::form::Form;
use super::visit::{Member, Visit};
use crate::http::{PageQuery, Path, Query, Routes};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId};
use crate::kernel::page::PageRequest;
use crate::ledger::{Course, Order, PaymentStatus, Reason, State as OrderState};

/// How many orders a page shows.
const ORDERS_SHOWN: u32 = 20;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/orders", list)
        .get("/orders/{orderId}", show)
        .post("/orders/{orderId}/pay", pay)
        .post("/orders/{orderId}/leave", leave)
        .post("/orders/{orderId}/refund", refund)
}

/// An order, and what its product is called.
struct Line {
    order: Order,
    name: String,
}

impl Line {
    fn badge(&self) -> &'static str {
        badge(self.order.state)
    }

    fn state_word(&self, visit: &Visit) -> &'static str {
        state_word(visit, self.order.state)
    }
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage<'a> {
    v: &'a Visit,
    lines: Vec<Line>,
    first: &'static str,
    next: String,
}

async fn list(State(pages): State<Arc<Pages>>, Member(visit, actor): Member, PageQuery(wanted): PageQuery) -> Answer {
    let first = if wanted.after.is_none() { "" } else { "/orders" };
    let found = pages.purchases.of_buyer(actor.user, PageRequest { limit: ORDERS_SHOWN, ..wanted }).await?;
    let mut lines = Vec::with_capacity(found.items.len());
    for order in found.items {
        lines.push(Line { name: name_of(&pages, &order.product).await, order });
    }
    let next = found.next_cursor.map_or(String::new(), |cursor| format!("/orders?cursor={cursor}"));
    page(&visit, &OrdersPage { v: &visit, lines, first, next })
}

/// What a product is called; its id, once it is gone from the catalogue.
async fn name_of(pages: &Pages, product: &ProductId) -> String {
    pages.products.get(product).await.map_or_else(|_| product.to_string(), |product| product.entry.name.clone())
}

/// One thing that happened.
struct Event {
    /// How it is marked: good, bad, plain, or now for what is still to come.
    mark: &'static str,
    at: Timestamp,
    text: &'static str,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    v: &'a Visit,
    order: Order,
    name: String,
    course: Course,
    events: Vec<Event>,
    now: Timestamp,
    /// Why the last try did nothing; empty when there was none.
    refused: &'static str,
}

impl OrderPage<'_> {
    fn badge(&self) -> &'static str {
        badge(self.order.state)
    }

    fn state_word(&self) -> &'static str {
        state_word(self.v, self.order.state)
    }

    fn is_held(&self) -> bool {
        self.order.state == OrderState::Held
    }

    /// Whether the charge is under way, so that all there is to do is wait.
    fn is_being_charged(&self) -> bool {
        self.order.payment.status == PaymentStatus::Pending
    }

    fn is_completed(&self) -> bool {
        self.order.state == OrderState::Completed
    }

    fn left_s(&self) -> i64 {
        self.order.expires_at.as_seconds() - self.now.as_seconds()
    }

    fn title(&self) -> &'static str {
        let t = &self.v.t.orders;
        match self.order.state {
            OrderState::Held if self.is_being_charged() => t.being_paid_title,
            OrderState::Held => t.held_title,
            OrderState::Completed => t.completed_title,
            OrderState::Cancelled => t.cancelled_title,
            OrderState::Refunded => t.refunded_title,
        }
    }

    fn lead(&self) -> &'static str {
        let t = &self.v.t.orders;
        match (self.order.state, self.order.reason) {
            (OrderState::Held, _) if self.is_being_charged() => t.being_paid,
            (OrderState::Held, _) => t.held,
            (OrderState::Completed, _) => t.completed,
            (OrderState::Refunded, _) => t.refunded,
            (OrderState::Cancelled, Some(reason)) => why(self.v, reason),
            (OrderState::Cancelled, None) => "",
        }
    }
}

/// The kind of badge for a state, for `ui::badge`.
fn badge(state: OrderState) -> &'static str {
    match state {
        OrderState::Held => "soon",
        OrderState::Completed => "good",
        OrderState::Cancelled => "bad",
        OrderState::Refunded => "plain",
    }
}

fn state_word(visit: &Visit, state: OrderState) -> &'static str {
    let t = &visit.t.orders;
    match state {
        OrderState::Held => t.state_held,
        OrderState::Completed => t.state_completed,
        OrderState::Cancelled => t.state_cancelled,
        OrderState::Refunded => t.state_refunded,
    }
}

fn why(visit: &Visit, reason: Reason) -> &'static str {
    let t = &visit.t.orders;
    match reason {
        Reason::Abandoned => t.abandoned,
        Reason::PaymentDeclined => t.declined,
        Reason::Expired => t.expired,
        Reason::ByBuyer => t.by_buyer,
        Reason::ByAdmin => t.by_admin,
    }
}

/// What happened to an order, one thing after the other.
fn events(visit: &Visit, order: &Order) -> Vec<Event> {
    let t = &visit.t.orders;
    let at_once = order.settled_at == Some(order.created_at);
    let entered = if at_once { t.event_bought } else { t.event_held };
    let mut events = vec![Event { mark: if at_once { "good" } else { "plain" }, at: order.created_at, text: entered }];
    if let Some(at) = order.settled_at.filter(|_| !at_once) {
        events.push(Event { mark: "good", at, text: t.event_paid });
    }
    match (order.state, order.closed_at) {
        (OrderState::Held, _) => events.push(Event { mark: "now", at: order.expires_at, text: t.event_expires }),
        (OrderState::Refunded, Some(at)) => events.push(Event { mark: "plain", at, text: t.event_refunded }),
        (OrderState::Cancelled, Some(at)) => {
            let text = order.reason.map_or("", |reason| why(visit, reason));
            events.push(Event { mark: "bad", at, text });
        }
        _ => {}
    }
    events
}

#[derive(Debug, Deserialize)]
struct Said {
    said: Option<String>,
}

async fn show(
    State(pages): State<Arc<Pages>>,
    Member(visit, actor): Member,
    Path(id): Path<OrderId>,
    Query(Said { said }): Query<Said>,
) -> Answer {
    let (order, course) = pages.purchases.course(actor.user, id).await?;
    let t = &visit.t.orders;
    let refused = match said.as_deref() {
        Some("too_late") => t.too_late,
        Some("in_progress") => t.in_progress,
        _ => "",
    };
    let name = name_of(&pages, &order.product).await;
    let events = events(&visit, &order);
    page(&visit, &OrderPage { v: &visit, order, name, course, events, now: pages.clock.now(), refused })
}

/// Charges a held order. A second click gets what the first one got.
async fn pay(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<OrderId>,
    Form(visit, Nothing {}): Form<Nothing>,
) -> Answer {
    let buyer = visit.member()?.user;
    outcome(id, pages.payments.confirm(buyer, id, None).await.map(drop))
}

/// Leaves a held order.
async fn leave(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<OrderId>,
    Form(visit, Nothing {}): Form<Nothing>,
) -> Answer {
    let buyer = visit.member()?.user;
    outcome(id, pages.payments.cancel(buyer, id, None).await.map(drop))
}

/// Pays a completed order back.
async fn refund(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<OrderId>,
    Form(visit, Nothing {}): Form<Nothing>,
) -> Answer {
    let buyer = visit.member()?.user;
    outcome(id, pages.purchases.refund(buyer, id, None).await.map(drop))
}

/// Back to the order, which tells what became of it.
fn outcome(id: OrderId, result: Result<(), Error>) -> Answer {
    let Err(error) = result else { return Ok(see_other(&format!("/orders/{id}"))) };
    match error.code() {
        "payment_declined" | "payment_abandoned" | "hold_expired" => Ok(turned_away(&format!("/orders/{id}"), &error)),
        "order_held" | "order_completed" | "order_cancelled" | "order_refunded" => {
            Ok(turned_away(&format!("/orders/{id}?said=too_late"), &error))
        }
        "in_progress" => Ok(turned_away(&format!("/orders/{id}?said=in_progress"), &error)),
        _ => Err(error.into()),
    }
}
