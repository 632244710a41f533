//! Erasing somebody: first the account, then all that hangs on it, a few hundred rows at a time.

use std::time::{Duration, Instant};

use super::{Erased, Privacy};
use crate::kernel::actor::By;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;

/// Rests between two steps, for each as long as the step took: whoever sells beside it has most of the time.
const RESTS: u32 = 2;
/// How short and how long a rest is: a step that waited for another process's lock was no work.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

impl Privacy {
    /// Withdraws an account for good, as the first part of erasing it. Gives whether the user could still act until now: then
    /// servers that run on the same database need a moment to hear of it, and until then the user may go on writing.
    ///
    /// # Errors
    /// `404 user_not_found`.
    pub async fn begin_erasure(&self, user: UserId, by: By) -> Result<bool, Error> {
        self.users.begin_erasure(user, by).await
    }

    /// Erases what is left of somebody whose account was withdrawn by [`Self::begin_erasure`]; gives how much that was. May
    /// be stopped at any moment, and run again.
    ///
    /// # Errors
    /// When the database fails; what was erased before stays so.
    pub async fn erase_rest(&self, user: UserId) -> Result<Erased, Error> {
        let (mut erased, progress) = self.activity.begin_erasing(user).await?;
        let mut next = Some(progress);
        while let Some(progress) = next {
            let began = Instant::now();
            let (some, then) = self.activity.erase_some(user, progress).await?;
            (erased, next) = (erased.and(some), then);
            if next.is_some() {
                tokio::time::sleep((began.elapsed() * RESTS).clamp(REST.0, REST.1)).await;
            }
        }
        self.users.end_erasure(user).await?;
        Ok(erased)
    }
}
