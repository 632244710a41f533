//! What the buyers saw: every answer's meaning and time, written down by the run's own hand.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::answer::{Answer, Ask};
use super::check::Counts;
use super::fairness::{Arrivals, Fairness};
use super::machine::Cpu;
use super::progress::Progress;
use super::returns::Returns;
use super::talk::Talk;
use super::timeline::{Look, Timeline};
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, UserId};

/// The slowest answer that is told apart, in microseconds; longer than a request may take.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Three digits: a latency is exact to a thousandth of itself.
const LATENCY_DIGITS: u8 = 3;
/// Codes of refusals, and kinds of error, that are kept apart: a broken server could think of new ones for ever.
const KINDS_MAX: usize = 50;

/// Everything that was answered.
#[derive(Debug, Clone)]
pub(super) struct Log {
    /// Requests, answered or not.
    pub(super) requests: u64,
    /// Orders that were answered completed, in the order of the answers.
    pub(super) completed: Vec<OrderId>,
    /// Orderly refusals and delays by code.
    pub(super) refusals: BTreeMap<String, u64>,
    /// How many of them were delays.
    pub(super) put_off: u64,
    /// Units that were taken and came back.
    pub(super) returns: Returns,
    /// Errors by kind.
    pub(super) errors: BTreeMap<String, u64>,
    /// Purchases that were asked for and got no clear answer: they may be completed without anybody knowing.
    pub(super) purchases_unclear: u64,
    /// What people were told about their posts, comments, likes and follows.
    pub(super) talk: Talk,
    /// Who wanted a unit, and who got one.
    pub(super) arrivals: Arrivals,
    /// How long answers took, in microseconds.
    pub(super) latency_us: Histogram<u64>,
    /// How long after they were due requests were sent, in microseconds.
    pub(super) late_us: Histogram<u64>,
    /// The same answers over time.
    pub(super) timeline: Timeline,
    /// From the opening of the door to the last answer.
    pub(super) elapsed: Duration,
}

impl Log {
    /// A log of nothing.
    ///
    /// # Errors
    /// Never with the bounds above; the histogram checks them.
    pub(super) fn new() -> Result<Self, Error> {
        let histogram = || {
            Histogram::new_with_max(LATENCY_US_MAX, LATENCY_DIGITS)
                .map_err(|error| Error::internal(format!("making a histogram: {error}")))
        };
        Ok(Self {
            requests: 0,
            completed: Vec::new(),
            refusals: BTreeMap::new(),
            put_off: 0,
            returns: Returns::default(),
            errors: BTreeMap::new(),
            purchases_unclear: 0,
            talk: Talk::default(),
            arrivals: Arrivals::default(),
            latency_us: histogram()?,
            late_us: histogram()?,
            timeline: Timeline::default(),
            elapsed: Duration::ZERO,
        })
    }

    /// How many errors there were.
    #[must_use]
    pub(super) fn errors_total(&self) -> u64 {
        self.errors.values().sum()
    }

    /// How the order of arrival and the order of success go together; none when nobody got a unit.
    #[must_use]
    pub(super) fn fairness(&self) -> Option<Fairness> {
        self.arrivals.fairness()
    }
}

/// A request that was made, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    /// Who asked.
    pub(super) user: UserId,
    /// The buyer's place in the order of arrival, from 0.
    pub(super) buyer: usize,
    /// For what.
    pub(super) ask: Ask,
    /// When it should have been sent; earlier than `sent` when the crowd could not keep up.
    pub(super) due: Instant,
    /// When it was sent.
    pub(super) sent: Instant,
    /// When the answer's last byte had come, or it was clear that none would.
    pub(super) done: Instant,
}

impl Exchange {
    /// How long the buyer waited, from when the request was due: a server that stalls can't hide behind requests that
    /// were sent late for it.
    pub(super) fn took(&self) -> Duration {
        self.done.saturating_duration_since(self.due)
    }

    /// How long the crowd took to send it.
    pub(super) fn late(&self) -> Duration {
        self.sent.saturating_duration_since(self.due)
    }
}

/// Takes answers from many connections at once.
pub(super) struct Tally {
    progress: Arc<Progress>,
    /// Held for some hundred nanoseconds an answer, never across an `await`.
    log: Mutex<Log>,
    opened_at: OnceLock<Instant>,
}

impl Tally {
    /// An empty tally; its clock stands still until the door opens.
    pub(super) fn new(progress: Arc<Progress>) -> Result<Self, Error> {
        Ok(Self { progress, log: Mutex::new(Log::new()?), opened_at: OnceLock::new() })
    }

    /// Writes down one request and its answer.
    pub(super) fn record(&self, exchange: &Exchange, answer: &Answer) {
        let Exchange { user, ask, .. } = *exchange;
        Progress::count(&self.progress.requests);
        match answer {
            Answer::Done | Answer::Held(_) | Answer::SignedIn(_) | Answer::Feed(..) | Answer::Written(_) => {}
            Answer::Completed(_) => Progress::count(&self.progress.purchases),
            Answer::Refused(_) | Answer::PutOff(_) => Progress::count(&self.progress.refusals),
            Answer::Failed(_) | Answer::Unclear(_) => Progress::count(&self.progress.errors),
        }
        let since_opening =
            |at: Instant| self.opened_at.get().map_or(Duration::ZERO, |opened| at.saturating_duration_since(*opened));
        let (sent_at, done_at) = (since_opening(exchange.sent), since_opening(exchange.done));
        let took = exchange.took();
        self.progress.took(took);
        let mut log = self.lock();
        log.requests += 1;
        log.elapsed = log.elapsed.max(done_at);
        log.returns.record(ask, answer, sent_at, done_at);
        log.latency_us.saturating_record(microseconds(took));
        log.late_us.saturating_record(microseconds(exchange.late()));
        log.timeline.record(done_at, took, answer);
        log.arrivals.record(exchange.buyer, ask, answer);
        log.talk.record(user, ask, answer);
        match answer {
            Answer::Done | Answer::Held(_) | Answer::SignedIn(_) | Answer::Feed(..) | Answer::Written(_) => {}
            Answer::Completed(id) => log.completed.push(*id),
            Answer::Refused(code) => count(&mut log.refusals, code),
            Answer::PutOff(code) => {
                count(&mut log.refusals, code);
                log.put_off += 1;
            }
            Answer::Failed(kind) => count(&mut log.errors, kind),
            Answer::Unclear(kind) => {
                count(&mut log.errors, kind);
                log.purchases_unclear += u64::from(matches!(ask, Ask::Purchase | Ask::Confirm(_)));
            }
        }
    }

    /// Starts the clock: the door opens now.
    pub(super) fn open(&self) {
        self.opened_at.get_or_init(Instant::now);
    }

    /// How long the door has been open.
    pub(super) fn open_for(&self) -> Option<Duration> {
        self.opened_at.get().map(Instant::elapsed)
    }

    /// Writes down a look at the stock and the processors; gives how long to wait until the next one.
    pub(super) fn look(&self, units: Option<Counts>, cpu: Option<Cpu>) -> Duration {
        if let Some(units) = units {
            self.progress.left(units.available);
        }
        let at = self.open_for().unwrap_or_default();
        let timeline = &mut self.lock().timeline;
        timeline.look(Look { at, units, cpu });
        timeline.look_interval()
    }

    /// Notes that a buyer had its turn.
    pub(super) fn buyer_done(&self) {
        Progress::count(&self.progress.buyers_done);
    }

    /// A number that moves while anything happens.
    pub(super) fn pulse(&self) -> u64 {
        self.progress.requests.load(Ordering::Relaxed) + self.progress.buyers_done.load(Ordering::Relaxed)
    }

    /// Everything so far.
    pub(super) fn log(&self) -> Log {
        self.lock().clone()
    }

    /// A panic while writing leaves at worst one answer half written down, and the verdict finds that.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time in microseconds, as far as it is told apart.
pub(super) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(LATENCY_US_MAX)
}

/// Counts a kind; when there are too many, one among others.
pub(super) fn count(kinds: &mut BTreeMap<String, u64>, kind: &str) {
    if let Some(count) = kinds.get_mut(kind) {
        *count += 1;
    } else {
        let kind = if kinds.len() < KINDS_MAX { kind } else { "others" };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
}
