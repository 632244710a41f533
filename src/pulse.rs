//! How the sale goes, second by second: what the board shows, and what its stream tells.
//!
//! Once a second the counters of the door and the counts of the ledger are read, whoever looks. Rates are the differences
//! between two readings, so a second without a reader is as good as one with a thousand. What is kept has an end: two
//! minutes of seconds, and the products that moved last.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::http::{Times, Traffic};
use crate::kernel::error::Error;
use crate::kernel::ids::ProductId;
use crate::ledger::{Ledger, Stock};

/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(1);
/// Seconds that are kept.
pub const KEPT_S: usize = 120;
/// Percentiles are those of the last so many seconds.
const PERCENTILES_S: usize = 10;
/// Refusals are counted over the last so many seconds, besides those of all time.
const REFUSALS_S: usize = 60;
/// Products whose counts are kept: those that moved last.
const PRODUCTS_MAX: usize = 64;
/// Boards that may be open at once.
const READERS_MAX: usize = 64;

/// One second of the sale.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Orders that were completed in it.
    pub orders: u64,
    /// Answers that were given in it.
    pub requests: u64,
    /// Commands that wait for the engine at its end.
    pub waiting: usize,
    /// The times within which 50, 90 and 99 of a hundred answers of the last ten seconds began, in microseconds.
    pub micros: [u64; 3],
}

/// Refusals of one kind.
#[derive(Debug, Clone)]
pub struct Refusals {
    pub code: &'static str,
    /// In the last minute.
    pub lately: u64,
    /// Since the program began.
    pub total: u64,
}

/// A product's counts, at the end of each second.
#[derive(Debug, Default)]
pub struct Course {
    pub counts: VecDeque<Stock>,
    now: Stock,
    /// The reading that saw it move last.
    moved_at: u64,
}

/// What is read off the counters.
struct Reading {
    times: Times,
    refusals: Vec<(&'static str, u64)>,
    completed: u64,
}

#[derive(Default)]
struct History {
    readings: VecDeque<Reading>,
    seconds: VecDeque<Second>,
    products: HashMap<ProductId, Course>,
    /// How far the ledger's publications were read.
    published: u64,
    /// How many readings there were.
    number: u64,
}

/// The sale's pulse, kept while a server runs.
pub struct Pulse {
    traffic: Arc<Traffic>,
    ledger: Arc<Ledger>,
    history: Mutex<History>,
    beats: watch::Sender<u64>,
    places: Arc<Semaphore>,
    closed: CancellationToken,
}

/// Somebody who looks at the board.
pub struct Reader {
    beats: watch::Receiver<u64>,
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Waits for the next second; `None` when the server stops.
    pub async fn next(&mut self) -> Option<()> {
        let closed = self.closed.clone();
        closed.run_until_cancelled(self.beats.changed()).await?.ok()
    }
}

impl Pulse {
    /// The pulse of what goes through `ledger` and past `traffic`.
    #[must_use]
    pub fn new(traffic: Arc<Traffic>, ledger: Arc<Ledger>) -> Arc<Self> {
        // What is there before the first second has not moved: nobody needs its course.
        let published = ledger.changes(u64::MAX, |_| false).up_to;
        let mut history = History { published, ..History::default() };
        history.readings.push_back(read(&traffic, &ledger));
        Arc::new(Self {
            traffic,
            ledger,
            history: Mutex::new(history),
            beats: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(READERS_MAX)),
            closed: CancellationToken::new(),
        })
    }

    /// Takes the pulse every second, until it is closed or dropped. Must be called inside a tokio runtime.
    pub fn keep_current(self: &Arc<Self>) {
        let (this, closed) = (Arc::downgrade(self), self.closed.clone());
        let beating = async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let Some(pulse) = this.upgrade() else { return };
                pulse.beat();
            }
        };
        tokio::spawn(async move { closed.run_until_cancelled(beating).await });
    }

    /// How many boards are open.
    #[must_use]
    pub fn readers(&self) -> usize {
        READERS_MAX - self.places.available_permits()
    }

    /// Ends every board's stream.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Lets somebody look on.
    ///
    /// # Errors
    /// `503 busy` when too many do, or the server stops.
    pub fn look_on(&self) -> Result<Reader, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::busy(5))?;
        if self.closed.is_cancelled() {
            return Err(Error::busy(1));
        }
        Ok(Reader { beats: self.beats.subscribe(), closed: self.closed.clone(), _place: place })
    }

    fn beat(&self) {
        let reading = read(&self.traffic, &self.ledger);
        let (waiting, _) = self.ledger.pace();
        let mut history = self.history();
        let changes = self.ledger.changes(history.published, |_| true);
        history.published = changes.up_to;
        history.note(reading, waiting);
        let number = history.number;
        for (product, live) in changes.products {
            match live {
                Some(live) => {
                    let course = history.products.entry(product).or_default();
                    (course.now, course.moved_at) = (live.stock, number);
                }
                None => drop(history.products.remove(&product)),
            }
        }
        history.keep_courses();
        drop(history);
        self.beats.send_replace(number);
    }

    /// The seconds that are kept, the oldest first.
    pub fn seconds(&self) -> Vec<Second> {
        self.history().seconds.iter().cloned().collect()
    }

    /// The last second.
    pub fn last(&self) -> Second {
        self.history().seconds.back().cloned().unwrap_or_default()
    }

    /// Refusals by kind, the most frequent first.
    pub fn refusals(&self) -> Vec<Refusals> {
        let history = self.history();
        let then = history.ago(REFUSALS_S).map(|reading| &reading.refusals);
        let before =
            |code| then.and_then(|then| then.iter().find(|(it, _)| *it == code)).map_or(0, |(_, count)| *count);
        let now = history.readings.back().map(|reading| reading.refusals.as_slice()).unwrap_or_default();
        let mut all: Vec<_> =
            now.iter().map(|(code, total)| Refusals { code, lately: total - before(*code), total: *total }).collect();
        all.sort_by_key(|it| (std::cmp::Reverse(it.total), it.code));
        all
    }

    /// The products that moved last, the latest first.
    pub fn moved(&self, count: usize) -> Vec<ProductId> {
        let history = self.history();
        let mut moved: Vec<_> = history.products.iter().map(|(product, course)| (course.moved_at, product)).collect();
        moved.sort_by(|(a, first), (b, second)| b.cmp(a).then_with(|| first.as_str().cmp(second.as_str())));
        moved.into_iter().take(count).map(|(_, product)| product.clone()).collect()
    }

    /// A product's counts second by second, the oldest first; none when it has not moved.
    pub fn course(&self, product: &ProductId) -> Vec<Stock> {
        self.history().products.get(product).map(|it| it.counts.iter().copied().collect()).unwrap_or_default()
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(traffic: &Traffic, ledger: &Ledger) -> Reading {
    Reading { times: traffic.times(), refusals: traffic.refusals(), completed: ledger.pace().1 }
}

impl History {
    /// The reading from so many seconds ago, or the first one.
    fn ago(&self, seconds: usize) -> Option<&Reading> {
        self.readings.get(self.readings.len().saturating_sub(seconds + 1))
    }

    fn note(&mut self, reading: Reading, waiting: usize) {
        self.readings.push_back(reading);
        let [Some(now), Some(last), Some(then)] = [self.readings.back(), self.ago(1), self.ago(PERCENTILES_S)] else {
            return;
        };
        let lately = now.times.since(&then.times);
        let second = Second {
            orders: now.completed - last.completed,
            requests: now.times.since(&last.times).count(),
            waiting,
            micros: [50, 90, 99].map(|percent| lately.percentile(percent)),
        };
        self.seconds.push_back(second);
        self.number += 1;
        if self.readings.len() > REFUSALS_S + 1 {
            self.readings.pop_front();
        }
        if self.seconds.len() > KEPT_S {
            self.seconds.pop_front();
        }
    }

    fn keep_courses(&mut self) {
        while self.products.len() > PRODUCTS_MAX {
            let oldest = self.products.iter().min_by_key(|(_, course)| course.moved_at).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            self.products.remove(&oldest);
        }
        for course in self.products.values_mut() {
            course.counts.push_back(course.now);
            if course.counts.len() > KEPT_S {
                course.counts.pop_front();
            }
        }
    }
}
