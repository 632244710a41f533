//! Targets, what they have before them, and the log of deliveries, as rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::body;
use super::line::{Health, Retry, Unsaved, When};
use super::model::{Attempt, Kinds, Notice, Off, Webhook, WebhookId};
use crate::config::Secret;
use crate::kernel::clock::Timestamp;
use crate::ledger::outbox::{self, Told};
use crate::store::{Conn, Row, StoreError, bind};

/// How far one reading goes at most: a target of rare events skips so many others at a time.
const SCAN_MAX: i64 = 20_000;
/// How many events one reading gives at most.
const READ_MAX: i64 = 64;
/// How many attempts at each target are kept.
pub(super) const LOG_MAX: usize = 1_000;
/// How many events are deleted in one transaction.
const PURGE_MAX: i64 = 1_000;

const SELECT: &str = "SELECT w.id, w.url, w.events, w.description, w.secret, w.created_at, w.revision, w.off_reason, w.off_at, \
     w.failing_since, w.cursor, w.failures, w.probe_at, \
     (SELECT COUNT(*) FROM webhook_retries r WHERE r.webhook_id = w.id) FROM webhooks w ";

/// A target and where it stands; `last` is the number of the last event.
fn target(row: Row<'_>, last: i64) -> Result<(Webhook, i64, Health), StoreError> {
    let off: Option<Off> = row.text_or_null(7)?.and_then(|word| word.parse().ok());
    let (failing_since, cursor) = (row.int_or_null(9)?.map(Timestamp), row.int(10)?);
    let off = off.zip(row.int_or_null(8)?.map(Timestamp));
    let webhook = Webhook {
        id: WebhookId(row.int(0)?),
        url: row.text(1)?,
        events: Kinds::of_bits(row.int(2)?),
        description: row.text(3)?,
        secret: Secret::new(row.text(4)?),
        created_at: Timestamp(row.int(5)?),
        revision: row.int(6)?,
        waiting: if off.is_some() { 0 } else { last - cursor },
        off,
        failing_since,
        retrying: row.int(13)?,
    };
    let failures = u32::try_from(row.int(11)?).unwrap_or(u32::MAX);
    let probe_at = row.int_or_null(12)?.map(Timestamp);
    Ok((webhook, cursor, Health { failures, failing_since, probe_at }))
}

/// Every target, in the order in which they were added.
pub(super) fn all(conn: &Conn<'_>) -> Result<Vec<Webhook>, StoreError> {
    let last = outbox::last(conn)?;
    conn.rows(&format!("{SELECT} ORDER BY w.id"), &[], |row| Ok(target(row, last)?.0))
}

/// One target.
pub(super) fn one(conn: &Conn<'_>, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    let last = outbox::last(conn)?;
    conn.row(&format!("{SELECT} WHERE w.id = $1"), bind![id.0], |row| Ok(target(row, last)?.0))
}

/// How many targets there are.
pub(super) fn count(conn: &Conn<'_>) -> Result<i64, StoreError> {
    Ok(conn.row("SELECT COUNT(*) FROM webhooks", &[], |row| row.int(0))?.unwrap_or(0))
}

/// Adds a target, which is told of what happens from now on; gives its number.
pub(super) fn insert(
    conn: &Conn<'_>,
    (url, events, description, secret): (&str, Kinds, &str, &Secret),
    now: Timestamp,
) -> Result<WebhookId, StoreError> {
    const SQL: &str = "INSERT INTO webhooks (url, events, description, secret, created_at, revision, cursor, failures) \
         VALUES ($1, $2, $3, $4, $5, 1, $6, 0) RETURNING id";
    let cursor = outbox::last(conn)?;
    let id = conn.row(SQL, bind![url, events.bits(), description, &**secret, now.0, cursor], |row| row.int(0))?;
    id.map(WebhookId).ok_or_else(|| StoreError::Other("a new webhook got no number".to_owned()))
}

/// Deletes a target and all that is kept of it; gives whether there was one.
pub(super) fn delete(conn: &Conn<'_>, id: WebhookId) -> Result<bool, StoreError> {
    conn.execute("DELETE FROM webhook_retries WHERE webhook_id = $1", bind![id.0])?;
    conn.execute("DELETE FROM webhook_deliveries WHERE webhook_id = $1", bind![id.0])?;
    Ok(conn.execute("DELETE FROM webhooks WHERE id = $1", bind![id.0])? > 0)
}

/// Lets a target that is off begin anew, with what happens from now on.
pub(super) fn begin_anew(conn: &Conn<'_>, id: WebhookId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE webhooks SET off_reason = NULL, off_at = NULL, failures = 0, failing_since = NULL, \
         probe_at = NULL, revision = revision + 1, cursor = $1 WHERE id = $2";
    conn.execute("DELETE FROM webhook_retries WHERE webhook_id = $1", bind![id.0])?;
    conn.execute(SQL, bind![outbox::last(conn)?, id.0])?;
    Ok(())
}

/// What a task that delivers has to know.
pub(super) struct Loaded {
    /// The number of the last event.
    pub(super) last: i64,
    /// The targets that are on, by their revisions.
    pub(super) on: BTreeMap<WebhookId, i64>,
    /// Those of them that are new, or were changed: where they stand, and what is tried again.
    pub(super) changed: Vec<(Webhook, i64, Health, Vec<Retry>)>,
}

/// Reads the targets that are on; `known` are those whose state is known already.
pub(super) fn load(conn: &Conn<'_>, known: &BTreeMap<WebhookId, i64>) -> Result<Loaded, StoreError> {
    let last = outbox::last(conn)?;
    let found =
        conn.rows(&format!("{SELECT} WHERE w.off_reason IS NULL ORDER BY w.id"), &[], |row| target(row, last))?;
    let on = found.iter().map(|(webhook, ..)| (webhook.id, webhook.revision)).collect();
    let changed = found.into_iter().filter(|(webhook, ..)| known.get(&webhook.id) != Some(&webhook.revision));
    let changed = changed.map(|(webhook, cursor, health)| {
        let retries = retries(conn, webhook.id)?;
        Ok((webhook, cursor, health, retries))
    });
    Ok(Loaded { last, on, changed: changed.collect::<Result<_, StoreError>>()? })
}

fn retries(conn: &Conn<'_>, id: WebhookId) -> Result<Vec<Retry>, StoreError> {
    const SQL: &str =
        "SELECT event, attempts, since, next_at FROM webhook_retries WHERE webhook_id = $1 ORDER BY event";
    let rows = conn.rows(SQL, bind![id.0], |row| {
        let attempts = u32::try_from(row.int(1)?).unwrap_or(u32::MAX);
        Ok((row.int(0)?, When { attempts, since: Timestamp(row.int(2)?), next_at: Timestamp(row.int(3)?) }))
    })?;
    let mut retries = Vec::with_capacity(rows.len());
    for (number, when) in rows {
        if let Some(notice) = outbox::one(conn, number)?.and_then(notice) {
            retries.push(Retry { notice: Arc::new(notice), when });
        }
    }
    Ok(retries)
}

fn notice(told: Told) -> Option<Notice> {
    body::notice(told.number, told.event, told.order)
}

/// The next events after one that a target is told of, and up to where they were looked for.
pub(super) fn read(conn: &Conn<'_>, kinds: Kinds, after: i64) -> Result<(Vec<Notice>, i64), StoreError> {
    let to = outbox::last(conn)?.min(after + SCAN_MAX);
    let found = outbox::events(conn, after, to, kinds.bits(), READ_MAX)?;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == READ_MAX);
    let read_to = if is_full { found.last().map_or(to, |last| last.number) } else { to };
    Ok((found.into_iter().filter_map(notice).collect(), read_to))
}

/// What became of a target since it was written down last.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) id: WebhookId,
    pub(super) revision: i64,
    pub(super) cursor: i64,
    pub(super) health: Health,
    pub(super) off: Option<Off>,
    pub(super) unsaved: Unsaved,
}

/// Writes down what became of targets, except of those that somebody has changed meanwhile, and deletes events that nobody
/// needs any more. Gives whether there are more of those.
pub(super) fn save(conn: &Conn<'_>, progress: &[Progress], now: Timestamp) -> Result<bool, StoreError> {
    const TARGET: &str = "UPDATE webhooks SET cursor = $1, failures = $2, failing_since = $3, probe_at = $4, off_reason = $5, \
         off_at = $6 WHERE id = $7 AND revision = $8";
    conn.concerns(&[]);
    for Progress { id, revision, cursor, health, off, unsaved } in progress {
        let Health { failures, failing_since, probe_at } = health;
        let (since, probe) = (failing_since.map(|at| at.0), probe_at.map(|at| at.0));
        let (reason, off_at) = (off.map(Off::as_str), off.map(|_| now.0));
        let values = bind![*cursor, i64::from(*failures), since, probe, reason, off_at, id.0, *revision];
        if conn.execute(TARGET, values)? == 0 {
            continue;
        }
        save_retries(conn, *id, &unsaved.retries)?;
        log(conn, *id, &unsaved.attempts)?;
    }
    purge(conn)
}

fn save_retries(conn: &Conn<'_>, id: WebhookId, retries: &BTreeMap<i64, Option<When>>) -> Result<(), StoreError> {
    const PUT: &str = "INSERT INTO webhook_retries (webhook_id, event, attempts, since, next_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (webhook_id, event) DO UPDATE SET attempts = excluded.attempts, next_at = excluded.next_at";
    for (event, when) in retries {
        match when {
            Some(When { attempts, since, next_at }) => {
                conn.execute(PUT, bind![id.0, *event, i64::from(*attempts), since.0, next_at.0])?
            }
            None => {
                conn.execute("DELETE FROM webhook_retries WHERE webhook_id = $1 AND event = $2", bind![id.0, *event])?
            }
        };
    }
    Ok(())
}

/// Adds attempts to the log of a target, of which the last ones stay.
pub(super) fn log(conn: &Conn<'_>, id: WebhookId, attempts: &[Attempt]) -> Result<(), StoreError> {
    const ADD: &str = "INSERT INTO webhook_deliveries (webhook_id, event_id, type, subject, attempt, at, took_ms, outcome, \
         status, error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    const TRIM: &str = "DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND number <= (SELECT number \
         FROM webhook_deliveries WHERE webhook_id = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)";
    if attempts.is_empty() {
        return Ok(());
    }
    for it in &attempts[attempts.len().saturating_sub(LOG_MAX)..] {
        let (event, kind, subject, error) = (&it.event_id, &it.kind, &it.subject, it.error.as_deref());
        let (attempt, at, took_ms, outcome) = (it.attempt, it.at.0, it.took_ms, it.outcome.as_str());
        conn.execute(ADD, bind![id.0, event, kind, subject, attempt, at, took_ms, outcome, it.status, error])?;
    }
    let kept = i64::try_from(LOG_MAX).unwrap_or(i64::MAX);
    conn.execute(TRIM, bind![id.0, kept])?;
    Ok(())
}

/// Deletes some events that every target is done with, but never the last one, after which the next is numbered; gives
/// whether there may be more.
fn purge(conn: &Conn<'_>) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM webhook_events WHERE number IN (SELECT number FROM webhook_events WHERE number <= \
         (SELECT COALESCE(MIN(cursor), $1) FROM webhooks WHERE off_reason IS NULL) \
         AND number < (SELECT MAX(number) FROM webhook_events) \
         AND number NOT IN (SELECT event FROM webhook_retries) ORDER BY number LIMIT $2)";
    let deleted = conn.execute(SQL, bind![i64::MAX, PURGE_MAX])?;
    Ok(i64::try_from(deleted).is_ok_and(|deleted| deleted == PURGE_MAX))
}

/// The log of one target or of all, the newest first.
pub(super) fn attempts(
    conn: &Conn<'_>,
    id: Option<WebhookId>,
    failed: bool,
    limit: i64,
) -> Result<Vec<Attempt>, StoreError> {
    const SQL: &str = "SELECT webhook_id, event_id, type, subject, attempt, at, took_ms, outcome, status, error \
         FROM webhook_deliveries WHERE ($1 IS NULL OR webhook_id = $1) AND ($2 = 0 OR outcome <> 'delivered') \
         ORDER BY number DESC LIMIT $3";
    conn.rows(SQL, bind![id.map(|id| id.0), i64::from(failed), limit], |row| {
        Ok(Attempt {
            webhook: WebhookId(row.int(0)?),
            event_id: row.text(1)?,
            kind: row.text(2)?,
            subject: row.text(3)?,
            attempt: row.int(4)?,
            at: Timestamp(row.int(5)?),
            took_ms: row.int(6)?,
            outcome: row.parsed(7)?,
            status: row.int_or_null(8)?,
            error: row.text_or_null(9)?,
        })
    })
}

/// What must hold of the rows.
pub(super) const INVARIANTS: &[(&str, &str, &str)] = &[
    (
        "webhooks_miss_no_event",
        "the outbox has every event that a target has before it, and no target is ahead of it",
        "SELECT 'webhook ' || w.id FROM webhooks w WHERE w.off_reason IS NULL AND (SELECT COUNT(*) FROM webhook_events e \
         WHERE e.number > w.cursor) <> COALESCE((SELECT MAX(number) FROM webhook_events), 0) - w.cursor",
    ),
    (
        "webhook_retries_have_their_event",
        "what is tried again is in the outbox, and the target has come past it",
        "SELECT 'webhook ' || r.webhook_id || ' #' || r.event FROM webhook_retries r JOIN webhooks w ON w.id = r.webhook_id \
         LEFT JOIN webhook_events e ON e.number = r.event \
         WHERE e.number IS NULL OR r.event > w.cursor OR w.off_reason IS NOT NULL",
    ),
    (
        "webhook_events_have_their_order",
        "every event of an order names one that exists, and why it was cancelled if it was",
        "SELECT 'event ' || e.number FROM webhook_events e LEFT JOIN orders o ON o.id = e.order_id \
         WHERE e.order_id IS NOT NULL AND (o.id IS NULL OR (e.kind = 1) <> (e.reason IS NOT NULL))",
    ),
];
