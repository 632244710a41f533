//! How values are spread: counted in atomics between fixed bounds, so that nobody ever waits for anybody.

use std::sync::atomic::{AtomicU64, Ordering};

/// Whole values (microseconds, commands), counted between bounds. What is counted only grows.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and a last one for what is beyond them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Nothing is counted yet; `bounds` rise.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts one value; one that is a bound belongs below it.
    pub fn count(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { bounds: self.bounds, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// A reading of values that were counted between bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// The bounds.
    pub bounds: &'static [u64],
    /// How many values are up to each bound and above the one before; the last are beyond all bounds.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl Distribution {
    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_below_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 100, 101, 1_000_000] {
            histogram.count(value);
        }
        let read = histogram.read();
        assert_eq!(read, Distribution { bounds: &[1, 10, 100], counts: vec![2, 2, 2, 2], sum: 1_000_225 });
        assert_eq!(read.count(), 8);
    }
}
