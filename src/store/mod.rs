//! The door to the database: reads, writes in a transaction, migrations, and no word of the domain.
//!
//! Rooms write plain SQL that both databases understand and run it through [`Conn`]. Closures run on the driver's own
//! threads, never on the async ones. The SQLite driver is one writer connection (every write of the process goes through
//! it, in order; those that wait together share a transaction) and a pool of readers that each see one snapshot.

pub(crate) mod backup;
mod bucket;
pub mod cache;
mod checkpoint;
mod concerns;
mod conn;
mod facts;
mod fault;
mod header;
pub(crate) mod inspect;
mod lock;
pub mod memory;
mod migrate;
mod open;
pub(crate) mod pace;
pub mod proof;
pub(crate) mod restore;
pub(crate) mod sqlite;
mod value;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use bucket::Bucket;
pub use concerns::{Scope, Subject};
pub use conn::Conn;
pub use facts::{Pages, Sizes, TableRows};
pub use inspect::Faults;
pub use lock::ServerLock;
pub use migrate::SCHEMA_VERSION;
pub use pace::Pace;
use tokio::sync::watch;
pub(crate) use value::bind;
pub use value::{Row, Value};

use self::open::Opening;
use crate::kernel::error::{Error, Kind, Text};

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file, made when it is missing.
    Sqlite(PathBuf),
}

/// The database, shared by everybody in the process.
#[derive(Clone)]
pub struct Db {
    driver: Arc<sqlite::Driver>,
}

impl Db {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// When the file can't be opened or written, is no database, or has a schema newer than this program; when it has an
    /// older one and a server runs on it.
    pub async fn open(location: &Location) -> Result<Self, Error> {
        Self::opened(location, Opening::default()).await
    }

    /// Opens the database for the server that has its lock: nobody else may bring an old schema up to date meanwhile, and
    /// nobody may while a server runs.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_served(location: &Location, _lock: &ServerLock) -> Result<Self, Error> {
        Self::opened(location, Opening { served: true, ..Opening::default() }).await
    }

    /// Opens the database for somebody who waits for another process's lock no longer than `busy_timeout`.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_impatient(location: &Location, busy_timeout: Duration) -> Result<Self, Error> {
        Self::opened(location, Opening { busy_timeout, ..Opening::default() }).await
    }

    async fn opened(location: &Location, opening: Opening) -> Result<Self, Error> {
        let Location::Sqlite(path) = location;
        let path = path.clone();
        let driver = tokio::task::spawn_blocking(move || sqlite::Driver::open(&path, opening))
            .await
            .map_err(|panic| Error::internal(format!("opening the database: {panic}")))??;
        Ok(Self { driver: Arc::new(driver) })
    }

    /// Runs `work` on one snapshot.
    ///
    /// # Errors
    /// What `work` returns; [`Kind::Busy`] when too many reads wait.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.driver.read(work).await
    }

    /// Runs `work` in a transaction: committed and durable when it gives `Ok`, undone alone when it gives `Err`. Writes
    /// that wait at the same time may share the transaction, and then its failure too.
    ///
    /// # Errors
    /// What `work` returns; [`Kind::Busy`] when too many writes wait or another process holds the lock too long.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.driver.write(work).await
    }

    /// The same for the hottest of writes, without the savepoint: `work` must fail before it changes anything. Should it
    /// ever fail later, it fails for everybody who shares the transaction.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub async fn write_checked<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.driver.write_checked(work).await
    }

    /// The same for thousands of rows: faster than [`Self::write`] for so many, slower for a few.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub async fn write_alone<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.driver.write_alone(work).await
    }

    /// Changes its value soon (within half a second) after another process committed to the same database.
    #[must_use]
    pub fn changed_elsewhere(&self) -> watch::Receiver<u64> {
        self.driver.changed_elsewhere()
    }

    /// A number that moves with every commit of a room, before anybody is answered whose write was in it, and soon after
    /// another process's commit. What was read while it stood still is still true. Sales alone do not move it.
    #[must_use]
    pub fn version(&self) -> u64 {
        *self.driver.version().borrow()
    }

    /// The version at which something of `scope` was concerned last. What was read about it when the version was at least
    /// that is still true.
    #[must_use]
    pub fn last_concerned(&self, scope: &Scope) -> u64 {
        match scope {
            Scope::Of(subjects) => self.driver.concerned().last(subjects),
            Scope::Anything => self.version(),
        }
    }

    /// Changes its value whenever [`Db::version`] moves.
    #[must_use]
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.driver.version()
    }

    /// Becomes `Some(why)` when nothing may be written any more: the disk failed, or a newer program changed the schema.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<Error>> {
        self.driver.failure()
    }

    /// How many reads were asked for since the start: with it one can see that hot answers come from memory.
    #[must_use]
    pub fn reads_total(&self) -> usize {
        self.driver.reads_total()
    }

    /// The driver itself, for the ledger's tuned adapter.
    pub(crate) fn sqlite(&self) -> &Arc<sqlite::Driver> {
        &self.driver
    }
}

/// What a statement can fail with, as far as callers tell it apart.
#[derive(Debug)]
pub enum StoreError {
    /// A unique index refused a row; the text names the columns, such as `users.email`.
    Duplicate(String),
    /// Somebody else holds the lock.
    Locked(String),
    /// The disk is full.
    Full(String),
    /// The disk failed: whether the transaction will be there after a restart is not known.
    Failed(String),
    /// Anything else.
    Other(String),
}

impl StoreError {
    /// The database's own words.
    pub(crate) fn told(&self) -> &str {
        let (Self::Duplicate(why) | Self::Locked(why) | Self::Full(why) | Self::Failed(why) | Self::Other(why)) = self;
        why
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate(columns) => {
                let detail = Text::fixed("There is one like it already.", "이미 같은 것이 있습니다.");
                Self::new(Kind::Conflict, "duplicate", detail).because(columns)
            }
            StoreError::Locked(why) => Self::busy(1).because(why),
            StoreError::Full(why) => Self::storage_full(why),
            StoreError::Failed(why) => Self::storage_failed(why),
            StoreError::Other(why) => Self::internal(why),
        }
    }
}

/// Gives a unique index's refusal the words of the room that it happened in; leaves every other error as it is.
///
/// # Errors
/// `otherwise` for a duplicate, else the statement's own error.
pub fn on_duplicate<T>(result: Result<T, StoreError>, otherwise: impl FnOnce() -> Error) -> Result<T, Error> {
    result.map_err(|error| match error {
        StoreError::Duplicate(_) => otherwise(),
        other => other.into(),
    })
}
