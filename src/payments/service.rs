//! What the payment routes call: enter, confirm, cancel, and all three in one call.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::provider::{ChargeRequest, Provider};
use crate::kernel::check::Check;
use crate::kernel::error::{Error, Kind};
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::limits::QUANTITY_MAX;
use crate::ledger::{
    Charge, Command, Done, Enter, Key, KeyedRequest, Ledger, Mover, Order, PaymentStatus, Refusal, State, Then,
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

    /// Turns a new purchase away when it would wait too long.
    ///
    /// # Errors
    /// `503 busy`; nothing was done.
    pub fn has_room(&self) -> Result<(), Error> {
        self.ledger.has_room()
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

    fn submit(&self, command: Command) -> impl Future<Output = Result<Answer, Error>> + Send + use<> {
        let done = self.ledger.submit(command);
        async move {
            match done.await? {
                (Done::Order(order), replayed) => Ok(Answer { order, replayed }),
                (other, _) => Err(Error::internal(format!("the ledger answered a payment with {other:?}"))),
            }
        }
    }

    /// Runs `work` to its end even if the client leaves meanwhile: money may be on its way. Boxed, so that purchases that
    /// need none of this do not carry its size.
    fn see_through<F>(&self, work: F) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>
    where
        F: Future<Output = Result<Answer, Error>> + Send + 'static,
    {
        let seen_through = self.charges.spawn(work);
        Box::pin(async move {
            seen_through.await.unwrap_or_else(|panic| Err(Error::internal(format!("a charge ended early: {panic}"))))
        })
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
