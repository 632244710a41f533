//! The ledger: the one place where units of stock move.
//!
//! [`Ledger`] is its handle. A purchase passes the door ([`Ledger::admit`], memory only), waits in the engine's queue,
//! is decided by the pure core (`decide.rs` over `rules.rs`) together with whoever else is waiting, and is answered when
//! the batch is durable. The audit proves afterwards, from the rows alone, that nothing went wrong.
//!
//! The ledger knows no room: it is told buyers' ids, products' ids and terms, and nothing more.

pub mod audit;
mod backlog;
mod board;
mod command;
mod course;
mod decide;
mod engine;
mod filing;
mod model;
pub(crate) mod offers;
pub(crate) mod outbox;
#[cfg(debug_assertions)]
mod planted;
mod queries;
mod refusal;
mod rows;
mod rules;
mod saving;
mod search;
mod sqlite;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use board::{Changes, Live};
pub use command::*;
pub use course::{Course, SoldOut};
pub use model::*;
pub use outbox::{About, Event, EventKind};
pub use queries::OrderFilter;

use self::audit::Audit;
use self::backlog::Waiters;
use self::board::Board;
use self::engine::Engine;
use self::sqlite::{REMEMBERED_MAX, SqliteLedger};
use crate::kernel::clock::Clock;
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::page::{Page, PageRequest};
use crate::store::{Conn, Db};

/// How long to wait before the live counts are read again after that failed.
const RELOAD_PAUSE: Duration = Duration::from_millis(200);
/// How often the sweeper looks for holds that have run out.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// How long a key remembers a refusal, in seconds: a day.
const REFUSED_KEYS_KEPT_S: i64 = 86_400;
/// How many holds the sweeper ends, and how many keys it forgets, in one go.
const SWEEP_MAX: i64 = 256;

/// The handle that the rooms share.
pub struct Ledger {
    db: Db,
    clock: Arc<dyn Clock>,
    board: Arc<Board>,
    adapter: Arc<SqliteLedger>,
    engine: Engine,
    waiters: Arc<Waiters>,
}

impl Ledger {
    /// Starts the engine on `db` and fills the board. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the offers can't be read.
    pub async fn start(db: Db, clock: Arc<dyn Clock>, queue_length: usize) -> Result<Arc<Self>, Error> {
        let board = Arc::new(Board::default());
        let adapter = SqliteLedger::new(Arc::clone(&clock), Arc::clone(&board), REMEMBERED_MAX);
        adapter.reload(db.sqlite()).await?;
        let engine = Engine::new(Arc::clone(&adapter), db.sqlite().queue(), queue_length);
        let waiters = Waiters::new(Arc::clone(&clock));
        Ok(Arc::new(Self { db, clock, board, adapter, engine, waiters }))
    }

    /// Puts a fault into this ledger, for good.
    #[cfg(debug_assertions)]
    pub fn plant(&self, fault: crate::kernel::planted::PlantedFault) {
        self.board.planted.plant(fault);
    }

    /// Keeps the board in step with other processes and ends holds on time, until the ledger is dropped.
    pub fn keep_current(self: &Arc<Self>) {
        let ledger = Arc::downgrade(self);
        let mut changed = self.db.changed_elsewhere();
        tokio::spawn(async move {
            while changed.changed().await.is_ok() {
                // Until it works: a door that goes by old counts may turn everybody away, and then no sale corrects it.
                loop {
                    let Some(ledger) = ledger.upgrade() else { return };
                    let Err(error) = ledger.reload().await else { break };
                    tracing::warn!(%error, "the live counts could not be reloaded; trying again");
                    drop(ledger);
                    tokio::time::sleep(RELOAD_PAUSE).await;
                }
            }
        });
        let ledger = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
            let mut failing = false;
            loop {
                ticks.tick().await;
                let Some(ledger) = ledger.upgrade() else { return };
                let failed = ledger.sweep().await.err();
                if let Some(error) = failed.as_ref().filter(|_| !failing) {
                    tracing::warn!(%error, "expired holds could not be swept; trying again until it works");
                }
                failing = failed.is_some();
            }
        });
    }

    /// Turns a purchase away at the door when memory alone says so. Not for requests with an idempotency key: theirs may
    /// be a replay.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(&self, product: &ProductId, quantity: Units, one_call: bool) -> Result<(), Error> {
        self.board.admit(product, quantity, one_call, self.clock.now()).map_err(Error::from)
    }

    /// Turns a new purchase away, whatever it is for, when it would wait too long. Cheap: the door asks before it looks at
    /// anything else. What orders that are there still need (confirmations, cancellations, refunds) is never turned away.
    ///
    /// # Errors
    /// [`Error::busy`].
    pub fn has_room(&self) -> Result<(), Error> {
        if self.waiters.is_full() { Err(Error::busy(1)) } else { Ok(()) }
    }

    /// Carries a command out; the answer is durable. The flag says that an idempotency key brought a first answer back.
    ///
    /// # Errors
    /// The refusal (marked as replayed when it is one); [`Error::busy`] when nothing was done and a retry may help.
    pub fn submit(&self, command: Command) -> impl Future<Output = Result<(Done, bool), Error>> + Send + use<> {
        let waiting = matches!(command, Command::Enter(_)).then(|| self.waiters.enter());
        let outcome = self.engine.submit(command);
        async move {
            let Outcome { result, replayed } = outcome.await?;
            if let Some(waiting) = waiting {
                waiting.end();
            }
            match result {
                Ok(done) => Ok((done, replayed)),
                Err(refusal) => Err(Error::from(refusal).replayed(replayed)),
            }
        }
    }

    /// Ends the holds whose time has run out, and forgets old refusals of idempotency keys; gives how many holds it found.
    ///
    /// # Errors
    /// When the database can't be read or written; when a hold can't be read, after the others were ended.
    pub async fn sweep(&self) -> Result<usize, Error> {
        let mut swept = 0;
        let old = self.clock.now().plus_seconds(-REFUSED_KEYS_KEPT_S);
        if self.db.read(move |conn| queries::has_refused_keys(conn, old)).await? {
            self.db.write(move |conn| queries::forget_refused_keys(conn, old, SWEEP_MAX)).await?;
        }
        loop {
            let now = self.clock.now();
            let due = self.db.read(move |conn| Ok(queries::due(conn, now, SWEEP_MAX)?)).await?;
            swept += due.orders.len();
            let expiries = due.orders.into_iter().map(|order| self.submit(Command::Expire { order: order.id }));
            futures_util::future::try_join_all(expiries).await?;
            if let Some(why) = due.unreadable {
                return Err(why.into());
            }
            if !due.more {
                return Ok(swept);
            }
        }
    }

    /// A product's terms and counts from memory; `None` when it is unknown or retired.
    #[must_use]
    pub fn live(&self, product: &ProductId) -> Option<Live> {
        self.board.live(product)
    }

    /// Moves with every commit that changes a product's terms or counts; its number counts them since the start.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<u64> {
        self.board.published()
    }

    /// The terms and counts that have changed since the publication `since`, of the products that are `wanted`.
    #[must_use]
    pub fn changes(&self, since: u64, wanted: impl Fn(&ProductId) -> bool) -> Changes {
        self.board.changes(since, wanted)
    }

    /// How many commands wait for a batch, and how many orders this process has completed.
    #[must_use]
    pub fn pace(&self) -> (usize, u64) {
        (self.engine.waiting(), self.board.completed())
    }

    /// Commits the catalogue's change of one offer; the door and the next batch go by it at once.
    ///
    /// # Errors
    /// What `work` returns; nothing is changed then.
    pub(crate) async fn change_offer<T, F>(&self, product: ProductId, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.adapter.change(self.db.sqlite(), product, work).await
    }

    /// Commits a change of who is told of events; what happens from then on goes by it.
    ///
    /// # Errors
    /// What `work` returns; nothing is changed then.
    pub(crate) async fn change_listeners<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.adapter.change_listeners(self.db.sqlite(), work).await
    }

    /// The number of the last event that this process wrote; moves when there are new ones.
    #[must_use]
    pub fn told(&self) -> watch::Receiver<i64> {
        self.board.told()
    }

    /// Takes all offers from the database again, after another process changed it.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn reload(&self) -> Result<(), Error> {
        self.adapter.reload(self.db.sqlite()).await
    }

    /// Orders whose charge was begun and not answered, the oldest first; their holds may be over.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn being_charged(&self) -> Result<Vec<Order>, Error> {
        self.db.read(queries::being_charged).await
    }

    /// One order, if there is one.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>, Error> {
        let now = self.clock.now();
        self.db.read(move |conn| queries::order(conn, id, now)).await
    }

    /// A buyer's orders, newest first.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn orders_of(&self, buyer: UserId, page: PageRequest) -> Result<Page<Order>, Error> {
        let now = self.clock.now();
        self.db.read(move |conn| queries::orders_of(conn, buyer, &page, now)).await
    }

    /// Everybody's orders, newest first.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn orders(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, Error> {
        let now = self.clock.now();
        self.db.read(move |conn| queries::orders(conn, &filter, &page, now)).await
    }

    /// Some of everybody's orders, newest first, for as much as it costs to look at a few thousand: a page may hold fewer than
    /// were asked for, or none, and still name a next one.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn search(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, Error> {
        let now = self.clock.now();
        self.db.read(move |conn| search::orders(conn, &filter, &page, now)).await
    }

    /// Where an order stands among all of its product's.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn course(&self, product: ProductId, order: OrderId) -> Result<Course, Error> {
        self.db.read(move |conn| queries::course(conn, &product, order)).await
    }

    /// A product's movements, newest first.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn movements(&self, product: ProductId, page: PageRequest) -> Result<Page<Movement>, Error> {
        self.db.read(move |conn| queries::movements(conn, &product, &page)).await
    }

    /// Proves every invariant from the rows.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit(db: &Db) -> Result<Audit, Error> {
        db.read(audit::audit).await
    }
}
