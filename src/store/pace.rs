//! Long work on a whole database, beside a sale: on a thread of its own, in short turns with rests between them.
//!
//! Copying and proving a gigabyte takes a processor for tens of seconds, and a machine may have two. So the thread asks the
//! system to come last (`nice`), and rests twice as long as it has worked, in turns that are too short to be noticed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::StoreError;
use crate::kernel::error::Error;

/// How long a turn is.
const TURN: Duration = Duration::from_millis(4);
/// How long the longest rest is: a turn that waited for the disk is no work.
const REST_MAX: Duration = Duration::from_millis(50);
/// Rests for each turn, as long as the turn each.
const RESTS_BESIDE_A_SALE: u32 = 2;
/// SQLite's own steps between two looks at the watch.
const STEPS_PER_LOOK: std::ffi::c_int = 4_000;
/// How far behind everybody else the thread stands, of 19: far enough to cost a sale little, and not so far that it is never
/// its turn on a busy machine, as the log grows meanwhile.
const NICENESS: i32 = 10;
/// The same within a server: what waits for a lock of SQLite's that this thread has waits for this thread's turn.
const NICENESS_WITHIN_A_SERVER: i32 = 5;

/// How hard long work may press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// With rests, and behind everybody else: a server may be selling.
    BesideASale,
    /// The same for the server's own thread.
    WithinAServer,
    /// Without: nobody else is at work on this database.
    Alone,
}

/// The watch of one piece of long work.
#[derive(Clone)]
pub(crate) struct Watch {
    pace: Pace,
    stopped: Arc<AtomicBool>,
    turn_began: Instant,
}

/// Stops the work when it is dropped: whoever waited for it has gone.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Watch {
    /// Rests when the turn is over; gives whether the work shall end unfinished.
    pub(super) fn look(&mut self) -> bool {
        if self.pace != Pace::Alone {
            let worked = self.turn_began.elapsed();
            if worked >= TURN {
                std::thread::sleep((worked * RESTS_BESIDE_A_SALE).min(REST_MAX));
                self.turn_began = Instant::now();
            }
        }
        self.stopped.load(Ordering::Relaxed)
    }

    /// The same within every statement of a connection.
    pub(super) fn over(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let mut watch = self.clone();
        Ok(connection.progress_handler(STEPS_PER_LOOK, Some(move || watch.look()))?)
    }
}

/// Runs `work` on a thread of its own. It is stopped soon after the future is dropped.
///
/// # Errors
/// What `work` returns.
pub(crate) async fn apart<T, F>(pace: Pace, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&Watch) -> Result<T, Error> + Send + 'static,
{
    let stopped = Arc::new(AtomicBool::new(false));
    let _stop = Stop(Arc::clone(&stopped));
    let (reply, answer) = oneshot::channel();
    let body = move || {
        step_back(pace);
        let watch = Watch { pace, stopped, turn_began: Instant::now() };
        let result = catch_unwind(AssertUnwindSafe(|| work(&watch)));
        drop(reply.send(result.unwrap_or_else(|_| Err(super::sqlite::panicked()))));
    };
    std::thread::Builder::new()
        .name("preorder-upkeep".to_owned())
        .spawn(body)
        .map_err(|error| Error::internal(format!("starting a thread: {error}")))?;
    answer.await.unwrap_or_else(|_| Err(super::sqlite::panicked()))
}

/// Puts the calling thread behind all others; where that can't be had, the rests must do.
fn step_back(pace: Pace) {
    let niceness = match pace {
        Pace::BesideASale => NICENESS,
        Pace::WithinAServer => NICENESS_WITHIN_A_SERVER,
        Pace::Alone => return,
    };
    // Elsewhere it would be the whole process.
    if cfg!(target_os = "linux") {
        let _ = rustix::process::setpriority_process(None, niceness);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (begun, has_begun) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let endless = apart(Pace::BesideASale, move |watch| {
            let mut connection = Connection::open_in_memory().unwrap();
            watch.over(&mut connection).unwrap();
            begun.send(()).unwrap();
            let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT MAX(n) FROM n";
            let result = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            ended.send(result.is_err()).unwrap();
            Ok(())
        });
        let endless = tokio::spawn(endless);
        has_begun.await.unwrap();
        endless.abort();
        assert!(has_ended.await.unwrap());
    }
}
