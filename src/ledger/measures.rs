//! What is measured of the engine, in atomics: how large batches are, how long they and their commits take, and what
//! becomes of orders. It begins with the process, and nothing is decided by it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::decide::Book;
use super::model::{Movement, MovementKind, Reason};
use crate::kernel::histogram::{Distribution, Histogram};

/// Commands of a batch: up to [`super::engine::BATCH_MAX`].
const COMMANDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// Microseconds of a batch or a commit: from a fast disk's to one that is nearly dead.
const MICROS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// What can become of an order: [`COMPLETED`], [`REFUNDED`], and the reasons of those that were cancelled.
const OUTCOMES: usize = 2 + Reason::ALL.len();
const COMPLETED: usize = 0;
const REFUNDED: usize = 1;

/// The counters.
#[derive(Debug)]
pub(super) struct Measures {
    commands: Histogram,
    batch: Histogram,
    commit: Histogram,
    outcomes: [AtomicU64; OUTCOMES],
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            commands: Histogram::new(COMMANDS),
            batch: Histogram::new(MICROS),
            commit: Histogram::new(MICROS),
            outcomes: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// A reading of them.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How many commands the batches had.
    pub commands: Distribution,
    /// How long they took, in microseconds: loading, deciding, saving and the commit.
    pub batch: Distribution,
    /// How long the commits alone took, in microseconds; a batch that changes nothing has none.
    pub commit: Distribution,
    /// Orders by what became of them: `completed`, `refunded`, or why they were cancelled.
    pub outcomes: Vec<(&'static str, u64)>,
}

impl Measures {
    /// Notes a batch of so many commands that began then.
    pub(super) fn batch(&self, commands: usize, began: Instant) {
        self.commands.count(commands as u64);
        self.batch.count(micros_since(began));
    }

    /// Notes a commit that began then.
    pub(super) fn commit(&self, began: Instant) {
        self.commit.count(micros_since(began));
    }

    /// Counts what became of the orders of a batch that is committed.
    pub(super) fn orders(&self, book: &Book) {
        let mut counts = [0; OUTCOMES];
        for movement in &book.changes.movements {
            if let Some(outcome) = outcome(movement, book) {
                counts[outcome] += 1;
            }
        }
        for (counter, count) in self.outcomes.iter().zip(counts).filter(|(_, count)| *count > 0) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// How many orders were completed.
    pub(super) fn completed(&self) -> u64 {
        self.outcomes[COMPLETED].load(Ordering::Relaxed)
    }

    pub(super) fn read(&self) -> Measured {
        let names = ["completed", "refunded"].into_iter().chain(Reason::ALL.iter().map(|reason| reason.as_str()));
        let counts = self.outcomes.iter().map(|count| count.load(Ordering::Relaxed));
        Measured {
            commands: self.commands.read(),
            batch: self.batch.read(),
            commit: self.commit.read(),
            outcomes: names.zip(counts).collect(),
        }
    }
}

/// What a movement makes of its order.
fn outcome(movement: &Movement, book: &Book) -> Option<usize> {
    match movement.kind {
        MovementKind::Sell => Some(COMPLETED),
        MovementKind::Refund => Some(REFUNDED),
        MovementKind::Release => {
            let reason = movement.order.and_then(|id| book.orders.get(&id)).and_then(|order| order.reason);
            // Only an order whose time had run out can have come back to life in the same batch.
            let reason = reason.unwrap_or(Reason::Expired);
            Reason::ALL.iter().position(|it| *it == reason).map(|place| place + 2)
        }
        MovementKind::Hold | MovementKind::Restock | MovementKind::Withdraw => None,
    }
}

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}
