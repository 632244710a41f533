//! What the payment routes call: enter, confirm, cancel, and all three in one call.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio_util::task::TaskTracker;

use super::provider::{ChargeRequest, Provider};
use crate::kernel::check::Check;
use crate::kernel::error::{Error, Kind};
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::ledger::{
    Charge, Command, Done, Enter, Key, KeyedRequest, Ledger, Mover, Order, PaymentStatus, QUANTITY_MAX, Refusal, State,
    Then,
};

/// How often a settlement is tried again while the database is busy, and how long in all: 10 minutes.
const SETTLE_RETRY: Duration = Duration::from_millis(200);
const SETTLE_TRIES_MAX: u32 = 3_000;
/// How many charges of a server before this one are asked about at the same time.
const RESUMED_AT_ONCE: usize = 64;

/// An order, and whether an idempotency key brought a first answer back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The order.
    pub order: Order,
    /// True for a first answer that is given again.
    pub replayed: bool,
}

/// The payments room.
pub struct Payments {
    ledger: Arc<Ledger>,
    provider: Arc<dyn Provider>,
    /// Charges under way. They go on when their client has left, and the server waits for them when it stops.
    charges: TaskTracker,
}

impl Payments {
    /// Payments over `ledger`, charged by `provider`.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, provider: Arc<dyn Provider>) -> Arc<Self> {
        Arc::new(Self { ledger, provider, charges: TaskTracker::new() })
    }

    /// The one-call purchase of a reservation product: hold, charge, settle.
    ///
    /// # Errors
    /// The refusals of the contract; `402 payment_declined` and `409 payment_abandoned` name the cancelled order.
    pub async fn pre_order(
        self: &Arc<Self>,
        buyer: UserId,
        product: &str,
        quantity: i64,
        key: Option<Key>,
    ) -> Result<Answer, Error> {
        let order = OrderId::fresh();
        let then = self.provider.at_once(order, true).map_or(Then::Charge, Then::Settle);
        let takes_time = then == Then::Charge;
        let enter = self.entry(order, buyer, product, quantity, then, key)?;
        if !takes_time {
            return self.submit(Command::Enter(enter)).await;
        }
        let this = Arc::clone(self);
        self.see_through(async move {
            let answer = this.submit(Command::Enter(enter)).await?;
            if answer.replayed { Ok(answer) } else { this.charge(&answer.order, true).await }
        })
        .await
    }

    /// Enters payment: takes the units and waits for the buyer.
    ///
    /// # Errors
    /// The refusals of the contract.
    pub async fn enter(&self, buyer: UserId, product: &str, quantity: i64, key: Option<Key>) -> Result<Answer, Error> {
        let enter = self.entry(OrderId::fresh(), buyer, product, quantity, Then::Wait, key)?;
        self.submit(Command::Enter(enter)).await
    }

    /// Charges a held order and settles it; a repeat returns the first resolution.
    ///
    /// # Errors
    /// `402 payment_declined`, `410 hold_expired`, `409` when it was resolved otherwise, `404` for another's order.
    pub async fn confirm(self: &Arc<Self>, buyer: UserId, order: OrderId, key: Option<Key>) -> Result<Answer, Error> {
        let charge = self.provider.at_once(order, false);
        let takes_time = charge.is_none();
        let command = Command::Confirm { order, buyer, charge, key: key.map(|key| KeyedRequest::new(key, "")) };
        if !takes_time {
            return self.submit(command).await;
        }
        let this = Arc::clone(self);
        self.see_through(async move {
            let answer = this.submit(command).await?;
            let to_be_charged =
                answer.order.state == State::Held && answer.order.payment.status == PaymentStatus::Pending;
            if to_be_charged { this.charge(&answer.order, false).await } else { Ok(answer) }
        })
        .await
    }

    /// The buyer leaves a held order.
    ///
    /// # Errors
    /// `409` when it was resolved otherwise, `404` for another's order.
    pub async fn cancel(&self, buyer: UserId, order: OrderId, key: Option<Key>) -> Result<Answer, Error> {
        self.submit(Command::Cancel { order, by: Mover::User(buyer), key: key.map(|key| KeyedRequest::new(key, "")) })
            .await
    }

    /// Asks again about every charge whose answer the server before this one did not live to settle: the money may have
    /// been taken, and until it is known the order can't be paid. Call it before anybody is served; gives how many.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn resume(self: &Arc<Self>) -> Result<usize, Error> {
        let unanswered = self.ledger.being_charged().await?;
        let count = unanswered.len();
        let this = Arc::clone(self);
        self.charges.spawn(async move {
            for some in unanswered.chunks(RESUMED_AT_ONCE) {
                // A buyer who has not left by now can't any more.
                let charges = some.iter().map(|order| this.charge(order, false));
                for outcome in futures_util::future::join_all(charges).await {
                    if let Err(error) = outcome
                        && matches!(error.kind(), Kind::Internal | Kind::Busy)
                    {
                        tracing::error!(%error, "a charge could not be settled; the next start asks again");
                    }
                }
            }
        });
        Ok(count)
    }

    /// Waits until every charge under way is settled.
    pub async fn settled(&self) {
        self.charges.close();
        self.charges.wait().await;
    }

    /// Checks a request to enter and turns it away at the door if it can be.
    fn entry(
        &self,
        order: OrderId,
        buyer: UserId,
        product: &str,
        quantity: i64,
        then: Then,
        key: Option<Key>,
    ) -> Result<Enter, Error> {
        let mut check = Check::new();
        check.number("quantity", Some(quantity), 1, QUANTITY_MAX);
        check.done()?;
        let product: ProductId = product.parse().map_err(|_| Refusal::ProductNotFound)?;
        // A key may bring a first answer back, whatever is left now: only the ledger can tell.
        if key.is_none() {
            self.ledger.admit(&product, quantity, then != Then::Wait)?;
        }
        let key = key.map(|key| KeyedRequest::new(key, &format!("{product}\n{quantity}")));
        Ok(Enter { order, buyer, product, quantity, then, provider: self.provider.name(), key })
    }

    async fn submit(&self, command: Command) -> Result<Answer, Error> {
        match self.ledger.submit(command).await? {
            (Done::Order(order), replayed) => Ok(Answer { order, replayed }),
            (other, _) => Err(Error::internal(format!("the ledger answered a payment with {other:?}"))),
        }
    }

    /// Runs `work` to its end even if the client leaves meanwhile: money may be on its way.
    async fn see_through<F>(&self, work: F) -> Result<Answer, Error>
    where
        F: Future<Output = Result<Answer, Error>> + Send + 'static,
    {
        self.charges
            .spawn(work)
            .await
            .unwrap_or_else(|panic| Err(Error::internal(format!("a charge ended early: {panic}"))))
    }

    /// Charges an order that is marked as being charged, and settles it however long the database takes.
    async fn charge(&self, order: &Order, may_leave: bool) -> Result<Answer, Error> {
        let request = ChargeRequest { order: order.id, amount: order.amount, currency: order.currency, may_leave };
        let charge: Charge = self.provider.charge(request).await;
        let mut tries = 0;
        loop {
            let settled = self.submit(Command::Settle { order: order.id, charge: charge.clone() }).await;
            match settled {
                // What can't be written any more is settled after the next start.
                Err(error) if error.kind() == Kind::Busy && !error.is_storage_failed() && tries < SETTLE_TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(SETTLE_RETRY).await;
                }
                settled => return settled,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;
    use crate::kernel::clock::{Clock, ManualClock, Timestamp};
    use crate::products::{ProductDraft, Products};
    use crate::store::{Db, Location};

    /// A provider that takes its time: for ever when it is `silent`, else until the next turn. Everybody pays.
    struct Slow {
        silent: bool,
    }

    impl Provider for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        fn at_once(&self, _: OrderId, _: bool) -> Option<Charge> {
            None
        }

        fn charge(&self, request: ChargeRequest) -> Pin<Box<dyn Future<Output = Charge> + Send + '_>> {
            Box::pin(async move {
                if self.silent {
                    std::future::pending::<()>().await;
                }
                Charge::Paid(format!("slow-{}", request.order))
            })
        }
    }

    async fn shop(
        folder: &tempfile::TempDir,
        clock: &Arc<ManualClock>,
        silent: bool,
    ) -> (Db, Arc<Ledger>, Arc<Payments>) {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let ledger = Ledger::start(db.clone(), clock, 100).await.unwrap();
        let payments = Payments::new(Arc::clone(&ledger), Arc::new(Slow { silent }));
        (db, ledger, payments)
    }

    /// A charge is under way when the server dies; the next one starts `seconds` later.
    async fn after_a_crash(seconds: i64, stock_meanwhile: i64) -> (Order, bool) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
        let order = {
            let (db, ledger, payments) = shop(&folder, &clock, true).await;
            let products = Products::new(db, Arc::<ManualClock>::clone(&clock), Arc::clone(&ledger));
            let draft = ProductDraft {
                id: Some("100".to_owned()),
                name: Some("Phone".to_owned()),
                kind: Some("reservation".to_owned()),
                price: Some(1),
                stock: Some(1),
                hold_seconds: Some(10),
                ..ProductDraft::default()
            };
            products.add(&draft, Mover::Console).await.unwrap();
            let waiting = tokio::spawn(async move { payments.pre_order(UserId(1), "100", 1, None).await });
            let order = loop {
                if let Some(order) = ledger.being_charged().await.unwrap().pop() {
                    break order;
                }
                tokio::task::yield_now().await;
            };
            waiting.abort();
            order
        };
        clock.advance_seconds(seconds);
        let (db, ledger, payments) = shop(&folder, &clock, false).await;
        ledger.sweep().await.unwrap();
        if stock_meanwhile != 0 {
            let (product, by) = (order.product.clone(), Mover::Console);
            ledger.submit(Command::Adjust { product, delta: stock_meanwhile, by, reason: None }).await.unwrap();
        }
        assert_eq!(payments.resume().await.unwrap(), 1);
        payments.settled().await;
        assert!(ledger.being_charged().await.unwrap().is_empty());
        (ledger.order(order.id).await.unwrap().unwrap(), Ledger::audit(&db).await.unwrap().ok())
    }

    #[tokio::test]
    async fn a_charge_that_a_crash_cut_off_is_settled_by_the_next_server() {
        let (order, sound) = after_a_crash(5, 0).await;
        assert_eq!((order.state, order.payment.status, sound), (State::Completed, PaymentStatus::Paid, true));
    }

    #[tokio::test]
    async fn money_that_came_in_while_no_server_ran_is_not_dropped() {
        let (order, sound) = after_a_crash(60, 0).await;
        assert_eq!((order.state, order.payment.status, sound), (State::Completed, PaymentStatus::Paid, true));
        let (order, sound) = after_a_crash(60, -1).await;
        assert_eq!((order.state, order.payment.status, sound), (State::Cancelled, PaymentStatus::Refunded, true));
    }
}
