//! Whether the sale was quick enough, and fair.

use crate::loadtest::scenario::Limits;
use crate::loadtest::tally::Log;

/// Checks the rates and the fairness that a scenario asks for.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
pub(super) fn check(log: &Log, limits: Limits, failures: &mut Vec<String>) {
    let seconds = log.elapsed.as_secs_f64();
    for (what, count, least) in [
        ("requests", log.requests, limits.requests_per_second_min),
        ("purchases", log.completed.len() as u64, limits.purchases_per_second_min),
    ] {
        let Some(least) = least else { continue };
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        if rate < least {
            failures.push(format!("there were {rate:.1} {what} a second; at least {least} must be"));
        }
    }
    if let Some(least) = limits.fairness_min {
        match log.fairness().map(|fairness| fairness.share) {
            Some(fairness) if fairness >= least => {}
            Some(fairness) => failures.push(format!("the fairness is {fairness:.3}; at least {least} must be")),
            None => failures.push(format!("the fairness was not measured; at least {least} must be")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kernel::ids::OrderId;

    fn failures(limits: Limits) -> Vec<String> {
        let mut log = Log::new().unwrap();
        (log.requests, log.elapsed) = (100, Duration::from_secs(4));
        log.completed = vec![OrderId::fresh(), OrderId::fresh()];
        let mut failures = Vec::new();
        check(&log, limits, &mut failures);
        failures
    }

    #[test]
    fn a_sale_that_is_too_slow_fails() {
        let limits = |requests, purchases| Limits {
            requests_per_second_min: Some(requests),
            purchases_per_second_min: Some(purchases),
            ..Limits::default()
        };
        assert_eq!(failures(limits(25.0, 0.5)), Vec::<String>::new());
        assert_eq!(
            failures(limits(26.0, 1.0)),
            [
                "there were 25.0 requests a second; at least 26 must be",
                "there were 0.5 purchases a second; at least 1 must be"
            ]
        );
    }

    #[test]
    fn a_fairness_that_nobody_measured_is_not_there() {
        let limits = Limits { fairness_min: Some(0.5), ..Limits::default() };
        assert_eq!(failures(limits), ["the fairness was not measured; at least 0.5 must be"]);
    }
}
