//! The ledger on SQLite: loads what a batch needs, saves what it changed, in one transaction on the writer's thread.
//!
//! There is one engine per process, and its offers stay in memory between batches. Another process may write to the same
//! file: once a batch holds the write lock, `PRAGMA data_version` tells whether one has, and then the memory is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

use super::board::{Board, Expiries};
use super::command::{Answered, Command, Key, KeyRecord, KeyedRequest, Outcome};
use super::decide::{Book, decide, keyed_request};
use super::filing::{file_keys, file_orders};
use super::model::{Offer, Order, State, Units};
use super::outbox::{self, Listeners};
use super::queries;
use super::rows::{self, select_offers, select_orders};
use super::saving::{Unfiled, save};
use crate::kernel::clock::{Clock, Timestamp};
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::store::sqlite::{Driver, data_version, still_known};
use crate::store::{Conn, StoreError, bind};

/// How many holds that have run out a batch ends on its way; the sweeper sees to the rest.
const DUE_MAX: i64 = 256;

/// How many holds the board looks ahead: enough that their products are few looks, and few enough to be read in no time.
const AHEAD_MAX: i64 = 64;

/// How many orders wait to be filed under their buyers, at most: more would make reading them slow, fewer would make
/// filing dear.
const UNFILED_ORDERS_MAX: usize = 8_192;
/// How many keys wait to be filed, at most. They are remembered, and nobody reads them meanwhile.
const UNFILED_KEYS_MAX: usize = 32_768;
/// How many buyers' live units, and how many keys, are remembered between batches, at most.
pub(crate) const REMEMBERED_MAX: usize = 65_536;

/// The adapter, shared by the engine, the catalogue's changes and the reloads. It holds no driver: its work runs on the
/// driver's own thread, which must never be the last to let go of it.
pub(crate) struct SqliteLedger {
    clock: Arc<dyn Clock>,
    /// Locked only on the writer's thread, so nobody ever waits for it.
    memory: Mutex<Memory>,
    board: Arc<Board>,
    remembered_max: usize,
}

/// What is known as of the last commit that this process saw.
#[derive(Default)]
struct Memory {
    data_version: i64,
    offers: HashMap<ProductId, Offer>,
    /// Units in live orders. A buyer of a limited product who has an order that is not filed yet is always here: what is
    /// not remembered is read from the filed orders alone.
    live: HashMap<(UserId, ProductId), Units>,
    /// Keys that were used. One that is not filed yet is always here: what is not remembered is looked up among the filed.
    keys: HashMap<Key, KeyRecord>,
    unfiled: Unfiled,
    /// Who is told of events; `None` when that is not known.
    listeners: Option<Listeners>,
}

impl SqliteLedger {
    /// An adapter that remembers at most `remembered_max` buyers' live units, and as many keys, between batches.
    pub(crate) fn new(clock: Arc<dyn Clock>, board: Arc<Board>, remembered_max: usize) -> Arc<Self> {
        Arc::new(Self { clock, memory: Mutex::default(), board, remembered_max })
    }

    /// Decides and saves a batch; the outcomes come in the order of the commands, and are durable.
    ///
    /// # Errors
    /// When nothing of the batch was saved.
    pub(crate) fn process(&self, connection: &mut Connection, commands: &[Command]) -> Result<Vec<Outcome>, Error> {
        let mut memory = self.memory();
        // Taken out until the commit: a batch that fails leaves an empty memory, to be loaded anew.
        let remembered = std::mem::take(&mut *memory);
        let (outcomes, kept) = run_batch(connection, remembered, &self.board, commands, &*self.clock)?;
        if kept.live.len().max(kept.keys.len()) <= self.remembered_max {
            *memory = kept; // or else the next batch files what is left, and begins anew
        }
        Ok(outcomes)
    }

    /// Commits `work`, which changes one offer, and shows it to the door and to the next batch. All of it is one turn of
    /// the writer: a batch that ran between the commit and the memory's change would sell on the terms of before.
    ///
    /// # Errors
    /// What `work` returns; nothing is changed then.
    pub(crate) async fn change<T, F>(self: &Arc<Self>, driver: &Driver, product: ProductId, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let this = Arc::clone(self);
        driver
            .write_raw(move |connection| {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
                let value = work(&Conn::of(&transaction))?;
                let offer = read_offer(&Conn::of(&transaction), &product)?;
                // All of it: a product that had no limit may have one now, and then its unfiled orders count.
                *this.memory() = Memory::default();
                transaction.commit().map_err(StoreError::from)?;
                this.board.publish(offer.iter(), this.clock.now());
                Ok(value)
            })
            .await
    }

    /// Commits `work`, which changes who is told of events; the next batch goes by it.
    ///
    /// # Errors
    /// What `work` returns; nothing is changed then.
    pub(crate) async fn change_listeners<T, F>(self: &Arc<Self>, driver: &Driver, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let this = Arc::clone(self);
        driver
            .write_raw(move |connection| {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
                let value = work(&Conn::of(&transaction))?;
                this.memory().listeners = None;
                transaction.commit().map_err(StoreError::from)?;
                Ok(value)
            })
            .await
    }

    /// Reads all offers anew and publishes them: after another process's change.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) async fn reload(self: &Arc<Self>, driver: &Driver) -> Result<(), Error> {
        let this = Arc::clone(self);
        driver
            .write_raw(move |connection| {
                let snapshot = connection.transaction().map_err(StoreError::from)?;
                let all = Conn::of(&snapshot).rows(select_offers!(""), &[], rows::offer)?;
                let expiries = queries::expiries(&Conn::of(&snapshot), Timestamp(i64::MIN), AHEAD_MAX)?;
                this.board.replace(all.iter(), this.clock.now());
                this.board.look_ahead(expiries);
                *this.memory() = Memory::default();
                Ok(())
            })
            .await
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
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
    let (mut filed, mut stale) = (0, false);
    if version != memory.data_version {
        still_known(&transaction)?;
        memory = Memory { data_version: version, ..Memory::default() };
        filed =
            file_orders(&Conn::of(&transaction)).map_err(ours)? + file_keys(&Conn::of(&transaction)).map_err(ours)?;
        stale = true;
    }
    let now = clock.now();
    stale |= board.is_stale(now);
    let mut book = Book { offers: memory.offers, live: memory.live, keys: memory.keys, ..Book::default() };
    let due = load_due(&Conn::of(&transaction), &mut book, now)?;
    load(&Conn::of(&transaction), &mut book, commands)?;
    for command in &due {
        decide_on(&mut book, command, now)?;
    }
    let outcomes = commands.iter().map(|command| decide_on(&mut book, command, now)).collect::<Result<_, _>>()?;
    #[cfg(debug_assertions)]
    let outcomes = board.planted.oversell(&mut book, commands, outcomes, now);
    let changed = filed > 0 || !book.changes.is_empty();
    let (mut unfiled, mut listeners) = (memory.unfiled, memory.listeners);
    if changed {
        let new = save(&Conn::of(&transaction), &book, now).map_err(ours)?;
        unfiled = Unfiled { orders: unfiled.orders + new.orders, keys: unfiled.keys + new.keys };
        file_what_waits(&Conn::of(&transaction), &mut unfiled, &mut book).map_err(ours)?;
        listeners = Some(outbox::write(&Conn::of(&transaction), &book, listeners).map_err(ours)?);
    }
    let ahead = if stale { Some(look_ahead(&Conn::of(&transaction), &book, now)?) } else { None };
    if changed {
        #[cfg(debug_assertions)]
        if board.planted.forgets(&book) {
            return Ok((outcomes, Memory::default()));
        }
        transaction.commit().map_err(StoreError::from)?;
        board.publish(book.changes.offers.iter().filter_map(|product| book.offers.get(product)), now);
        board.count_sold(&book.changes.movements);
        board.tell(listeners);
    } else {
        transaction.rollback().map_err(StoreError::from)?;
    }
    match ahead {
        Some(expiries) => board.look_ahead(expiries),
        None => board.look_out_for(new_holds(&book)),
    }
    let Memory { data_version, .. } = memory;
    Ok((outcomes, Memory { data_version, offers: book.offers, live: book.live, keys: book.keys, unfiled, listeners }))
}

/// When holds run out, as the batch leaves them behind. Those that have run out and were not seen count as well.
fn look_ahead(conn: &Conn<'_>, book: &Book, now: Timestamp) -> Result<Expiries, StoreError> {
    queries::expiries(conn, if book.behind { Timestamp(i64::MIN) } else { now }, AHEAD_MAX)
}

/// The holds that the batch has taken, and when they run out.
fn new_holds(book: &Book) -> impl Iterator<Item = (&ProductId, Timestamp)> {
    // Most sales hold nothing, and their orders need not be looked at.
    let any = book.changes.offers.iter().any(|product| book.offers[product].stock.held > 0);
    let new = book.changes.orders.iter().filter(move |(_, is_new)| any && **is_new).map(|(id, _)| &book.orders[id]);
    new.filter(|order| order.state == State::Held).map(|order| (&order.product, order.expires_at))
}

/// A row that a batch adds and that is there already is a fault of ours, and no conflict of everybody who is in the batch:
/// told as one, the engine looks for the command that it comes from.
fn ours(error: StoreError) -> Error {
    match error {
        StoreError::Duplicate(columns) => Error::internal(format!("a row of the ledger is there already: {columns}")),
        other => other.into(),
    }
}

/// Files what has become too much to wait.
fn file_what_waits(conn: &Conn<'_>, unfiled: &mut Unfiled, book: &mut Book) -> Result<(), StoreError> {
    if unfiled.orders >= UNFILED_ORDERS_MAX {
        file_orders(conn)?;
        unfiled.orders = 0;
    }
    if unfiled.keys >= UNFILED_KEYS_MAX {
        file_keys(conn)?;
        unfiled.keys = 0;
        book.keys.clear();
    }
    Ok(())
}

fn decide_on(book: &mut Book, command: &Command, now: Timestamp) -> Result<Outcome, Error> {
    decide(book, command, now)
        .map_err(|fault| Error::internal(format!("the ledger refused to move units out of balance: {fault:?}")))
}

/// Reads holds whose time has run out, so that their units, and their buyers' limits, are free for this batch already.
/// What can't be read of them is left to the sweeper, which tells about it.
fn load_due(conn: &Conn<'_>, book: &mut Book, now: Timestamp) -> Result<Vec<Command>, StoreError> {
    let due = queries::due(conn, now, DUE_MAX)?;
    book.behind = due.more;
    let ids: Vec<_> = due.orders.iter().map(|order| order.id).collect();
    for order in due.orders {
        add_order(conn, book, order)?;
    }
    Ok(ids.into_iter().map(|order| Command::Expire { order }).collect())
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
    found.map_or(Ok(()), |order| add_order(conn, book, order))
}

fn add_order(conn: &Conn<'_>, book: &mut Book, order: Order) -> Result<(), StoreError> {
    load_offer(conn, book, &order.product)?;
    load_live(conn, book, order.buyer, &order.product)?;
    book.orders.insert(order.id, order);
    Ok(())
}

/// Reads how many units a buyer has, where that matters. The filed orders are all that there are, see [`Memory`].
fn load_live(conn: &Conn<'_>, book: &mut Book, buyer: UserId, product: &ProductId) -> Result<(), StoreError> {
    const SQL: &str = "SELECT COALESCE(SUM(o.quantity), 0) FROM orders_by_buyer b JOIN orders o ON o.id = b.order_id \
         WHERE b.buyer_id = $1 AND b.product_id = $2 AND o.closed_at IS NULL";
    let limited = book.offers.get(product).is_some_and(|offer| offer.terms.per_buyer_limit.is_some());
    let key = (buyer, product.clone());
    if limited && !book.live.contains_key(&key) {
        let live = conn.row(SQL, bind![buyer.0, product.as_str()], |row| row.int(0))?;
        book.live.insert(key, live.unwrap_or(0));
    }
    Ok(())
}

fn load_key(conn: &Conn<'_>, book: &mut Book, request: &KeyedRequest) -> Result<(), StoreError> {
    if !book.keys.contains_key(&request.key)
        && let Some(record) = read_key(conn, &request.key)?
    {
        book.keys.insert(request.key, record);
    }
    // A key that is remembered has its order in the database, or in this batch.
    if let Some(Answered::Order(order)) = book.keys.get(&request.key).map(|record| record.answer.clone()) {
        load_order(conn, book, order)?;
    }
    Ok(())
}

/// What a filed key stands for.
fn read_key(conn: &Conn<'_>, key: &Key) -> Result<Option<KeyRecord>, StoreError> {
    const SQL: &str = "SELECT body_hash, order_id, refusal, entered FROM idempotency_keys WHERE digest = $1";
    conn.row(SQL, bind![key.digest.as_slice()], |row| {
        let body_hash = row.id(0, |bytes| bytes.try_into().ok())?;
        let answer = match row.bytes_or_null(1)?.as_deref().and_then(OrderId::from_bytes) {
            Some(order) => Answered::Order(order),
            None => Answered::Refused(row.parsed(2)?),
        };
        Ok(KeyRecord { body_hash, answer, entered: row.int(3)? != 0 })
    })
}
