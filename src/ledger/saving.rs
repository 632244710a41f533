//! What a batch writes of the ledger's own: orders, movements, counts, keys.

use super::command::Answered;
use super::decide::Book;
use super::model::Offer;
use super::rows;
use crate::kernel::clock::Timestamp;
use crate::store::{Conn, StoreError, bind};

/// How many are not filed yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unfiled {
    pub(super) orders: usize,
    pub(super) keys: usize,
}

/// Writes what the batch changed, each product's counts once; gives how many orders and keys are new.
///
/// # Errors
/// [`StoreError`].
pub(super) fn save(conn: &Conn<'_>, book: &Book, now: Timestamp) -> Result<Unfiled, StoreError> {
    const NOTE_ORDER: &str = "INSERT INTO orders_unfiled (buyer_id, order_id, product_id) VALUES ($1, $2, $3)";
    const UPDATE_OFFER: &str =
        "UPDATE offers SET total = $1, available = $2, held = $3, sold = $4, movement_count = $5 WHERE product_id = $6";
    let mut insert_order = conn.repeated(rows::INSERT_ORDER)?;
    let mut note_order = conn.repeated(NOTE_ORDER)?;
    let mut update_order = conn.repeated(rows::UPDATE_ORDER)?;
    let mut new = 0;
    for (id, is_new) in &book.changes.orders {
        let order = &book.orders[id];
        if *is_new {
            insert_order.execute(&rows::order_values(order))?;
            note_order.execute(bind![order.buyer.0, order.id.as_bytes(), order.product.as_str()])?;
            new += 1;
        } else {
            update_order.execute(&rows::order_changes(order))?;
        }
    }
    let mut insert_movement = conn.repeated(rows::INSERT_MOVEMENT)?;
    for movement in &book.changes.movements {
        insert_movement.execute(&rows::movement_values(movement))?;
    }
    let mut update_offer = conn.repeated(UPDATE_OFFER)?;
    for product in &book.changes.offers {
        let Offer { stock, movement_count, .. } = &book.offers[product];
        let (total, product) = (stock.total(), product.as_str());
        update_offer.execute(bind![total, stock.available, stock.held, stock.sold, *movement_count, product])?;
    }
    save_keys(conn, book, now)?;
    Ok(Unfiled { orders: new, keys: book.changes.keys.len() })
}

fn save_keys(conn: &Conn<'_>, book: &Book, now: Timestamp) -> Result<(), StoreError> {
    const NOTE_KEY: &str = "INSERT INTO idempotency_keys_unfiled \
         (digest, buyer_id, body_hash, order_id, refusal, refused_at, entered) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let mut note_key = conn.repeated(NOTE_KEY)?;
    for key in &book.changes.keys {
        let record = &book.keys[key];
        let (order, refusal, refused_at) = match &record.answer {
            Answered::Order(order) => (Some(order.as_bytes()), None, None),
            Answered::Refused(refusal) => (None, Some(refusal.as_str()), Some(now.0)),
        };
        let (digest, hash, entered) = (key.digest.as_slice(), record.body_hash.as_slice(), i64::from(record.entered));
        note_key.execute(bind![digest, key.buyer.0, hash, order, refusal, refused_at, entered])?;
    }
    Ok(())
}
