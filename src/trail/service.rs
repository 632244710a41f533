//! What every face calls: reading the audit log, and noting what is a change of nothing else.

use std::sync::Arc;

use super::model::{Deed, Entry, Filter};
use super::store;
use crate::kernel::actor::By;
use crate::kernel::clock::Clock;
use crate::kernel::error::Error;
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::Db;

const ENTRIES: Cursors = Cursors("audit-log");

/// The audit log.
pub struct Trail {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Trail {
    /// The audit log in `db`.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { db, clock })
    }

    /// Entries, the latest first.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn list(&self, filter: Filter, page: PageRequest) -> Result<Page<Entry>, Error> {
        let before = ENTRIES.open(page.after.as_deref())?.unwrap_or(i64::MAX);
        let limit = i64::from(page.limit) + 1;
        let found = self.db.read(move |conn| Ok(store::list(conn, &filter, before, limit)?)).await?;
        Ok(ENTRIES.page(found, page.limit, |entry| entry.number))
    }

    /// Writes an entry of something that changes no other row, such as handing data out.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn note(&self, by: By, deed: Deed) -> Result<(), Error> {
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                conn.concerns(&[]);
                Ok(store::write(conn, by, now, &deed)?)
            })
            .await
    }
}
