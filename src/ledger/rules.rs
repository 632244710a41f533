//! The rules of a sale, each once, as pure functions: no I/O, no clock, no randomness.
//!
//! Everything that moves units goes through [`moved`], which refuses to let a count go below zero.

use super::command::{Failure, Refusal};
use super::model::{MovementKind, Offer, Order, Payment, PaymentStatus, Reason, SaleState, State, Stock, Terms, Units};
use crate::kernel::clock::Timestamp;
use crate::kernel::limits::STOCK_MAX;

/// A count would have gone below zero, or past the largest integer: a fault in the ledger, never a client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Imbalance {
    /// The counts before.
    pub stock: Stock,
    /// What should have been added.
    pub change: Stock,
}

/// What a movement of `quantity` units adds to the counts.
pub(crate) fn change(kind: MovementKind, quantity: Units) -> Stock {
    let none = Stock::default();
    match kind {
        MovementKind::Hold => Stock { available: -quantity, held: quantity, ..none },
        MovementKind::Sell => Stock { held: -quantity, sold: quantity, ..none },
        MovementKind::Release => Stock { available: quantity, held: -quantity, ..none },
        MovementKind::Refund => Stock { available: quantity, sold: -quantity, ..none },
        MovementKind::Restock => Stock { available: quantity, ..none },
        MovementKind::Withdraw => Stock { available: -quantity, ..none },
    }
}

/// What the sale of `quantity` units that were not held before adds to the counts.
pub(crate) fn sale_at_once(quantity: Units) -> Stock {
    Stock { available: -quantity, held: 0, sold: quantity }
}

/// The counts after `change`.
///
/// # Errors
/// [`Imbalance`] when a count would go below zero or overflow.
pub(crate) fn moved(stock: Stock, change: Stock) -> Result<Stock, Imbalance> {
    let add = |count: Units, delta: Units| count.checked_add(delta).filter(|sum| *sum >= 0);
    let after = (|| {
        Some(Stock {
            available: add(stock.available, change.available)?,
            held: add(stock.held, change.held)?,
            sold: add(stock.sold, change.sold)?,
        })
    })();
    after.ok_or(Imbalance { stock, change })
}

/// Whether the sale's window is open at `now`; its first moment is in, its last is out.
///
/// # Errors
/// [`Refusal::SaleNotOpen`], [`Refusal::SaleClosed`].
pub(crate) fn window(terms: &Terms, now: Timestamp) -> Result<(), Refusal> {
    match (terms.opens_at, terms.closes_at) {
        (_, Some(closes_at)) if now >= closes_at => Err(Refusal::SaleClosed),
        (Some(opens_at), _) if now < opens_at => Err(Refusal::SaleNotOpen(opens_at)),
        _ => Ok(()),
    }
}

/// Whether `quantity` units can be taken at all: what the door can tell without knowing the buyer.
///
/// # Errors
/// [`Refusal::ProductNotFound`], the window's refusals, [`Refusal::SoldOut`].
pub(crate) fn on_sale(offer: &Offer, quantity: Units, now: Timestamp) -> Result<(), Refusal> {
    if offer.retired {
        return Err(Refusal::ProductNotFound);
    }
    window(&offer.terms, now)?;
    if offer.stock.available < quantity { Err(Refusal::SoldOut) } else { Ok(()) }
}

/// Whether a buyer who has `live` units may have `quantity` more.
///
/// # Errors
/// [`Refusal::LimitReached`].
pub(crate) fn within_limit(terms: &Terms, live: Units, quantity: Units) -> Result<(), Refusal> {
    match terms.per_buyer_limit {
        Some(limit) if live.saturating_add(quantity) > limit => Err(Refusal::LimitReached),
        _ => Ok(()),
    }
}

/// What `quantity` units cost, in minor units.
///
/// # Errors
/// [`Refusal::AmountTooLarge`] when the sum does not fit.
pub(crate) fn amount(terms: &Terms, quantity: Units) -> Result<i64, Refusal> {
    terms.price.checked_mul(quantity).ok_or(Refusal::AmountTooLarge)
}

/// Whether the hold is over: it lives while `now < expires_at`, whoever has or has not swept.
pub(crate) fn has_expired(order: &Order, now: Timestamp) -> bool {
    order.state == State::Held && now >= order.expires_at
}

/// Whether `delta` units may be added (or, below zero, taken off): the movement's kind and its amount.
///
/// # Errors
/// [`Refusal::CannotWithdraw`] with the numbers, [`Refusal::TooManyUnits`].
pub(crate) fn adjustment(stock: Stock, delta: Units) -> Result<(MovementKind, Units), Refusal> {
    if delta >= 0 {
        let fits = stock.total().checked_add(delta).is_some_and(|total| total <= STOCK_MAX);
        if fits { Ok((MovementKind::Restock, delta)) } else { Err(Refusal::TooManyUnits) }
    } else if delta.checked_neg().is_some_and(|quantity| quantity <= stock.available) {
        Ok((MovementKind::Withdraw, -delta))
    } else {
        Err(Refusal::CannotWithdraw { stock, delta })
    }
}

/// Whether the product can be bought at `now`, in one word.
pub(crate) fn sale_state(terms: &Terms, stock: Stock, now: Timestamp) -> SaleState {
    match window(terms, now) {
        Err(Refusal::SaleNotOpen(_)) => SaleState::Upcoming,
        Err(_) => SaleState::Closed,
        Ok(()) if stock.available == 0 => SaleState::SoldOut,
        Ok(()) => SaleState::Open,
    }
}

/// A held order, completed.
pub(crate) fn completed(order: &Order, reference: String, now: Timestamp) -> Order {
    let mut order = with_payment(order, PaymentStatus::Paid, Some(reference));
    order.state = State::Completed;
    order.reason = None;
    order.settled_at = Some(now);
    order.closed_at = None;
    order
}

/// A held order, cancelled.
pub(crate) fn cancelled(order: &Order, reason: Reason, now: Timestamp) -> Order {
    Order { state: State::Cancelled, reason: Some(reason), closed_at: Some(now), ..order.clone() }
}

/// A completed order, paid back.
pub(crate) fn refunded(order: &Order, now: Timestamp) -> Order {
    let mut order = with_payment(order, PaymentStatus::Refunded, None);
    order.state = State::Refunded;
    order.closed_at = Some(now);
    order
}

/// The order with its payment's status changed; the reference stays unless there is a new one.
pub(crate) fn with_payment(order: &Order, status: PaymentStatus, reference: Option<String>) -> Order {
    let mut order = order.clone();
    order.payment.status = status;
    if reference.is_some() {
        order.payment.reference = reference;
    }
    order
}

/// How an order that has been resolved answers a step that would resolve it into `wanted`.
///
/// # Errors
/// The first resolution, when it was another one.
pub(crate) fn first_resolution(order: &Order, wanted: State) -> Result<Order, Refusal> {
    if order.state == wanted {
        return Ok(order.clone());
    }
    if wanted == State::Completed && order.state == State::Refunded {
        return Ok(as_completed(order));
    }
    Err(match (wanted, order.reason) {
        (State::Completed, Some(Reason::Expired)) => Refusal::HoldExpired(order.id),
        (State::Completed, Some(Reason::PaymentDeclined)) => Refusal::Unpaid(order.id, Failure::Declined),
        (State::Completed, Some(Reason::Abandoned)) => Refusal::Unpaid(order.id, Failure::Abandoned),
        _ => Refusal::Resolved(order.id, order.state),
    })
}

/// A refunded order as it was told when it was completed.
fn as_completed(order: &Order) -> Order {
    let order = with_payment(order, PaymentStatus::Paid, None);
    Order { state: State::Completed, closed_at: None, ..order }
}

/// The order as it was told when its units were taken.
pub(crate) fn as_held(order: &Order) -> Order {
    let payment = Payment { reference: None, status: PaymentStatus::Unpaid, ..order.payment.clone() };
    Order { state: State::Held, reason: None, settled_at: None, closed_at: None, payment, ..order.clone() }
}

/// The order as a reader sees it at `now`: a hold whose time has run out is over, swept or not.
pub(crate) fn as_seen(order: Order, now: Timestamp) -> Order {
    if has_expired(&order, now) { cancelled(&order, Reason::Expired, order.expires_at) } else { order }
}

/// Under which status a failed charge is recorded, and why its order is cancelled.
pub(crate) fn unpaid(failure: Failure) -> (PaymentStatus, Reason) {
    match failure {
        Failure::Declined => (PaymentStatus::Declined, Reason::PaymentDeclined),
        Failure::Abandoned => (PaymentStatus::Abandoned, Reason::Abandoned),
    }
}
