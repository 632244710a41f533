//! A database that is only looked at: a live one beside whoever works on it, or a copy that nobody vouches for.
//!
//! Neither is made or brought up to date by it. Of a copy nothing is believed: its length is compared with its header, its
//! schema with the one that the migrations make (a trigger or a view more could do anything later), and only then are its
//! pages and rows looked at, by a connection that neither writes nor runs what the file brings along
//! (`sqlite.org/security.html`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction};

use super::header::{Header, of_file};
use super::open::{self, Fault};
use super::pace::Watch;
use super::{Conn, StoreError, migrate};
use crate::kernel::error::{Error, Kind, Text};

/// How many faults a check names.
const FAULTS_MAX: usize = 10;
/// How long a look waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database, open for looking.
pub(crate) struct Inspection {
    connection: Connection,
    /// By which name people know it.
    shown: PathBuf,
    schema_version: usize,
}

/// What is wrong with a file as such.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// What SQLite says of its pages, indexes and constraints.
    pub integrity: Vec<String>,
    /// Rows that refer to rows that are not there.
    pub foreign_keys: Vec<String>,
}

impl Faults {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.integrity.is_empty() && self.foreign_keys.is_empty()
    }
}

impl Inspection {
    /// Looks at a database that others may be working on.
    ///
    /// # Errors
    /// `database_missing`, `database_foreign`, `schema_newer`; when it can't be opened.
    pub(crate) fn of_live(path: &Path, watch: &Watch) -> Result<Self, Error> {
        if !path.exists() {
            let path = path.display();
            let detail =
                Text::made(format!("There is no database {path}."), format!("데이터베이스 {path}이(가) 없습니다."));
            return Err(Error::new(Kind::NotFound, "database_missing", detail));
        }
        let open = || {
            // A log can't be read without writing down that somebody does.
            let mut connection = opened(path, OpenFlags::SQLITE_OPEN_READ_WRITE, watch)?;
            connection.pragma_update(None, "query_only", true)?;
            // Looking changes nothing, not even by being the last to leave.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            let schema_version = migrate::version(&connection)?;
            if !migrate::is_ours(&mut connection)? || schema_version == 0 {
                return Err(open::not_ours(path).into());
            }
            migrate::not_newer(schema_version)?;
            Ok(Self { connection, shown: path.to_owned(), schema_version })
        };
        open().map_err(|fault: Fault| fault.told(path))
    }

    /// Looks at a copy that is nobody else's; people know it as `shown`.
    ///
    /// # Errors
    /// `backup_foreign`, `backup_truncated`, `schema_newer`, `backup_altered` or `backup_damaged`.
    pub(crate) fn of_copy(path: &Path, shown: &Path, watch: &Watch) -> Result<Self, Error> {
        let schema_version = check_header(path, shown)?;
        let open = || -> Result<_, StoreError> {
            let connection = opened(path, OpenFlags::SQLITE_OPEN_READ_ONLY, watch)?;
            for (what, on) in [
                (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
                (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
                (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            ] {
                connection.set_db_config(what, on)?;
            }
            connection.pragma_update(None, "cell_size_check", true)?;
            connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(())).or_else(no_answer)?;
            let difference = migrate::difference(&connection, schema_version)?;
            Ok((connection, difference))
        };
        match open() {
            Ok((connection, None)) => Ok(Self { connection, shown: shown.to_owned(), schema_version }),
            Ok((_, Some(difference))) => Err(altered(shown, &difference)),
            Err(error) => Err(damaged(shown, error.told())),
        }
    }

    /// By which name people know it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// The version of its schema.
    pub(crate) fn schema_version(&self) -> usize {
        self.schema_version
    }

    /// Everything in it as it is now, until the transaction is dropped.
    pub(super) fn snapshot(&self) -> Result<Transaction<'_>, StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        // A transaction sees nothing before its first look.
        snapshot.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(snapshot)
    }

    /// Runs `work` on one snapshot.
    ///
    /// # Errors
    /// What `work` returns.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Conn<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let snapshot = self.snapshot()?;
        work(&Conn::of(&snapshot))
    }

    /// Looks at every page, index, constraint and foreign key.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn faults(&self) -> Result<Faults, Error> {
        let faults = || -> Result<_, StoreError> {
            let mut statement = self.connection.prepare(&format!("PRAGMA integrity_check({FAULTS_MAX})"))?;
            let told = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
            let integrity = told.into_iter().filter(|line| line != "ok").collect();
            let mut statement = self.connection.prepare("PRAGMA foreign_key_check")?;
            let orphan = |row: &rusqlite::Row<'_>| {
                let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
                let row = row.get::<_, Option<i64>>(1)?.map_or_else(String::new, |row| format!(" {row}"));
                Ok(format!("row{row} of {table} has no {parent}"))
            };
            let foreign_keys = statement.query_map([], orphan)?.take(FAULTS_MAX).collect::<Result<Vec<_>, _>>()?;
            Ok(Faults { integrity, foreign_keys })
        };
        faults().or_else(|error| match error {
            // Some damage is told by failing.
            StoreError::Other(why) => Ok(Faults { integrity: vec![why], foreign_keys: Vec::new() }),
            error => Err(error.into()),
        })
    }

    /// Refuses a copy that has faults.
    ///
    /// # Errors
    /// `backup_damaged`; when the file can't be read.
    pub(crate) fn must_be_sound(&self) -> Result<(), Error> {
        let faults = self.faults()?;
        match faults.integrity.iter().chain(&faults.foreign_keys).next() {
            Some(first) => Err(damaged(&self.shown, first)),
            None => Ok(()),
        }
    }
}

fn opened(path: &Path, access: OpenFlags, watch: &Watch) -> Result<Connection, StoreError> {
    let mut connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    watch.over(&mut connection)?;
    Ok(connection)
}

/// A pragma that answers nothing where it is not built in.
fn no_answer(error: rusqlite::Error) -> rusqlite::Result<()> {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) { Ok(()) } else { Err(error) }
}

/// Compares a copy with its own header; gives its schema version.
fn check_header(path: &Path, shown: &Path) -> Result<usize, Error> {
    let read = || -> Result<_, StoreError> {
        let told = |error| of_file(path, &error);
        let file = File::open(path).map_err(told)?;
        Ok((Header::read(&file).map_err(told)?, file.metadata().map_err(told)?.len()))
    };
    let (header, bytes) = read().map_err(|error| damaged(shown, error.told()))?;
    let name = shown.display();
    let Some(header) = header else {
        let detail = Text::made(
            format!("{name} is no SQLite database."),
            format!("{name}은(는) SQLite 데이터베이스가 아닙니다."),
        );
        return Err(Error::new(Kind::Conflict, "backup_foreign", detail));
    };
    let version = usize::try_from(header.schema_version).unwrap_or(usize::MAX);
    if i64::from(header.application) != migrate::APPLICATION_ID || version == 0 {
        let detail = Text::made(
            format!("{name} is another program's database."),
            format!("{name}은(는) 다른 프로그램의 데이터베이스입니다."),
        );
        return Err(Error::new(Kind::Conflict, "backup_foreign", detail));
    }
    migrate::not_newer(version)?;
    let expected = header.expected_bytes();
    if bytes < expected {
        let detail = Text::made(
            format!("{name} is truncated: it has {bytes} bytes of {expected}."),
            format!("{name}이(가) 잘렸습니다: {expected}바이트 중 {bytes}바이트만 있습니다."),
        );
        return Err(Error::new(Kind::Conflict, "backup_truncated", detail));
    }
    Ok(version)
}

fn altered(shown: &Path, difference: &str) -> Error {
    let name = shown.display();
    let detail = Text::made(
        format!("The schema of {name} is not this program's: {difference}."),
        format!("{name}의 스키마가 이 프로그램의 것이 아닙니다: {difference}"),
    );
    Error::new(Kind::Conflict, "backup_altered", detail)
}

/// The refusal of a copy whose pages or rows are broken.
pub(crate) fn damaged(shown: &Path, why: &str) -> Error {
    let name = shown.display();
    let detail = Text::made(format!("{name} is damaged: {why}."), format!("{name}이(가) 손상되었습니다: {why}"));
    Error::new(Kind::Conflict, "backup_damaged", detail)
}
