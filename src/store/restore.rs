//! A new file in the place of a database, at once or not at all.
//!
//! Three things could go wrong, and each has its step:
//! - Somebody is at work on the old database. The server's lock keeps servers out. Everybody else has the file open, and so
//!   keeps it from leaving WAL mode ([`Old::folded`]).
//! - The old write-ahead log is applied to the new file. Leaving WAL mode folds the log into the old database and deletes
//!   it. A database that is too damaged for that loses its log to a name beside its own first.
//! - The process is killed in between. Old and new exchange their names in one step (`renameat2(2)`), so that there is
//!   always a whole database under the name; the old one then gets the name under which it is kept.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::header::of_file;
use super::{Conn, Location, ServerLock, StoreError, migrate, open};
use crate::kernel::error::{Error, Kind, Text};

/// Where the database is, by its one name.
///
/// # Errors
/// When its folder can't be made.
pub(crate) fn place(location: &Location) -> Result<PathBuf, Error> {
    let Location::Sqlite(path) = location;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| open::cannot_open(path, &of_file(folder, &error)))?;
    }
    if let Ok(there) = path.canonicalize() {
        return Ok(there);
    }
    Ok(path.clone())
}

/// Brings a copy's schema up to date; nobody else knows of it.
///
/// # Errors
/// When a migration fails.
pub(crate) fn bring_up_to_date(copy: &Path) -> Result<(), Error> {
    let migrated = || {
        let mut connection = open_copy(copy)?;
        migrate::run(&mut connection, copy, true)
    };
    migrated().map_err(|fault| fault.told(copy))
}

/// Writes something in a copy that nobody else knows of.
///
/// # Errors
/// What `work` returns; when the copy can't be written.
pub(crate) fn write_in(copy: &Path, work: impl FnOnce(&Conn<'_>) -> Result<(), StoreError>) -> Result<(), Error> {
    let written = || -> Result<(), StoreError> {
        let mut connection = open_copy(copy)?;
        let transaction = connection.transaction()?;
        work(&Conn::of(&transaction))?;
        Ok(transaction.commit()?)
    };
    written().map_err(|error| open::cannot_open(copy, &error))
}

fn open_copy(copy: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// The old database, out of use.
enum Old {
    /// There is none.
    Missing,
    /// Everything is in the one file, which this connection keeps others from opening.
    Folded { _locked: Connection },
    /// It can't be read any more; its log, if it has one, is beside it.
    Damaged,
}

impl Old {
    /// Takes the database at `path` out of use.
    ///
    /// # Errors
    /// `database_in_use`; when it can't be read for another reason than damage.
    fn of(path: &Path) -> Result<Self, Error> {
        match path.try_exists() {
            Ok(false) => return Ok(Self::Missing),
            Ok(true) => {}
            Err(error) => return Err(open::cannot_open(path, &of_file(path, &error))),
        }
        match Self::folded(path) {
            Ok(connection) => Ok(Self::Folded { _locked: connection }),
            Err(StoreError::Locked(why)) => Err(in_use(path).because(why)),
            Err(StoreError::Other(why)) => {
                tracing::warn!(database = %path.display(), why, "the old database can't be read; it is kept as it is");
                Ok(Self::Damaged)
            }
            Err(error) => Err(open::cannot_open(path, &error)),
        }
    }

    fn folded(path: &Path) -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // When it turns out to be damaged, it and its log are kept as they are.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        if mode != "delete" {
            return Err(StoreError::Locked(format!("it stays in the journal mode {mode}")));
        }
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    }
}

/// Puts the file `new` in the place of the database at `path` (see [`place`]); gives where the old one is kept, if there was
/// one. When this fails, the old one is where it was and `new` is gone.
///
/// # Errors
/// `database_in_use`; what the file system says.
pub(crate) fn exchange(new: TempPath, path: &Path, stamp: &str, _lock: &ServerLock) -> Result<Option<PathBuf>, Error> {
    let old = Old::of(path)?;
    let kept = free_name(path, stamp);
    let moved = || -> io::Result<Option<PathBuf>> {
        if let Ok(there) = fs::metadata(path) {
            owned_like(&there, &new)?;
        }
        File::open(&new)?.sync_all()?;
        put_log_aside(path, &kept)?;
        let kept = match old {
            Old::Missing => {
                new.persist_noclobber(path)?;
                None
            }
            Old::Folded { .. } | Old::Damaged => Some(swap(new, path, kept)?),
        };
        sync_folder(path)?;
        Ok(kept)
    };
    moved().map_err(|error| open::cannot_open(path, &of_file(path, &error)))
}

/// Gives `new` the name `path`, and what was there the name `kept`, or another if that can't be had.
fn swap(new: TempPath, path: &Path, kept: PathBuf) -> io::Result<PathBuf> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, &*new, CWD, path, RenameFlags::EXCHANGE) {
            Ok(()) => {
                // Under this name is the old database now, which must not be deleted.
                let old = new.keep()?;
                return Ok(if fs::rename(&old, &kept).is_ok() { kept } else { old });
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // A kill in between leaves the old database with two names; which is told, with what to do, when it is opened.
    fs::hard_link(path, &kept)?;
    match new.persist(path) {
        Ok(()) => Ok(kept),
        Err(error) => {
            fs::remove_file(kept)?;
            Err(error.into())
        }
    }
}

/// Gives the new file the old one's owner and mode: the server may run as another user than whoever restores.
fn owned_like(there: &Metadata, new: &Path) -> io::Result<()> {
    let own = fs::metadata(new)?;
    if (own.uid(), own.gid()) != (there.uid(), there.gid()) {
        chown(new, Some(there.uid()), Some(there.gid()))?;
    }
    fs::set_permissions(new, there.permissions())
}

/// Takes a log that nobody folded away from the name that the new database gets.
fn put_log_aside(path: &Path, kept: &Path) -> io::Result<()> {
    let ignored = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    for end in ["-wal", "-journal"] {
        ignored(fs::rename(beside(path, end), beside(kept, end)))?;
    }
    ignored(fs::remove_file(beside(path, "-shm")))
}

/// A name for the old database that nothing has.
fn free_name(path: &Path, stamp: &str) -> PathBuf {
    let first = beside(path, &format!(".before-restore-{stamp}"));
    let others = (2..).map(|number| beside(path, &format!(".before-restore-{stamp}-{number}")));
    std::iter::once(first.clone()).chain(others).find(|name| !name.exists()).unwrap_or(first)
}

/// The path with `end` at its end.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Makes the names in the folder of `path` durable.
///
/// # Errors
/// What the file system says.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn in_use(path: &Path) -> Error {
    let path = path.display();
    let detail = Text::made(
        format!("Another process has the database {path} open."),
        format!("다른 프로세스가 데이터베이스 {path}를 열고 있습니다."),
    );
    Error::new(Kind::Conflict, "database_in_use", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with one word in it, and its newest word in the log alone, as a kill leaves it.
    fn killed(path: &Path, word: &str) {
        let connection = Connection::open(path).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE IF NOT EXISTS words (word TEXT)").unwrap();
        connection.execute("INSERT INTO words VALUES ($1)", [word]).unwrap();
    }

    fn words(path: &Path) -> String {
        let connection = Connection::open(path).unwrap();
        connection.query_row("SELECT group_concat(word) FROM words", [], |row| row.get(0)).unwrap()
    }

    fn shop() -> (tempfile::TempDir, PathBuf, TempPath, ServerLock) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        killed(&path, "old");
        let new = copy_beside(&path, "new");
        let lock = ServerLock::take(&Location::Sqlite(path.clone())).unwrap();
        (folder, path, new, lock)
    }

    fn copy_beside(path: &Path, word: &str) -> TempPath {
        let new = tempfile::NamedTempFile::new_in(folder_of(path)).unwrap().into_temp_path();
        let connection = Connection::open(&new).unwrap();
        connection.execute_batch("CREATE TABLE words (word TEXT)").unwrap();
        connection.execute("INSERT INTO words VALUES ($1)", [word]).unwrap();
        new
    }

    #[test]
    fn the_log_of_the_old_database_goes_with_it() {
        let (_folder, path, new, lock) = shop();
        assert!(beside(&path, "-wal").metadata().unwrap().len() > 0);
        let kept = exchange(new, &path, "T", &lock).unwrap().unwrap();
        assert_eq!((words(&path), words(&kept)), ("new".to_owned(), "old".to_owned()));
        assert!(kept.ends_with("shop.db.before-restore-T"));
        assert!(!beside(&path, "-wal").exists());
        // The one that is kept is never written over.
        let second = exchange(copy_beside(&path, "newer"), &path, "T", &lock).unwrap().unwrap();
        assert_eq!([&path, &second, &kept].map(|path| words(path)), ["newer", "new", "old"]);
    }

    #[test]
    fn a_log_without_its_database_and_one_of_a_damaged_database_are_put_aside() {
        for damaged in [false, true] {
            let (_folder, path, new, lock) = shop();
            if damaged {
                fs::write(&path, "no database any more").unwrap();
                fs::write(beside(&path, "-wal"), "nor a log").unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            let log = fs::read(beside(&path, "-wal")).unwrap();
            let kept = exchange(new, &path, "T", &lock).unwrap();
            assert_eq!((words(&path).as_str(), kept.is_some()), ("new", damaged));
            assert_eq!(fs::read(path.with_file_name("shop.db.before-restore-T-wal")).unwrap(), log);
        }
    }

    #[test]
    fn a_kill_or_a_failure_before_the_exchange_leaves_the_old_database() {
        let (_folder, path, new, lock) = shop();
        drop(Old::of(&path).unwrap()); // as far as a kill before the exchange lets it come
        assert_eq!(words(&path), "old");
        fs::remove_file(&new).unwrap();
        exchange(new, &path, "T", &lock).unwrap_err();
        assert_eq!(words(&path), "old");
        assert!(!beside(&path, ".before-restore-T").exists());
    }

    #[test]
    fn a_name_that_cannot_be_had_after_the_exchange_leaves_both() {
        let (_folder, path, new, _lock) = shop();
        drop(Old::of(&path).unwrap());
        let taken = path.with_file_name("taken");
        fs::create_dir_all(taken.join("by")).unwrap();
        let kept = swap(new, &path, taken).unwrap();
        assert_eq!((words(&path), words(&kept)), ("new".to_owned(), "old".to_owned()));
    }

    #[test]
    fn the_new_database_has_the_mode_of_the_old_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, path, new, lock) = shop();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        exchange(new, &path, "T", &lock).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_database_that_somebody_has_open_stays() {
        let (_folder, path, new, lock) = shop();
        let other = Connection::open(&path).unwrap();
        other.query_row("SELECT COUNT(*) FROM words", [], |_| Ok(())).unwrap();
        let temporary = new.to_owned();
        assert_eq!(exchange(new, &path, "T", &lock).unwrap_err().code(), "database_in_use");
        drop(other);
        assert_eq!(words(&path), "old");
        assert!(!temporary.exists());
        exchange(copy_beside(&path, "new"), &path, "T", &lock).unwrap();
    }
}
