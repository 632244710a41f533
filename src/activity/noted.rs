//! What the audit log is told when an admin changes or deletes what somebody else wrote: whose it was and which parts of it,
//! and not a word of it.

use serde_json::json;

use crate::kernel::actor::Doer;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::store::Conn;
use crate::trail::{self, Action, Deed, Thing};

/// The names of the fields that have changed.
pub(super) fn fields<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
}

/// Writes an entry, unless it was the author's own doing.
pub(super) fn write(
    conn: &Conn<'_>,
    doer: Doer,
    (action, on): (Action, impl Into<Thing>),
    (author, fields): (UserId, Vec<&'static str>),
    now: Timestamp,
) -> Result<(), Error> {
    if doer.actor.user == author {
        return Ok(());
    }
    let mut became = json!({ "author": author.0 });
    if !fields.is_empty() {
        became["changed"] = json!(fields);
    }
    Ok(trail::write(conn, doer.by(), now, &Deed::new(action, on, became))?)
}
