//! Rows of the ledger's tables, read into its words: the columns of each table in one place.

use super::model::{Movement, Offer, Order, Payment, Reason, Stock, Terms};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::store::{Row, StoreError, Value};

/// `SELECT` of the columns that [`offer`] reads, in its order, followed by `$rest`.
macro_rules! select_offers {
    ($rest:literal) => {
        concat!(
            "SELECT product_id, kind, price, currency, opens_at, closes_at, per_buyer_limit, hold_seconds, retired, \
             available, held, sold, movement_count FROM offers ",
            $rest
        )
    };
}
pub(crate) use select_offers;

/// Reads a row of [`select_offers`].
pub(crate) fn offer(row: Row<'_>) -> Result<Offer, StoreError> {
    Ok(Offer {
        product: ProductId::trusted(&row.text(0)?),
        terms: Terms {
            kind: row.parsed(1)?,
            price: row.int(2)?,
            currency: row.parsed(3)?,
            opens_at: row.int_or_null(4)?.map(Timestamp),
            closes_at: row.int_or_null(5)?.map(Timestamp),
            per_buyer_limit: row.int_or_null(6)?,
            hold_seconds: row.int(7)?,
        },
        retired: row.int(8)? != 0,
        stock: Stock { available: row.int(9)?, held: row.int(10)?, sold: row.int(11)? },
        movement_count: row.int(12)?,
    })
}

/// `SELECT` of the columns that [`order`] reads, in its order, followed by `$rest`.
macro_rules! select_orders {
    ($rest:literal) => {
        concat!(
            "SELECT id, buyer_id, product_id, quantity, amount, currency, state, reason, created_at, expires_at, \
             settled_at, closed_at, payment_provider, payment_reference, payment_status FROM orders ",
            $rest
        )
    };
}
pub(crate) use select_orders;

/// Reads a row of [`select_orders`].
pub(crate) fn order(row: Row<'_>) -> Result<Order, StoreError> {
    let reason = row.text_or_null(7)?.map(|word| word.parse()).transpose();
    Ok(Order {
        id: row.id(0, OrderId::from_bytes)?,
        buyer: UserId(row.int(1)?),
        product: ProductId::trusted(&row.text(2)?),
        quantity: row.int(3)?,
        amount: row.int(4)?,
        currency: row.parsed(5)?,
        state: row.parsed(6)?,
        reason: reason.map_err(|allowed| StoreError::Other(format!("orders.reason is not {allowed}")))?,
        created_at: Timestamp(row.int(8)?),
        expires_at: Timestamp(row.int(9)?),
        settled_at: row.int_or_null(10)?.map(Timestamp),
        closed_at: row.int_or_null(11)?.map(Timestamp),
        payment: Payment { provider: row.text(12)?.into(), reference: row.text_or_null(13)?, status: row.parsed(14)? },
    })
}

/// `SELECT` of the columns that [`movement`] reads, in its order, followed by `$rest`.
macro_rules! select_movements {
    ($rest:literal) => {
        concat!(
            "SELECT product_id, number, kind, available, held, sold, order_id, actor, reason, at FROM movements ",
            $rest
        )
    };
}
pub(crate) use select_movements;

/// Reads a row of [`select_movements`].
pub(crate) fn movement(row: Row<'_>) -> Result<Movement, StoreError> {
    Ok(Movement {
        product: ProductId::trusted(&row.text(0)?),
        number: row.int(1)?,
        kind: row.parsed(2)?,
        change: Stock { available: row.int(3)?, held: row.int(4)?, sold: row.int(5)? },
        order: row.bytes_or_null(6)?.as_deref().and_then(OrderId::from_bytes),
        actor: row.text(7)?,
        reason: row.text_or_null(8)?,
        at: Timestamp(row.int(9)?),
    })
}

/// Adds the row that [`movement_values`] gives.
pub(crate) const INSERT_MOVEMENT: &str = "INSERT INTO movements (product_id, number, kind, available, held, sold, order_id, actor, reason, at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// A movement's values for [`INSERT_MOVEMENT`].
pub(crate) fn movement_values(movement: &Movement) -> [Value<'_>; 10] {
    let Movement { change, .. } = movement;
    [
        movement.product.as_str().into(),
        movement.number.into(),
        movement.kind.as_str().into(),
        change.available.into(),
        change.held.into(),
        change.sold.into(),
        movement.order.as_ref().map(OrderId::as_bytes).into(),
        movement.actor.as_str().into(),
        movement.reason.as_deref().into(),
        movement.at.0.into(),
    ]
}

/// Adds the row that [`order_values`] gives.
pub(crate) const INSERT_ORDER: &str = "INSERT INTO orders (id, buyer_id, product_id, quantity, amount, currency, state, reason, created_at, expires_at, \
     settled_at, closed_at, payment_provider, payment_reference, payment_status) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/// A new order's values for [`INSERT_ORDER`].
pub(crate) fn order_values(order: &Order) -> [Value<'_>; 15] {
    [
        order.id.as_bytes().into(),
        order.buyer.0.into(),
        order.product.as_str().into(),
        order.quantity.into(),
        order.amount.into(),
        order.currency.as_str().into(),
        order.state.as_str().into(),
        order.reason.map(Reason::as_str).into(),
        order.created_at.0.into(),
        order.expires_at.0.into(),
        order.settled_at.map(|at| at.0).into(),
        order.closed_at.map(|at| at.0).into(),
        order.payment.provider.as_ref().into(),
        order.payment.reference.as_deref().into(),
        order.payment.status.as_str().into(),
    ]
}

/// Changes what can change of an order.
pub(crate) const UPDATE_ORDER: &str = "UPDATE orders SET state = $1, reason = $2, settled_at = $3, closed_at = $4, payment_reference = $5, \
     payment_status = $6 WHERE id = $7";

/// A known order's values for [`UPDATE_ORDER`].
pub(crate) fn order_changes(order: &Order) -> [Value<'_>; 7] {
    [
        order.state.as_str().into(),
        order.reason.map(Reason::as_str).into(),
        order.settled_at.map(|at| at.0).into(),
        order.closed_at.map(|at| at.0).into(),
        order.payment.reference.as_deref().into(),
        order.payment.status.as_str().into(),
        order.id.as_bytes().into(),
    ]
}
