//! Users: looking for some.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::super::Pages;
use super::super::answer::{Answer, page, see_other};
use super::super::visit::Visit;
use super::{Boss, query};
use crate::http::{PageQuery, Query, Routes};
use crate::kernel::actor::Role;
use crate::kernel::page::PageRequest;
use crate::users::{User, UserFilter, UserSearch, UserState, shown_name};

/// How many users a page shows.
const USERS_SHOWN: u32 = 25;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin/users", list)
}

/// Who is looked for, as it was typed.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// How a name begins, an e-mail address, or a number.
    #[serde(default)]
    q: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    state: String,
}

impl Wanted {
    /// The same again, from another place in the list.
    fn query(&self, cursor: &str) -> String {
        query([("q", self.q.trim()), ("role", &*self.role), ("state", &*self.state), ("cursor", cursor)])
    }

    fn search(&self) -> UserSearch {
        let filter = UserFilter { role: self.role.parse().ok(), state: self.state.parse().ok() };
        UserSearch { name: self.q.clone(), filter }
    }
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage<'a> {
    v: &'a Visit,
    wanted: &'a Wanted,
    users: Vec<User>,
    first: String,
    next: String,
}

impl UsersPage<'_> {
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn name(&self, user: &User) -> String {
        shown_name(user.state, user.name.clone())
    }
}

async fn list(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Query(wanted): Query<Wanted>,
    PageQuery(page_wanted): PageQuery,
) -> Answer {
    let typed = wanted.q.trim();
    // A number or an address names one user; a name may look like a number, and is looked for then.
    if !typed.is_empty()
        && page_wanted.after.is_none()
        && let Ok(user) = pages.users.find(typed).await
    {
        return Ok(see_other(&format!("/admin/users/{}", user.id)));
    }
    let first = if page_wanted.after.is_none() { String::new() } else { format!("/admin/users?{}", wanted.query("")) };
    let found = pages.users.search(wanted.search(), PageRequest { limit: USERS_SHOWN, ..page_wanted }).await?;
    let next = found.next_cursor.map_or(String::new(), |cursor| format!("/admin/users?{}", wanted.query(&cursor)));
    page(&visit, &UsersPage { v: &visit, wanted: &wanted, users: found.items, first, next })
}

/// The word for a state.
pub(super) fn state_word(visit: &Visit, state: UserState) -> &'static str {
    let t = &visit.t.admin.users;
    match state {
        UserState::Active => t.active,
        UserState::Inactive => t.inactive,
        UserState::Blocked => t.blocked,
        UserState::Deleted => t.deleted,
    }
}

/// The kind of badge for a state, for `ui::badge`.
pub(super) fn badge(state: UserState) -> &'static str {
    match state {
        UserState::Active => "good",
        UserState::Blocked => "bad",
        UserState::Inactive | UserState::Deleted => "plain",
    }
}

/// The word for a role.
pub(super) fn role_word(visit: &Visit, role: Role) -> &'static str {
    match role {
        Role::User => visit.t.admin.users.user,
        Role::Admin => visit.t.admin.users.admin,
    }
}
