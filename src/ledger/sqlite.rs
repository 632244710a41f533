//! The ledger on SQLite: loads what a batch needs, saves what it changed, in one transaction on the writer's thread.
//!
//! There is one engine per process, and its offers stay in memory between batches. Another process may write to the same
//! file: once a batch holds the write lock, `PRAGMA data_version` tells whether one has, and then the memory is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

use super::board::Board;
use super::command::{Command, Outcome};
use super::decide::{Book, decide, keyed_request};
use super::model::{Answered, KeyRecord, KeyedRequest, Offer, Order, Reason};
use super::rows::{self, select_offers, select_orders};
use crate::kernel::clock::{Clock, Timestamp};
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::store::sqlite::{Driver, data_version};
use crate::store::{Conn, StoreError, bind};

/// How many holds that have run out a batch ends on its way; the sweeper sees to the rest.
const DUE_MAX: i64 = 64;

/// The adapter, shared by the engine and the reloads.
pub(crate) struct SqliteLedger {
    driver: Arc<Driver>,
    clock: Arc<dyn Clock>,
    /// Locked only on the writer's thread, so nobody ever waits for it.
    memory: Arc<Mutex<Memory>>,
    board: Arc<Board>,
}

/// The offers as of the last commit that this process saw.
#[derive(Default)]
struct Memory {
    data_version: i64,
    offers: HashMap<ProductId, Offer>,
}

impl SqliteLedger {
    pub(crate) fn new(driver: Arc<Driver>, clock: Arc<dyn Clock>, board: Arc<Board>) -> Self {
        Self { driver, clock, memory: Arc::default(), board }
    }

    /// Decides and saves a batch; the outcomes come in the order of the commands, and are durable.
    ///
    /// # Errors
    /// When nothing of the batch was saved.
    pub(crate) async fn process(&self, commands: Arc<[Command]>) -> Result<Vec<Outcome>, Error> {
        let (clock, memory, board) = (Arc::clone(&self.clock), Arc::clone(&self.memory), Arc::clone(&self.board));
        self.driver
            .write_raw(move |connection| {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                // Taken out until the commit: a batch that fails leaves an empty memory, to be loaded anew.
                let remembered = std::mem::take(&mut *memory);
                let (outcomes, kept) = run_batch(connection, remembered, &board, &commands, &*clock)?;
                *memory = kept;
                Ok(outcomes)
            })
            .await
    }

    /// Reads one offer, or all of them, anew and publishes it: after a change that did not go through the engine.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) async fn reload(&self, product: Option<ProductId>) -> Result<(), Error> {
        let (clock, memory, board) = (Arc::clone(&self.clock), Arc::clone(&self.memory), Arc::clone(&self.board));
        self.driver
            .write_raw(move |connection| {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                let snapshot = connection.transaction().map_err(StoreError::from)?;
                let now = clock.now();
                if let Some(product) = product {
                    let offer = read_offer(&Conn::of(&snapshot), &product)?;
                    board.publish(offer.iter(), now);
                    memory.offers.remove(&product);
                } else {
                    let all = Conn::of(&snapshot).rows(select_offers!(""), &[], rows::offer)?;
                    board.replace(all.iter(), now);
                    *memory = Memory::default();
                }
                Ok(())
            })
            .await
    }
}

fn run_batch(
    connection: &mut Connection,
    mut memory: Memory,
    board: &Board,
    commands: &[Command],
    clock: &dyn Clock,
) -> Result<(Vec<Outcome>, Memory), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
    let version = data_version(&transaction)?;
    if version != memory.data_version {
        memory = Memory { data_version: version, offers: HashMap::new() };
    }
    let now = clock.now();
    let mut book = Book { offers: memory.offers, ..Book::default() };
    let due = load_due(&Conn::of(&transaction), &mut book, now)?;
    load(&Conn::of(&transaction), &mut book, commands)?;
    for command in &due {
        decide_on(&mut book, command, now)?;
    }
    let outcomes = commands.iter().map(|command| decide_on(&mut book, command, now)).collect::<Result<_, _>>()?;
    if book.changes.is_empty() {
        transaction.rollback().map_err(StoreError::from)?;
    } else {
        save(&transaction, &book, now)?;
        transaction.commit().map_err(StoreError::from)?;
        board.publish(book.changes.offers.iter().filter_map(|product| book.offers.get(product)), now);
    }
    Ok((outcomes, Memory { data_version: version, offers: book.offers }))
}

fn decide_on(book: &mut Book, command: &Command, now: Timestamp) -> Result<Outcome, Error> {
    decide(book, command, now)
        .map_err(|fault| Error::internal(format!("the ledger refused to move units out of balance: {fault:?}")))
}

/// Reads holds whose time has run out, so that their units, and their buyers' limits, are free for this batch already.
fn load_due(conn: &Conn<'_>, book: &mut Book, now: Timestamp) -> Result<Vec<Command>, StoreError> {
    const SQL: &str = "SELECT id FROM orders WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT $2";
    let due = conn.rows(SQL, bind![now.0, DUE_MAX], |row| row.id(0, OrderId::from_bytes))?;
    for order in &due {
        load_order(conn, book, *order)?;
    }
    Ok(due.into_iter().map(|order| Command::Expire { order }).collect())
}

/// Reads what the commands name: keys and the orders behind them, orders, offers, and what limited buyers have.
fn load(conn: &Conn<'_>, book: &mut Book, commands: &[Command]) -> Result<(), StoreError> {
    for command in commands {
        if let Some(request) = keyed_request(command) {
            load_key(conn, book, request)?;
        }
        match command {
            Command::Enter(enter) => {
                load_offer(conn, book, &enter.product)?;
                load_live(conn, book, enter.buyer, &enter.product)?;
            }
            Command::Adjust { product, .. } => load_offer(conn, book, product)?,
            Command::Confirm { order, .. }
            | Command::Settle { order, .. }
            | Command::Cancel { order, .. }
            | Command::Refund { order, .. }
            | Command::Expire { order } => load_order(conn, book, *order)?,
        }
    }
    Ok(())
}

fn load_offer(conn: &Conn<'_>, book: &mut Book, product: &ProductId) -> Result<(), StoreError> {
    if !book.offers.contains_key(product)
        && let Some(offer) = read_offer(conn, product)?
    {
        book.offers.insert(product.clone(), offer);
    }
    Ok(())
}

fn read_offer(conn: &Conn<'_>, product: &ProductId) -> Result<Option<Offer>, StoreError> {
    conn.row(select_offers!("WHERE product_id = $1"), bind![product.as_str()], rows::offer)
}

fn load_order(conn: &Conn<'_>, book: &mut Book, id: OrderId) -> Result<(), StoreError> {
    if book.orders.contains_key(&id) {
        return Ok(());
    }
    let found = conn.row(select_orders!("WHERE id = $1"), bind![id.as_bytes()], rows::order)?;
    if let Some(order) = found {
        load_offer(conn, book, &order.product)?;
        load_live(conn, book, order.buyer, &order.product)?;
        book.orders.insert(id, order);
    }
    Ok(())
}

/// Reads how many units a buyer has, where that matters: each counts once, in the index of live orders.
fn load_live(conn: &Conn<'_>, book: &mut Book, buyer: UserId, product: &ProductId) -> Result<(), StoreError> {
    const SQL: &str = "SELECT COALESCE(SUM(quantity), 0) FROM orders \
         WHERE product_id = $1 AND buyer_id = $2 AND state IN ('held', 'completed')";
    let limited = book.offers.get(product).is_some_and(|offer| offer.terms.per_buyer_limit.is_some());
    let key = (buyer, product.clone());
    if limited && !book.live.contains_key(&key) {
        let live = conn.row(SQL, bind![product.as_str(), buyer.0], |row| row.int(0))?;
        book.live.insert(key, live.unwrap_or(0));
    }
    Ok(())
}

fn load_key(conn: &Conn<'_>, book: &mut Book, request: &KeyedRequest) -> Result<(), StoreError> {
    const SQL: &str = "SELECT body_hash, order_id, refusal FROM idempotency_keys \
         WHERE buyer_id = $1 AND path = $2 AND key = $3";
    let key = &request.key;
    if book.keys.contains_key(key) {
        return Ok(());
    }
    let record = conn.row(SQL, bind![key.buyer.0, &key.path, &key.key], |row| {
        let body_hash = row.id(0, |bytes| bytes.try_into().ok())?;
        let answer = match row.bytes_or_null(1)?.as_deref().and_then(OrderId::from_bytes) {
            Some(order) => Answered::Order(order),
            None => Answered::Refused(row.parsed(2)?),
        };
        Ok(KeyRecord { body_hash, answer })
    })?;
    if let Some(record) = record {
        if let Answered::Order(order) = record.answer {
            load_order(conn, book, order)?;
        }
        book.keys.insert(key.clone(), record);
    }
    Ok(())
}

/// Writes what the batch changed; each product's counts once.
fn save(connection: &Connection, book: &Book, now: Timestamp) -> Result<(), StoreError> {
    let conn = Conn::of(connection);
    for (id, is_new) in &book.changes.orders {
        let order = &book.orders[id];
        if *is_new { insert_order(&conn, order)? } else { update_order(&conn, order)? }
    }
    for movement in &book.changes.movements {
        rows::insert_movement(&conn, movement)?;
    }
    for product in &book.changes.offers {
        let Offer { stock, movement_count, .. } = &book.offers[product];
        conn.execute(
            "UPDATE offers SET total = $1, available = $2, held = $3, sold = $4, movement_count = $5 \
             WHERE product_id = $6",
            bind![stock.total(), stock.available, stock.held, stock.sold, *movement_count, product.as_str()],
        )?;
    }
    for key in &book.changes.keys {
        let record = &book.keys[key];
        let (order, refusal) = match &record.answer {
            Answered::Order(order) => (Some(order.as_bytes()), None),
            Answered::Refused(refusal) => (None, Some(refusal.as_str())),
        };
        conn.execute(
            "INSERT INTO idempotency_keys (buyer_id, path, key, body_hash, order_id, refusal, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            bind![key.buyer.0, &key.path, &key.key, record.body_hash.as_slice(), order, refusal, now.0],
        )?;
    }
    Ok(())
}

fn insert_order(conn: &Conn<'_>, order: &Order) -> Result<(), StoreError> {
    conn.execute(
        "INSERT INTO orders (id, buyer_id, product_id, quantity, amount, currency, state, reason, created_at, \
         expires_at, settled_at, closed_at, payment_provider, payment_reference, payment_status) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        bind![
            order.id.as_bytes(),
            order.buyer.0,
            order.product.as_str(),
            order.quantity,
            order.amount,
            order.currency.as_str(),
            order.state.as_str(),
            order.reason.map(Reason::as_str),
            order.created_at.0,
            order.expires_at.0,
            order.settled_at.map(|at| at.0),
            order.closed_at.map(|at| at.0),
            order.payment.provider.as_ref(),
            order.payment.reference.as_deref(),
            order.payment.status.as_str(),
        ],
    )?;
    Ok(())
}

fn update_order(conn: &Conn<'_>, order: &Order) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE orders SET state = $1, reason = $2, settled_at = $3, closed_at = $4, payment_reference = $5, \
         payment_status = $6 WHERE id = $7",
        bind![
            order.state.as_str(),
            order.reason.map(Reason::as_str),
            order.settled_at.map(|at| at.0),
            order.closed_at.map(|at| at.0),
            order.payment.reference.as_deref(),
            order.payment.status.as_str(),
            order.id.as_bytes(),
        ],
    )?;
    Ok(())
}
