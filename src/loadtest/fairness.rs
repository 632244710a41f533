//! Who came first, and who got a unit.
//!
//! The line is everybody who asked for a unit, in the order of arrival, without those who got one and did not keep it:
//! their payment was declined, or they left. Of a sale that serves in the order of arrival, those who got one of N
//! units are the first N in the line.

use serde::Serialize;

use super::answer::{Answer, Ask};

/// In how many parts the line is told.
const PARTS: usize = 10;

/// What became of everybody's wish, in the order of arrival.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals(Vec<Wish>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wish {
    /// Did not ask for a unit.
    #[default]
    None,
    /// Asked, and did not get one.
    TurnedAway,
    /// Could have had one: left, or was declined by the bank.
    Left,
    /// Bought one.
    Bought,
}

/// How the order of arrival and the order of success go together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fairness {
    /// Of the buyers who got a unit, the share who were among the first as many in the line: 1 when all were.
    pub share: f64,
    /// What that share would be if units went by lot.
    pub by_lot: f64,
    /// Buyers in the line.
    pub asked: usize,
    /// Those of them who got a unit.
    pub bought: usize,
    /// The share who got a unit in each tenth of the line, the earliest first; fewer parts for a shorter line.
    pub tenths: Vec<f64>,
}

impl Arrivals {
    /// Notes what came of a buyer's request; most are no wish for a unit.
    pub(super) fn record(&mut self, buyer: usize, ask: Ask, answer: &Answer) {
        let wish = match (ask, answer) {
            (Ask::Purchase | Ask::Confirm(_), Answer::Completed(_)) => Wish::Bought,
            // Until it is paid for.
            (Ask::Hold, Answer::Held(_)) => Wish::Left,
            (Ask::Purchase | Ask::Confirm(_), Answer::Refused(code)) if is_own_doing(code) => Wish::Left,
            (Ask::Hold | Ask::Purchase | Ask::Confirm(_), _) => Wish::TurnedAway,
            _ => return,
        };
        if self.0.len() <= buyer {
            self.0.resize(buyer + 1, Wish::None);
        }
        let noted = &mut self.0[buyer];
        if *noted != Wish::Bought {
            *noted = wish;
        }
    }

    /// How fair it was; none when nobody got a unit, or nobody asked.
    pub(super) fn fairness(&self) -> Option<Fairness> {
        let line: Vec<bool> = self.0.iter().filter_map(|wish| wish.in_line()).collect();
        let bought = line.iter().filter(|bought| **bought).count();
        if bought == 0 {
            return None;
        }
        let share = |part: &[bool]| ratio(part.iter().filter(|bought| **bought).count(), part.len());
        let parts = PARTS.min(line.len());
        let part = |nth: usize| &line[nth * line.len() / parts..(nth + 1) * line.len() / parts];
        Some(Fairness {
            share: share(&line[..bought]),
            by_lot: ratio(bought, line.len()),
            asked: line.len(),
            bought,
            tenths: (0..parts).map(|nth| share(part(nth))).collect(),
        })
    }
}

impl Wish {
    /// Whether somebody in the line got a unit; none for those who are not in it.
    fn in_line(self) -> Option<bool> {
        match self {
            Self::None | Self::Left => None,
            Self::TurnedAway => Some(false),
            Self::Bought => Some(true),
        }
    }
}

/// Whether a refusal is the buyer's or the bank's, not the shop's.
fn is_own_doing(code: &str) -> bool {
    matches!(code, "payment_declined" | "payment_abandoned" | "hold_expired")
}

/// To a thousandth: more would be noise.
#[expect(clippy::cast_precision_loss, reason = "a million buyers at most")]
fn ratio(part: usize, whole: usize) -> f64 {
    (part as f64 / whole as f64 * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::OrderId;

    fn bought() -> Answer {
        Answer::Completed(OrderId::fresh())
    }

    fn refused(code: &str) -> Answer {
        Answer::Refused(code.to_owned())
    }

    /// A line of `count`, in which these buyers got a unit.
    fn line(count: usize, lucky: impl Fn(usize) -> bool) -> Fairness {
        let mut arrivals = Arrivals::default();
        // The order in which answers come does not matter.
        for buyer in (0..count).rev() {
            let answer = if lucky(buyer) { bought() } else { refused("sold_out") };
            arrivals.record(buyer, Ask::Purchase, &answer);
        }
        arrivals.fairness().unwrap()
    }

    #[test]
    fn first_come_first_served_is_1_and_last_come_is_0() {
        let fair = line(100, |buyer| buyer < 20);
        assert_eq!((fair.share, fair.by_lot, fair.asked, fair.bought), (1.0, 0.2, 100, 20));
        assert_eq!(fair.tenths, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(line(100, |buyer| buyer >= 80).share.to_bits(), 0.0_f64.to_bits());
        assert_eq!(line(100, |buyer| buyer % 5 == 0).share.to_bits(), 0.2_f64.to_bits(), "every fifth: as by lot");
        assert_eq!(line(3, |_| true).tenths, [1.0, 1.0, 1.0]);
    }

    #[test]
    fn who_left_by_their_own_choice_is_not_in_the_line() {
        let mut arrivals = Arrivals::default();
        arrivals.record(0, Ask::Purchase, &refused("payment_declined"));
        arrivals.record(1, Ask::Hold, &Answer::Held(OrderId::fresh()));
        arrivals.record(2, Ask::Page, &Answer::Done);
        arrivals.record(3, Ask::Hold, &Answer::Held(OrderId::fresh()));
        arrivals.record(3, Ask::Purchase, &bought());
        arrivals.record(3, Ask::Purchase, &refused("limit_reached"));
        arrivals.record(4, Ask::Purchase, &Answer::Unclear("timeout".into()));
        let fairness = arrivals.fairness().unwrap();
        assert_eq!((fairness.asked, fairness.bought, fairness.tenths.as_slice()), (2, 1, [1.0, 0.0].as_slice()));
    }

    #[test]
    fn without_a_buyer_there_is_nothing_to_tell() {
        let mut arrivals = Arrivals::default();
        arrivals.record(0, Ask::Purchase, &refused("sold_out"));
        assert_eq!(arrivals.fairness(), None);
    }
}
