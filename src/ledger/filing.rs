//! Orders and keys are noted in a row as they come, and filed in bulk, in the order of the tables that they go to.

use crate::store::{Conn, StoreError};

/// Files the orders that were noted since the last time under their buyers; gives how many.
pub(super) fn file_orders(conn: &Conn<'_>) -> Result<usize, StoreError> {
    const FILE: &str = "INSERT INTO orders_by_buyer (buyer_id, order_id, product_id) \
         SELECT buyer_id, order_id, product_id FROM orders_unfiled ORDER BY buyer_id, order_id";
    file(conn, FILE, "DELETE FROM orders_unfiled")
}

/// Files the keys that were noted since the last time; gives how many.
pub(super) fn file_keys(conn: &Conn<'_>) -> Result<usize, StoreError> {
    const FILE: &str = "INSERT INTO idempotency_keys \
         (digest, buyer_id, body_hash, order_id, refusal, refused_at, entered) \
         SELECT digest, buyer_id, body_hash, order_id, refusal, refused_at, entered FROM idempotency_keys_unfiled \
         ORDER BY digest";
    file(conn, FILE, "DELETE FROM idempotency_keys_unfiled")
}

fn file(conn: &Conn<'_>, insert: &str, empty: &str) -> Result<usize, StoreError> {
    let filed = conn.execute(insert, &[])?;
    if filed > 0 {
        conn.execute(empty, &[])?;
    }
    Ok(filed)
}
