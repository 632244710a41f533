//! How a sale went, as far as one buyer may ask: the how-manyth order was theirs, and after which one was nothing left? Pure.
//!
//! It is told from the movements, in the order of the ledger's decisions. Who was turned away has no order and left no
//! movement: of them nothing can be told.

use super::model::Units;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::OrderId;

/// What one movement says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// What it adds to the units on sale.
    pub(crate) available: Units,
    /// For which order.
    pub(crate) order: Option<OrderId>,
    /// Whether the server itself moved them.
    pub(crate) by_system: bool,
    /// When.
    pub(crate) at: Timestamp,
}

/// Where an order stands among all of its product's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Course {
    /// It was the how-manyth, from 1; `None` when that lies too far back to be counted.
    pub place: Option<i64>,
    /// When nothing was left for the first time.
    pub sold_out: Option<SoldOut>,
}

/// The first moment at which nothing was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoldOut {
    /// After how many orders.
    pub after: i64,
    /// When.
    pub at: Timestamp,
}

/// Counts a product's movements from the first one on.
pub(crate) fn course(steps: impl IntoIterator<Item = Step>, order: OrderId) -> Course {
    let (mut course, mut orders, mut available) = (Course::default(), 0, 0);
    for step in steps {
        available += step.available;
        // Money that comes late takes units for an order once more; that is no order of its own.
        let is_order = step.available < 0 && step.order.is_some() && !step.by_system;
        if is_order {
            orders += 1;
            if step.order == Some(order) {
                course.place = course.place.or(Some(orders));
            }
        }
        if available == 0 && step.available < 0 && orders > 0 && course.sold_out.is_none() {
            course.sold_out = Some(SoldOut { after: orders, at: step.at });
        }
    }
    course
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(available: Units, order: Option<OrderId>, at: i64) -> Step {
        Step { available, order, by_system: false, at: Timestamp(at) }
    }

    #[test]
    fn orders_are_counted_as_they_were_decided() {
        let [ann, bob, cid, dan] = [(); 4].map(|()| OrderId::fresh());
        let steps = [
            step(2, None, 1),
            step(-1, Some(bob), 2),
            step(0, Some(bob), 3),
            step(-1, Some(ann), 4),
            step(1, Some(ann), 5),
            step(-1, Some(cid), 6),
        ];
        let sold_out = Some(SoldOut { after: 2, at: Timestamp(4) });
        for (order, place) in [(bob, Some(1)), (ann, Some(2)), (cid, Some(3)), (dan, None)] {
            assert_eq!(course(steps, order), Course { place, sold_out });
        }
    }

    #[test]
    fn units_that_are_taken_once_more_are_no_new_order() {
        let [ann, bob] = [(); 2].map(|()| OrderId::fresh());
        let again = Step { by_system: true, ..step(-1, Some(ann), 4) };
        let steps = [
            step(5, None, 1),
            step(-1, Some(ann), 2),
            Step { by_system: true, ..step(1, Some(ann), 3) },
            again,
            step(-1, Some(bob), 5),
        ];
        assert_eq!(course(steps, ann), Course { place: Some(1), sold_out: None });
        assert_eq!(course(steps, bob).place, Some(2));
    }

    #[test]
    fn stock_that_was_taken_off_by_hand_is_not_sold_out() {
        let steps = [step(5, None, 1), step(-5, None, 2)];
        assert_eq!(course(steps, OrderId::fresh()), Course::default());
    }
}
