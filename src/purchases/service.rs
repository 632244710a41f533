//! What every face of the orders calls.

use std::sync::Arc;

use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, UserId};
use crate::kernel::page::{Page, PageRequest};
use crate::ledger::{Command, Course, Done, Key, KeyedRequest, Ledger, Mover, Order, OrderFilter, Refusal, State};

/// The purchases room.
pub struct Purchases {
    ledger: Arc<Ledger>,
}

impl Purchases {
    /// Purchases over `ledger`.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self { ledger })
    }

    /// A buyer's orders, newest first.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn of_buyer(&self, buyer: UserId, page: PageRequest) -> Result<Page<Order>, Error> {
        self.ledger.orders_of(buyer, page).await
    }

    /// One of a buyer's own orders.
    ///
    /// # Errors
    /// `404 order_not_found`, for another's too.
    pub async fn get(&self, buyer: UserId, order: OrderId) -> Result<Order, Error> {
        let order = self.ledger.order(order).await?.filter(|order| order.buyer == buyer);
        order.ok_or_else(|| Refusal::OrderNotFound.into())
    }

    /// One of a buyer's own orders, and where it stands among all of its product's.
    ///
    /// # Errors
    /// `404 order_not_found`, for another's too.
    pub async fn course(&self, buyer: UserId, order: OrderId) -> Result<(Order, Course), Error> {
        let order = self.get(buyer, order).await?;
        let course = self.ledger.course(order.product.clone(), order.id).await?;
        Ok((order, course))
    }

    /// Pays a buyer's completed order back; its units go back on sale. The flag marks a replay.
    ///
    /// # Errors
    /// `409` for an order that was not completed, `404` for another's.
    pub async fn refund(&self, buyer: UserId, order: OrderId, key: Option<Key>) -> Result<(Order, bool), Error> {
        let key = key.map(|key| KeyedRequest::new(key, ""));
        self.submit(Command::Refund { order, by: Mover::User(buyer), key }).await
    }

    /// Any order, for admins.
    ///
    /// # Errors
    /// `404 order_not_found`.
    pub async fn any(&self, order: OrderId) -> Result<Order, Error> {
        self.ledger.order(order).await?.ok_or_else(|| Refusal::OrderNotFound.into())
    }

    /// Everybody's orders, newest first, for admins.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn all(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, Error> {
        self.ledger.orders(filter, page).await
    }

    /// Some of everybody's orders, newest first, for admins who look for some: no page costs more than a look at a few
    /// thousand, so it may hold fewer than were asked for, or none, and still name a next one.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn search(&self, filter: OrderFilter, page: PageRequest) -> Result<Page<Order>, Error> {
        self.ledger.search(filter, page).await
    }

    /// Ends an order in an admin's name: a held one is cancelled, a completed one is paid back.
    ///
    /// # Errors
    /// `404 order_not_found`; `409` when it was ended before.
    pub async fn end(&self, order: OrderId, by: Mover) -> Result<Order, Error> {
        if self.any(order).await?.state == State::Completed {
            self.pay_back(order, by).await
        } else {
            self.cancel(order, by).await
        }
    }

    /// Cancels a held order in an admin's name.
    ///
    /// # Errors
    /// `404 order_not_found`; `409` when it is not held any more.
    pub async fn cancel(&self, order: OrderId, by: Mover) -> Result<Order, Error> {
        Ok(self.submit(Command::Cancel { order, by, key: None }).await?.0)
    }

    /// Pays a completed order back in an admin's name; its units go back on sale.
    ///
    /// # Errors
    /// `404 order_not_found`; `409` for an order that is not completed.
    pub async fn pay_back(&self, order: OrderId, by: Mover) -> Result<Order, Error> {
        Ok(self.submit(Command::Refund { order, by, key: None }).await?.0)
    }

    async fn submit(&self, command: Command) -> Result<(Order, bool), Error> {
        match self.ledger.submit(command).await? {
            (Done::Order(order), replayed) => Ok((order, replayed)),
            (other, _) => Err(Error::internal(format!("the ledger answered a purchase with {other:?}"))),
        }
    }
}
