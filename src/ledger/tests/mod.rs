//! The ledger's rules as properties: random batches of commands with a virtual clock, every invariant after every step.
//! And the edge cases that have a name.

mod events;
mod memory;
mod world;

use std::collections::HashMap;

use proptest::prelude::*;

use self::world::{CLOSES_AFTER_S, START, World, steps};
use super::command::*;
use super::decide::decide;
use super::model::*;
use super::rules;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, UserId};
use crate::kernel::limits::STOCK_MAX;

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_invariant_holds_after_every_step(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(&step);
        }
        world.new_batch();
        world.every_unit_can_be_sold();
    }

    #[test]
    fn the_same_book_command_and_time_give_the_same_decision(steps in steps()) {
        let (mut one, mut two) = (World::new(), World::new());
        for step in steps {
            let Some(command) = one.command(&step) else {
                two.command(&step);
                continue;
            };
            let first = decide(&mut one.book, &command, one.now);
            prop_assert_eq!(first, decide(&mut two.book, &command, two.now));
            let before = HashMap::new();
            one.orders.clear();
            two.orders.clear();
            one.note_new_orders(&before);
            two.orders.clone_from(&one.orders);
        }
    }

    #[test]
    fn units_never_go_below_zero(
        available in 0..5_i64, held in 0..5_i64, sold in 0..5_i64, kind in 0..MovementKind::ALL.len(), quantity in 0..9_i64,
    ) {
        let stock = Stock { available, held, sold };
        let change = rules::change(MovementKind::ALL[kind], quantity);
        match rules::moved(stock, change) {
            Ok(after) => prop_assert!(after.available >= 0 && after.held >= 0 && after.sold >= 0),
            Err(fault) => prop_assert_eq!(fault.stock, stock),
        }
    }
}

/// A ledger with one product and a clock, for the edge cases that have a name.
struct Sale {
    world: World,
}

impl Sale {
    fn new() -> Self {
        Self { world: World::new() }
    }

    fn enter(&mut self, buyer: i64, quantity: i64, then: fn(OrderId) -> Then) -> (OrderId, Result<Done, Refusal>) {
        let order = OrderId::fresh();
        let product = self.world.products[0].clone();
        let (buyer, provider) = (UserId(buyer), "test");
        let enter = Enter { order, buyer, product, quantity, then: then(order), provider, key: None };
        (order, self.run(&Command::Enter(enter)))
    }

    fn run(&mut self, command: &Command) -> Result<Done, Refusal> {
        let outcome = decide(&mut self.world.book, command, self.world.now).unwrap();
        self.world.note_charges(command, &outcome);
        self.world.check_counts();
        self.world.check_money();
        outcome.result
    }

    fn wait(&mut self, seconds: i64) {
        self.world.now = self.world.now.plus_seconds(seconds);
    }

    fn stock(&self) -> (Units, Units, Units) {
        let Stock { available, held, sold } = self.world.book.offers[&self.world.products[0]].stock;
        (available, held, sold)
    }

    fn seen(&self, order: OrderId) -> (State, Option<Reason>, PaymentStatus) {
        let order = &self.world.book.orders[&order];
        (order.state, order.reason, order.payment.status)
    }
}

fn paid(order: OrderId) -> Charge {
    Charge::Paid(format!("paid-{order}"))
}

#[test]
fn a_hold_lives_until_its_last_moment_and_not_one_longer() {
    let mut sale = Sale::new();
    let (order, _) = sale.enter(1, 1, |_| Then::Wait);
    sale.world.now = Timestamp(sale.world.book.orders[&order].expires_at.0 - 1);
    let confirm = Command::Confirm { order, buyer: UserId(1), charge: Some(paid(order)), key: None };
    assert!(matches!(sale.run(&confirm), Ok(Done::Order(order)) if order.state == State::Completed));

    let (order, _) = sale.enter(1, 1, |_| Then::Wait);
    sale.world.now = sale.world.book.orders[&order].expires_at;
    let confirm = Command::Confirm { order, buyer: UserId(1), charge: Some(paid(order)), key: None };
    assert_eq!(sale.run(&confirm), Err(Refusal::HoldExpired(order)), "no sweeper has passed");
    assert_eq!(sale.stock(), (5, 0, 1), "and its unit is back already");
}

#[test]
fn a_hold_taken_in_the_window_may_be_settled_after_it() {
    let mut sale = Sale::new();
    let product = sale.world.products[1].clone();
    sale.wait(CLOSES_AFTER_S - 1);
    let order = OrderId::fresh();
    let enter = |order| {
        let (product, then, provider) = (product.clone(), Then::Wait, "test");
        Command::Enter(Enter { order, buyer: UserId(1), product, quantity: 1, then, provider, key: None })
    };
    assert!(sale.run(&enter(order)).is_ok());
    sale.wait(2);
    assert_eq!(sale.run(&enter(OrderId::fresh())), Err(Refusal::SaleClosed));
    let confirm = Command::Confirm { order, buyer: UserId(1), charge: Some(paid(order)), key: None };
    assert!(matches!(sale.run(&confirm), Ok(Done::Order(order)) if order.state == State::Completed));
}

#[test]
fn money_that_comes_late_takes_the_units_again_if_they_are_there() {
    let mut sale = Sale::new();
    let (order, _) = sale.enter(1, 2, |_| Then::Charge);
    sale.wait(10);
    assert!(sale.run(&Command::Expire { order }).is_ok());
    assert_eq!(sale.seen(order), (State::Cancelled, Some(Reason::Expired), PaymentStatus::Pending));
    let settle = Command::Settle { order, charge: paid(order) };
    assert!(matches!(sale.run(&settle), Ok(Done::Order(order)) if order.state == State::Completed));
    assert_eq!(sale.stock(), (4, 0, 2));
    assert!(matches!(sale.run(&settle), Ok(Done::Order(order)) if order.state == State::Completed), "a repeat");
    assert_eq!(sale.stock(), (4, 0, 2));
}

#[test]
fn money_that_comes_too_late_is_paid_back_and_recorded() {
    let mut sale = Sale::new();
    let (order, _) = sale.enter(1, 2, |_| Then::Charge);
    sale.wait(10);
    for buyer in [0, 2] {
        assert!(sale.enter(buyer, 3, |order| Then::Settle(paid(order))).1.is_ok(), "buyer {buyer} takes what is left");
        sale.run(&Command::Expire { order }).unwrap();
    }
    let settle = Command::Settle { order, charge: paid(order) };
    assert_eq!(sale.run(&settle), Err(Refusal::HoldExpired(order)));
    assert_eq!(sale.seen(order), (State::Cancelled, Some(Reason::Expired), PaymentStatus::Refunded));
}

#[test]
fn money_that_comes_after_a_cancel_is_paid_back() {
    let mut sale = Sale::new();
    let (order, _) = sale.enter(1, 1, |_| Then::Charge);
    sale.run(&Command::Cancel { order, by: Mover::User(UserId(1)), key: None }).unwrap();
    let settle = Command::Settle { order, charge: paid(order) };
    assert_eq!(sale.run(&settle), Err(Refusal::Resolved(order, State::Cancelled)));
    assert_eq!(sale.seen(order), (State::Cancelled, Some(Reason::ByBuyer), PaymentStatus::Refunded));
    assert_eq!(sale.stock(), (6, 0, 0));
}

#[test]
fn a_late_failure_never_undoes_a_payment() {
    let mut sale = Sale::new();
    let (order, _) = sale.enter(1, 1, |order| Then::Settle(paid(order)));
    let late = Command::Settle { order, charge: Charge::Failed(Failure::Declined) };
    assert!(matches!(sale.run(&late), Ok(Done::Order(order)) if order.state == State::Completed));
    assert_eq!(sale.stock(), (5, 0, 1));
}

#[test]
fn two_confirmations_charge_once() {
    let mut sale = Sale::new();
    let (order, _) = sale.enter(1, 1, |_| Then::Wait);
    let confirm = Command::Confirm { order, buyer: UserId(1), charge: None, key: None };
    assert!(sale.run(&confirm).is_ok());
    assert_eq!(sale.run(&confirm), Err(Refusal::InProgress(order)));
}

#[test]
fn stock_is_never_taken_below_what_is_held_and_sold() {
    let mut sale = Sale::new();
    sale.enter(1, 2, |_| Then::Wait).1.unwrap();
    let product = sale.world.products[0].clone();
    let withdraw = |delta| Command::Adjust { product: product.clone(), delta, by: Mover::Console, reason: None };
    let stock = Stock { available: 4, held: 2, sold: 0 };
    let refused = decide(&mut sale.world.book, &withdraw(-5), START).unwrap().result;
    assert_eq!(refused, Err(Refusal::CannotWithdraw { stock, delta: -5 }));
    assert!(decide(&mut sale.world.book, &withdraw(-4), START).unwrap().result.is_ok());
    assert_eq!(sale.stock(), (0, 2, 0));
    let too_many = decide(&mut sale.world.book, &withdraw(STOCK_MAX), START).unwrap().result;
    assert_eq!(too_many, Err(Refusal::TooManyUnits));
}

#[test]
fn a_double_click_with_two_keys_meets_the_limit() {
    let mut sale = Sale::new();
    assert!(sale.enter(1, 3, |order| Then::Settle(paid(order))).1.is_ok());
    assert_eq!(sale.enter(1, 3, |order| Then::Settle(paid(order))).1, Err(Refusal::LimitReached));
    assert_eq!(sale.stock(), (3, 0, 3));
}
