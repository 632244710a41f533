//! When buyers come. Pure: an open phase's schedule is a function of its terms, so a server that is slow delays nobody's
//! arrival, and whoever waits for it waits from the moment when they came.

use std::time::Duration;

/// How a phase's buyers come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// The next one comes when one has left: a slow server slows them down.
    Closed,
    /// Each comes at its time, whatever became of those before.
    Open(Rate),
}

/// How many buyers come a second, over an open phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How many come at once at the phase's start, before all others.
    pub burst: usize,
    /// How many of the others come a second, at the start.
    pub per_second: f64,
    /// How many at the end; the rate goes there in a straight line.
    pub ramp_to: f64,
}

impl Rate {
    /// How many come in a phase of this length: the burst, and the area under the rate.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scenarios allow a million buyers")]
    pub fn buyers_within(&self, length: Duration) -> usize {
        let area = f64::midpoint(self.per_second, self.ramp_to) * length.as_secs_f64();
        // The first comes at the very start, so a part of a buyer is one more; but rounding errors are nobody.
        self.burst.saturating_add((area - 1e-6).ceil().max(0.0) as usize)
    }

    /// How long a phase is in which so many come; none when they never would. Only a constant rate has an answer.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "scenarios allow a million buyers")]
    pub fn length_for(&self, buyers: usize) -> Option<Duration> {
        match buyers.saturating_sub(self.burst) {
            0 => Some(Duration::ZERO),
            others => Duration::try_from_secs_f64(others as f64 / self.per_second).ok(),
        }
    }

    /// When buyer `nth`, from 0, comes in a phase of this length: the time up to which `nth` others have come.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "scenarios allow a million buyers")]
    pub fn due(&self, nth: usize, length: Duration) -> Duration {
        let area = match nth.checked_sub(self.burst) {
            None | Some(0) => return Duration::ZERO,
            Some(others) => others as f64,
        };
        // Solves per_second * t + (ramp_to - per_second) / (2 * length) * t^2 = area, in the form that also holds
        // without a ramp.
        let slope = (self.ramp_to - self.per_second) / length.as_secs_f64().max(f64::MIN_POSITIVE);
        let root = (self.per_second * self.per_second + 2.0 * slope * area).max(0.0).sqrt();
        Duration::try_from_secs_f64(2.0 * area / (self.per_second + root)).unwrap_or(length).min(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate(burst: usize, per_second: f64, ramp_to: f64) -> Rate {
        Rate { burst, per_second, ramp_to }
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced() {
        let due: Vec<_> = (0..5).map(|nth| rate(0, 4.0, 4.0).due(nth, SECOND).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750, 1_000]);
        assert_eq!(rate(0, 4.0, 4.0).buyers_within(SECOND), 4, "the fifth comes when the phase is over");
    }

    #[test]
    fn a_burst_comes_first_and_at_once() {
        let due: Vec<_> = (0..5).map(|nth| rate(3, 2.0, 2.0).due(nth, SECOND).as_millis()).collect();
        assert_eq!(due, [0, 0, 0, 0, 500]);
        assert_eq!(rate(3, 0.0, 0.0).buyers_within(SECOND), 3);
    }

    #[test]
    fn a_ramp_from_nothing_has_three_quarters_of_its_buyers_in_its_second_half() {
        let (ramp, length) = (rate(0, 0.0, 100.0), SECOND * 8);
        assert_eq!(ramp.buyers_within(length), 400);
        assert_eq!(ramp.due(100, length), length / 2);
    }

    #[test]
    fn only_a_rate_ends_by_itself() {
        assert_eq!(rate(0, 4.0, 4.0).length_for(8), Some(SECOND * 2));
        assert_eq!(rate(8, 0.0, 0.0).length_for(8), Some(Duration::ZERO));
        assert_eq!(rate(8, 0.0, 0.0).length_for(9), None);
    }

    proptest! {
        #[test]
        fn everybody_comes_in_order_and_within_the_phase(
            burst in 0_usize..50, per_second in 0.0..200.0_f64, ramp_to in 0.0..200.0_f64, seconds in 1_u64..60
        ) {
            let (rate, length) = (rate(burst, per_second, ramp_to), SECOND * u32::try_from(seconds).unwrap());
            let due: Vec<_> = (0..rate.buyers_within(length)).map(|nth| rate.due(nth, length)).collect();
            prop_assert!(due.is_sorted());
            prop_assert!(due.iter().all(|due| *due <= length));
            prop_assert_eq!(due.iter().filter(|due| due.is_zero()).count().min(burst), burst.min(due.len()));
        }

        #[test]
        fn as_many_have_come_at_any_time_as_lie_under_the_rate(
            per_second in 0.1..200.0_f64, ramp_to in 0.1..200.0_f64, seconds in 1_u32..60, part in 0.0..1.0_f64
        ) {
            let (rate, length) = (rate(0, per_second, ramp_to), SECOND * seconds);
            let until = length.as_secs_f64() * part;
            let slope = (ramp_to - per_second) / length.as_secs_f64();
            let area = per_second * until + slope * until * until / 2.0;
            let come = (0..rate.buyers_within(length)).filter(|nth| rate.due(*nth, length).as_secs_f64() < until).count();
            let come = f64::from(u32::try_from(come).unwrap());
            prop_assert!((come - area).abs() <= 1.001, "{come} came, {area} lie under the rate");
        }
    }
}
