//! A connection as rooms see it: statements with parameters, rows with numbered columns.

use rusqlite::{Connection, params_from_iter};

use super::concerns::Noted;
use super::{Row, StoreError, Value};
use crate::kernel::error::Error;

/// A connection inside a transaction, for plain SQL with `$1, $2, …` numbered in the order in which they appear.
pub struct Conn<'a> {
    connection: &'a Connection,
    /// Where a write says what it concerns.
    pub(super) noted: Option<&'a Noted>,
}

impl Conn<'_> {
    /// Runs a statement; gives the number of rows that it changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params_from_iter(parameters))?)
    }

    /// Runs a query; `read` turns each row into a value.
    ///
    /// # Errors
    /// [`StoreError`], also from `read`.
    pub fn rows<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            values.push(read(Row(row))?);
        }
        Ok(values)
    }

    /// Runs a query and reads its first row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`], also from `read`.
    pub fn row<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        read: impl FnOnce(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        rows.next()?.map(|row| read(Row(row))).transpose()
    }

    /// Runs `work` so that what it deletes or replaces is overwritten with zeros in the database's pages, rather than left
    /// there until something else needs the room. Copies of the pages in the log stay until the log begins anew.
    ///
    /// # Errors
    /// What `work` returns; [`StoreError`].
    pub fn overwriting<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let before = self.row("PRAGMA secure_delete", &[], |row| row.int(0))?.unwrap_or(0);
        self.row("PRAGMA secure_delete = 1", &[], |row| row.int(0))?;
        let done = work();
        self.row(&format!("PRAGMA secure_delete = {before}"), &[], |row| row.int(0))?;
        done
    }

    /// A statement that will be run many times in a row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn repeated(&self, sql: &str) -> Result<Repeated<'_>, StoreError> {
        Ok(Repeated(self.connection.prepare_cached(sql)?))
    }

    /// Wraps a connection that is in a transaction in which nothing is written, or nothing that rooms keep in memory.
    pub(crate) fn of(connection: &Connection) -> Conn<'_> {
        Conn { connection, noted: None }
    }

    /// Wraps a connection that is in a transaction of a room's, which says in `noted` what it concerns.
    pub(super) fn writing<'a>(connection: &'a Connection, noted: &'a Noted) -> Conn<'a> {
        Conn { connection, noted: Some(noted) }
    }
}

/// A prepared statement: a batch looks it up once, not once for each of its rows.
pub(crate) struct Repeated<'a>(rusqlite::CachedStatement<'a>);

impl Repeated<'_> {
    /// Runs it; gives the number of rows that it changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn execute(&mut self, parameters: &[Value<'_>]) -> Result<usize, StoreError> {
        Ok(self.0.execute(params_from_iter(parameters))?)
    }
}
