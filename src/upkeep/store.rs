//! What the figures say about orders.

use crate::kernel::clock::Timestamp;
use crate::store::{Conn, StoreError};

/// When the first and the last order were made. Ids grow with time, so that both ends are found at once.
pub(super) fn orders_from_to(conn: &Conn<'_>) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let end = |sql: &str| conn.row(sql, &[], |row| row.int(0).map(Timestamp));
    let oldest = end("SELECT created_at FROM orders ORDER BY id LIMIT 1")?;
    let newest = end("SELECT created_at FROM orders ORDER BY id DESC LIMIT 1")?;
    Ok(oldest.zip(newest))
}
