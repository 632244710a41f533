//! A connection as rooms see it: statements with parameters, rows with numbered columns.

use rusqlite::{Connection, params_from_iter};

use super::{Row, StoreError, Value};

/// A connection inside a transaction, for plain SQL with `$1, $2, …` numbered in the order in which they appear.
pub struct Conn<'a>(pub(super) &'a Connection);

impl Conn<'_> {
    /// Runs a statement; gives the number of rows that it changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, StoreError> {
        Ok(self.0.prepare_cached(sql)?.execute(params_from_iter(parameters))?)
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
        let mut statement = self.0.prepare_cached(sql)?;
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
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        rows.next()?.map(|row| read(Row(row))).transpose()
    }

    /// A statement that will be run many times in a row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn repeated(&self, sql: &str) -> Result<Repeated<'_>, StoreError> {
        Ok(Repeated(self.0.prepare_cached(sql)?))
    }

    /// Wraps a connection that the ledger's adapter has put into a transaction.
    pub(crate) fn of(connection: &Connection) -> Conn<'_> {
        Conn(connection)
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
