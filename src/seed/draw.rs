//! Lots that are drawn for generated things.

use crate::kernel::splitmix::SplitMix64;

/// What [`Draw::skewed`] divides: no lot is larger.
const SKEWED_MAX: u64 = 1_000_000;

/// Lots for one generated thing.
pub(super) struct Draw(SplitMix64);

impl Draw {
    /// A generator of its own for each noun and number.
    pub(super) fn new(seed: u64, noun: &str, number: u64) -> Self {
        let parts = noun.bytes().map(u64::from).chain([number]);
        Self(SplitMix64(parts.fold(seed, |state, part| SplitMix64(state).next() ^ part)))
    }

    /// A number from 0 to `end - 1`; the bias is far below what anybody could see with ends this small.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next() % end
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let length = u64::try_from(from.len()).expect("a list of names is short");
        &from[usize::try_from(self.below(length)).expect("an index of the list")]
    }

    /// A number from 1 to `max`, small as a rule and large now and then: it is at least `k` in one case of `k`. Of whole
    /// numbers only, so that it comes out the same on every machine.
    pub(super) fn skewed(&mut self, max: u64) -> u64 {
        (SKEWED_MAX / (1 + self.below(SKEWED_MAX))).min(max)
    }
}
