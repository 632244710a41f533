//! The writer's thread: every write of the process goes through it, in order.
//!
//! Rooms' jobs that wait together share one transaction, and so one fsync (group commit): each runs in a savepoint of its
//! own, so that one that fails or panics is undone alone; the commit is made once, and only then is anybody answered.
//! A job with thousands of rows has a transaction to itself: in a savepoint SQLite walks over its copies of all pages that
//! were changed before, once for each statement, which makes the time grow with the square of the work. Raw jobs (the
//! ledger's batches) open and end their own transactions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpoints;
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
    pub(super) fn shared<T, F>(work: F) -> (Self, oneshot::Receiver<Result<T, Error>>)
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (job, answer) = waiting(work);
        (Self::Shared(job), answer)
    }

    /// A job that has a transaction to itself, and where its answer will come from.
    pub(super) fn alone<T, F>(work: F) -> (Self, oneshot::Receiver<Result<T, Error>>)
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (job, answer) = waiting(work);
        (Self::Alone(job), answer)
    }
}

fn waiting<T, F>(work: F) -> (Box<dyn Shared>, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Waiting { work: Some(work), result: None, reply }), answer)
}

/// A job whose answer waits for a commit that is not its own.
pub(super) trait Shared: Send {
    /// Does the work; `Err` when it must be undone.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;

    /// Tells whoever waits what became of it; an `Err` befell the whole transaction.
    fn answer(self: Box<Self>, transaction: Result<(), Error>);
}

struct Waiting<T, F> {
    work: Option<F>,
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
        let result = catch_unwind(AssertUnwindSafe(|| work(&Conn(connection)))).unwrap_or_else(|_| Err(panicked()));
        self.result.insert(result).as_ref().map(drop).map_err(Clone::clone)
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
    /// Why nothing may be written any more.
    pub(super) failed: Arc<watch::Sender<Option<Error>>>,
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
                signals.version.send_modify(|count| *count += 1);
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
    let changes = connection.total_changes();
    let (mut row, mut ended_by) = (vec![first], None);
    let result = run_row(connection, &mut row, || match jobs.try_recv() {
        Ok(Job::Shared(job)) => Some(job),
        Ok(other) => {
            ended_by = Some(other);
            None
        }
        Err(_) => None,
    });
    announce(connection, changes, &result, signals);
    for job in row {
        job.answer(result.clone());
    }
    ended_by
}

/// Runs a job in a transaction of its own, and answers it.
fn run_alone(connection: &mut Connection, mut job: Box<dyn Shared>, signals: &Signals) {
    let changes = connection.total_changes();
    let result = run_in_transaction(connection, &mut *job);
    announce(connection, changes, &result, signals);
    job.answer(result);
}

fn run_in_transaction(connection: &mut Connection, job: &mut dyn Shared) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    job.run(&transaction)?;
    Ok(transaction.commit().map_err(StoreError::from)?)
}

/// Tells others how a transaction ended, before anybody is answered.
fn announce(connection: &Connection, changes_before: u64, result: &Result<(), Error>, signals: &Signals) {
    match result {
        Ok(()) if connection.total_changes() != changes_before => signals.version.send_modify(|count| *count += 1),
        Ok(()) => {}
        Err(error) => drop(disk_failed(error).map(|why| signals.failed.send_replace(Some(why)))),
    }
}

/// Runs the one job in `row`, and adds and runs those that `next` gives.
fn run_row(
    connection: &mut Connection,
    row: &mut Vec<Box<dyn Shared>>,
    mut next: impl FnMut() -> Option<Box<dyn Shared>>,
) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    while let Some(job) = row.last_mut() {
        run_in_savepoint(&transaction, &mut **job)?;
        let Some(job) = (row.len() < JOBS_MAX).then(&mut next).flatten() else { break };
        row.push(job);
    }
    Ok(transaction.commit().map_err(StoreError::from)?)
}

/// Runs one job, and undoes it alone when it fails.
///
/// # Errors
/// When the whole transaction is over: the disk failed, or SQLite gave it up (a full disk can do that).
fn run_in_savepoint(transaction: &Connection, job: &mut dyn Shared) -> Result<(), Error> {
    let execute = |sql: &str| -> Result<(), StoreError> {
        transaction.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    execute("SAVEPOINT job")?;
    if let Err(error) = job.run(transaction) {
        if transaction.is_autocommit() || error.is_storage_failed() {
            return Err(error);
        }
        execute("ROLLBACK TO job")?;
    }
    Ok(execute("RELEASE job")?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::{Db, Location, bind};

    type TestJob = fn(&Conn<'_>) -> Result<usize, Error>;

    async fn db() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        db.write(|conn| Ok(conn.execute("CREATE TABLE notes (text TEXT UNIQUE)", &[])?)).await.unwrap();
        (folder, db)
    }

    fn note(conn: &Conn<'_>, text: &str) -> Result<usize, Error> {
        Ok(conn.execute("INSERT INTO notes (text) VALUES ($1)", bind![text])?)
    }

    async fn notes(db: &Db) -> Vec<String> {
        db.read(|conn| Ok(conn.rows("SELECT text FROM notes ORDER BY text", &[], |row| row.text(0))?)).await.unwrap()
    }

    /// Puts jobs into the queue in order, while the writer is kept busy by a job of the same row.
    async fn together(db: &Db, jobs: Vec<TestJob>) -> Vec<Result<usize, Error>> {
        let (go, wait) = mpsc::channel::<()>();
        let (began, has_begun) = oneshot::channel();
        let busy = tokio::spawn({
            let db = db.clone();
            async move {
                db.write(move |_| {
                    began.send(()).unwrap();
                    let _either_way = wait.recv();
                    Ok(0)
                })
                .await
            }
        });
        has_begun.await.unwrap();
        let mut waiting: Vec<_> = jobs.into_iter().map(|job| Box::pin(db.write(job))).collect();
        for job in &mut waiting {
            assert!(futures_util::poll!(job).is_pending());
        }
        drop(go);
        drop(busy.await.unwrap()); // it shares their fate
        futures_util::future::join_all(waiting).await
    }

    #[tokio::test]
    async fn what_waits_together_is_one_commit() {
        let (_folder, db) = db().await;
        let before = db.version();
        let results = together(&db, vec![|conn| note(conn, "a"), |conn| note(conn, "b"), |conn| note(conn, "c")]).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(notes(&db).await, ["a", "b", "c"]);
        assert_eq!(db.version(), before + 1);
    }

    #[tokio::test]
    async fn a_job_that_fails_or_panics_is_undone_alone() {
        let (_folder, db) = db().await;
        let results = together(
            &db,
            vec![
                |conn| note(conn, "a"),
                |conn| note(conn, "b").and(Err(Error::busy(7))),
                |conn| note(conn, "c").map(|_| panic!("a panic that a test wants")),
                |conn| note(conn, "d").and(note(conn, "a")), // a duplicate
                |conn| note(conn, "e"),
            ],
        )
        .await;
        let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "ok")).collect();
        assert_eq!(codes, ["ok", "busy", "internal", "duplicate", "ok"]);
        assert_eq!(notes(&db).await, ["a", "e"]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_fails_for_all_and_harms_nobody_after() {
        let (_folder, db) = db().await;
        let results = together(
            &db,
            vec![|conn| note(conn, "a"), |_| Err(Error::busy(7)), |conn| {
                conn.execute("PRAGMA defer_foreign_keys = ON", &[])?; // a missing parent fails the commit
                let sql = "INSERT INTO posts (author_id, created_at, updated_at, title, content) \
                         VALUES (404, 0, 0, '', '')";
                Ok(conn.execute(sql, &[])?)
            }],
        )
        .await;
        let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "ok")).collect();
        assert_eq!(codes, ["internal", "busy", "internal"]);
        assert!(notes(&db).await.is_empty());
        db.write(|conn| note(conn, "b")).await.unwrap();
        assert_eq!(notes(&db).await, ["b"]);
    }

    #[tokio::test]
    async fn a_raw_job_ends_the_row_and_keeps_its_turn() {
        let (_folder, db) = db().await;
        let (go, wait) = mpsc::channel::<()>();
        let first = db.write(move |conn| {
            let _either_way = wait.recv();
            note(conn, "a")
        });
        let raw = db.sqlite().write_raw(|connection| {
            assert!(connection.is_autocommit());
            let seen = Conn::of(connection).rows("SELECT text FROM notes", &[], |row| row.text(0))?;
            Ok(seen)
        });
        let last = db.write(|conn| note(conn, "b"));
        let (mut first, mut raw, mut last) = (Box::pin(first), Box::pin(raw), Box::pin(last));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut raw).is_pending());
        assert!(futures_util::poll!(&mut last).is_pending());
        drop(go);
        first.await.unwrap();
        assert_eq!(raw.await.unwrap(), ["a"]);
        last.await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_wants_a_transaction_to_itself_has_one() {
        let (_folder, db) = db().await;
        let before = db.version();
        let results = together(&db, vec![|conn| note(conn, "a")]).await;
        assert!(results[0].is_ok());
        let failed = db.write_alone(|conn| note(conn, "b").and(Err::<(), _>(Error::busy(7)))).await;
        assert_eq!(failed.unwrap_err().code(), "busy");
        let panicked = db.write_alone(|conn| note(conn, "c").map(|_| panic!("a panic that a test wants"))).await;
        assert_eq!(panicked.map(|()| "done").unwrap_err().code(), "internal");
        let (alone, shared) = tokio::join!(
            db.write_alone(|conn| {
                // A savepoint would have to be released first.
                assert!(conn.execute("RELEASE job", &[]).is_err());
                note(conn, "d")
            }),
            db.write(|conn| note(conn, "e")),
        );
        assert!(alone.is_ok() && shared.is_ok());
        assert_eq!(notes(&db).await, ["a", "d", "e"]);
        assert_eq!(db.version(), before + 3);
    }

    #[tokio::test]
    async fn the_version_moves_with_changes_only() {
        let (_folder, db) = db().await;
        let before = db.version();
        db.write(|conn| Ok(conn.execute("DELETE FROM notes", &[])?)).await.unwrap();
        assert_eq!(db.version(), before);
        db.write(|conn| note(conn, "a")).await.unwrap();
        assert_eq!(db.version(), before + 1);
    }
}
