//! The catalogue's table.

use super::model::Entry;
use super::rules::product_exists;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::ProductId;
use crate::ledger::Kind as SaleKind;
use crate::store::{Conn, Row, StoreError, bind, on_duplicate};

fn entry(row: Row<'_>) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: ProductId::trusted(&row.text(0)?),
        name: row.text(1)?,
        description: row.text(2)?,
        kind: row.parsed(3)?,
        created_at: Timestamp(row.int(4)?),
    })
}

/// One product that was not deleted.
pub(super) fn find(conn: &Conn<'_>, id: &ProductId) -> Result<Option<Entry>, Error> {
    const SQL: &str = "SELECT p.id, p.name, p.description, o.kind, p.created_at FROM products p \
         JOIN offers o ON o.product_id = p.id WHERE p.id = $1 AND p.deleted_at IS NULL";
    Ok(conn.row(SQL, bind![id.as_str()], entry)?)
}

/// Products that were not deleted, by id, one more than `limit` if there are more.
pub(super) fn list(
    conn: &Conn<'_>,
    kind: Option<SaleKind>,
    after: Option<&ProductId>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    const SQL: &str = "SELECT p.id, p.name, p.description, o.kind, p.created_at FROM products p \
         JOIN offers o ON o.product_id = p.id WHERE p.id > $1 AND p.deleted_at IS NULL \
         AND ($2 IS NULL OR o.kind = $2) ORDER BY p.id LIMIT $3";
    let after = after.map_or("", ProductId::as_str);
    Ok(conn.rows(SQL, bind![after, kind.map(SaleKind::as_str), i64::from(limit) + 1], entry)?)
}

/// Adds a product.
///
/// # Errors
/// `409 product_exists`, also when a deleted product had the id: its orders still name it.
pub(super) fn insert(conn: &Conn<'_>, entry: &Entry) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO products (id, name, description, created_at) VALUES ($1, $2, $3, $4)";
    let Entry { id, name, description, created_at, .. } = entry;
    on_duplicate(conn.execute(SQL, bind![id.as_str(), name, description, created_at.0]), product_exists)?;
    Ok(())
}

/// Changes a product's words.
pub(super) fn update(conn: &Conn<'_>, entry: &Entry) -> Result<(), Error> {
    const SQL: &str = "UPDATE products SET name = $1, description = $2 WHERE id = $3";
    conn.execute(SQL, bind![&entry.name, &entry.description, entry.id.as_str()])?;
    Ok(())
}

/// Takes a product out of the catalogue; the row stays for the orders that name it.
pub(super) fn delete(conn: &Conn<'_>, id: &ProductId, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE products SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL";
    conn.execute(SQL, bind![now.0, id.as_str()])?;
    Ok(())
}
