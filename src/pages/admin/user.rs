//! A user: what is known of them, where they are signed in, and what they may do.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::super::Pages;
use super::super::account::Nothing;
use super::super::answer::{Answer, page, see_other, told};
use super::super::visit::Visit;
use super::users::{badge, role_word, state_word};
use super::{Boss, BossForm, Confirm, Said, sentence};
use crate::http::problem::nothing_here;
use crate::http::{Path, Query, Routes};
use crate::kernel::actor::{Actor, Role};
use crate::kernel::check::Check;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{SessionId, UserId};
use crate::users::{Session, User, UserState, session_not_found, shown_name};

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/admin/users/{id}", show)
        .get("/admin/users/{id}/block", block_page)
        .post("/admin/users/{id}/block", block)
        .post("/admin/users/{id}/unblock", unblock)
        .get("/admin/users/{id}/role", role_page)
        .post("/admin/users/{id}/role", set_role)
        .post("/admin/users/{id}/revoke", revoke)
}

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage<'a> {
    v: &'a Visit,
    user: User,
    name: String,
    sessions: Vec<Session>,
    /// The session of who looks.
    own: SessionId,
    now: Timestamp,
    said: &'static str,
    fault: String,
}

impl<'a> UserPage<'a> {
    async fn of(visit: &'a Visit, pages: &Pages, actor: Actor, id: UserId) -> Result<Self, Error> {
        let user = pages.users.get(id).await?;
        let sessions = pages.users.sessions(id).await?;
        let name = shown_name(user.state, user.name.clone());
        let (own, now) = (actor.session, pages.clock.now());
        Ok(Self { v: visit, user, name, sessions, own, now, said: "", fault: String::new() })
    }

    fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }

    fn is_blocked(&self) -> bool {
        self.user.state == UserState::Blocked
    }

    fn has_withdrawn(&self) -> bool {
        self.user.state == UserState::Deleted
    }

    fn state_word(&self) -> &'static str {
        state_word(self.v, self.user.state)
    }

    fn badge(&self) -> &'static str {
        badge(self.user.state)
    }

    fn role_word(&self) -> &'static str {
        role_word(self.v, self.user.role)
    }

    fn is_own(&self, session: &Session) -> bool {
        session.id == self.own
    }

    fn is_live(&self, session: &Session) -> bool {
        session.revoked_at.is_none() && self.now < session.expires_at
    }

    fn session_word(&self, session: &Session) -> &'static str {
        let t = &self.v.t.admin.users;
        match session.revoked_at {
            Some(_) => t.revoked,
            None if self.is_live(session) => t.live,
            None => t.over,
        }
    }
}

async fn show(
    State(pages): State<Arc<Pages>>,
    Boss(visit, actor): Boss,
    Path(id): Path<UserId>,
    Query(said): Query<Said>,
) -> Answer {
    page(&visit, &UserPage { said: said.text(&visit), ..UserPage::of(&visit, &pages, actor, id).await? })
}

/// A question about a user, before it is done and when it could not be.
fn question<'a>(
    visit: &'a Visit,
    actor: Actor,
    user: &User,
    (title, ask): (&str, &str),
    (deed, button): (&str, &'static str),
) -> Confirm<'a> {
    let name = shown_name(user.state, user.name.clone());
    let mut asks = vec![ask.to_owned()];
    if actor.user == user.id {
        asks.insert(0, visit.t.admin.users.self_ask.to_owned());
    }
    Confirm {
        v: visit,
        title: visit.say(title, name),
        asks,
        action: format!("/admin/users/{}/{deed}", user.id),
        button,
        field: None,
        back: format!("/admin/users/{}", user.id),
        fault: String::new(),
    }
}

fn block_question<'a>(visit: &'a Visit, actor: Actor, user: &User) -> Confirm<'a> {
    let t = &visit.t.admin.users;
    question(visit, actor, user, (t.block_title, t.block_ask), ("block", t.block))
}

async fn block_page(State(pages): State<Arc<Pages>>, Boss(visit, actor): Boss, Path(id): Path<UserId>) -> Answer {
    let user = pages.users.get(id).await?;
    page(&visit, &block_question(&visit, actor, &user))
}

async fn block(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<UserId>,
    BossForm(visit, actor, Nothing {}): BossForm<Nothing>,
) -> Answer {
    match pages.users.lock_out(id, visit.by(actor)).await {
        Ok(user) => Ok(see_other(&after(actor, &user, "blocked"))),
        Err(error) => {
            let user = pages.users.get(id).await?;
            let fault = sentence(&visit, &error);
            told(&visit, error, &Confirm { fault, ..block_question(&visit, actor, &user) })
        }
    }
}

async fn unblock(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<UserId>,
    BossForm(visit, actor, Nothing {}): BossForm<Nothing>,
) -> Answer {
    match pages.users.let_in(id, visit.by(actor)).await {
        Ok(_) => Ok(see_other(&format!("/admin/users/{id}?said=unblocked"))),
        Err(error) => {
            let fault = sentence(&visit, &error);
            told(&visit, error, &UserPage { fault, ..UserPage::of(&visit, &pages, actor, id).await? })
        }
    }
}

/// Where to go on after somebody's rights changed: who gave up their own has no business here any more.
fn after(actor: Actor, user: &User, word: &str) -> String {
    let is_own_end = actor.user == user.id && (user.role != Role::Admin || user.state != UserState::Active);
    if is_own_end { "/".to_owned() } else { format!("/admin/users/{}?said={word}", user.id) }
}

fn role_question<'a>(visit: &'a Visit, actor: Actor, user: &User) -> Confirm<'a> {
    let t = &visit.t.admin.users;
    let (ask, button, role) = match user.role {
        Role::User => (t.role_up_ask, t.make_admin, Role::Admin),
        Role::Admin => (t.role_down_ask, t.make_user, Role::User),
    };
    let question = question(visit, actor, user, (t.role_title, ask), ("role", button));
    Confirm { field: Some(("role", role.as_str())), ..question }
}

async fn role_page(State(pages): State<Arc<Pages>>, Boss(visit, actor): Boss, Path(id): Path<UserId>) -> Answer {
    let user = pages.users.get(id).await?;
    page(&visit, &role_question(&visit, actor, &user))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    role: String,
}

async fn set_role(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<UserId>,
    BossForm(visit, actor, wanted): BossForm<Wanted>,
) -> Answer {
    let mut check = Check::new();
    let role = check.parse("role", Some(&wanted.role));
    let done = match (check.done(), role) {
        (Ok(()), Some(role)) => pages.users.entrust(id, role, visit.by(actor)).await,
        (checked, _) => Err(checked.err().unwrap_or_else(nothing_here)),
    };
    match done {
        Ok(user) => Ok(see_other(&after(actor, &user, "role"))),
        Err(error) => {
            let user = pages.users.get(id).await?;
            let fault = sentence(&visit, &error);
            told(&visit, error, &Confirm { fault, ..role_question(&visit, actor, &user) })
        }
    }
}

/// Which session ends; all of them when it is not said.
#[derive(Debug, Deserialize)]
struct Ended {
    #[serde(default)]
    session: String,
}

async fn revoke(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<UserId>,
    BossForm(visit, actor, Ended { session }): BossForm<Ended>,
) -> Answer {
    let done = match session.parse() {
        Ok(session) => pages.users.revoke(id, session, visit.by(actor)).await,
        Err(_) if session.is_empty() => pages.users.revoke_all(id, visit.by(actor)).await.map(drop),
        Err(_) => Err(session_not_found()),
    };
    match done {
        Ok(()) if pages.users.judge(actor).is_err() => Ok(see_other("/signin?said=signed_out")),
        Ok(()) => Ok(see_other(&format!("/admin/users/{id}?said=revoked"))),
        Err(error) => {
            let fault = sentence(&visit, &error);
            told(&visit, error, &UserPage { fault, ..UserPage::of(&visit, &pages, actor, id).await? })
        }
    }
}
