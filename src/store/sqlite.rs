//! The SQLite driver: one writer thread, a few reader threads, WAL, full durability.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::{Conn, StoreError, migrate};
use crate::kernel::error::{Error, Kind, Text};

/// Reads that may wait; more are answered busy.
const READ_QUEUE_MAX: usize = 4096;
/// Writes that may wait; more are answered busy.
const WRITE_QUEUE_MAX: usize = 4096;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 256;
/// How long a write waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the writer looks whether another process has committed.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);
/// WAL pages after which a commit checkpoints: 16,384 pages of 4 KiB are 64 MiB. A sale writes the same pages again and
/// again, and a checkpoint copies each of them once; after a crash it takes a fraction of a second to read that much.
const CHECKPOINT_PAGES: u32 = 16_384;
/// The most page cache of the writer: the leaves of a large sale's index by buyer, which purchases hit at random.
const WRITER_CACHE_KIB: i32 = 65_536;
/// The most page cache of a reader.
const READER_CACHE_KIB: i32 = 8_192;
/// The first SQLite without the fault that could corrupt a WAL database when it was reset (`sqlite.org/wal.html`).
const SQLITE_OLDEST: (i32, &str) = (3_051_003, "3.51.3");

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// One open database file.
pub(crate) struct Driver {
    writes: flume::Sender<Job>,
    reads: flume::Sender<Job>,
    changed: watch::Receiver<u64>,
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
        let (changed_sender, changed) = watch::channel(0);
        let (writes, write_jobs) = flume::bounded::<Job>(WRITE_QUEUE_MAX);
        let (reads, read_jobs) = flume::bounded::<Job>(READ_QUEUE_MAX);
        let mut threads = vec![spawn("preorder-writer", move || write_loop(writer, &write_jobs, &changed_sender))?];
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
        let failed = Arc::new(watch::Sender::new(None));
        Ok(Self { writes, reads, changed, failed, threads, reads_total: AtomicUsize::new(0) })
    }

    /// Runs `work` on a reader, in one snapshot.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.reads_total.fetch_add(1, Ordering::Relaxed);
        let answer = enqueue(&self.reads, move |connection| {
            let snapshot = connection.transaction().map_err(StoreError::from)?;
            work(&Conn(&snapshot))
        });
        receive(answer?).await
    }

    /// Runs `work` on the writer, in one transaction.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.write_raw(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
            let value = work(&Conn(&transaction))?;
            transaction.commit().map_err(StoreError::from)?;
            Ok(value)
        })
        .await
    }

    /// Runs `work` on the writer's connection; it opens and ends its own transactions.
    pub(crate) async fn write_raw<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        if let Some(why) = self.failed.borrow().as_ref() {
            return Err(Error::storage_failed(format!("the database failed earlier: {why}")));
        }
        let failed = Arc::clone(&self.failed);
        let answer = enqueue(&self.writes, move |connection| {
            let result = work(connection);
            if let Some(why) = result.as_ref().err().and_then(disk_failed) {
                failed.send_replace(Some(why));
            }
            result
        });
        receive(answer?).await
    }

    pub(super) fn reads_total(&self) -> usize {
        self.reads_total.load(Ordering::Relaxed)
    }

    pub(super) fn changed_elsewhere(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failed.subscribe()
    }
}

impl Drop for Driver {
    /// Lets the threads finish what is queued, so that the last connection checkpoints and closes the file.
    fn drop(&mut self) {
        let (closed, _) = flume::bounded(0);
        self.writes = closed.clone();
        self.reads = closed;
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
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
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

/// Runs jobs until the last sender is gone, and looks now and then whether another process has committed.
fn write_loop(mut connection: Connection, jobs: &flume::Receiver<Job>, changed: &watch::Sender<u64>) {
    let mut seen = data_version(&connection).ok();
    let mut looked_at = Instant::now();
    loop {
        match jobs.recv_timeout(WATCH_INTERVAL.saturating_sub(looked_at.elapsed())) {
            Ok(job) => job(&mut connection),
            Err(flume::RecvTimeoutError::Timeout) => {}
            Err(flume::RecvTimeoutError::Disconnected) => return,
        }
        if looked_at.elapsed() >= WATCH_INTERVAL {
            looked_at = Instant::now();
            let version = data_version(&connection).ok();
            if version.is_some() && version != seen {
                seen = version;
                changed.send_modify(|count| *count += 1);
            }
        }
    }
}

/// A number that moves when another connection commits (never for this one's own commits).
pub(crate) fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

fn enqueue<T, F>(queue: &flume::Sender<Job>, work: F) -> Result<oneshot::Receiver<Result<T, Error>>, Error>
where
    T: Send + 'static,
    F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        // A panic must not end the thread that everybody's writes go through; the transaction rolls back on unwind.
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(Error::internal("a database job panicked; see the panic's own message")));
        drop(reply.send(result));
    });
    queue.try_send(job).map_err(|_| Error::busy(1).because("the database queue is full"))?;
    Ok(answer)
}

async fn receive<T>(answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
    answer.await.unwrap_or_else(|_| Err(Error::busy(1).because("the database is closing")))
}

/// Why nothing may be written any more, if `error` says so: after a failed fsync the page cache can't be trusted.
fn disk_failed(error: &Error) -> Option<String> {
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
