//! What others are told of a sale: events, written in the transaction of the change that they tell of.
//!
//! [`happened`] is a pure function over what a batch changed. The rows are short, land at the end of their table, and are
//! written only while somebody is told: whether there is anybody is remembered between batches, like everything else. What a
//! receiver reads is made from them later, and not here.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::decide::Book;
use super::model::{Movement, MovementKind, Order, Reason, State, Units, words};
use super::rows::{self, select_orders};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, ProductId};
use crate::store::{Conn, Row, StoreError, bind};

words! {
    /// What happened.
    EventKind {
        /// An order was paid.
        OrderCompleted = "order.completed",
        /// An order ended unpaid.
        OrderCancelled = "order.cancelled",
        /// An order was paid back.
        OrderRefunded = "order.refunded",
        /// The last available unit of a product is gone.
        ProductSoldOut = "product.sold_out",
    }
}

impl EventKind {
    /// Its number in rows.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::OrderCompleted => 0,
            Self::OrderCancelled => 1,
            Self::OrderRefunded => 2,
            Self::ProductSoldOut => 3,
        }
    }

    /// The kind with a number.
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

/// What an event is about, with what the rows do not tell for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// An order.
    Order {
        /// Which.
        id: OrderId,
        /// Why it was cancelled, if it was.
        reason: Option<Reason>,
    },
    /// A product of which nothing is available.
    Product {
        /// Which.
        id: ProductId,
        /// Its units in held orders.
        held: Units,
        /// Its units in completed orders.
        sold: Units,
    },
}

/// Something that others are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// To what.
    pub about: About,
}

/// Whether anybody is told, as of the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listeners {
    /// Nobody: nothing is written.
    Nobody,
    /// Somebody.
    There {
        /// The number of the last event.
        last: i64,
    },
}

/// What happened in a batch, in order: each order's steps as its movements tell them, then the products that it sold out.
pub(crate) fn happened(book: &Book) -> Vec<Event> {
    let movements = &book.changes.movements;
    let mut events: Vec<_> = movements.iter().filter_map(|movement| step(book, movement)).collect();
    let empty = book.changes.offers.iter().filter(|product| book.offers[*product].stock.available == 0);
    let empty: Vec<&ProductId> = empty.collect();
    if empty.is_empty() {
        return events;
    }
    let mut taken: HashMap<&ProductId, (Units, Timestamp)> = HashMap::new();
    for Movement { product, change, at, .. } in movements {
        let (sum, last) = taken.entry(product).or_insert((0, *at));
        (*sum, *last) = (*sum - change.available, *at);
    }
    for product in empty {
        // Nothing is available after the batch, so what it took in all is what was available before it.
        if let Some((1.., at)) = taken.get(product) {
            let stock = book.offers[product].stock;
            let about = About::Product { id: product.clone(), held: stock.held, sold: stock.sold };
            events.push(Event { kind: EventKind::ProductSoldOut, at: *at, about });
        }
    }
    events
}

/// What a movement means to its order; a hold means nothing to anybody yet.
fn step(book: &Book, movement: &Movement) -> Option<Event> {
    let id = movement.order?;
    let (kind, reason) = match movement.kind {
        MovementKind::Sell => (EventKind::OrderCompleted, None),
        MovementKind::Refund => (EventKind::OrderRefunded, None),
        MovementKind::Release => {
            let order = &book.orders[&id];
            // Only an order whose time ran out comes back, and it may have done so in this very batch.
            let reason = if order.state == State::Cancelled { order.reason } else { Some(Reason::Expired) };
            (EventKind::OrderCancelled, reason)
        }
        MovementKind::Hold | MovementKind::Restock | MovementKind::Withdraw => return None,
    };
    Some(Event { kind, at: movement.at, about: About::Order { id, reason } })
}

/// Writes what happened in a batch if anybody is told; gives who there is, which need not be known before.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn write(conn: &Conn<'_>, book: &Book, known: Option<Listeners>) -> Result<Listeners, StoreError> {
    const ORDER: &str = "INSERT INTO webhook_events (number, kind, at, order_id, reason) VALUES ($1, $2, $3, $4, $5)";
    const PRODUCT: &str =
        "INSERT INTO webhook_events (number, kind, at, product_id, held, sold) VALUES ($1, $2, $3, $4, $5, $6)";
    let listeners = known.map_or_else(|| read(conn), Ok)?;
    let Listeners::There { mut last } = listeners else { return Ok(listeners) };
    let mut order = conn.repeated(ORDER)?;
    for Event { kind, at, about } in happened(book) {
        last += 1;
        match about {
            About::Order { id, reason } => {
                order.execute(bind![last, kind.number(), at.0, id.as_bytes(), reason.map(Reason::as_str)])?;
            }
            About::Product { id, held, sold } => {
                conn.execute(PRODUCT, bind![last, kind.number(), at.0, id.as_str(), held, sold])?;
            }
        }
    }
    Ok(Listeners::There { last })
}

/// Who is told.
fn read(conn: &Conn<'_>) -> Result<Listeners, StoreError> {
    let there = conn.row("SELECT 1 FROM webhooks WHERE off_reason IS NULL", &[], |_| Ok(()))?;
    Ok(if there.is_some() { Listeners::There { last: last(conn)? } } else { Listeners::Nobody })
}

/// The number of the last event. That one stays when those before it are deleted, so that no number is given again.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn last(conn: &Conn<'_>) -> Result<i64, StoreError> {
    Ok(conn.row("SELECT COALESCE(MAX(number), 0) FROM webhook_events", &[], |row| row.int(0))?.unwrap_or(0))
}

/// An event in the outbox, with the row, as it is now, of the order that it is about.
#[derive(Debug)]
pub(crate) struct Told {
    pub number: i64,
    pub event: Event,
    pub order: Option<Order>,
}

/// `SELECT` of the columns that [`event`] reads, in its order, followed by `$rest`.
macro_rules! select_events {
    ($rest:literal) => {
        concat!("SELECT number, kind, at, order_id, reason, product_id, held, sold FROM webhook_events ", $rest)
    };
}

/// The first events after one and up to another, of the kinds whose bits are set.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn events(conn: &Conn<'_>, after: i64, to: i64, kinds: i64, limit: i64) -> Result<Vec<Told>, StoreError> {
    const SQL: &str =
        select_events!("WHERE number > $1 AND number <= $2 AND ($3 >> kind) & 1 ORDER BY number LIMIT $4");
    let found = conn.rows(SQL, bind![after, to, kinds, limit], event)?;
    found.into_iter().map(|event| with_order(conn, event)).collect()
}

/// One event, if it is still there.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn one(conn: &Conn<'_>, number: i64) -> Result<Option<Told>, StoreError> {
    let found = conn.row(select_events!("WHERE number = $1"), bind![number], event)?;
    found.map(|event| with_order(conn, event)).transpose()
}

fn with_order(conn: &Conn<'_>, (number, event): (i64, Event)) -> Result<Told, StoreError> {
    let order = match &event.about {
        About::Order { id, .. } => conn.row(select_orders!("WHERE id = $1"), bind![id.as_bytes()], rows::order)?,
        About::Product { .. } => None,
    };
    Ok(Told { number, event, order })
}

/// Reads a row of [`select_events`].
fn event(row: Row<'_>) -> Result<(i64, Event), StoreError> {
    let unknown = || StoreError::Other("webhook_events.kind is none of them".to_owned());
    let kind = EventKind::of_number(row.int(1)?).ok_or_else(unknown)?;
    let about = if kind == EventKind::ProductSoldOut {
        About::Product { id: ProductId::trusted(&row.text(5)?), held: row.int(6)?, sold: row.int(7)? }
    } else {
        let reason = row.text_or_null(4)?.map(|_| row.parsed(4)).transpose()?;
        About::Order { id: row.id(3, OrderId::from_bytes)?, reason }
    };
    Ok((row.int(0)?, Event { kind, at: Timestamp(row.int(2)?), about }))
}
