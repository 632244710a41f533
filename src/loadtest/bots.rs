//! Whom the rate limits sent away: people, or programs.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::answer::Answer;
use super::scenario::Limits;

/// The code of a refusal by a rate limit.
const RATE_LIMITED: &str = "rate_limited";

/// Counts requests while they are made.
#[derive(Debug, Default)]
pub(super) struct BotWatch {
    bots: (AtomicU64, AtomicU64),
    people: (AtomicU64, AtomicU64),
}

impl BotWatch {
    /// Counts one request.
    pub(super) fn count(&self, is_bot: bool, answer: &Answer) {
        let (requests, limited) = if is_bot { &self.bots } else { &self.people };
        requests.fetch_add(1, Ordering::Relaxed);
        if matches!(answer, Answer::PutOff(code) if code == RATE_LIMITED) {
            limited.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts so far.
    pub(super) fn sides(&self) -> Sides {
        let read = |(requests, limited): &(AtomicU64, AtomicU64)| Side {
            requests: requests.load(Ordering::Relaxed),
            rate_limited: limited.load(Ordering::Relaxed),
        };
        Sides { people: read(&self.people), bots: read(&self.bots) }
    }
}

/// People and bots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sides {
    /// Buyers with a journey.
    pub people: Side,
    /// Buyers that are programs at one address.
    pub bots: Side,
}

/// What one side asked, and how often a rate limit sent it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Requests.
    pub requests: u64,
    /// Those of them that a rate limit answered.
    pub rate_limited: u64,
}

impl Side {
    /// The share of requests that a rate limit answered.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub fn limited_rate(self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.rate_limited as f64 / self.requests as f64 }
    }
}

impl Sides {
    /// What is wrong with them.
    pub(super) fn failures(self, limits: Limits) -> Vec<String> {
        let mut failures = Vec::new();
        let (people, bots) = (self.people.limited_rate(), self.bots.limited_rate());
        if limits.people_limited_rate_max.is_some_and(|most| people > most) {
            let most = limits.people_limited_rate_max.unwrap_or_default() * 100.0;
            failures.push(format!(
                "rate limits sent people away with {:.1} % of their requests; at most {most} % may be",
                people * 100.0
            ));
        }
        if limits.bots_limited_rate_min.is_some_and(|least| bots < least) {
            let least = limits.bots_limited_rate_min.unwrap_or_default() * 100.0;
            failures.push(format!(
                "rate limits sent bots away with {:.1} % of their requests; at least {least} % must be",
                bots * 100.0
            ));
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_must_get_in_and_bots_must_not() {
        let watch = BotWatch::default();
        let limited = Answer::PutOff(RATE_LIMITED.to_owned());
        for (is_bot, answer) in [(true, &limited), (true, &Answer::Done), (false, &limited), (false, &Answer::Done)] {
            watch.count(is_bot, answer);
        }
        watch.count(false, &Answer::Refused("sold_out".to_owned()));
        let sides = watch.sides();
        assert_eq!((sides.people, sides.bots), (side(3, 1), side(2, 1)));
        let limits = |most, least| Limits {
            people_limited_rate_max: Some(most),
            bots_limited_rate_min: Some(least),
            ..Limits::default()
        };
        assert_eq!(sides.failures(limits(0.34, 0.5)), Vec::<String>::new());
        assert_eq!(
            sides.failures(limits(0.25, 0.75)),
            [
                "rate limits sent people away with 33.3 % of their requests; at most 25 % may be",
                "rate limits sent bots away with 50.0 % of their requests; at least 75 % must be",
            ]
        );
        assert_eq!(sides.failures(Limits::default()), Vec::<String>::new());
    }

    fn side(requests: u64, rate_limited: u64) -> Side {
        Side { requests, rate_limited }
    }
}
