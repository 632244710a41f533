//! How far a run is, for whoever draws it: counters that many threads add to and one reads now and then.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::tally::microseconds;

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Buyers, tokens and the product are made, and the server starts.
    Preparing,
    /// The crowd is at the counter.
    Selling,
    /// The rows are compared with what was answered.
    Checking,
}

/// The counters of a run. Written by the run, read by the command line.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    buyers: AtomicU64,
    pub(super) buyers_done: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) purchases: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) errors: AtomicU64,
    recent: Mutex<Recent>,
}

/// What was seen last.
#[derive(Debug)]
struct Recent {
    units_left: Option<i64>,
    latency_us: Histogram<u64>,
}

impl Default for Recent {
    fn default() -> Self {
        // Two digits: people read no more of a number that moves.
        Self { units_left: None, latency_us: Histogram::new(2).expect("two digits are allowed") }
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// What the run is doing.
    pub phase: Phase,
    /// Buyers who come in all.
    pub buyers: u64,
    /// Buyers who had their turn.
    pub buyers_done: u64,
    /// Answers so far, and requests that got none.
    pub requests: u64,
    /// Purchases that were answered completed.
    pub purchases: u64,
    /// Answers that say no in an orderly way.
    pub refusals: u64,
    /// Everything else that went wrong.
    pub errors: u64,
    /// Units that can still be had, as far as the server has told.
    pub units_left: Option<i64>,
}

impl Progress {
    /// The counters now; each is exact, but they may be a request apart.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let phase = match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Preparing,
            1 => Phase::Selling,
            _ => Phase::Checking,
        };
        Snapshot {
            phase,
            buyers: get(&self.buyers),
            buyers_done: get(&self.buyers_done),
            requests: get(&self.requests),
            purchases: get(&self.purchases),
            refusals: get(&self.refusals),
            errors: get(&self.errors),
            units_left: self.recent().units_left,
        }
    }

    /// Within how many milliseconds 99 of 100 answers came since this was asked last; none when there were none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "latencies are a few minutes at most")]
    pub fn take_p99_ms(&self) -> Option<f64> {
        let latency_us = &mut self.recent().latency_us;
        let p99_ms = (!latency_us.is_empty()).then(|| latency_us.value_at_quantile(0.99) as f64 / 1_000.0);
        latency_us.reset();
        p99_ms
    }

    /// Notes how long an answer took.
    pub(super) fn took(&self, time: Duration) {
        let recorded = self.recent().latency_us.record(microseconds(time));
        recorded.expect("a histogram without a limit grows as it has to");
    }

    /// Notes how many units can still be had.
    pub(super) fn left(&self, units: i64) {
        self.recent().units_left = Some(units);
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many buyers will come.
    pub(super) fn expect_buyers(&self, buyers: usize) {
        self.buyers.store(buyers as u64, Ordering::Relaxed);
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
