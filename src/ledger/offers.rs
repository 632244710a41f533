//! Offers as the catalogue changes them: plain SQL inside the catalogue's own transaction, so that a product and its
//! offer appear, change and go together. That transaction is [`super::Ledger::change_offer`]'s.

use super::model::{Movement, MovementKind, Mover, Offer, Stock, Terms, Units};
use super::rows::{self, select_offers};
use super::rules;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::ProductId;
use crate::store::{Conn, bind};

/// Puts a product on sale with `stock` units.
///
/// # Errors
/// A duplicate id; a fault of the database.
pub(crate) fn insert(
    conn: &Conn<'_>,
    product: &ProductId,
    terms: &Terms,
    stock: Units,
    by: Mover,
    now: Timestamp,
) -> Result<Offer, Error> {
    let change = rules::change(MovementKind::Restock, stock);
    let counts = rules::moved(Stock::default(), change)
        .map_err(|fault| Error::internal(format!("a new offer out of balance: {fault:?}")))?;
    let offer =
        Offer { product: product.clone(), terms: terms.clone(), stock: counts, movement_count: 1, retired: false };
    conn.execute(
        "INSERT INTO offers (product_id, kind, price, currency, opens_at, closes_at, per_buyer_limit, hold_seconds, \
         total, available, held, sold, movement_count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        bind![
            product.as_str(),
            terms.kind.as_str(),
            terms.price,
            terms.currency.as_str(),
            terms.opens_at.map(|at| at.0),
            terms.closes_at.map(|at| at.0),
            terms.per_buyer_limit,
            terms.hold_seconds,
            counts.total(),
            counts.available,
            counts.held,
            counts.sold,
            offer.movement_count,
        ],
    )?;
    let movement = Movement {
        product: product.clone(),
        number: offer.movement_count,
        kind: MovementKind::Restock,
        change,
        order: None,
        actor: by.to_string(),
        reason: Some("first stock".to_owned()),
        at: now,
    };
    conn.execute(rows::INSERT_MOVEMENT, &rows::movement_values(&movement))?;
    Ok(offer)
}

/// Reads a product's offer, retired ones too.
///
/// # Errors
/// A fault of the database.
pub(crate) fn find(conn: &Conn<'_>, product: &ProductId) -> Result<Option<Offer>, Error> {
    Ok(conn.row(select_offers!("WHERE product_id = $1"), bind![product.as_str()], rows::offer)?)
}

/// Changes the terms for orders to come; those that are there keep their price and their hold.
///
/// # Errors
/// `409 limit_below_orders` when a buyer has more live units than the new limit; a fault of the database.
pub(crate) fn amend(conn: &Conn<'_>, product: &ProductId, terms: &Terms) -> Result<(), Error> {
    const MOST: &str = "SELECT COALESCE(MAX(live), 0) FROM (SELECT SUM(quantity) AS live FROM orders \
         WHERE product_id = $1 AND closed_at IS NULL GROUP BY buyer_id) AS buyers";
    let before = find(conn, product)?.and_then(|offer| offer.terms.per_buyer_limit).unwrap_or(Units::MAX);
    // Only a tighter limit can be exceeded already. Counting reads every order: a rare step, and never a buyer's.
    if let Some(limit) = terms.per_buyer_limit.filter(|limit| *limit < before) {
        let most = conn.row(MOST, bind![product.as_str()], |row| row.int(0))?.unwrap_or(0);
        if most > limit {
            return Err(limit_below_orders(most, limit));
        }
    }
    conn.execute(
        "UPDATE offers SET price = $1, opens_at = $2, closes_at = $3, per_buyer_limit = $4, hold_seconds = $5 \
         WHERE product_id = $6",
        bind![
            terms.price,
            terms.opens_at.map(|at| at.0),
            terms.closes_at.map(|at| at.0),
            terms.per_buyer_limit,
            terms.hold_seconds,
            product.as_str(),
        ],
    )?;
    Ok(())
}

/// A buyer has `most` live units, and the limit shall be lower.
#[must_use]
pub(crate) fn limit_below_orders(most: Units, limit: Units) -> Error {
    let detail = Text::made(
        format!("A buyer has {most} units already; the limit can't be set to {limit}."),
        format!("이미 {most}개를 가진 구매자가 있어 한도를 {limit}개로 낮출 수 없습니다."),
    );
    Error::new(Kind::Conflict, "limit_below_orders", detail)
}

/// Takes a product out of the sale for good. Open holds may still be settled, completed orders refunded.
///
/// # Errors
/// A fault of the database.
pub(crate) fn retire(conn: &Conn<'_>, product: &ProductId) -> Result<(), Error> {
    conn.execute("UPDATE offers SET retired = 1 WHERE product_id = $1", bind![product.as_str()])?;
    Ok(())
}
