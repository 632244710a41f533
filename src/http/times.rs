//! How long answers take, told finely enough for percentiles.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::kernel::histogram::Distribution;

/// Buckets of a histogram: below 8 µs one for each, then eight for each doubling, up to 71 minutes. A value is told no more
/// than an eighth too high.
const BUCKETS: usize = 240;
/// The longest time that is told apart, in microseconds.
const MICROS_MAX: u64 = u32::MAX as u64;

/// The bounds of [`TimesCounted::distribution`], in microseconds: doublings, as only there a bucket ends exactly; from a quarter
/// of a millisecond to half a minute, which is what a request may take.
const BOUNDS: [u64; 18] = {
    let mut bounds = [0; 18];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = 256 << at;
        at += 1;
    }
    bounds
};

/// Times that are being counted.
pub(super) struct TimesCounted {
    counts: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl TimesCounted {
    pub(super) fn new() -> Self {
        Self { counts: array::from_fn(|_| AtomicU64::new(0)), sum_micros: AtomicU64::new(0) }
    }

    pub(super) fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(MICROS_MAX);
        self.counts[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The times between [`BOUNDS`], in microseconds. A time that is a bound counts above it, for parts of a microsecond are
    /// not counted.
    pub(super) fn distribution(&self) -> Distribution {
        let mut counts = vec![0; BOUNDS.len() + 1];
        for (bucket, count) in self.counts.iter().enumerate() {
            let place = BOUNDS.partition_point(|bound| *bound <= longest_in(bucket));
            counts[place] += count.load(Ordering::Relaxed);
        }
        Distribution { bounds: &BOUNDS, counts, sum: self.sum_micros.load(Ordering::Relaxed) }
    }
}

/// Times, as a histogram in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(Box<[u64]>);

impl Default for Times {
    fn default() -> Self {
        Self(vec![0; BUCKETS].into_boxed_slice())
    }
}

impl Times {
    pub(super) fn add(&mut self, counted: &TimesCounted) {
        for (sum, counted) in self.0.iter_mut().zip(&counted.counts) {
            *sum += counted.load(Ordering::Relaxed);
        }
    }

    /// What has come since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time within which so many of a hundred were, in microseconds; 0 when there are none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        });
        found.map_or(0, longest_in)
    }
}

/// The bucket of a time.
fn bucket(micros: u64) -> usize {
    let micros = micros.min(MICROS_MAX);
    if micros < 8 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let doublings = micros.ilog2();
    let eighth = (micros >> (doublings - 3)) & 7;
    (doublings as usize - 2) * 8 + usize::try_from(eighth).unwrap_or_default()
}

/// The longest time of a bucket, in microseconds.
fn longest_in(bucket: usize) -> u64 {
    let (group, eighth) = ((bucket / 8) as u64, (bucket % 8) as u64);
    if group == 0 { eighth } else { ((9 + eighth) << (group - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_at_most_an_eighth_too_high() {
        for micros in (0..5_000).chain([99_999, 1_000_000, 59_999_999, MICROS_MAX]) {
            let told = longest_in(bucket(micros));
            assert!(told >= micros && told <= micros + micros / 8, "{micros} is told as {told}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn between_the_bounds_every_time_is_where_it_belongs() {
        let times = TimesCounted::new();
        let all = [0, 255, 256, 511, 512, 1_023, 1_024, 33_554_431, 33_554_432, 4_000_000_000];
        for micros in all {
            times.count(Duration::from_micros(micros));
        }
        let read = times.distribution();
        assert_eq!((read.count(), read.sum), (all.len() as u64, all.iter().sum()));
        for (at, bound) in BOUNDS.into_iter().enumerate() {
            let below: u64 = read.counts[..=at].iter().sum();
            assert_eq!(below, all.iter().filter(|micros| **micros < bound).count() as u64, "below {bound}");
        }
    }
}
