//! Units that were taken and came back, as far as the buyers can tell.
//!
//! The classic fault of a counter is to lose units: they are there, and everybody is told `sold_out`. Units that are left at
//! the end of a sale are no fault when they came back after the last buyer had asked for one; so that is what is counted.

use std::collections::HashMap;
use std::time::Duration;

use super::answer::{Answer, Ask};
use crate::kernel::ids::OrderId;

/// How late a hold's unit may be back on sale after its time has run out.
const LATE_MAX: Duration = Duration::from_secs(2);

/// What was answered about units, in times since the opening of the door.
#[derive(Debug, Clone, Default)]
pub(super) struct Returns {
    /// When the last request was sent that was answered `sold_out`.
    sold_out_asked_at: Option<Duration>,
    /// By when each unit had come back.
    back_by: Vec<Duration>,
    /// Holds that nobody saw the end of, and when they were answered.
    open: HashMap<OrderId, Duration>,
}

impl Returns {
    /// Writes down one answer; most move no unit back.
    pub(super) fn record(&mut self, ask: Ask, answer: &Answer, asked_at: Duration, answered_at: Duration) {
        match (ask, answer) {
            (Ask::Purchase | Ask::Hold, Answer::Refused(code)) if code == "sold_out" => {
                self.sold_out_asked_at = self.sold_out_asked_at.max(Some(asked_at));
            }
            (Ask::Purchase, Answer::Refused(code)) if has_ended(code) => self.back_by.push(answered_at),
            // It may be held without anybody knowing, and come back whenever.
            (Ask::Purchase | Ask::Hold, Answer::Unclear(_)) => self.back_by.push(Duration::MAX),
            (Ask::Hold, Answer::Held(order)) => drop(self.open.insert(*order, answered_at)),
            (Ask::Confirm(order), Answer::Completed(_)) => drop(self.open.remove(&order)),
            (Ask::Leave(order), Answer::Done) => self.ended(order, answered_at),
            (Ask::Confirm(order) | Ask::Leave(order), Answer::Refused(code)) if has_ended(code) => {
                self.ended(order, answered_at);
            }
            _ => {}
        }
    }

    fn ended(&mut self, order: OrderId, answered_at: Duration) {
        if self.open.remove(&order).is_some() {
            self.back_by.push(answered_at);
        }
    }

    /// How many units can have come back after the last buyer was told `sold_out`; none when nobody was. A hold lives for
    /// `hold`.
    pub(super) fn since_sold_out(&self, hold: Duration) -> Option<usize> {
        let asked_at = self.sold_out_asked_at?;
        let back = self.back_by.iter().filter(|back_by| **back_by >= asked_at).count();
        Some(back + self.open.values().filter(|answered_at| **answered_at + hold + LATE_MAX >= asked_at).count())
    }
}

/// Whether a refusal says that the order has ended without a purchase.
fn has_ended(code: &str) -> bool {
    matches!(code, "payment_declined" | "payment_abandoned" | "hold_expired" | "order_cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(10);

    /// Answers, each with the seconds at which it was asked for and given.
    fn since_sold_out(answers: &[(Ask, Answer, u64, u64)]) -> Option<usize> {
        let mut returns = Returns::default();
        for (ask, answer, asked_at, answered_at) in answers {
            returns.record(*ask, answer, Duration::from_secs(*asked_at), Duration::from_secs(*answered_at));
        }
        returns.since_sold_out(HOLD)
    }

    fn no(code: &str) -> Answer {
        Answer::Refused(code.to_owned())
    }

    #[test]
    fn a_unit_that_came_back_before_explains_nothing() {
        let order = OrderId::fresh();
        for (ask, answer) in [
            (Ask::Purchase, no("payment_declined")),
            (Ask::Purchase, no("payment_abandoned")),
            (Ask::Confirm(order), no("payment_declined")),
            (Ask::Confirm(order), no("hold_expired")),
            (Ask::Leave(order), Answer::Done),
            (Ask::Leave(order), no("order_cancelled")),
        ] {
            let held = (Ask::Hold, Answer::Held(order), 50, 50);
            let held = matches!(ask, Ask::Confirm(_) | Ask::Leave(_)).then_some(held);
            let back_at = |at| held.clone().into_iter().chain([(ask, answer.clone(), 50, at)]).collect::<Vec<_>>();
            assert_eq!(since_sold_out(&back_at(51)), None, "nobody was told that it was sold out");
            let last = (Ask::Purchase, no("sold_out"), 60, 61);
            let earlier = (Ask::Hold, no("sold_out"), 20, 90);
            assert_eq!(since_sold_out(&[back_at(59), vec![last.clone()]].concat()), Some(0), "{ask:?}, {answer:?}");
            assert_eq!(since_sold_out(&[back_at(60), vec![last, earlier]].concat()), Some(1), "{ask:?}, {answer:?}");
        }
    }

    #[test]
    fn a_hold_explains_a_unit_until_it_has_run_out_or_was_paid() {
        let (paid, open, long_ago) = (OrderId::fresh(), OrderId::fresh(), OrderId::fresh());
        let answers = [
            (Ask::Hold, Answer::Held(long_ago), 40, 41),
            (Ask::Hold, Answer::Held(open), 50, 51),
            (Ask::Hold, Answer::Held(paid), 59, 59),
            (Ask::Confirm(paid), Answer::Completed(paid), 59, 60),
            (Ask::Confirm(open), no("in_progress"), 52, 52),
            (Ask::Hold, no("sold_out"), 60, 60),
        ];
        assert_eq!(since_sold_out(&answers), Some(1));
    }

    #[test]
    fn an_answer_that_got_lost_explains_a_unit_at_any_time() {
        let lost = || Answer::Unclear("timeout".into());
        let sold_out = (Ask::Purchase, no("sold_out"), 60, 60);
        assert_eq!(since_sold_out(&[(Ask::Purchase, lost(), 1, 31), sold_out.clone()]), Some(1));
        assert_eq!(since_sold_out(&[(Ask::Hold, lost(), 1, 31), sold_out.clone()]), Some(1));
        assert_eq!(since_sold_out(&[(Ask::Page, lost(), 1, 31), sold_out]), Some(0));
    }
}
