//! Values on their way into a statement and out of a row: 64-bit integers, text and bytes, on either database.

use super::StoreError;

/// A statement's parameter.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// SQL's NULL.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        value.map_or(Self::Null, Self::Bytes)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

/// The parameters of a statement, in the order of `$1, $2, …`.
macro_rules! bind {
    ($($value:expr),* $(,)?) => { &[$($crate::store::Value::from($value)),*] };
}
pub(crate) use bind;

/// A row of a result; columns are numbered from 0.
#[derive(Clone, Copy)]
pub struct Row<'a>(pub(super) &'a rusqlite::Row<'a>);

impl Row<'_> {
    /// An integer column.
    ///
    /// # Errors
    /// When the column is no integer, or NULL.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.0.get(column)?)
    }

    /// An integer column, `None` when it is NULL.
    ///
    /// # Errors
    /// When the column is no integer.
    pub fn int_or_null(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.0.get(column)?)
    }

    /// A text column.
    ///
    /// # Errors
    /// When the column is no text, or NULL.
    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.0.get(column)?)
    }

    /// A text column, `None` when it is NULL.
    ///
    /// # Errors
    /// When the column is no text.
    pub fn text_or_null(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.0.get(column)?)
    }

    /// A column of bytes, `None` when it is NULL.
    ///
    /// # Errors
    /// When the column holds no bytes.
    pub fn bytes_or_null(&self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(column)?)
    }

    /// A text or bytes column that `parse` understands; the error names the column.
    ///
    /// # Errors
    /// When `parse` refuses what the column holds.
    pub fn parsed<T>(&self, column: usize) -> Result<T, StoreError>
    where
        T: std::str::FromStr,
    {
        let text = self.text(column)?;
        text.parse()
            .map_err(|_| StoreError::Other(format!("column {column} holds {text:?}, which is not allowed there")))
    }

    /// A column of bytes that `make` turns into an id.
    ///
    /// # Errors
    /// When the column holds no bytes or `make` refuses them.
    pub fn id<T>(&self, column: usize, make: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, StoreError> {
        let bytes = self.0.get_ref(column)?.as_blob().map_err(|e| StoreError::Other(e.to_string()))?;
        make(bytes).ok_or_else(|| StoreError::Other(format!("column {column} holds no id")))
    }
}
