//! Backups that the server makes by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::place::{self, Place};
use super::rules;
use super::service::{self, BackedUp};
use crate::config::BackupConfig;
use crate::kernel::clock::{Clock, Timestamp};
use crate::kernel::error::Error;
use crate::store::restore::folder_of;
use crate::store::{Location, Pace};

/// The schedule of one database.
pub struct Backups {
    location: Location,
    clock: Arc<dyn Clock>,
    place: Option<Place>,
    every: Duration,
    keep: usize,
    /// Never two at once.
    turn: Mutex<()>,
    record: Record,
}

/// What became of the backups so far, for whoever watches.
#[derive(Default)]
struct Record {
    made: AtomicU64,
    failed: AtomicU64,
    /// When the newest one that is there was begun, in microseconds; 0 before one is known.
    newest: AtomicI64,
    took_micros: AtomicU64,
    bytes: AtomicU64,
}

/// How the backups go that the server makes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupsSoFar {
    /// How much time is between two.
    pub every: Duration,
    /// How many this process made.
    pub made: u64,
    /// How often that failed.
    pub failed: u64,
    /// When the newest one was begun, this process's or another's; `None` when there is none.
    pub newest: Option<Timestamp>,
    /// How long this process's last one took, and its length in bytes.
    pub last: Option<(Duration, u64)>,
}

impl Backups {
    /// The schedule that the settings ask for. Nothing is begun yet.
    ///
    /// # Errors
    /// `backup_unavailable` when the settings make no sense to the S3 client.
    pub fn new(location: &Location, config: &BackupConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            location: location.clone(),
            clock,
            place: Place::open(config)?,
            every: Duration::from_secs(u64::from(config.every_minutes) * 60),
            keep: config.keep,
            turn: Mutex::new(()),
            record: Record::default(),
        }))
    }

    /// How they go; `None` when the settings ask for none.
    #[must_use]
    pub fn so_far(&self) -> Option<BackupsSoFar> {
        self.place.as_ref()?;
        let Record { made, failed, newest, took_micros, bytes } = &self.record;
        let made = made.load(Ordering::Acquire);
        let last = (Duration::from_micros(took_micros.load(Ordering::Relaxed)), bytes.load(Ordering::Relaxed));
        Some(BackupsSoFar {
            every: self.every,
            made,
            failed: failed.load(Ordering::Relaxed),
            newest: Some(newest.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Timestamp),
            last: (made > 0).then_some(last),
        })
    }

    /// Makes backups when they are due, and deletes those that have had their time; runs until it is dropped. Without a
    /// place for them it does nothing.
    pub async fn keep_making(self: Arc<Self>) {
        let Some(place) = &self.place else { return };
        let mut due = match self.newest(place).await {
            Ok(newest) => {
                let at = newest.map_or(0, |newest| newest.0);
                self.record.newest.fetch_max(at, Ordering::Relaxed);
                rules::due_in(newest, self.clock.now(), self.every)
            }
            Err(error) => {
                self.told(&error);
                self.every
            }
        };
        loop {
            tokio::time::sleep(due).await;
            if let Err(error) = self.make_one().await {
                self.told(&error);
            }
            due = self.every;
        }
    }

    /// Makes one now, and deletes those beyond the newest few. `None` without a place for them.
    ///
    /// # Errors
    /// When it can't be made, or the old ones can't be deleted.
    pub async fn make_one(&self) -> Result<Option<BackedUp>, Error> {
        let Some(place) = &self.place else { return Ok(None) };
        let made = self.make_one_at(place).await;
        if made.is_err() {
            self.record.failed.fetch_add(1, Ordering::Relaxed);
        }
        made.map(Some)
    }

    async fn make_one_at(&self, place: &Place) -> Result<BackedUp, Error> {
        let _turn = self.turn.lock().await;
        place.names().await?; // it is there, and what a kill left is not
        let now = self.clock.now();
        let name = rules::name(now);
        let made = match place {
            Place::Folder(folder) => {
                service::back_up(&self.location, &folder.join(&name), false, Pace::WithinAServer).await?
            }
            Place::Bucket(store) => {
                let Location::Sqlite(source) = &self.location;
                let (draft, made) = service::draft(source, folder_of(source), &name, Pace::WithinAServer).await?;
                place::upload(&**store, &name, &draft).await?;
                BackedUp { path: PathBuf::from(&name), ..made }
            }
        };
        tracing::info!(
            backup = %made.path.display(),
            bytes = made.bytes,
            seconds = made.took.as_secs(),
            "a backup was made and proven"
        );
        self.note(now, &made);
        for old in rules::outlived(place.names().await?, self.keep) {
            place.delete(&old).await?;
            tracing::info!(backup = old, "an old backup was deleted");
        }
        Ok(made)
    }

    fn note(&self, began: Timestamp, made: &BackedUp) {
        let record = &self.record;
        record.newest.fetch_max(began.0, Ordering::Relaxed);
        record.took_micros.store(u64::try_from(made.took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        record.bytes.store(made.bytes, Ordering::Relaxed);
        record.made.fetch_add(1, Ordering::Release);
    }

    async fn newest(&self, place: &Place) -> Result<Option<Timestamp>, Error> {
        Ok(place.names().await?.iter().filter_map(|name| rules::made_at(name)).max())
    }

    fn told(&self, error: &Error) {
        tracing::error!(
            %error,
            code = error.code(),
            minutes = self.every.as_secs() / 60,
            "no backup was made; mend it ('preorder db check', space on the disk, backup.url), and make one by hand with \
             'preorder db backup FILE'; the next try is in so many minutes"
        );
    }
}
