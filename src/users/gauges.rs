//! What whoever watches the server wants to know: how many sessions there are, and how many letters wait.
//!
//! Counting sessions takes the longer the more there are, so it is done now and then, and between that the last count stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::service::Users;
use super::store;
use crate::kernel::clock::{Clock, Timestamp};
use crate::store::Db;

/// A count stands at least so long, in seconds.
const STANDS_S: i64 = 10;
/// And so many times as long as it took: counting takes a hundredth of one reader's time.
const REST: u32 = 100;
/// How long whoever asks waits for a new count, before the last one has to do.
const PATIENCE: Duration = Duration::from_secs(1);
/// Nothing was counted yet.
const UNKNOWN: u64 = u64::MAX;

/// Live sessions, as they were counted last.
pub(super) struct Counted {
    sessions: AtomicU64,
    /// Until when they stand. Held while they are counted: nobody counts beside somebody else.
    stands_until: Mutex<Timestamp>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { sessions: AtomicU64::new(UNKNOWN), stands_until: Mutex::new(Timestamp(i64::MIN)) }
    }
}

impl Counted {
    /// Counts anew, if it is time and nobody else does.
    async fn renew(&self, db: Db, clock: Arc<dyn Clock>) {
        let Ok(mut stands_until) = self.stands_until.try_lock() else { return };
        let now = clock.now();
        if now < *stands_until {
            return;
        }
        let began = Instant::now();
        match db.read(move |conn| Ok(store::live_sessions(conn, now)?)).await {
            Ok(sessions) => self.sessions.store(sessions, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "the sessions could not be counted"),
        }
        *stands_until = now.plus_seconds(stands_s(began.elapsed()));
    }
}

impl Users {
    /// How many sessions have not ended, as of a few seconds ago; with a million of them as of a minute ago. `None` when they
    /// could not be counted yet.
    pub async fn live_sessions(&self) -> Option<u64> {
        let (counted, db, clock) = (Arc::clone(&self.counted), self.db.clone(), Arc::clone(&self.clock));
        // It goes on when its time is up: what was begun is not begun again.
        let counting = tokio::spawn(async move { counted.renew(db, clock).await });
        if tokio::time::timeout(PATIENCE, counting).await.is_err() {
            tracing::debug!("counting the sessions takes its time");
        }
        Some(self.counted.sessions.load(Ordering::Relaxed)).filter(|sessions| *sessions != UNKNOWN)
    }

    /// How many letters wait for the mail server, or are on their way to it.
    #[must_use]
    pub fn letters_waiting(&self) -> usize {
        self.mailer.unsent()
    }
}

/// How long a count stands that took so long, in seconds.
fn stands_s(took: Duration) -> i64 {
    i64::try_from((took * REST).as_secs()).unwrap_or(i64::MAX).max(STANDS_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_done_seldom() {
        assert_eq!(stands_s(Duration::from_micros(50)), 10);
        assert_eq!(stands_s(Duration::from_millis(600)), 60);
    }
}
