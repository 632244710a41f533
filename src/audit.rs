//! The audit of everything: every room's invariants, proven from the rows, and no more than one proof at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::activity::Activity;
use crate::kernel::clock::{Clock, Timestamp};
use crate::kernel::error::{Error, Kind, Text};
use crate::ledger::audit::{Audit, audit};
use crate::store::{Conn, Db};
use crate::webhooks::Webhooks;

/// Proves the invariants of every room that has some.
///
/// # Errors
/// When the database can't be read.
pub async fn prove(db: &Db) -> Result<Audit, Error> {
    db.read(prove_rows).await
}

/// The same for whoever has a snapshot.
///
/// # Errors
/// When the rows can't be read.
pub(crate) fn prove_rows(conn: &Conn<'_>) -> Result<Audit, Error> {
    let mut audit = audit(conn)?;
    audit.checks.extend(Activity::prove(conn)?);
    audit.checks.extend(Webhooks::prove(conn)?);
    Ok(audit)
}

/// A proof that has ended.
#[derive(Debug, Clone)]
pub struct Proof {
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it found, or why the database could not be read.
    pub outcome: Result<Audit, Error>,
}

/// Proves on demand, for as many as ask, one proof at a time: each reads every row there is.
pub struct Auditor {
    db: Db,
    clock: Arc<dyn Clock>,
    turn: Arc<Semaphore>,
    last: Mutex<Option<Arc<Proof>>>,
}

impl Auditor {
    /// An auditor of `db`.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { db, clock, turn: Arc::new(Semaphore::new(1)), last: Mutex::new(None) })
    }

    /// The last proof that has ended, since the server began.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Proof>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a proof is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.turn.available_permits() == 0
    }

    /// Begins a proof, and waits for its end, but no longer than `patience`: a proof goes on without whoever asked for it.
    /// Gives whether it has ended.
    ///
    /// # Errors
    /// `409 audit_busy` while another is under way.
    pub async fn run(self: &Arc<Self>, patience: Duration) -> Result<bool, Error> {
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else {
            let detail = Text::fixed(
                "An audit is under way already; look again in a moment.",
                "이미 감사가 진행 중입니다. 잠시 후 다시 확인하세요.",
            );
            return Err(Error::new(Kind::Conflict, "audit_busy", detail));
        };
        let this = Arc::clone(self);
        let proving = tokio::spawn(async move {
            let begun_at = this.clock.now();
            let outcome = prove(&this.db).await;
            let proof = Proof { begun_at, ended_at: this.clock.now(), outcome };
            *this.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(proof));
            drop(turn);
        });
        Ok(tokio::time::timeout(patience, proving).await.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::SystemClock;
    use crate::store::Location;

    #[tokio::test]
    async fn one_proof_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let auditor = Auditor::new(db, Arc::new(SystemClock));
        let under_way = Arc::clone(&auditor.turn).acquire_owned().await.unwrap();
        assert!(auditor.is_busy());
        assert_eq!(auditor.run(Duration::MAX).await.unwrap_err().code(), "audit_busy");
        assert!(auditor.last().is_none());
        drop(under_way);
        assert!(auditor.run(Duration::MAX).await.unwrap());
        assert!(auditor.last().unwrap().outcome.as_ref().unwrap().ok() && !auditor.is_busy());
    }
}
