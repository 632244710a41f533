//! The SQLite driver: one writer thread, a few reader threads, WAL, full durability.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

pub(crate) use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::concerns::Concerned;
pub(crate) use super::migrate::still_known;
use super::open::{self, Fault, Opening};
pub(crate) use super::writer::panicked;
use super::writer::{self, Failing, Signals};
use super::{Conn, StoreError, checkpoint};
use crate::kernel::error::Error;

/// Reads that may wait; more are answered busy.
const READ_QUEUE_MAX: usize = 4096;
/// Writes that may wait; more are answered busy.
const WRITE_QUEUE_MAX: usize = 4096;
/// The most page cache of the writer: the leaves of a large sale's index by buyer, which purchases hit at random.
const WRITER_CACHE_KIB: i32 = 65_536;
/// The most page cache of a reader.
const READER_CACHE_KIB: i32 = 32_768;

/// What runs by itself on one connection.
type Alone = Box<dyn FnOnce(&mut Connection) + Send>;

/// One open database file.
pub(crate) struct Driver {
    writes: flume::Sender<writer::Job>,
    reads: flume::Sender<Alone>,
    changed: watch::Receiver<u64>,
    version: watch::Receiver<u64>,
    concerned: Arc<Concerned>,
    failed: Arc<watch::Sender<Option<Error>>>,
    threads: Vec<JoinHandle<()>>,
    reads_total: AtomicUsize,
}

impl Driver {
    /// Opens the file (and its folder), migrates it and starts the threads.
    pub(super) fn open(path: &Path, opening: Opening) -> Result<Self, Error> {
        Self::start(path, opening).map_err(|fault| fault.told(path))
    }

    fn start(path: &Path, opening: Opening) -> Result<Self, Fault> {
        let open = |cache_kib| open::configured(path, opening.busy_timeout, cache_kib);
        let mut writer = open::first(path, opening, WRITER_CACHE_KIB)?;
        let failed = Arc::new(watch::Sender::new(None));
        let ((changed_sender, changed), (version_sender, version)) = (watch::channel(0), watch::channel(0));
        let concerned = Arc::new(Concerned::new());
        let signals = Signals {
            changed: changed_sender,
            version: version_sender,
            concerned: Arc::clone(&concerned),
            failed: Arc::clone(&failed),
        };
        let (writes, write_jobs) = flume::bounded(WRITE_QUEUE_MAX);
        let (reads, read_jobs) = flume::bounded::<Alone>(READ_QUEUE_MAX);
        let (checkpoints, copier) = checkpoint::apart(&mut writer, open(READER_CACHE_KIB)?, checkpoint::PAGES)?;
        let mut threads = vec![
            spawn("preorder-writer", move || writer::run(writer, &write_jobs, &signals, &checkpoints))?,
            spawn("preorder-checkpoints", move || copier.run())?,
        ];
        let readers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        for _ in 0..readers {
            let mut reader = open(READER_CACHE_KIB)?;
            reader.pragma_update(None, "query_only", true).map_err(StoreError::from)?;
            let jobs = read_jobs.clone();
            threads.push(spawn("preorder-reader", move || {
                for job in &jobs {
                    job(&mut reader);
                }
            })?);
        }
        Ok(Self { writes, reads, changed, version, concerned, failed, threads, reads_total: AtomicUsize::new(0) })
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
                    work(&Conn::of(&snapshot))
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
        self.write_together(work, Failing::IsUndone).await
    }

    /// The same for work that fails before it changes anything.
    pub(super) async fn write_checked<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.write_together(work, Failing::ComesFirst).await
    }

    async fn write_together<T, F>(&self, work: F, failing: Failing) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        check_disk(&self.failed)?;
        let (job, answer) = writer::Job::shared(work, failing);
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

    pub(super) fn concerned(&self) -> &Concerned {
        &self.concerned
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<Error>> {
        self.failed.subscribe()
    }
}

/// The way to the end of the writer's queue. It does not keep the driver alive.
#[derive(Clone)]
pub(crate) struct WriterQueue {
    writes: flume::WeakSender<writer::Job>,
    failed: Arc<watch::Sender<Option<Error>>>,
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

/// Nothing is written after the disk failed once, or after another program has changed the schema.
fn check_disk(failed: &watch::Sender<Option<Error>>) -> Result<(), Error> {
    failed.borrow().as_ref().map_or(Ok(()), |error| Err(error.clone()))
}

fn note_failure<T>(failed: &watch::Sender<Option<Error>>, result: Result<T, Error>) -> Result<T, Error> {
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
pub(super) fn disk_failed(error: &Error) -> Option<Error> {
    error.is_storage_failed().then(|| error.clone())
}
