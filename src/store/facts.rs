//! How large a database is: pages, the log, and the rows of each table.

use std::fs;
use std::path::Path;

use super::inspect::Inspection;
use super::restore::{beside, folder_of};
use super::{Conn, Location, StoreError};
use crate::kernel::error::Error;

/// Pages and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// The file's length.
    pub file_bytes: u64,
    /// The write-ahead log's length; it is copied into the file from time to time, and written over.
    pub wal_bytes: u64,
    /// The size of a page.
    pub page_bytes: i64,
    /// All pages.
    pub pages: i64,
    /// Those among them that hold nothing at present, and will be used again.
    pub free_pages: i64,
}

/// How large the files of a database are, by the file system: this costs next to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The file's length.
    pub file_bytes: u64,
    /// The write-ahead log's length.
    pub wal_bytes: u64,
    /// What is free on their disk, for this process.
    pub disk_free_bytes: Option<u64>,
}

impl Sizes {
    /// The sizes of the database at `location`; 0 for a file that is not there.
    #[must_use]
    pub fn of(Location::Sqlite(path): &Location) -> Self {
        let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let disk = rustix::fs::statvfs(folder_of(path)).ok();
        Self {
            file_bytes: bytes(path),
            wal_bytes: bytes(&beside(path, "-wal")),
            disk_free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }
}

/// How many rows a table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRows {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: i64,
}

impl Inspection {
    /// Pages and bytes.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn pages(&self) -> Result<Pages, Error> {
        let bytes = |path: &std::path::Path| fs::metadata(path).map_or(0, |file| file.len());
        let (file_bytes, wal_bytes) = (bytes(self.shown()), bytes(&beside(self.shown(), "-wal")));
        let numbers = |conn: &Conn<'_>| -> Result<_, Error> {
            let sql = "SELECT page_size, page_count, freelist_count FROM pragma_page_size, pragma_page_count, \
                       pragma_freelist_count";
            let numbers = conn.row(sql, &[], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))?;
            Ok(numbers.ok_or_else(|| StoreError::Other("a pragma gave no row".to_owned()))?)
        };
        let (page_bytes, pages, free_pages) = self.read(numbers)?;
        Ok(Pages { file_bytes, wal_bytes, page_bytes, pages, free_pages })
    }

    /// The rows of each table, in one snapshot.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn rows_per_table(&self) -> Result<Vec<TableRows>, Error> {
        self.read(|conn| {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                       ORDER BY name";
            let tables = conn.rows(sql, &[], |row| row.text(0))?;
            let count = |table: String| {
                let sql = format!("SELECT COUNT(*) FROM \"{}\"", table.replace('"', "\"\""));
                let rows = conn.row(&sql, &[], |row| row.int(0))?.unwrap_or(0);
                Ok(TableRows { table, rows })
            };
            tables.into_iter().map(count).collect()
        })
    }
}
