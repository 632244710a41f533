//! What ends by itself is forgotten: in small steps, so that everybody else gets their turn at the writer.

use std::sync::Arc;
use std::time::Duration;

use super::rules::{CODE_LIFETIME_S, VERIFIED_FOR_S};
use super::service::Users;
use super::{codes, images, store};
use crate::kernel::error::Error;
use crate::store::{Conn, StoreError};

/// How often something is looked for.
const INTERVAL: Duration = Duration::from_mins(10);

/// Rows that one transaction forgets.
const STEP: u32 = 1_000;

/// How long a session is still listed after its end, in seconds: a day.
const SESSION_KEPT_S: i64 = 24 * 3600;

/// How long the last code sent to an address is remembered, in seconds: longer than anybody may rely on it.
const CODE_KEPT_S: i64 = CODE_LIFETIME_S + VERIFIED_FOR_S;

impl Users {
    /// Forgets what is over, now and every few minutes; runs until it is dropped.
    pub async fn keep_tidy(self: Arc<Self>) {
        let mut turns = tokio::time::interval(INTERVAL);
        loop {
            turns.tick().await;
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "what is over could not be forgotten; trying again later");
            }
        }
    }

    /// Forgets sessions that ended a day ago and codes that nobody can use any more, and deletes images that nobody shows.
    ///
    /// # Errors
    /// When the database fails; what was forgotten before stays so.
    pub async fn tidy(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let over_at = now.plus_seconds(-SESSION_KEPT_S);
        self.in_steps(move |conn| store::forget_sessions(conn, over_at, STEP)).await?;
        let old = now.plus_seconds(-CODE_KEPT_S);
        self.in_steps(move |conn| codes::store::forget_old(conn, old, STEP)).await?;
        // One step is enough: what can't be deleted now stays in the list, and must not hold this up.
        for name in self.db.read(move |conn| Ok(images::store::left_behind(conn, now, STEP)?)).await? {
            if !self.images.tidy_away(&self.db, name).await {
                break;
            }
        }
        Ok(())
    }

    /// Runs `step` in one transaction after the other, until it finds less than it may take.
    async fn in_steps<F>(&self, step: F) -> Result<(), Error>
    where
        F: Fn(&Conn<'_>) -> Result<usize, StoreError> + Copy + Send + 'static,
    {
        let step = move |conn: &Conn<'_>| {
            conn.concerns(&[]);
            Ok(step(conn)?)
        };
        while self.db.write(step).await? == STEP as usize {}
        Ok(())
    }
}
