//! `/audit-log`: the route, and the entry as admins see it.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::doc;
use super::model::{Entry, Filter, Writer};
use super::service::Trail;
use crate::http::{Admin, HttpError, Json, PageQuery, PageView, Query, Routes, shape};
use crate::kernel::check::Check;
use crate::kernel::error::Error;

/// The routes of the audit log.
pub fn routes(trail: Arc<Trail>) -> Routes {
    Routes::new().get("/audit-log", list).with_state(trail)
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLogWriter)]
struct WriterView {
    #[schema(schema_with = doc::hands)]
    r#type: &'static str,
    /// The admin's number as a user, or the system's user at the command line.
    id: i64,
    /// What the system's user was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

/// What it was done to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLogThing)]
struct ThingView {
    #[schema(schema_with = doc::kinds)]
    r#type: &'static str,
    id: String,
}

/// An entry as JSON.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLogEntry)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    #[schema(schema_with = shape::row_id)]
    id: i64,
    #[schema(schema_with = shape::time)]
    at: String,
    by: WriterView,
    #[schema(schema_with = doc::actions)]
    action: &'static str,
    on: ThingView,
    /// What it was of what has changed; `null` when there was nothing before.
    #[schema(required, schema_with = doc::object_or_null)]
    before: Option<Value>,
    /// What it has become.
    #[schema(required, schema_with = doc::object_or_null)]
    after: Option<Value>,
    /// The request in which an admin did it.
    #[schema(required)]
    request_id: Option<String>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let by = match entry.by {
            Writer::Admin(user) => WriterView { r#type: "admin", id: user.0, account: None },
            Writer::Console { uid, account } => WriterView { r#type: "console", id: uid.into(), account },
        };
        Self {
            id: entry.number,
            at: entry.at.to_string(),
            by,
            action: entry.action.as_str(),
            on: ThingView { r#type: entry.on.kind.as_str(), id: entry.on.id },
            before: entry.was,
            after: entry.became,
            request_id: entry.request,
        }
    }
}

/// Which entries, as it is typed.
#[derive(Debug, Default, Deserialize)]
pub struct FilterQuery {
    /// An admin's number, or `console`.
    pub by: Option<String>,
    /// A word of [`super::Action`].
    pub action: Option<String>,
    /// A kind and an id.
    pub on: Option<String>,
    /// An RFC 3339 time.
    pub since: Option<String>,
    /// An RFC 3339 time.
    pub until: Option<String>,
}

impl FilterQuery {
    /// What it means.
    ///
    /// # Errors
    /// `422` with every fault.
    pub fn filter(&self) -> Result<Filter, Error> {
        fn read<T: std::str::FromStr<Err = &'static str>>(
            check: &mut Check,
            field: &'static str,
            typed: Option<&String>,
        ) -> Option<T> {
            check.parse(field, Some(typed?))
        }
        let mut check = Check::new();
        let filter = Filter {
            by: read(&mut check, "by", self.by.as_ref()),
            action: read(&mut check, "action", self.action.as_ref()),
            on: read(&mut check, "on", self.on.as_ref()),
            since: read(&mut check, "since", self.since.as_ref()),
            until: read(&mut check, "until", self.until.as_ref()),
        };
        check.done().map(|()| filter)
    }
}

/// Entries, the latest first.
async fn list(
    State(trail): State<Arc<Trail>>,
    Admin(_): Admin,
    Query(typed): Query<FilterQuery>,
    PageQuery(page): PageQuery,
) -> Result<Json<PageView<EntryView>>, HttpError> {
    Ok(Json(trail.list(typed.filter()?, page).await?.into()))
}
