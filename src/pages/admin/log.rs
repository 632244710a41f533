//! The audit log: what admins and the command line did, and looking for some of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;

use super::super::Pages;
use super::super::answer::{Answer, page, told};
use super::super::form::Faults;
use super::super::visit::Visit;
use super::terms::{moment, offset_of};
use super::{Boss, query};
use crate::http::{PageQuery, Query, Routes};
use crate::kernel::error::Error;
use crate::kernel::page::PageRequest;
use crate::trail::http::FilterQuery;
use crate::trail::{ALL, Action, Entry, Filter, Hand, Kind, Thing, Writer};

/// How many entries a page shows.
const ENTRIES_SHOWN: u32 = 50;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin/log", list)
}

/// What is looked for, as it was typed.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    by: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    on: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
}

impl Wanted {
    /// The same again, from another place in the list.
    fn query(&self, cursor: &str) -> String {
        let (by, on) = (self.by.trim(), self.on.trim());
        let fields = [("by", by), ("action", &*self.action), ("on", on), ("since", &*self.since)];
        query(fields.into_iter().chain([("until", &*self.until), ("cursor", cursor)]))
    }

    /// What it means; an e-mail address means its user's number.
    async fn filter(&self, visit: &Visit, pages: &Pages) -> Result<Filter, Error> {
        let mut by = self.by.trim().to_owned();
        if !by.is_empty() && by.parse::<Hand>().is_err() {
            by = pages.users.find(&by).await?.id.to_string();
        }
        let time = |typed: &str| moment(offset_of(visit), typed);
        let typed = FilterQuery {
            by: given(&by),
            action: given(&self.action),
            on: given(&self.on),
            since: time(&self.since),
            until: time(&self.until),
        };
        typed.filter()
    }
}

/// What a form leaves blank is not asked for.
fn given(typed: &str) -> Option<String> {
    Some(typed.trim()).filter(|typed| !typed.is_empty()).map(str::to_owned)
}

#[derive(Template)]
#[template(path = "admin/log.html")]
struct LogPage<'a> {
    v: &'a Visit,
    wanted: &'a Wanted,
    entries: Vec<Entry>,
    faults: Faults,
    first: String,
    next: String,
}

impl LogPage<'_> {
    fn word(&self, action: Action) -> &'static str {
        word(self.v, action)
    }

    /// Who it was, and their page if they have one.
    fn who(&self, writer: &Writer) -> (String, String) {
        let t = &self.v.t.admin.movements;
        match writer {
            Writer::Admin(user) => (self.v.say(t.by_admin, user), format!("/admin/users/{user}")),
            Writer::Console { uid, account } => {
                let who = account.clone().unwrap_or_else(|| uid.to_string());
                (format!("{} ({who})", t.console), String::new())
            }
        }
    }

    /// Where a thing can be seen; nowhere when it is all of a kind.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn place(&self, thing: &Thing) -> String {
        let folder = match thing.kind {
            _ if thing.id == ALL => return String::new(),
            Kind::Product => "/admin/products",
            Kind::Order => "/admin/orders",
            Kind::User => "/admin/users",
            Kind::Post => "/posts",
            Kind::Comment | Kind::Webhook | Kind::Database => return String::new(),
        };
        format!("{folder}/{}", thing.id)
    }

    /// What changed: its name, what it was and what it is since.
    fn changes(&self, entry: &Entry) -> Vec<(String, String, String)> {
        let member = |document: Option<&Value>, name: &str| match document.and_then(|members| members.get(name)) {
            None | Some(Value::Null) => self.v.t.admin.log.nothing.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let (was, became) = (entry.was.as_ref(), entry.became.as_ref());
        let names = |document: Option<&Value>| -> Vec<String> {
            document.and_then(Value::as_object).map_or(Vec::new(), |members| members.keys().cloned().collect())
        };
        let mut all = names(was);
        all.extend(names(became).into_iter().filter(|name| was.is_none_or(|was| was.get(name).is_none())));
        all.into_iter().map(|name| (name.clone(), member(was, &name), member(became, &name))).collect()
    }
}

/// The sentence for an action.
fn word(visit: &Visit, action: Action) -> &'static str {
    let t = &visit.t.admin.log;
    match action {
        Action::ProductAdd => t.product_add,
        Action::ProductEdit => t.product_edit,
        Action::ProductOpen => t.product_open,
        Action::ProductClose => t.product_close,
        Action::ProductDelete => t.product_delete,
        Action::StockAdjust => t.stock_adjust,
        Action::OrderCancel => t.order_cancel,
        Action::OrderRefund => t.order_refund,
        Action::UserAdd => t.user_add,
        Action::UserSetRole => t.user_set_role,
        Action::UserSetPassword => t.user_set_password,
        Action::UserBlock => t.user_block,
        Action::UserUnblock => t.user_unblock,
        Action::UserDelete => t.user_delete,
        Action::UserRevoke => t.user_revoke,
        Action::UserToken => t.user_token,
        Action::UserExport => t.user_export,
        Action::UserErase => t.user_erase,
        Action::PostEdit => t.post_edit,
        Action::PostDelete => t.post_delete,
        Action::CommentEdit => t.comment_edit,
        Action::CommentDelete => t.comment_delete,
        Action::WebhookAdd => t.webhook_add,
        Action::WebhookEnable => t.webhook_enable,
        Action::WebhookDelete => t.webhook_delete,
        Action::DbSeed => t.db_seed,
        Action::DbBackup => t.db_backup,
        Action::DbRestore => t.db_restore,
    }
}

async fn list(
    State(pages): State<Arc<Pages>>,
    Boss(visit, _): Boss,
    Query(wanted): Query<Wanted>,
    PageQuery(page_wanted): PageQuery,
) -> Answer {
    let blank = LogPage {
        v: &visit,
        wanted: &wanted,
        entries: Vec::new(),
        faults: Faults::none(),
        first: String::new(),
        next: String::new(),
    };
    let filter = match wanted.filter(&visit, &pages).await {
        Ok(filter) => filter,
        Err(error) => {
            let faults = Faults::of(&visit, &error);
            return told(&visit, error, &LogPage { faults, ..blank });
        }
    };
    let first = if page_wanted.after.is_none() { String::new() } else { format!("/admin/log?{}", wanted.query("")) };
    let found = pages.trail.list(filter, PageRequest { limit: ENTRIES_SHOWN, ..page_wanted }).await?;
    let next = found.next_cursor.map_or(String::new(), |cursor| format!("/admin/log?{}", wanted.query(&cursor)));
    page(&visit, &LogPage { entries: found.items, first, next, ..blank })
}
