//! The web pages: what a customer sees.
//!
//! Server-rendered HTML that works without a script; `assets/shop.js` adds only what is live. A page is built like a route of
//! the API: parse, call one service method, render. Every rule is the rooms', and so is every refusal; the pages find the
//! words (`words`), and the place to show them.
//!
//! - `visit` is who looks at a page, and how: signed in or not, in which language, in which colours. Handlers take it, and
//!   every template gets it.
//! - `form` is what comes back. A form is sealed for whoever it was shown to, so no other site can make one, and whoever has
//!   lost the session meanwhile is told so. What a form does ends in a redirect, so that neither reloading nor going back
//!   does it twice.
//! - `answer` renders, with the headers that every page has. No page holds an inline script, and an
//!   inline style only where it brings the whole style along, for a first visit.
//! - `assets` are named by what they hold, and so kept for ever.
//! - `admin` is for whoever runs the sale; for everybody else there is nothing at its paths.
//! - `templates/base.html` is the frame, `templates/ui.html` the components; a page has a file in `templates` and one here.

mod account;
mod admin;
mod answer;
mod assets;
mod feed;
mod form;
mod home;
mod item;
mod me;
mod orders;
mod people;
mod post;
mod settings;
mod shop;
mod show;
mod trouble;
mod visit;
mod words;

use std::sync::Arc;

use axum::extract::Request;

pub use self::shop::is_purchase;
use self::visit::Visit;
use crate::activity::Activity;
use crate::audit::Auditor;
use crate::http::{ErrorPage, Routes};
use crate::kernel::clock::Clock;
use crate::newsfeed::Newsfeed;
use crate::payments::Payments;
use crate::products::Products;
use crate::pulse::Pulse;
use crate::purchases::Purchases;
use crate::stock::StockRoom;
use crate::trail::Trail;
use crate::users::Users;

/// What the pages call.
pub struct Pages {
    /// Accounts and sessions.
    pub users: Arc<Users>,
    /// The catalogue.
    pub products: Arc<Products>,
    /// Entering and settling a payment.
    pub payments: Arc<Payments>,
    /// A buyer's orders.
    pub purchases: Arc<Purchases>,
    /// Posts, comments, likes, follows.
    pub activity: Arc<Activity>,
    /// Feeds.
    pub newsfeed: Arc<Newsfeed>,
    /// Counts, adjustments, history.
    pub stock: Arc<StockRoom>,
    /// The audit log.
    pub trail: Arc<Trail>,
    /// The audit.
    pub auditor: Arc<Auditor>,
    /// How the sale goes, second by second.
    pub pulse: Arc<Pulse>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Pages {
    /// How an error is shown to whoever sends `request`.
    #[must_use]
    pub fn error_page(&self, request: &Request) -> ErrorPage {
        let visit = Visit::of(self, request.method(), request.uri(), request.headers(), request.extensions());
        Box::new(move |status, error, id| trouble::page(&visit, status, error, id))
    }
}

/// The routes of the pages.
#[must_use]
pub fn routes(pages: Arc<Pages>) -> Routes {
    Routes::new()
        .merge(assets::routes())
        .merge(home::routes())
        .merge(shop::routes())
        .merge(orders::routes())
        .merge(feed::routes())
        .merge(post::routes())
        .merge(people::routes())
        .merge(me::routes())
        .merge(account::routes())
        .merge(settings::routes())
        .merge(admin::routes())
        .with_state(pages)
}
