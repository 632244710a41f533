//! Impatient hands: the same wish twice at the same moment.

use futures_util::future::join;

use super::answer::{Answer, Ask};
use super::journey::{Reply, Visit};

/// Refusals that say nothing about an order that the same key has given already.
const BEFORE_THE_KEY: [&str; 3] = ["sold_out", "rate_limited", "busy"];

impl Visit<'_> {
    /// Buys twice at the same moment under one idempotency key: that is one purchase, and both answers tell of it.
    pub(super) async fn double_click(&mut self, step: usize) {
        let call = self.purchase(Some(self.key(step, "double")));
        let (first, second) = join(self.ask_beside(&call), self.ask_beside(&call)).await;
        if contradict(&first.answer, &second.answer) {
            self.crowd.broken.note("two requests under one idempotency key got answers that can't both be true");
        }
        self.record(Ask::Purchase, &first, &first.answer);
        // The same order told twice is one purchase.
        let again = matches!(first.answer, Answer::Completed(_)) && first.answer == second.answer;
        self.record(Ask::Purchase, &second, if again { &Answer::Done } else { &second.answer });
    }

    /// Buys twice at the same moment under two idempotency keys: these are two purchases, and only the per-buyer limit
    /// can stop the second.
    pub(super) async fn double_click_with_two_keys(&mut self, step: usize) {
        let calls = ["left", "right"].map(|key| self.purchase(Some(self.key(step, key))));
        let (first, second) = join(self.ask_beside(&calls[0]), self.ask_beside(&calls[1])).await;
        for reply in [first, second] {
            let Reply { answer, .. } = &reply;
            self.record(Ask::Purchase, &reply, answer);
        }
    }
}

/// Whether two answers to one key tell of different orders, or of one that was both bought and not.
fn contradict(first: &Answer, second: &Answer) -> bool {
    match (first, second) {
        (Answer::Completed(one), Answer::Completed(other)) => one != other,
        (Answer::Completed(_), Answer::Refused(code)) | (Answer::Refused(code), Answer::Completed(_)) => {
            !BEFORE_THE_KEY.contains(&code.as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::OrderId;

    #[test]
    fn one_key_has_one_order_and_one_end() {
        let (bought, other) = (Answer::Completed(OrderId::fresh()), Answer::Completed(OrderId::fresh()));
        let refused = |code: &str| Answer::Refused(code.to_owned());
        assert!(!contradict(&bought, &bought.clone()));
        assert!(!contradict(&refused("sold_out"), &bought), "a unit came back in between");
        assert!(!contradict(&refused("payment_declined"), &refused("payment_declined")));
        assert!(!contradict(&bought, &Answer::Unclear("timeout".into())));
        assert!(contradict(&bought, &other));
        assert!(contradict(&bought, &refused("payment_declined")));
        assert!(contradict(&refused("limit_reached"), &bought));
    }
}
