//! An order: what happened to it, and ending it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::super::Pages;
use super::super::account::Nothing;
use super::super::answer::{Answer, page, see_other, told};
use super::super::visit::Visit;
use super::orders::{badge, state_word};
use super::{Boss, BossForm, Confirm, Said, sentence};
use crate::http::{Path, Query, Routes};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::OrderId;
use crate::ledger::{Order, PaymentStatus, Reason, State as OrderState};

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/admin/orders/{orderId}", show)
        .post("/admin/orders/{orderId}/cancel", cancel)
        .get("/admin/orders/{orderId}/refund", refund_page)
        .post("/admin/orders/{orderId}/refund", refund)
}

/// One thing that happened.
struct Event {
    /// How it is marked: good, bad, plain, or now for what is still to come.
    mark: &'static str,
    at: Timestamp,
    text: &'static str,
}

#[derive(Template)]
#[template(path = "admin/order.html")]
struct OrderPage<'a> {
    v: &'a Visit,
    order: Order,
    /// Who bought; a number alone when the account is gone.
    buyer: String,
    /// What the product is called; its id once it is gone.
    product: String,
    events: Vec<Event>,
    said: &'static str,
    fault: String,
}

impl<'a> OrderPage<'a> {
    async fn of(visit: &'a Visit, pages: &Pages, order: Order) -> Self {
        let buyer = pages.users.get(order.buyer).await.ok().and_then(|user| user.email);
        let buyer = buyer.map_or_else(|| order.buyer.to_string(), |email| email.to_string());
        let product = pages.products.get(&order.product).await;
        let product = product.map_or_else(|_| order.product.to_string(), |product| product.entry.name.clone());
        let events = events(visit, &order);
        Self { v: visit, order, buyer, product, events, said: "", fault: String::new() }
    }

    fn is_held(&self) -> bool {
        self.order.state == OrderState::Held
    }

    fn is_completed(&self) -> bool {
        self.order.state == OrderState::Completed
    }

    fn badge(&self) -> &'static str {
        badge(self.order.state)
    }

    fn state_word(&self) -> &'static str {
        state_word(self.v, self.order.state)
    }

    fn payment_word(&self) -> &'static str {
        let t = &self.v.t.admin.orders;
        match self.order.payment.status {
            PaymentStatus::Unpaid => t.unpaid,
            PaymentStatus::Pending => t.pending,
            PaymentStatus::Paid => t.paid,
            PaymentStatus::Declined => t.declined,
            PaymentStatus::Abandoned => t.abandoned_payment,
            PaymentStatus::Refunded => t.paid_back,
        }
    }
}

/// What happened to an order, in its order, and what is still to come.
fn events(visit: &Visit, order: &Order) -> Vec<Event> {
    let t = &visit.t.admin.orders;
    let mut events = vec![Event { mark: "plain", at: order.created_at, text: t.made }];
    events.extend(order.settled_at.map(|at| Event { mark: "good", at, text: t.settled }));
    let end = match (order.state, order.reason) {
        (OrderState::Refunded, _) => t.refunded_at,
        (_, Some(Reason::Abandoned)) => t.abandoned,
        (_, Some(Reason::PaymentDeclined)) => t.payment_declined,
        (_, Some(Reason::Expired)) => t.expired,
        (_, Some(Reason::ByBuyer)) => t.by_buyer,
        (_, Some(Reason::ByAdmin)) => t.by_admin,
        (_, None) => t.cancelled_at,
    };
    events.extend(order.closed_at.map(|at| Event { mark: "bad", at, text: end }));
    if order.state == OrderState::Held {
        events.push(Event { mark: "now", at: order.expires_at, text: t.expires });
    }
    events
}

async fn show(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Path(id): Path<OrderId>,
    Query(said): Query<Said>,
) -> Answer {
    let order = pages.purchases.any(id).await?;
    page(&visit, &OrderPage { said: said.text(&visit), ..OrderPage::of(&visit, &pages, order).await })
}

/// Cancels a held order.
async fn cancel(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<OrderId>,
    BossForm(visit, admin, Nothing {}): BossForm<Nothing>,
) -> Answer {
    match pages.purchases.cancel(id, visit.by(admin).into()).await {
        Ok(_) => Ok(see_other(&format!("/admin/orders/{id}?said=cancelled"))),
        Err(error) => {
            let order = pages.purchases.any(id).await?;
            let fault = sentence(&visit, &error);
            told(&visit, error, &OrderPage { fault, ..OrderPage::of(&visit, &pages, order).await })
        }
    }
}

async fn refund_page(State(pages): State<Arc<Pages>>, Boss(visit, _): Boss, Path(id): Path<OrderId>) -> Answer {
    let order = pages.purchases.any(id).await?;
    let t = &visit.t.admin.orders;
    let template = Confirm {
        v: &visit,
        title: t.refund_title.to_owned(),
        asks: vec![visit.say2(t.refund_ask, visit.money(order.amount, order.currency), order.buyer)],
        action: format!("/admin/orders/{id}/refund"),
        button: t.refund,
        field: None,
        back: format!("/admin/orders/{id}"),
        fault: String::new(),
    };
    page(&visit, &template)
}

/// Pays a completed order back.
async fn refund(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<OrderId>,
    BossForm(visit, admin, Nothing {}): BossForm<Nothing>,
) -> Answer {
    match pages.purchases.pay_back(id, visit.by(admin).into()).await {
        Ok(_) => Ok(see_other(&format!("/admin/orders/{id}?said=refunded"))),
        Err(error) => {
            let order = pages.purchases.any(id).await?;
            let fault = sentence(&visit, &error);
            told(&visit, error, &OrderPage { fault, ..OrderPage::of(&visit, &pages, order).await })
        }
    }
}
