//! What the planted faults do (see [`PlantedFault`]); in builds with debug assertions only.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::command::{Charge, Command, Done, Outcome, Refusal, Then};
use super::decide::Book;
use super::model::{Order, Payment, PaymentStatus, State};
use crate::kernel::clock::Timestamp;
use crate::kernel::planted::PlantedFault;

/// Of the batches that sell something, the first and every third after it are lost.
const LOST_EVERY: u64 = 3;

/// The fault of this ledger; there is none unless somebody plants it.
#[derive(Debug, Default)]
pub(crate) struct Planted {
    fault: OnceLock<PlantedFault>,
    /// Batches that sold something.
    sales: AtomicU64,
}

impl Planted {
    pub(crate) fn plant(&self, fault: PlantedFault) {
        self.fault.get_or_init(|| fault);
    }

    /// Whether it sells what is not there.
    pub(crate) fn oversells(&self) -> bool {
        self.fault.get() == Some(&PlantedFault::Oversell)
    }

    /// Completes the purchases that were refused for want of a unit; no unit moves.
    pub(crate) fn oversell(
        &self,
        book: &mut Book,
        commands: &[Command],
        mut outcomes: Vec<Outcome>,
        now: Timestamp,
    ) -> Vec<Outcome> {
        for (command, outcome) in commands.iter().zip(&mut outcomes).filter(|_| self.oversells()) {
            if outcome.result == Err(Refusal::SoldOut)
                && let Some(order) = order_for_nothing(book, command, now)
            {
                book.changes.orders.insert(order.id, true);
                book.orders.insert(order.id, order.clone());
                outcome.result = Ok(Done::Order(order));
            }
        }
        outcomes
    }

    /// Whether this batch is answered without having been committed: as if its answers had left early, and the power had
    /// failed after them.
    pub(crate) fn forgets(&self, book: &Book) -> bool {
        let sells = book.changes.orders.keys().any(|id| book.orders[id].state == State::Completed);
        self.fault.get() == Some(&PlantedFault::EarlyAnswer)
            && sells
            && self.sales.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOST_EVERY)
    }
}

fn order_for_nothing(book: &Book, command: &Command, now: Timestamp) -> Option<Order> {
    let Command::Enter(enter) = command else { return None };
    let Then::Settle(Charge::Paid(reference)) = &enter.then else { return None };
    let terms = &book.offers.get(&enter.product)?.terms;
    let reference = Some(reference.clone());
    Some(Order {
        id: enter.order,
        buyer: enter.buyer,
        product: enter.product.clone(),
        quantity: enter.quantity,
        amount: terms.price * enter.quantity,
        currency: terms.currency,
        state: State::Completed,
        reason: None,
        created_at: now,
        expires_at: now.plus_seconds(terms.hold_seconds),
        settled_at: Some(now),
        closed_at: None,
        payment: Payment { provider: Cow::Borrowed(enter.provider), reference, status: PaymentStatus::Paid },
    })
}
