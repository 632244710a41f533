//! The SQLite driver: one writer thread, a few reader threads, WAL, full durability.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::{ErrorCode, OpenFlags};
use tokio::sync::{oneshot, watch};

pub(crate) use super::writer::panicked;
use super::writer::{self, Signals};
use super::{Conn, StoreError, checkpoint, migrate};
use crate::kernel::error::{Error, Kind, Text};

/// Reads that may wait; more are answered busy.
const READ_QUEUE_MAX: usize = 4096;
/// Writes that may wait; more are answered busy.
const WRITE_QUEUE_MAX: usize = 4096;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 256;
/// How long a write waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The most page cache of the writer: the leaves of a large sale's index by buyer, which purchases hit at random.
const WRITER_CACHE_KIB: i32 = 65_536;
/// The most page cache of a reader.
const READER_CACHE_KIB: i32 = 32_768;
/// The first SQLite without the fault that could corrupt a WAL database when it was reset (`sqlite.org/wal.html`).
const SQLITE_OLDEST: (i32, &str) = (3_051_003, "3.51.3");

/// What runs by itself on one connection.
type Alone = Box<dyn FnOnce(&mut Connection) + Send>;

/// One open database file.
pub(crate) struct Driver {
    writes: flume::Sender<writer::Job>,
    reads: flume::Sender<Alone>,
    changed: watch::Receiver<u64>,
    version: watch::Receiver<u64>,
    failed: Arc<watch::Sender<Option<String>>>,
    threads: Vec<JoinHandle<()>>,
    reads_total: AtomicUsize,
}

impl Driver {
    /// Opens the file (and its folder), migrates it and starts the threads.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        check_version(rusqlite::version_number())?;
        let mut writer = open_file(path).map_err(|error| cannot_open(path, &error))?;
        if !migrate::is_ours(&mut writer).map_err(|error| cannot_open(path, &error))? {
            return Err(not_ours(path));
        }
        configure(&writer, WRITER_CACHE_KIB).map_err(|error| cannot_open(path, &error))?;
        migrate::run(&mut writer)?;
        let failed = Arc::new(watch::Sender::new(None));
        let ((changed_sender, changed), (version_sender, version)) = (watch::channel(0), watch::channel(0));
        let signals = Signals { changed: changed_sender, version: version_sender, failed: Arc::clone(&failed) };
        let (writes, write_jobs) = flume::bounded(WRITE_QUEUE_MAX);
        let (reads, read_jobs) = flume::bounded::<Alone>(READ_QUEUE_MAX);
        let copier = open_file(path).map_err(|error| cannot_open(path, &error))?;
        configure(&copier, READER_CACHE_KIB).map_err(|error| cannot_open(path, &error))?;
        let (checkpoints, copier) = checkpoint::apart(&mut writer, copier, checkpoint::PAGES)?;
        let mut threads = vec![
            spawn("preorder-writer", move || writer::run(writer, &write_jobs, &signals, &checkpoints))?,
            spawn("preorder-checkpoints", move || copier.run())?,
        ];
        let readers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        for _ in 0..readers {
            let mut reader = open_file(path).map_err(|error| cannot_open(path, &error))?;
            configure(&reader, READER_CACHE_KIB).map_err(|error| cannot_open(path, &error))?;
            reader.pragma_update(None, "query_only", true).map_err(StoreError::from)?;
            let jobs = read_jobs.clone();
            threads.push(spawn("preorder-reader", move || {
                for job in &jobs {
                    job(&mut reader);
                }
            })?);
        }
        Ok(Self { writes, reads, changed, version, failed, threads, reads_total: AtomicUsize::new(0) })
    }

    /// Runs `work` on a reader, in one snapshot.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.reads_total.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            // Whoever asked may have gone while the job waited, and a read has no other purpose.
            if !reply.is_closed() {
                let read = |connection: &mut Connection| {
                    let snapshot = connection.transaction().map_err(StoreError::from)?;
                    work(&Conn(&snapshot))
                };
                drop(reply.send(caught(connection, read)));
            }
        };
        self.reads.try_send(Box::new(job)).map_err(|_| queue_full())?;
        receive(answer).await
    }

    /// Runs `work` on the writer, in a transaction that it may share with its neighbours in the queue.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        check_disk(&self.failed)?;
        let (job, answer) = writer::Job::shared(work);
        self.writes.try_send(job).map_err(|_| queue_full())?;
        receive(answer).await
    }

    /// Runs `work` on the writer, in a transaction of its own.
    pub(super) async fn write_alone<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        check_disk(&self.failed)?;
        let (job, answer) = writer::Job::alone(work);
        self.writes.try_send(job).map_err(|_| queue_full())?;
        receive(answer).await
    }

    /// Runs `work` on the writer's connection; it opens and ends its own transactions.
    pub(crate) async fn write_raw<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        check_disk(&self.failed)?;
        let failed = Arc::clone(&self.failed);
        let (job, answer) = job(move |connection| note_failure(&failed, work(connection)));
        self.writes.try_send(writer::Job::Raw(job)).map_err(|_| queue_full())?;
        receive(answer).await
    }

    /// The writer's queue, for work that puts itself there again and again.
    pub(crate) fn queue(&self) -> WriterQueue {
        WriterQueue { writes: self.writes.downgrade(), failed: Arc::clone(&self.failed) }
    }

    pub(super) fn reads_total(&self) -> usize {
        self.reads_total.load(Ordering::Relaxed)
    }

    pub(super) fn changed_elsewhere(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.version.clone()
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failed.subscribe()
    }
}

/// The way to the end of the writer's queue. It does not keep the driver alive.
#[derive(Clone)]
pub(crate) struct WriterQueue {
    writes: flume::WeakSender<writer::Job>,
    failed: Arc<watch::Sender<Option<String>>>,
}

impl WriterQueue {
    /// Puts `work` into the queue; nobody waits for it. It opens and ends its own transactions.
    ///
    /// # Errors
    /// When the queue is full or closed, or the disk has failed; `work` will not run then.
    pub(crate) fn post(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        check_disk(&self.failed)?;
        let failed = Arc::clone(&self.failed);
        let (job, _nobody_waits) = job(move |connection| note_failure(&failed, work(connection)));
        let writes = self.writes.upgrade().ok_or_else(queue_closed)?;
        writes.try_send(writer::Job::Raw(job)).map_err(|_| queue_full())
    }
}

impl Drop for Driver {
    /// Lets the threads finish what is queued, so that the last connection checkpoints and closes the file.
    fn drop(&mut self) {
        let (closed, _) = flume::bounded(0);
        self.reads = closed;
        (self.writes, _) = flume::bounded(0);
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
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

fn open_file(path: &Path) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Other(format!("its folder {} can't be made: {error}", folder.display())))?;
    }
    // It holds password hashes and addresses. SQLite gives the files beside it the same mode. Never opened when it is
    // there: closing it again would take away the locks of this process's other connections (sqlite.org/howtocorrupt).
    drop(File::options().write(true).create_new(true).mode(0o600).open(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
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

fn not_ours(path: &Path) -> Error {
    let detail = Text::made(
        format!("{} is another program's database; it was left as it is.", path.display()),
        format!("{}은(는) 다른 프로그램의 데이터베이스입니다. 변경하지 않았습니다.", path.display()),
    );
    Error::new(Kind::Conflict, "database_foreign", detail)
}

fn cannot_open(path: &Path, error: &StoreError) -> Error {
    if let StoreError::Locked(why) = error {
        let detail = Text::made(
            format!("Another process keeps the database {} locked.", path.display()),
            format!("다른 프로세스가 데이터베이스 {}를 잠그고 있습니다.", path.display()),
        );
        return Error::new(Kind::Busy, "database_locked", detail).because(why.as_str()).retry_after_s(1);
    }
    let (StoreError::Other(why)
    | StoreError::Failed(why)
    | StoreError::Locked(why)
    | StoreError::Full(why)
    | StoreError::Duplicate(why)) = error;
    let detail = Text::made(
        format!("The database {} can't be opened: {why}.", path.display()),
        format!("데이터베이스 {}를 열 수 없습니다: {why}", path.display()),
    );
    Error::new(Kind::Conflict, "database_unavailable", detail)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| Error::internal(format!("starting the thread {name}: {error}")))
}

/// A number that moves when another connection commits (never for this one's own commits).
pub(crate) fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

/// A job that runs alone, and where its answer will come from.
fn job<T, F>(work: F) -> (Alone, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = move |connection: &mut Connection| drop(reply.send(caught(connection, work)));
    (Box::new(job), answer)
}

/// What `work` gives; a panic is an error, and rolls a transaction that was open back.
fn caught<T>(connection: &mut Connection, work: impl FnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| Err(panicked()))
}

/// Nothing is written after the disk failed once.
fn check_disk(failed: &watch::Sender<Option<String>>) -> Result<(), Error> {
    match failed.borrow().as_ref() {
        Some(why) => Err(Error::storage_failed(format!("the database failed earlier: {why}"))),
        None => Ok(()),
    }
}

fn note_failure<T>(failed: &watch::Sender<Option<String>>, result: Result<T, Error>) -> Result<T, Error> {
    if let Some(why) = result.as_ref().err().and_then(disk_failed) {
        failed.send_replace(Some(why));
    }
    result
}

fn queue_closed() -> Error {
    Error::busy(1).because("the database is closing")
}

fn queue_full() -> Error {
    Error::busy(1).because("the database queue is full")
}

async fn receive<T>(answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
    answer.await.unwrap_or_else(|_| Err(queue_closed()))
}

/// Why nothing may be written any more, if `error` says so: after a failed fsync the page cache can't be trusted.
pub(super) fn disk_failed(error: &Error) -> Option<String> {
    error.is_storage_failed().then(|| error.parts().internal.clone().unwrap_or_default())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(text),
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::SystemIoFailure) => Self::Failed(text),
            Some(ErrorCode::ConstraintViolation) => match text.strip_prefix("UNIQUE constraint failed: ") {
                Some(columns) => Self::Duplicate(columns.to_owned()),
                None => Self::Other(text),
            },
            _ => Self::Other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Driver::open(&path).err().unwrap().code(), "database_foreign");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn only_its_owner_reads_a_new_database() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let driver = Driver::open(&path).unwrap();
        for file in ["shop.db", "shop.db-wal", "shop.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        drop(driver);
        Driver::open(&path).unwrap();
    }
}
