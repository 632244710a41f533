//! Schema changes, embedded in the binary and counted in SQLite's `user_version`.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use sha2::{Digest as _, Sha256};

use super::open::Fault;
use super::{Location, ServerLock, StoreError};
use crate::kernel::error::{Error, Kind, Text};

/// In order; the first brings an empty database to version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/sqlite/0001_first_sale.sql"),
    include_str!("migrations/sqlite/0002_orders_filed_in_bulk.sql"),
    include_str!("migrations/sqlite/0003_accounts.sql"),
    include_str!("migrations/sqlite/0004_community.sql"),
    include_str!("migrations/sqlite/0005_community_seeds.sql"),
    include_str!("migrations/sqlite/0006_keys_filed_in_bulk.sql"),
    include_str!("migrations/sqlite/0007_sessions_and_codes.sql"),
    include_str!("migrations/sqlite/0008_counts_apart.sql"),
    include_str!("migrations/sqlite/0009_log_filed_in_bulk.sql"),
    include_str!("migrations/sqlite/0010_likes_filed_in_bulk.sql"),
    include_str!("migrations/sqlite/0011_users_by_name.sql"),
    include_str!("migrations/sqlite/0012_webhooks.sql"),
];

/// The schema version that this program works on.
pub const SCHEMA_VERSION: usize = MIGRATIONS.len();

/// The header's mark of this program's files, as the first migration sets it.
pub(super) const APPLICATION_ID: i64 = 0x7072_6f72;

/// The tables of ANALYZE, as SQLite makes them.
const STATISTICS: [(&str, &str); 2] = [
    ("table sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("table sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
];

/// Whether a file is this program's, or empty. Another program's must be left as it is.
pub(super) fn is_ours(connection: &mut Connection) -> Result<bool, StoreError> {
    let snapshot = connection.transaction()?; // another process may be migrating
    let application: i64 = snapshot.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != 0 {
        return Ok(application == APPLICATION_ID);
    }
    let tables: i64 = snapshot.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

/// Brings the schema up to date, in one transaction. `served`: this process has the server's lock.
///
/// # Errors
/// When the database is newer than this program, or older and another server runs on it; when a statement fails.
pub(super) fn run(connection: &mut Connection, path: &Path, served: bool) -> Result<(), Fault> {
    let version = version(connection)?;
    not_newer(version)?;
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    // A server that runs was written for the schema as it is. A new file has none, and nobody serves it yet.
    let _lock = if version == 0 || served { None } else { Some(lock(path, version)?) };
    give_functions(connection)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have migrated while this one waited for the lock.
    let start = self::version(&transaction)?;
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(start) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}

/// Whether this program still knows the schema of a database that it has open.
///
/// # Errors
/// When another program has made it newer: nothing may be written any more.
pub(crate) fn still_known(connection: &Connection) -> Result<(), Error> {
    match version(connection)? {
        version if version > SCHEMA_VERSION => Err(newer(Kind::Busy, version).retry_after_s(60)),
        _ => Ok(()),
    }
}

/// Refuses a schema that only a newer program knows.
pub(super) fn not_newer(version: usize) -> Result<(), Error> {
    if version > SCHEMA_VERSION { Err(newer(Kind::Conflict, version)) } else { Ok(()) }
}

/// What is in a database that the migrations up to `version` do not make, or is missing; `None` when it is theirs exactly.
pub(super) fn difference(connection: &Connection, version: usize) -> Result<Option<String>, StoreError> {
    let ours = Connection::open_in_memory()?;
    give_functions(&ours)?;
    for sql in &MIGRATIONS[..version] {
        ours.execute_batch(sql)?;
    }
    let (ours, mut found) = (schema(&ours)?, schema(connection)?);
    // What ANALYZE makes, whoever ran it, tells the planner of numbers of rows and nothing else.
    found.retain(|name, sql| !STATISTICS.contains(&(name.as_str(), sql.as_str())));
    let more = found.iter().find(|(name, sql)| ours.get(*name) != Some(sql)).map(|(name, _)| {
        let how = if ours.contains_key(name) { "is another than it should be" } else { "should not be there" };
        format!("the {name} {how}")
    });
    let less = || ours.keys().find(|name| !found.contains_key(*name)).map(|name| format!("the {name} is missing"));
    Ok(more.or_else(less))
}

/// Tables, indexes, triggers and views by kind and name, with what makes them.
fn schema(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let mut rows = connection.prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema")?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn newer(kind: Kind, version: usize) -> Error {
    let detail = Text::made(
        format!("This database has schema version {version}, newer than this program's {SCHEMA_VERSION}."),
        format!("데이터베이스의 스키마 버전({version})이 이 프로그램({SCHEMA_VERSION})보다 새롭습니다."),
    );
    Error::new(kind, "schema_newer", detail)
}

fn lock(path: &Path, version: usize) -> Result<ServerLock, Error> {
    ServerLock::take(&Location::Sqlite(path.to_owned())).map_err(|error| {
        if error.code() != "database_served" {
            return error;
        }
        let path = path.display();
        let detail = Text::made(
            format!(
                "The database {path} has to be brought from schema version {version} to {SCHEMA_VERSION}, but a server is \
                 running on it."
            ),
            format!("데이터베이스 {path}의 스키마를 {version}에서 {SCHEMA_VERSION}(으)로 올려야 하지만 서버가 실행 중입니다."),
        );
        Error::new(Kind::Conflict, "database_served", detail)
    })
}

/// What migrations compute with that SQLite lacks: `sha256_16(text)`, the first 16 bytes of a SHA-256.
fn give_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("sha256_16", 1, flags, |context| {
        let text = context.get_raw(0).as_bytes().map_err(|error| rusqlite::Error::UserFunctionError(error.into()))?;
        Ok(Sha256::digest(text)[..16].to_vec())
    })
}

pub(super) fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_were_kept_in_full_become_digests() {
        let mut old = Connection::open_in_memory().unwrap();
        for sql in &MIGRATIONS[..5] {
            old.execute_batch(sql).unwrap();
        }
        old.execute_batch(
            "PRAGMA user_version = 5;
             INSERT INTO idempotency_keys VALUES (7, '/payments', 'k', zeroblob(32), x'11', NULL, 5),
                 (7, '/payments/11/confirm', 'k', zeroblob(32), x'11', NULL, 6),
                 (8, '/payments', 'k', zeroblob(32), NULL, 'sold_out', 9);",
        )
        .unwrap();
        assert!(run(&mut old, Path::new("old.db"), true).is_ok());
        let sql = "SELECT lower(hex(digest)) || ' ' || buyer_id || ' ' || length(body_hash) || ' ' \
             || coalesce(refusal || ' ' || refused_at, 'order') || ' ' || entered FROM idempotency_keys \
             ORDER BY buyer_id, entered DESC";
        let mut rows = old.prepare(sql).unwrap();
        let rows: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows[0], "aaf8a69328abf2c29ec87637b566a730 7 16 order 1", "the digest is the ledger's");
        assert!(rows[1].ends_with(" 7 16 order 0"), "{rows:?}");
        assert!(rows[2].ends_with(" 8 16 sold_out 9 1"), "{rows:?}");
    }
}
