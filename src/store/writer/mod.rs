//! The writer's thread: every write of the process goes through it, in order.
//!
//! Rooms' jobs that wait together share one transaction, and so one fsync (group commit): each runs in a savepoint of its
//! own, so that one that fails or panics is undone alone; the commit is made once, and only then is anybody answered. In a
//! savepoint SQLite keeps a copy of each page that a job changes, so the hottest jobs do without: they check first, and
//! where nothing was changed nothing has to be undone.
//! A job with thousands of rows has a transaction to itself: in a savepoint SQLite walks over its copies of all pages that
//! were changed before, once for each statement, which makes the time grow with the square of the work. Raw jobs (the
//! ledger's batches) open and end their own transactions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpoints;
use super::concerns::{Concern, Concerned, Noted};
use super::sqlite::{data_version, disk_failed};
use super::{Conn, StoreError, migrate};
use crate::kernel::error::Error;

/// The most jobs in one transaction. Larger ones gain little (the fsync is shared already) and keep the first waiting.
const JOBS_MAX: usize = 256;
/// How often the writer looks whether another process has committed.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

type RawJob = Box<dyn FnOnce(&mut Connection) + Send>;

/// Something to do on the writer's connection.
pub(super) enum Job {
    /// Opens and ends its own transactions.
    Raw(RawJob),
    /// Shares a transaction with its neighbours.
    Shared(Box<dyn Shared>),
    /// Has a transaction to itself.
    Alone(Box<dyn Shared>),
}

impl Job {
    /// A job that shares a transaction, and where its answer will come from.
    pub(super) fn shared<T, F>(work: F, failing: Failing) -> (Self, oneshot::Receiver<Result<T, Error>>)
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (job, answer) = waiting(work, failing);
        (Self::Shared(job), answer)
    }

    /// A job that has a transaction to itself, and where its answer will come from.
    pub(super) fn alone<T, F>(work: F) -> (Self, oneshot::Receiver<Result<T, Error>>)
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (job, answer) = waiting(work, Failing::IsUndone);
        (Self::Alone(job), answer)
    }
}

/// What becomes of a job's changes when it fails in a transaction that it shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// They are undone, and nobody else notices.
    IsUndone,
    /// There are none: it fails before it changes anything. Should there be some, the whole transaction fails.
    ComesFirst,
}

fn waiting<T, F>(work: F, failing: Failing) -> (Box<dyn Shared>, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Waiting { work: Some(work), failing, noted: Noted::default(), result: None, reply }), answer)
}

/// A job whose answer waits for a commit that is not its own.
pub(super) trait Shared: Send {
    /// Does the work; `Err` when it must be undone.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;

    /// What becomes of its changes when it fails.
    fn failing(&self) -> Failing;

    /// What it said that it concerns.
    fn noted(&mut self) -> Noted;

    /// Tells whoever waits what became of it; an `Err` befell the whole transaction.
    fn answer(self: Box<Self>, transaction: Result<(), Error>);
}

struct Waiting<T, F> {
    work: Option<F>,
    failing: Failing,
    noted: Noted,
    result: Option<Result<T, Error>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Shared for Waiting<T, F>
where
    T: Send,
    F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let conn = Conn::writing(connection, &self.noted);
        let result = catch_unwind(AssertUnwindSafe(|| work(&conn))).unwrap_or_else(|_| Err(panicked()));
        self.result.insert(result).as_ref().map(drop).map_err(Clone::clone)
    }

    fn failing(&self) -> Failing {
        self.failing
    }

    fn noted(&mut self) -> Noted {
        std::mem::take(&mut self.noted)
    }

    fn answer(self: Box<Self>, transaction: Result<(), Error>) {
        let result = match (transaction, self.result) {
            (Err(error), None | Some(Ok(_))) => Err(error),
            (_, Some(result)) => result,
            (Ok(()), None) => Err(Error::internal("a database job was committed that never ran")),
        };
        drop(self.reply.send(result));
    }
}

/// What a job that panicked is answered. A panic must not end the thread that everybody's writes go through.
pub(crate) fn panicked() -> Error {
    Error::internal("a database job panicked; see the panic's own message")
}

/// What others learn from the writer.
pub(super) struct Signals {
    /// Moves with every commit of another process.
    pub(super) changed: watch::Sender<u64>,
    /// Moves with those, and with every commit of this process's rooms, before anybody is answered.
    pub(super) version: watch::Sender<u64>,
    /// What those commits concerned.
    pub(super) concerned: Arc<Concerned>,
    /// Why nothing may be written any more.
    pub(super) failed: Arc<watch::Sender<Option<Error>>>,
}

impl Signals {
    /// Moves the version with a commit of something that rooms keep in memory.
    fn moved(&self, concern: &Concern) {
        let version = *self.version.borrow() + 1;
        self.concerned.note(concern, version);
        self.version.send_replace(version);
    }
}

/// Runs jobs until the last sender is gone, and looks now and then whether another process has committed.
pub(super) fn run(
    mut connection: Connection,
    jobs: &flume::Receiver<Job>,
    signals: &Signals,
    checkpoints: &Checkpoints,
) {
    let mut seen = data_version(&connection).ok();
    let mut looked_at = Instant::now();
    loop {
        match jobs.recv_timeout(WATCH_INTERVAL.saturating_sub(looked_at.elapsed())) {
            Ok(job) => {
                let mut next = Some(job);
                while let Some(job) = next {
                    next = match job {
                        Job::Raw(job) => {
                            job(&mut connection);
                            None
                        }
                        Job::Alone(job) => {
                            run_alone(&mut connection, job, signals);
                            None
                        }
                        Job::Shared(first) => run_together(&mut connection, first, jobs, signals),
                    };
                }
            }
            Err(flume::RecvTimeoutError::Timeout) => {}
            Err(flume::RecvTimeoutError::Disconnected) => return,
        }
        checkpoints.after_job(&connection);
        if looked_at.elapsed() >= WATCH_INTERVAL {
            looked_at = Instant::now();
            let version = data_version(&connection).ok();
            if version.is_some() && version != seen {
                seen = version;
                let _ = migrate::still_known(&connection).map_err(|newer| signals.failed.send_replace(Some(newer)));
                signals.moved(&Concern::Everything);
                signals.changed.send_modify(|count| *count += 1);
            }
        }
    }
}

/// Runs `first` and the shared jobs that wait right behind it in one transaction, and answers them all. Gives the job
/// that ended the row: its turn is next.
fn run_together(
    connection: &mut Connection,
    first: Box<dyn Shared>,
    jobs: &flume::Receiver<Job>,
    signals: &Signals,
) -> Option<Job> {
    let (mut row, mut ended_by) = (vec![first], None);
    let result = run_row(connection, &mut row, || match jobs.try_recv() {
        Ok(Job::Shared(job)) => Some(job),
        Ok(other) => {
            ended_by = Some(other);
            None
        }
        Err(_) => None,
    });
    announce(&result, signals);
    let result = result.map(drop);
    for job in row {
        job.answer(result.clone());
    }
    ended_by
}

/// Runs a job in a transaction of its own, and answers it.
fn run_alone(connection: &mut Connection, mut job: Box<dyn Shared>, signals: &Signals) {
    let result = run_in_transaction(connection, &mut *job);
    announce(&result, signals);
    job.answer(result.map(drop));
}

fn run_in_transaction(connection: &mut Connection, job: &mut dyn Shared) -> Result<Option<Concern>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    let before = transaction.total_changes();
    job.run(&transaction)?;
    let mut concern = None;
    add(&mut concern, job, transaction.total_changes() != before);
    transaction.commit().map_err(StoreError::from)?;
    Ok(concern)
}

/// Adds what a job that is done concerns, if it has changed anything.
fn add(concern: &mut Option<Concern>, job: &mut dyn Shared, has_changed: bool) {
    if has_changed {
        concern.get_or_insert_with(Concern::nothing).add(job.noted());
    }
}

/// Tells others how a transaction ended and what it concerned, if it has changed anything, before anybody is answered.
fn announce(result: &Result<Option<Concern>, Error>, signals: &Signals) {
    match result {
        Ok(Some(concern)) => signals.moved(concern),
        Ok(None) => {}
        Err(error) => drop(disk_failed(error).map(|why| signals.failed.send_replace(Some(why)))),
    }
}

/// Runs the one job in `row`, and adds and runs those that `next` gives.
fn run_row(
    connection: &mut Connection,
    row: &mut Vec<Box<dyn Shared>>,
    mut next: impl FnMut() -> Option<Box<dyn Shared>>,
) -> Result<Option<Concern>, Error> {
    let mut concern = None;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    while let Some(job) = row.last_mut() {
        let before = transaction.total_changes();
        let is_done = match job.failing() {
            Failing::IsUndone => run_in_savepoint(&transaction, &mut **job)?,
            Failing::ComesFirst => run_without_savepoint(&transaction, &mut **job)?,
        };
        add(&mut concern, &mut **job, is_done && transaction.total_changes() != before);
        let Some(job) = (row.len() < JOBS_MAX).then(&mut next).flatten() else { break };
        row.push(job);
    }
    transaction.commit().map_err(StoreError::from)?;
    Ok(concern)
}

/// Runs one job, and undoes it alone when it fails; gives whether it is done.
///
/// # Errors
/// When the whole transaction is over: the disk failed, or SQLite gave it up (a full disk can do that).
fn run_in_savepoint(transaction: &Connection, job: &mut dyn Shared) -> Result<bool, Error> {
    let execute = |sql: &str| -> Result<(), StoreError> {
        transaction.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    execute("SAVEPOINT job")?;
    let result = job.run(transaction);
    if let Err(error) = &result {
        if transaction.is_autocommit() || error.is_storage_failed() {
            return Err(error.clone());
        }
        execute("ROLLBACK TO job")?;
    }
    execute("RELEASE job")?;
    Ok(result.is_ok())
}

/// Runs one job that fails before it changes anything; gives whether it is done.
///
/// # Errors
/// When the whole transaction is over: the disk failed, SQLite gave it up, or the job failed too late.
fn run_without_savepoint(transaction: &Connection, job: &mut dyn Shared) -> Result<bool, Error> {
    let before = transaction.total_changes();
    let result = job.run(transaction);
    if let Err(error) = &result {
        if transaction.is_autocommit() || error.is_storage_failed() {
            return Err(error.clone());
        }
        if transaction.total_changes() != before {
            return Err(Error::internal(
                "a database job failed after it had changed something; its neighbours were undone",
            ));
        }
    }
    Ok(result.is_ok())
}

#[cfg(test)]
mod tests;
