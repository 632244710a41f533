//! What the command line and the schedule call.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempPath;

use super::{rules, store};
use crate::audit::prove_rows;
use crate::kernel::actor::By;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind, Text};
use crate::ledger::audit::{Audit, OrderCounts};
use crate::store::inspect::{Inspection, damaged};
use crate::store::pace::{Watch, apart};
use crate::store::restore::{self, beside, folder_of};
use crate::store::{self as database, Faults, Location, Pace, Pages, SCHEMA_VERSION, ServerLock, TableRows};
use crate::trail::{self, Action, Deed, Thing};

/// A backup that was made.
#[derive(Debug, Clone)]
pub struct BackedUp {
    /// Where it is.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// The version of its schema.
    pub schema_version: usize,
    /// The orders in it.
    pub orders: OrderCounts,
    /// How long it took.
    pub took: Duration,
}

/// A backup that is in the place of the database.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Where the database is.
    pub path: PathBuf,
    /// The schema version that the backup had; it has this program's now.
    pub schema_version_before: usize,
    /// How long the file is.
    pub bytes: u64,
    /// The orders in it.
    pub orders: OrderCounts,
    /// Where the database is kept that was there before.
    pub kept: Option<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

/// What is wrong with a database, and how large it is.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The version of its schema.
    pub schema_version: usize,
    /// Faults of the file.
    pub faults: Faults,
    /// The invariants; `None` for an older schema, whose tables are others, and for a file that can't be read.
    pub audit: Option<Audit>,
    /// Pages and bytes; `None` for a file that can't be read.
    pub pages: Option<Pages>,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.faults.is_empty() && self.audit.as_ref().is_none_or(Audit::ok)
    }
}

/// How large a database is.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The version of its schema.
    pub schema_version: usize,
    /// Pages and bytes.
    pub pages: Pages,
    /// The rows of each table.
    pub tables: Vec<TableRows>,
    /// When the first and the last order were made.
    pub orders: Option<(Timestamp, Timestamp)>,
}

/// Makes a backup of the database at `location` in the file `target`, beside whoever works on it. Nothing has that name
/// before the backup is whole and proven, and nothing is left when it fails.
///
/// # Errors
/// `backup_exists` when there is such a file, unless `force` says to replace it; `backup_damaged` when the database breaks an
/// invariant; `storage_full`; what the file system says.
pub async fn back_up(location: &Location, target: &Path, force: bool, pace: Pace) -> Result<BackedUp, Error> {
    let began = Instant::now();
    let Location::Sqlite(source) = location;
    check_target(source, target, force)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let (draft, made) = draft(source, folder_of(target), &name, pace).await?;
    let put = if force { draft.persist(target) } else { draft.persist_noclobber(target) };
    put.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(target),
        _ => unwritable(target, &error.error),
    })?;
    restore::sync_folder(target).map_err(|error| unwritable(target, &error))?;
    Ok(BackedUp { path: target.to_owned(), took: began.elapsed(), ..made })
}

/// Makes a proven copy in `folder`, under a name that it does not keep; dropping it deletes it.
///
/// # Errors
/// Those of [`back_up`].
pub(super) async fn draft(source: &Path, folder: &Path, name: &str, pace: Pace) -> Result<(TempPath, BackedUp), Error> {
    let began = Instant::now();
    // Here and not on the other thread, so that it goes with this future.
    let draft = temporary(folder, name)?;
    let (source, copy) = (source.to_owned(), draft.to_path_buf());
    let (schema_version, audit) = apart(pace, move |watch| {
        let live = Inspection::of_live(&source, watch)?;
        database::backup::copy(&live, &copy, watch)?;
        drop(live);
        verified(&copy, &source, watch)
    })
    .await?;
    let bytes = std::fs::metadata(&draft).map_or(0, |file| file.len());
    let path = draft.to_path_buf();
    Ok((draft, BackedUp { path, bytes, schema_version, orders: audit.orders, took: began.elapsed() }))
}

/// Puts a backup in the place of the database at `location`, brings it up to date and keeps the database that was there.
///
/// # Errors
/// `backup_missing`, `backup_foreign`, `backup_truncated`, `schema_newer`, `backup_altered`, `backup_damaged`;
/// `database_served` and `database_in_use`; `storage_full`. The database is as it was then.
pub async fn restore(location: &Location, backup: &Path, now: Timestamp) -> Result<Restored, Error> {
    let began = Instant::now();
    check_backup(location, backup)?;
    let lock = ServerLock::take(location)?;
    let path = restore::place(location)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = temporary(folder_of(&path), &name)?;
    let (copy, shown) = (draft.to_path_buf(), backup.to_owned());
    let (schema_version_before, audit) = apart(Pace::Alone, move |watch| {
        // A copy is looked at, as what is looked at must be what is restored.
        database::backup::copy_file(&shown, &copy)?;
        let inspection = Inspection::of_copy(&copy, &shown, watch)?;
        let before = inspection.schema_version();
        if before < SCHEMA_VERSION {
            inspection.must_be_sound()?;
            drop(inspection);
            restore::bring_up_to_date(&copy)?;
        }
        let audit = verified(&copy, &shown, watch)?.1;
        // What the backup does not know: that it became the database.
        let deed = Deed::new(Action::DbRestore, Thing::all(trail::Kind::Database), json!({ "schemaVersion": before }));
        restore::write_in(&copy, |conn| trail::write(conn, By::Console, now, &deed))?;
        Ok((before, audit))
    })
    .await?;
    let bytes = std::fs::metadata(&draft).map_or(0, |file| file.len());
    let kept = restore::exchange(draft, &path, &rules::stamp(now), &lock)?;
    Ok(Restored { path, schema_version_before, bytes, orders: audit.orders, kept, took: began.elapsed() })
}

/// Looks at everything in the database at `location`, beside whoever works on it.
///
/// # Errors
/// When there is none, or it can't be read.
pub async fn check(location: &Location) -> Result<Checked, Error> {
    let Location::Sqlite(path) = location.clone();
    apart(Pace::BesideASale, move |watch| {
        let live = Inspection::of_live(&path, watch)?;
        let faults = live.faults()?;
        let readable = faults.integrity.is_empty() && live.schema_version() == SCHEMA_VERSION;
        let audit = if readable { Some(live.read(prove_rows)?) } else { None };
        let pages = if faults.integrity.is_empty() { Some(live.pages()?) } else { live.pages().ok() };
        Ok(Checked { schema_version: live.schema_version(), faults, audit, pages })
    })
    .await
}

/// Counts what is in the database at `location`, beside whoever works on it.
///
/// # Errors
/// When there is none, or it can't be read.
pub async fn stats(location: &Location) -> Result<Stats, Error> {
    let Location::Sqlite(path) = location.clone();
    apart(Pace::BesideASale, move |watch| {
        let live = Inspection::of_live(&path, watch)?;
        Ok(Stats {
            schema_version: live.schema_version(),
            pages: live.pages()?,
            tables: live.rows_per_table()?,
            orders: live.read(|conn| Ok(store::orders_from_to(conn)?))?,
        })
    })
    .await
}

/// Proves a copy; gives its schema version, and the audit that it passed. People know it as `shown`.
fn verified(copy: &Path, shown: &Path, watch: &Watch) -> Result<(usize, Audit), Error> {
    let inspection = Inspection::of_copy(copy, shown, watch)?;
    inspection.must_be_sound()?;
    let schema_version = inspection.schema_version();
    if schema_version < SCHEMA_VERSION {
        // The invariants are those of this program's tables: it is proven on a copy that is brought up to date.
        let newer = temporary(folder_of(copy), &copy.file_name().unwrap_or_default().to_string_lossy())?;
        database::backup::copy_file(copy, &newer)?;
        restore::bring_up_to_date(&newer)?;
        return Ok((schema_version, verified(&newer, shown, watch)?.1));
    }
    let audit = inspection.read(prove_rows)?;
    match audit.checks.iter().find(|check| !check.ok) {
        Some(broken) => Err(damaged(shown, &format!("{}: {}", broken.name, broken.detail))),
        None => Ok((schema_version, audit)),
    }
}

/// An empty file in `folder` that only its owner can read, and that is deleted unless it gets another name.
fn temporary(folder: &Path, name: &str) -> Result<TempPath, Error> {
    let draft = tempfile::Builder::new()
        .prefix(&rules::draft_prefix(name))
        .suffix(rules::DRAFT_SUFFIX)
        .tempfile_in(folder)
        .map_err(|error| unwritable(folder, &error))?;
    Ok(draft.into_temp_path())
}

fn check_target(source: &Path, target: &Path, force: bool) -> Result<(), Error> {
    let Ok(there) = std::fs::metadata(target) else { return Ok(()) };
    let is_source = std::fs::metadata(source).is_ok_and(|it| (it.dev(), it.ino()) == (there.dev(), there.ino()));
    // A log would be applied to whatever gets the name.
    let is_live = ["-wal", "-journal"].iter().any(|end| beside(target, end).exists());
    if is_source || is_live {
        let target = target.display();
        let detail = Text::made(
            format!("{target} is a database in use, and no place for a backup."),
            format!("{target}은(는) 사용 중인 데이터베이스이므로 백업할 수 없습니다."),
        );
        return Err(Error::new(Kind::Conflict, "backup_target_in_use", detail));
    }
    if there.is_dir() {
        return Err(unwritable(target, &std::io::ErrorKind::IsADirectory.into()));
    }
    if force { Ok(()) } else { Err(exists(target)) }
}

fn check_backup(location: &Location, backup: &Path) -> Result<(), Error> {
    let name = backup.display();
    let refused = |code, en: String, ko: String| Err(Error::new(Kind::Conflict, code, Text::made(en, ko)));
    match std::fs::metadata(backup) {
        Ok(file) if file.is_file() => {
            let Location::Sqlite(path) = location;
            let is_it = std::fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (file.dev(), file.ino()));
            let log = beside(backup, "-wal");
            if is_it || std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
                return refused(
                    "backup_in_use",
                    format!("{name} is a database in use, and no backup: a part of it is in its write-ahead log."),
                    format!("{name}은(는) 백업이 아니라 사용 중인 데이터베이스입니다."),
                );
            }
            Ok(())
        }
        Ok(_) => refused("backup_foreign", format!("{name} is no file."), format!("{name}은(는) 파일이 아닙니다.")),
        Err(error) => refused(
            "backup_missing",
            format!("The backup {name} can't be read: {error}."),
            format!("백업 {name}을(를) 읽을 수 없습니다: {error}"),
        ),
    }
}

fn exists(target: &Path) -> Error {
    let target = target.display();
    let detail = Text::made(
        format!("{target} is there already; it was left as it is."),
        format!("{target}이(가) 이미 있습니다. 변경하지 않았습니다."),
    );
    Error::new(Kind::Conflict, "backup_exists", detail)
}

fn unwritable(target: &Path, error: &std::io::Error) -> Error {
    let target = target.display();
    let detail =
        Text::made(format!("{target} can't be written: {error}."), format!("{target}에 쓸 수 없습니다: {error}"));
    Error::new(Kind::Conflict, "backup_unwritable", detail)
}
