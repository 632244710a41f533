//! From a path to a connection: what a file must be, how it is opened, and in what words it is refused.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, migrate};
use crate::kernel::error::{Error, Kind, Text};

/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 256;
/// How long a write waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The first SQLite without the fault that could corrupt a WAL database when it was reset (`sqlite.org/wal.html`).
const SQLITE_OLDEST: (i32, &str) = (3_051_003, "3.51.3");

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    /// How long a write waits for another process's lock.
    pub(super) busy_timeout: Duration,
    /// Whether this process has the server's lock.
    pub(super) served: bool,
}

impl Default for Opening {
    fn default() -> Self {
        Self { busy_timeout: BUSY_TIMEOUT, served: false }
    }
}

/// Why a database was not opened.
pub(super) enum Fault {
    /// It has its words already.
    Told(Error),
    /// SQLite or the file system refused.
    Store(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fault {
    /// The fault in words that name the file.
    pub(super) fn told(self, path: &Path) -> Error {
        match self {
            Self::Told(error) => error,
            Self::Store(error) => cannot_open(path, &error),
        }
    }
}

/// Opens the file (and its folder) for the first time in this process, and brings its schema up to date.
pub(super) fn first(path: &Path, opening: Opening, cache_kib: i32) -> Result<Connection, Fault> {
    check_version(rusqlite::version_number())?;
    check_links(path)?;
    let mut connection = open_file(path, opening.busy_timeout)?;
    if !migrate::is_ours(&mut connection)? {
        return Err(not_ours(path).into());
    }
    configure(&connection, cache_kib)?;
    migrate::run(&mut connection, path, opening.served)?;
    Ok(connection)
}

/// Opens the file once more.
pub(super) fn configured(path: &Path, busy_timeout: Duration, cache_kib: i32) -> Result<Connection, StoreError> {
    let connection = open_file(path, busy_timeout)?;
    configure(&connection, cache_kib)?;
    Ok(connection)
}

/// Refuses an SQLite with the WAL-reset fault.
fn check_version(number: i32) -> Result<(), Error> {
    if number >= SQLITE_OLDEST.0 {
        return Ok(());
    }
    let needed = SQLITE_OLDEST.1;
    let detail = Text::made(
        format!("The linked SQLite ({number}) can corrupt a database in WAL mode; build with {needed} or newer."),
        format!("연결된 SQLite({number})에 WAL 손상 결함이 있습니다. {needed} 이상으로 빌드하세요."),
    );
    Err(Error::new(Kind::Conflict, "sqlite_too_old", detail))
}

/// Refuses a file with a second name. The log and the server's lock lie beside a name, not beside the file, so that two
/// processes that came by different names would know nothing of each other (sqlite.org/howtocorrupt, 2.5).
fn check_links(path: &Path) -> Result<(), Error> {
    let names = std::fs::metadata(path).map_or(1, |file| if file.is_file() { file.nlink() } else { 1 });
    if names <= 1 {
        return Ok(());
    }
    let path = path.display();
    let detail = Text::made(
        format!("The database {path} has {names} names (hard links), and is only safe under one."),
        format!("데이터베이스 {path}에 이름(하드 링크)이 {names}개 있습니다. 하나만 있어야 안전합니다."),
    );
    Err(Error::new(Kind::Conflict, "database_linked", detail))
}

fn open_file(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Other(format!("its folder {} can't be made: {error}", folder.display())))?;
    }
    // It holds password hashes and addresses. SQLite gives the files beside it the same mode. Never opened when it is
    // there: closing it again would take away the locks of this process's other connections (sqlite.org/howtocorrupt).
    drop(File::options().write(true).create_new(true).mode(0o600).open(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn configure(connection: &Connection, cache_kib: i32) -> Result<(), StoreError> {
    // Where WAL can't be had, SQLite says so in the answer only, and readers would stop the writer.
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Other(format!("its file system can't hold a write-ahead log (journal mode {mode})")));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?; // see `checkpoint.rs`
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Or a statement with 'LIMIT $1' is planned anew whenever a value is bound to it, which costs more than most queries.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

pub(super) fn not_ours(path: &Path) -> Error {
    let detail = Text::made(
        format!("{} is another program's database; it was left as it is.", path.display()),
        format!("{}은(는) 다른 프로그램의 데이터베이스입니다. 변경하지 않았습니다.", path.display()),
    );
    Error::new(Kind::Conflict, "database_foreign", detail)
}

pub(super) fn cannot_open(path: &Path, error: &StoreError) -> Error {
    if let StoreError::Locked(why) = error {
        let detail = Text::made(
            format!("Another process keeps the database {} locked.", path.display()),
            format!("다른 프로세스가 데이터베이스 {}를 잠그고 있습니다.", path.display()),
        );
        return Error::new(Kind::Busy, "database_locked", detail).because(why.as_str()).retry_after_s(1);
    }
    let why = error.told();
    let code = match error {
        StoreError::Failed(_) => "storage_failed",
        StoreError::Full(_) => "storage_full",
        _ => "database_unavailable",
    };
    let detail = Text::made(
        format!("The database {} can't be opened: {why}.", path.display()),
        format!("데이터베이스 {}를 열 수 없습니다: {why}", path.display()),
    );
    Error::new(Kind::Conflict, code, detail)
}

/// The refusal of a copy that could not be made from the file at `path`.
pub(super) fn cannot_copy(path: &Path, error: &StoreError) -> Error {
    let (path, why) = (path.display(), error.told());
    let detail =
        Text::made(format!("{path} can't be copied: {why}."), format!("{path}을(를) 복사할 수 없습니다: {why}"));
    Error::new(Kind::Conflict, "backup_failed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Driver;

    fn open(path: &Path) -> Result<Driver, Error> {
        Driver::open(path, Opening::default())
    }

    #[test]
    fn an_sqlite_with_the_wal_reset_fault_is_refused() {
        assert!(check_version(rusqlite::version_number()).is_ok());
        assert_eq!(check_version(3_051_002).unwrap_err().code(), "sqlite_too_old");
    }

    #[test]
    fn another_programs_database_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.db");
        let other = Connection::open(&path).unwrap();
        // Its own count of schema changes may well be ours.
        other.execute_batch("CREATE TABLE notes (text TEXT); PRAGMA user_version = 1").unwrap();
        drop(other);
        let before = std::fs::read(&path).unwrap();
        assert_eq!(open(&path).err().unwrap().code(), "database_foreign");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn only_its_owner_reads_a_new_database() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let driver = open(&path).unwrap();
        for file in ["shop.db", "shop.db-wal", "shop.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        drop(driver);
        open(&path).unwrap();
    }

    #[test]
    fn a_database_with_two_names_is_refused_by_both() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("shop.db"), folder.path().join("again.db"));
        drop(open(&one).unwrap());
        std::fs::hard_link(&one, &two).unwrap();
        for path in [&one, &two] {
            assert_eq!(open(path).err().unwrap().code(), "database_linked");
        }
        std::fs::remove_file(&one).unwrap();
        open(&two).unwrap();
        // A symbolic link is no second name: SQLite follows it.
        std::os::unix::fs::symlink(&two, &one).unwrap();
        open(&one).unwrap();
    }
}
