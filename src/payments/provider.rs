//! The port to a payment provider.

use std::future::Future;
use std::pin::Pin;

use crate::kernel::ids::OrderId;
use crate::kernel::money::Currency;
use crate::ledger::Charge;

/// What is to be charged.
#[derive(Debug, Clone, Copy)]
pub struct ChargeRequest {
    /// For which order; a provider charges an order once.
    pub order: OrderId,
    /// How much, in minor units of `currency`.
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
    /// Whether the buyer might still leave: a one-call purchase has no step in which they said that they stay.
    pub may_leave: bool,
}

/// Whoever charges buyers.
///
/// There is no transaction open while a provider is asked. One that can answer on the spot saves the ledger a round: hold
/// and settlement then go into one transaction.
pub trait Provider: Send + Sync + 'static {
    /// Its name in orders.
    fn name(&self) -> &'static str;

    /// The answer on the spot, or `None` when asking takes time.
    fn at_once(&self, order: OrderId, may_leave: bool) -> Option<Charge>;

    /// Asks and waits for the answer. An order that was asked about before, by a server that has died, gets the answer
    /// that it got then.
    fn charge(&self, request: ChargeRequest) -> Pin<Box<dyn Future<Output = Charge> + Send + '_>>;
}
