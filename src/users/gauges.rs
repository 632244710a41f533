//! What whoever watches the server wants to know: how many sessions there are, and how many letters wait.
//!
//! Counting sessions takes the longer the more there are, so it is done now and then, and between that the last count stands.

use std::time::{Duration, Instant};

use super::service::Users;
use super::store;
use crate::kernel::clock::Timestamp;

/// A count stands at least so long, in seconds.
const STANDS_S: i64 = 10;
/// And so many times as long as it took: counting takes a thousandth of one reader's time.
const REST: u32 = 1_000;
/// How long to wait for a reader. What is counted can wait; who asks can't.
const PATIENCE: Duration = Duration::from_secs(1);

/// Live sessions, when they were counted last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    sessions: u64,
    stands_until: Timestamp,
}

impl Users {
    /// How many sessions have not ended, as of a few seconds ago; with a million of them as of a minute ago. `None` when they
    /// could never be counted.
    pub async fn live_sessions(&self) -> Option<u64> {
        let mut last = self.counted.lock().await;
        let now = self.clock.now();
        if let Some(count) = last.filter(|count| now < count.stands_until) {
            return Some(count.sessions);
        }
        let began = Instant::now();
        let count = self.db.read(move |conn| Ok(store::live_sessions(conn, now)?));
        match tokio::time::timeout(PATIENCE, count).await {
            Ok(Ok(sessions)) => {
                let stands_until = now.plus_seconds(stands_s(began.elapsed()));
                *last = Some(Count { sessions, stands_until });
            }
            Ok(Err(error)) => tracing::debug!(%error, "the sessions could not be counted"),
            Err(_) => tracing::debug!("no reader was free to count the sessions"),
        }
        last.map(|count| count.sessions)
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
        assert_eq!(stands_s(Duration::from_millis(40)), 40);
    }
}
