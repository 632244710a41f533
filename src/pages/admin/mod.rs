//! For whoever runs the sale. For everybody else there is nothing at these paths: not a page, and not a refusal.
//!
//! - `board` is how the sale goes, and `live` its stream; both show what `pulse` keeps.
//! - `log` is the audit log: who did what of all this.
//! - `products`, `orders`, `users` and `audit` are lists, things, and what can be done with them. What can't be taken back is
//!   asked about first (`confirm`).

mod audit;
mod board;
mod confirm;
mod live;
mod log;
mod movements;
mod order;
mod orders;
mod products;
mod terms;
mod user;
mod users;

use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::confirm::Confirm;
use super::Pages;
use super::answer::NotNow;
use super::assets::{ADMIN_SCRIPT, ADMIN_STYLE};
use super::form::Form;
use super::visit::Visit;
use crate::http::Routes;
use crate::http::problem::nothing_here;
use crate::kernel::actor::{Actor, Role};
use crate::kernel::error::Error;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .merge(board::routes())
        .merge(live::routes())
        .merge(products::routes())
        .merge(movements::routes())
        .merge(orders::routes())
        .merge(order::routes())
        .merge(users::routes())
        .merge(user::routes())
        .merge(audit::routes())
        .merge(log::routes())
}

/// An admin who looks at a page.
#[derive(Debug, Clone)]
struct Boss(Visit, Actor);

impl FromRequestParts<Arc<Pages>> for Boss {
    type Rejection = NotNow;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, NotNow> {
        let visit = Visit::of(pages, &parts.method, &parts.uri, &parts.headers, &parts.extensions);
        match visit.actor {
            Some(actor) if actor.role == Role::Admin => Ok(Self(visit, actor)),
            _ => Err(nothing_here().into()),
        }
    }
}

/// A form that an admin sends.
#[derive(Debug)]
struct BossForm<T>(Visit, Actor, T);

impl<T: DeserializeOwned> FromRequest<Arc<Pages>> for BossForm<T> {
    type Rejection = NotNow;

    async fn from_request(mut request: Request, pages: &Arc<Pages>) -> Result<Self, NotNow> {
        let Boss(_, actor) = request.extract_parts_with_state(pages).await?;
        let Form(visit, typed) = Form::from_request(request, pages).await?;
        // The body took its time: who sent it may not be an admin any more.
        match pages.users.judge(actor) {
            Ok(actor) if actor.role == Role::Admin => Ok(Self(visit, actor, typed)),
            _ => Err(nothing_here().into()),
        }
    }
}

/// What was done before a page is shown.
#[derive(Debug, Deserialize)]
struct Said {
    said: Option<String>,
}

impl Said {
    /// What to say of it; nothing when nothing was done, or nothing that is known.
    fn text(&self, visit: &Visit) -> &'static str {
        let t = &visit.t.admin;
        match self.said.as_deref().unwrap_or_default() {
            "created" => t.products.said_created,
            "saved" => t.products.said_saved,
            "adjusted" => t.products.said_adjusted,
            "opened" => t.products.said_opened,
            "closed" => t.products.said_closed,
            "deleted" => t.products.said_deleted,
            "cancelled" => t.orders.said_cancelled,
            "refunded" => t.orders.said_refunded,
            "blocked" => t.users.said_blocked,
            "unblocked" => t.users.said_unblocked,
            "role" => t.users.said_role,
            "revoked" => t.users.said_revoked,
            _ => "",
        }
    }
}

/// All that an error says, for an action that has no fields to put it beside.
fn sentence(visit: &Visit, error: &Error) -> String {
    let parts = error.parts();
    let faults: Vec<_> = parts.fields.iter().map(|fault| visit.text(&fault.detail)).collect();
    if faults.is_empty() { visit.text(&parts.detail).to_owned() } else { faults.join(" ") }
}

/// The query of a list's next page: its filters, and the cursor.
fn query<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

impl Visit {
    /// Whether an admin looks.
    pub(in crate::pages) fn is_admin(&self) -> bool {
        self.actor.is_some_and(|actor| actor.role == Role::Admin)
    }

    /// Whether the page belongs to the part of the admin's view that the menu leads to at `path`.
    fn is_within(&self, path: &str) -> bool {
        let here = self.here.split(['?', '#']).next().unwrap_or_default();
        here.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Where the admin's style is.
    #[expect(clippy::unused_self, reason = "templates call it")]
    fn admin_style(&self) -> String {
        ADMIN_STYLE.path()
    }

    /// Where the admin's script is.
    #[expect(clippy::unused_self, reason = "templates call it")]
    fn admin_script(&self) -> String {
        ADMIN_SCRIPT.path()
    }
}
