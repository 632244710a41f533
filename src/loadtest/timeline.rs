//! The run in slices of time: how much was asked, how it was answered, how long that took; and the looks at the stock
//! and at the processors in between. Both are bounded: when a run gets long, neighbours are merged.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::answer::Answer;
use super::check::Counts;
use super::machine::Cpu;
use super::tally::{count, microseconds};

/// The most slices, and the most looks, that are kept; more would make a chart that nobody can read.
const KEPT_MAX: u32 = 120;
/// How long a slice is at first, and how far apart looks are.
const SLICE_MIN: Duration = Duration::from_millis(100);
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Two digits: a chart shows no more.
const LATENCY_DIGITS: u8 = 2;
const GROWS: &str = "a histogram without a limit grows as it has to";

/// What happened, and when.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// How long a slice is.
    length: Duration,
    slices: Vec<Slice>,
    look_interval: Duration,
    looks: Vec<Look>,
}

/// The answers of one stretch of time.
#[derive(Debug, Clone)]
struct Slice {
    requests: u64,
    errors: u64,
    refusals: BTreeMap<String, u64>,
    latency_us: Histogram<u64>,
}

/// A look at the stock and at the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// How long the door had been open.
    pub(super) at: Duration,
    /// Where the units were; none when the server did not say.
    pub(super) units: Option<Counts>,
    /// The time that the processors had worked until then; none where the system does not say.
    pub(super) cpu: Option<Cpu>,
}

/// One slice as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// Its middle, in seconds after the opening.
    pub(super) at: f64,
    /// How long it is, in seconds.
    pub(super) length: f64,
    /// Answers, and requests that got none.
    pub(super) requests: u64,
    /// Those that failed.
    pub(super) errors: u64,
    /// Orderly refusals by code.
    pub(super) refusals: BTreeMap<String, u64>,
    /// Latencies in milliseconds: 50, 90 and 99 of 100; none when nothing was answered.
    pub(super) latency_ms: Option<[f64; 3]>,
}

impl Default for Timeline {
    fn default() -> Self {
        let (slices, looks) = (Vec::new(), Vec::new());
        Self { length: SLICE_MIN, slices, look_interval: LOOK_INTERVAL_MIN, looks }
    }
}

impl Timeline {
    /// Adds an answer that came when the door had been open for `at`, and took `took`.
    pub(super) fn record(&mut self, at: Duration, took: Duration, answer: &Answer) {
        while at >= self.length * KEPT_MAX {
            self.merge_slices();
        }
        let index = usize::try_from(at.as_nanos() / self.length.as_nanos()).expect("it is below the bound");
        while self.slices.len() <= index {
            self.slices.push(Slice::new());
        }
        let slice = &mut self.slices[index];
        slice.requests += 1;
        slice.latency_us.record(microseconds(took)).expect(GROWS);
        match answer {
            Answer::Refused(code) => count(&mut slice.refusals, code),
            Answer::Failed(_) | Answer::Unclear(_) => slice.errors += 1,
            _ => {}
        }
    }

    /// Adds a look; the one at the opening stands for all before it.
    pub(super) fn look(&mut self, look: Look) {
        if look.at.is_zero() {
            self.looks.clear();
        } else if self.looks.len() == KEPT_MAX as usize {
            let mut nth = 0;
            self.looks.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.look_interval *= 2;
        }
        self.looks.push(look);
    }

    /// How long to wait until the next look.
    pub(super) fn look_interval(&self) -> Duration {
        self.look_interval
    }

    /// Every look until the last answer, the earliest first.
    pub(super) fn looks(&self, elapsed: Duration) -> &[Look] {
        let end = self.looks.iter().take_while(|look| look.at <= elapsed).count();
        &self.looks[..end]
    }

    /// The slices of a run that took `elapsed`. A short rest at the end goes with the slice before it: a rate over next to
    /// no time says nothing.
    pub(super) fn points(&self, elapsed: Duration) -> Vec<Point> {
        let mut slices = self.slices.clone();
        let rest = elapsed.saturating_sub(self.length * u32::try_from(slices.len().saturating_sub(1)).unwrap_or(0));
        if slices.len() > 1
            && rest < self.length / 2
            && let Some(last) = slices.pop()
            && let Some(before) = slices.last_mut()
        {
            before.add(&last);
        }
        let count = slices.len();
        let point = |(index, slice): (usize, &Slice)| {
            let start = self.length * u32::try_from(index).unwrap_or(0);
            let end = if index + 1 == count { elapsed.max(start) } else { start + self.length };
            slice.point(start.as_secs_f64(), end.as_secs_f64())
        };
        slices.iter().enumerate().map(point).collect()
    }

    fn merge_slices(&mut self) {
        self.length *= 2;
        let pairs = self.slices.chunks(2);
        self.slices = pairs
            .map(|pair| {
                let mut merged = pair[0].clone();
                pair[1..].iter().for_each(|slice| merged.add(slice));
                merged
            })
            .collect();
    }
}

impl Slice {
    fn new() -> Self {
        let latency_us = Histogram::new(LATENCY_DIGITS).expect("two digits are allowed");
        Self { requests: 0, errors: 0, refusals: BTreeMap::new(), latency_us }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        for (code, count) in &other.refusals {
            *self.refusals.entry(code.clone()).or_default() += count;
        }
        self.latency_us.add(&other.latency_us).expect(GROWS);
    }

    #[expect(clippy::cast_precision_loss, reason = "latencies are a few minutes at most")]
    fn point(&self, start: f64, end: f64) -> Point {
        let latency = |quantile| self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
        Point {
            at: f64::midpoint(start, end),
            length: end - start,
            requests: self.requests,
            errors: self.errors,
            refusals: self.refusals.clone(),
            latency_ms: (self.requests > 0).then(|| [0.5, 0.9, 0.99].map(latency)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn requests(timeline: &Timeline, elapsed: Duration) -> Vec<u64> {
        timeline.points(elapsed).iter().map(|point| point.requests).collect()
    }

    #[test]
    fn answers_are_kept_by_when_they_came() {
        let mut timeline = Timeline::default();
        timeline.record(5 * MS, 2 * MS, &Answer::Done);
        timeline.record(99 * MS, 4 * MS, &Answer::Refused("sold_out".to_owned()));
        timeline.record(250 * MS, MS, &Answer::Unclear("timeout".into()));
        assert_eq!(requests(&timeline, 280 * MS), [2, 0, 1]);
        let points = timeline.points(280 * MS);
        assert_eq!(points[0].refusals, BTreeMap::from([("sold_out".to_owned(), 1)]));
        assert_eq!((points[0].errors, points[2].errors), (0, 1));
        assert_eq!((points[1].latency_ms, points[0].latency_ms.unwrap()[2].round()), (None, 4.0));
        assert!((points[2].length - 0.08).abs() < 1e-9, "the last slice ends with the run: {points:?}");
    }

    #[test]
    fn a_short_rest_goes_with_the_slice_before_it() {
        let mut timeline = Timeline::default();
        timeline.record(50 * MS, MS, &Answer::Done);
        timeline.record(110 * MS, MS, &Answer::Done);
        assert_eq!(requests(&timeline, 149 * MS), [2]);
        assert_eq!(requests(&timeline, 150 * MS), [1, 1]);
        assert_eq!(requests(&Timeline::default(), Duration::ZERO), [0; 0]);
    }

    #[test]
    fn a_long_run_has_longer_slices_and_loses_nothing() {
        let mut timeline = Timeline::default();
        for second in 0..10_000 {
            timeline.record(Duration::from_secs(second), MS, &Answer::Refused("busy".to_owned()));
        }
        let points = timeline.points(Duration::from_secs(10_000));
        assert!((59..=120).contains(&points.len()), "{}", points.len());
        assert_eq!(points.iter().map(|point| point.requests).sum::<u64>(), 10_000);
        assert_eq!(points.iter().map(|point| point.refusals["busy"]).sum::<u64>(), 10_000);
    }

    #[test]
    fn looks_thin_out_and_the_first_one_is_at_the_opening() {
        let look = |ms| Look { at: ms * MS, units: None, cpu: None };
        let mut timeline = Timeline::default();
        timeline.look(look(0));
        timeline.look(look(0));
        for at in 1..1_000 {
            timeline.look(look(at * 50));
        }
        let looks = timeline.looks(40_000 * MS);
        assert!(looks.len() <= 120 && timeline.look_interval() > LOOK_INTERVAL_MIN);
        assert_eq!((looks[0].at, looks.iter().filter(|look| look.at.is_zero()).count()), (Duration::ZERO, 1));
        assert!(looks.iter().all(|look| look.at <= 40_000 * MS) && looks.is_sorted_by_key(|look| look.at));
    }
}
