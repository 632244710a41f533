//! The audit log's SQL.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::console::ACCOUNT;
use super::model::{Deed, Entry, Filter, Hand, Thing, Writer};
use crate::kernel::actor::{By, RequestWord};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::UserId;
use crate::store::{Conn, Row, StoreError, Value, bind};

/// Writes an entry: to be called in the transaction of the change that it tells of.
///
/// # Errors
/// A fault of the database.
pub(crate) fn write(conn: &Conn<'_>, by: By, now: Timestamp, deed: &Deed) -> Result<(), StoreError> {
    // Should the clock have gone back, the entry gets the time of the one before: numbers and times have one order.
    const SQL: &str = "INSERT INTO trail (at, admin_id, uid, account, action, kind, thing, was, became, request) \
         VALUES (MAX($1, COALESCE((SELECT at FROM trail ORDER BY id DESC LIMIT 1), 0)), $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (admin, uid, account, request) = match &by {
        By::Admin(user, request) => (user.0, None, None, request.as_ref().map(RequestWord::as_str)),
        By::Console => (0, Some(i64::from(ACCOUNT.uid)), ACCOUNT.name.as_deref(), None),
    };
    let text = |json: &Json| if json.is_null() { None } else { Some(json.to_string()) };
    let (was, became) = (text(&deed.was), text(&deed.became));
    let Thing { kind, id } = &deed.on;
    let (action, kind) = (deed.action.as_str(), kind.as_str());
    conn.execute(SQL, bind![now.0, admin, uid, account, action, kind, id, was.as_deref(), became.as_deref(), request])
        .map(drop)
}

fn entry(row: Row<'_>) -> Result<Entry, StoreError> {
    let json = |column| {
        let text = row.text_or_null(column)?;
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        read.map_err(|error| StoreError::Other(format!("column {column} of the audit log holds no JSON: {error}")))
    };
    let by = match row.int_or_null(3)? {
        None => Writer::Admin(UserId(row.int(2)?)),
        Some(uid) => Writer::Console { uid: u32::try_from(uid).unwrap_or(u32::MAX), account: row.text_or_null(4)? },
    };
    Ok(Entry {
        number: row.int(0)?,
        at: Timestamp(row.int(1)?),
        by,
        action: row.parsed(5)?,
        on: Thing { kind: row.parsed(6)?, id: row.text(7)? },
        was: json(8)?,
        became: json(9)?,
        request: row.text_or_null(10)?,
    })
}

/// Entries below the number `before`, the latest first.
pub(super) fn list(conn: &Conn<'_>, filter: &Filter, before: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let Some((first, end)) = numbers(conn, filter, before)? else { return Ok(Vec::new()) };
    let (sql, mut values) = query(filter);
    values.extend([first, end, limit].map(Value::from));
    conn.rows(&sql, &values, entry)
}

/// The query that `filter` means, and the values of its first parameters; those of the first number, of the end and of the
/// limit follow.
fn query(filter: &Filter) -> (String, Vec<Value<'_>>) {
    let (mut wanted, mut values): (Vec<&str>, Vec<Value<'_>>) = (Vec::new(), Vec::new());
    if let Some(by) = filter.by {
        let admin = match by {
            Hand::Admin(user) => user.0,
            Hand::Console => 0,
        };
        wanted.push("admin_id");
        values.push(admin.into());
    }
    if let Some(action) = filter.action {
        wanted.push("action");
        values.push(action.as_str().into());
    }
    if let Some(on) = &filter.on {
        wanted.extend(["kind", "thing"]);
        values.extend([Value::from(on.kind.as_str()), Value::from(&on.id)]);
    }
    // Each of these has the entries in order, so that a page costs what it shows.
    let index = match filter {
        Filter { on: Some(_), .. } => "INDEXED BY trail_by_thing",
        Filter { by: Some(_), action: Some(_), .. } => "INDEXED BY trail_by_admin_action",
        Filter { by: Some(_), .. } => "INDEXED BY trail_by_admin",
        Filter { action: Some(_), .. } => "INDEXED BY trail_by_action",
        _ => "NOT INDEXED",
    };
    let mut sql = format!(
        "SELECT id, at, admin_id, uid, account, action, kind, thing, was, became, request FROM trail {index} WHERE "
    );
    for (place, column) in (1..).zip(&wanted) {
        let _ = write!(sql, "{column} = ${place} AND ");
    }
    let next = wanted.len() + 1;
    let _ = write!(sql, "id >= ${next} AND id < ${} ORDER BY id DESC LIMIT ${}", next + 1, next + 2);
    (sql, values)
}

/// The numbers that the filter's times and `before` leave: from the first on, up to the end; `None` when there are none.
fn numbers(conn: &Conn<'_>, filter: &Filter, before: i64) -> Result<Option<(i64, i64)>, StoreError> {
    let number = |sql, at: Timestamp| conn.row(sql, bind![at.0], |row| row.int(0));
    let (mut first, mut end) = (0, before);
    if let Some(since) = filter.since {
        match number("SELECT id FROM trail WHERE at >= $1 ORDER BY at, id LIMIT 1", since)? {
            Some(number) => first = number,
            None => return Ok(None),
        }
    }
    if let Some(until) = filter.until {
        match number("SELECT id FROM trail WHERE at < $1 ORDER BY at DESC, id DESC LIMIT 1", until)? {
            Some(number) => end = end.min(number + 1),
            None => return Ok(None),
        }
    }
    Ok(Some((first, end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Db, Location};

    #[tokio::test]
    async fn a_page_costs_what_it_shows_whatever_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let by = [None, Some(Hand::Console), Some(Hand::Admin(UserId(1)))];
        for (by, action, on) in by.iter().flat_map(|by| [0, 1, 2, 3].map(|bits| (*by, bits & 1 > 0, bits & 2 > 0))) {
            let filter = Filter {
                by,
                action: action.then_some(super::super::Action::UserBlock),
                on: on.then(|| Thing::from(UserId(1))),
                ..Filter::default()
            };
            let plan = db.read(move |conn| {
                let (sql, mut values) = query(&filter);
                values.extend([0, i64::MAX, 10].map(Value::from));
                Ok(conn.rows(&format!("EXPLAIN QUERY PLAN {sql}"), &values, |row| row.text(3))?)
            });
            let plan = plan.await.unwrap();
            // Found by all that is asked for, and read in the order of the numbers.
            let [step] = &plan[..] else { panic!("{plan:?}") };
            assert!(step.starts_with("SEARCH trail USING ") && step.contains("rowid>? AND rowid<?"), "{plan:?}");
        }
    }
}
