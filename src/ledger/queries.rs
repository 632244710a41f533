//! What is read of orders and movements, outside the engine: plain SQL by index, one snapshot each.

use super::board::Expiries;
use super::course::{self, Course, Step};
use super::model::{Movement, Order, State};
use super::rows::{self, select_movements, select_orders};
use super::rules;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::{Conn, Row, StoreError, bind};

const BUYERS_ORDERS: Cursors = Cursors("orders");
const ALL_ORDERS: Cursors = Cursors("all-orders");
const MOVEMENTS: Cursors = Cursors("movements");

/// How far a sale's course is followed, in movements: it is read for one page, so it may cost a few milliseconds.
const COURSE_MAX: i64 = 50_000;

/// Sorts after every order id.
const AFTER_ALL: [u8; 16] = [0xFF; 16];

/// Which orders an admin wants to see.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of one buyer.
    pub buyer: Option<UserId>,
    /// Of one product.
    pub product: Option<ProductId>,
    /// In one state.
    pub state: Option<State>,
}

/// One order, as it is seen at `now`.
pub(crate) fn order(conn: &Conn<'_>, id: OrderId, now: Timestamp) -> Result<Option<Order>, Error> {
    let order = conn.row(select_orders!("WHERE id = $1"), bind![id.as_bytes()], rows::order)?;
    Ok(order.map(|order| rules::as_seen(order, now)))
}

/// A buyer's orders, newest first.
pub(crate) fn orders_of(
    conn: &Conn<'_>,
    buyer: UserId,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Page<Order>, Error> {
    let before = BUYERS_ORDERS.open::<OrderId>(page.after.as_deref())?;
    let before = before.as_ref().map_or(AFTER_ALL.as_slice(), |id| id.as_bytes());
    let orders = conn.rows(
        select_orders!(
            "WHERE id IN (SELECT order_id FROM orders_by_buyer WHERE buyer_id = $1 AND order_id < $2 \
             UNION ALL SELECT order_id FROM orders_unfiled WHERE buyer_id = $1 AND order_id < $2 \
             ORDER BY order_id DESC LIMIT $3) ORDER BY id DESC"
        ),
        bind![buyer.0, before, i64::from(page.limit) + 1],
        |row| Ok(rules::as_seen(rows::order(row)?, now)),
    )?;
    Ok(BUYERS_ORDERS.page(orders, page.limit, |order| order.id))
}

/// Everybody's orders, newest first, for admins.
pub(crate) fn orders(
    conn: &Conn<'_>,
    filter: &OrderFilter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Page<Order>, Error> {
    let before = ALL_ORDERS.open::<OrderId>(page.after.as_deref())?;
    let before = before.as_ref().map_or(AFTER_ALL.as_slice(), |id| id.as_bytes());
    let orders = conn.rows(
        select_orders!(
            "WHERE id < $1 AND ($2 IS NULL OR buyer_id = $2) AND ($3 IS NULL OR product_id = $3) \
             AND ($4 IS NULL OR state = $4) ORDER BY id DESC LIMIT $5"
        ),
        bind![
            before,
            filter.buyer.map(|id| id.0),
            filter.product.as_ref().map(ProductId::as_str),
            filter.state.map(State::as_str),
            i64::from(page.limit) + 1,
        ],
        |row| Ok(rules::as_seen(rows::order(row)?, now)),
    )?;
    Ok(ALL_ORDERS.page(orders, page.limit, |order| order.id))
}

/// A product's movements, newest first.
pub(crate) fn movements(conn: &Conn<'_>, product: &ProductId, page: &PageRequest) -> Result<Page<Movement>, Error> {
    let before = MOVEMENTS.open::<i64>(page.after.as_deref())?.unwrap_or(i64::MAX);
    let movements = conn.rows(
        select_movements!("WHERE product_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3"),
        bind![product.as_str(), before, i64::from(page.limit) + 1],
        rows::movement,
    )?;
    Ok(MOVEMENTS.page(movements, page.limit, |movement| movement.number))
}

/// Where an order stands among all of its product's, from the product's first movements.
pub(crate) fn course(conn: &Conn<'_>, product: &ProductId, order: OrderId) -> Result<Course, Error> {
    const SQL: &str = "SELECT available, order_id, CASE WHEN actor = 'system' THEN 1 ELSE 0 END, at FROM movements \
         WHERE product_id = $1 AND number <= $2 ORDER BY number";
    let steps = conn.rows(SQL, bind![product.as_str(), COURSE_MAX], |row| {
        Ok(Step {
            available: row.int(0)?,
            order: row.bytes_or_null(1)?.and_then(|id| OrderId::from_bytes(&id)),
            by_system: row.int(2)? != 0,
            at: Timestamp(row.int(3)?),
        })
    })?;
    Ok(course::course(steps, order))
}

/// Holds whose time has run out.
#[derive(Default)]
pub(crate) struct Due {
    /// Those that can be read, the longest overdue first.
    pub orders: Vec<Order>,
    /// There may be more than were asked for.
    pub more: bool,
    /// Why the first of the others can't be read: one damaged row must not keep everybody else's units.
    pub unreadable: Option<StoreError>,
}

/// Holds whose time has run out at `now`, at most `limit`.
pub(crate) fn due(conn: &Conn<'_>, now: Timestamp, limit: i64) -> Result<Due, StoreError> {
    let found = conn.rows(
        select_orders!("WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT $2"),
        bind![now.0, limit],
        |row| Ok(rows::order(row).map_err(|why| unreadable(row, why))),
    )?;
    let mut due = Due { more: i64::try_from(found.len()) == Ok(limit), ..Due::default() };
    for order in found {
        match order {
            Ok(order) => due.orders.push(order),
            Err(why) => drop(due.unreadable.get_or_insert(why)),
        }
    }
    Ok(due)
}

/// When the next holds run out after `now`: one looks `limit` of them ahead.
pub(crate) fn expiries(conn: &Conn<'_>, now: Timestamp, limit: i64) -> Result<Expiries, StoreError> {
    const SQL: &str = "SELECT product_id, expires_at FROM orders WHERE state = 'held' AND expires_at > $1 \
         ORDER BY expires_at LIMIT $2";
    let holds = conn.rows(SQL, bind![now.0, limit], |row| Ok((ProductId::trusted(&row.text(0)?), row.int(1)?)))?;
    let mut expiries = Expiries::default();
    for (product, expires_at) in &holds {
        expiries.add(product, Timestamp(*expires_at));
    }
    if let Some((_, last)) = holds.last().filter(|_| i64::try_from(holds.len()) == Ok(limit)) {
        expiries.add_others(Timestamp(*last));
    }
    Ok(expiries)
}

/// Names the order that can't be read.
fn unreadable(row: Row<'_>, why: StoreError) -> StoreError {
    match (row.id(0, OrderId::from_bytes), why) {
        (Ok(id), StoreError::Other(why)) => StoreError::Other(format!("order {id}: {why}")),
        (_, why) => why,
    }
}

/// Orders whose charge was begun and not answered, the oldest first.
pub(crate) fn being_charged(conn: &Conn<'_>) -> Result<Vec<Order>, Error> {
    Ok(conn.rows(select_orders!("WHERE payment_status = 'pending' ORDER BY id"), &[], rows::order)?)
}

/// Whether keys remember refusals from before `old`.
pub(crate) fn has_refused_keys(conn: &Conn<'_>, old: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "SELECT 1 FROM idempotency_keys WHERE refused_at < $1 LIMIT 1";
    Ok(conn.row(SQL, bind![old.0], |row| row.int(0))?.is_some())
}

/// Forgets at most `limit` refusals from before `old`.
pub(crate) fn forget_refused_keys(conn: &Conn<'_>, old: Timestamp, limit: i64) -> Result<usize, Error> {
    const SQL: &str = "DELETE FROM idempotency_keys WHERE digest IN \
         (SELECT digest FROM idempotency_keys WHERE refused_at < $1 LIMIT $2)";
    conn.concerns(&[]);
    Ok(conn.execute(SQL, bind![old.0, limit])?)
}
