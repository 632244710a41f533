//! What the audit log is told of a batch: whoever runs the shop has moved units, or ended somebody's order.
//!
//! Buyers' commands leave nothing here; all that it costs them is one look at who they are from.

use serde_json::{Value, json};

use super::command::{Command, Done, Outcome};
use super::decide::Book;
use super::model::{Order, Reason, State};
use crate::kernel::actor::By;
use crate::kernel::clock::Timestamp;
use crate::store::{Conn, StoreError};
use crate::trail::{self, Action, Deed, changed};

/// An entry to be written with the batch.
pub(super) type Noted = (By, Deed);

/// A keeper's command that is about to be decided, and what it is about as it was.
pub(super) struct Watched {
    by: By,
    was: Option<Order>,
}

/// Looks at a command before it is decided; `None` when its outcome is nobody's business but the buyer's.
pub(super) fn watch(book: &Book, command: &Command) -> Option<Watched> {
    match command {
        Command::Cancel { order, by, .. } | Command::Refund { order, by, .. } => {
            let by = by.keeper()?;
            Some(Watched { by, was: book.orders.get(order).cloned() })
        }
        Command::Adjust { by, .. } => Some(Watched { by: by.keeper()?, was: None }),
        Command::Enter(_) | Command::Confirm { .. } | Command::Settle { .. } | Command::Expire { .. } => None,
    }
}

impl Watched {
    /// What is to be written of the outcome; nothing of a refusal, or of an order that had ended before.
    pub(super) fn entry(self, book: &Book, outcome: &Outcome) -> Option<Noted> {
        let deed = match outcome.result.as_ref().ok()? {
            Done::Order(order) => ended(self.was.as_ref()?, order)?,
            Done::Movement(movement) => {
                let stock = book.offers.get(&movement.product)?.stock;
                let (before, total) = (stock.available - movement.change.available, stock.total());
                let was = json!({ "available": before, "total": total - movement.change.available });
                let mut became = json!({ "available": stock.available, "total": total });
                if let Some(reason) = &movement.reason {
                    became["reason"] = json!(reason);
                }
                Deed::new(Action::StockAdjust, &movement.product, became).instead_of(was)
            }
            Done::Nothing => return None,
        };
        Some((self.by, deed))
    }
}

/// The end that an order was given.
fn ended(was: &Order, order: &Order) -> Option<Deed> {
    let action = match (was.state, order.state, order.reason) {
        (State::Held, State::Cancelled, Some(Reason::ByAdmin)) => Action::OrderCancel,
        (State::Completed, State::Refunded, _) => Action::OrderRefund,
        // It had ended before, or its time had run out: that is nobody's doing.
        _ => return None,
    };
    let (was, became) = changed(shown(was), shown(order))?;
    Some(Deed::new(action, order.id, became).instead_of(was))
}

fn shown(order: &Order) -> Value {
    let reason = order.reason.map(Reason::as_str);
    json!({ "state": order.state.as_str(), "reason": reason, "payment": order.payment.status.as_str() })
}

/// Writes the entries of a batch.
pub(super) fn write(conn: &Conn<'_>, entries: &[Noted], now: Timestamp) -> Result<(), StoreError> {
    entries.iter().try_for_each(|(by, deed)| trail::write(conn, *by, now, deed))
}
