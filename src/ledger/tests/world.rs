//! The ledger under test, and what an outsider sees of it: its checks count again and call none of the rules.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::money::Currency;
use crate::ledger::command::*;
use crate::ledger::decide::{Book, decide};
use crate::ledger::model::*;

const BUYERS: i64 = 3;
pub(super) const START: Timestamp = Timestamp(1_000_000_000);
const OPENS_AFTER_S: i64 = 5;
pub(super) const CLOSES_AFTER_S: i64 = 90;

/// One random step; orders are named by how long ago they were made.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Enter { buyer: i64, product: usize, quantity: i64, then: u8, key: Option<u8> },
    Confirm { order: usize, buyer: i64, charge: Option<u8>, key: Option<u8> },
    Settle { order: usize, charge: u8 },
    Cancel { order: usize, by: i64, key: Option<u8> },
    Refund { order: usize, by: i64, key: Option<u8> },
    Expire { order: usize },
    Adjust { product: usize, delta: i64 },
    Wait { seconds: i64 },
    NewBatch,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || proptest::option::weighted(0.3, 0..3_u8);
    let (buyer, product, order) = (0..BUYERS, 0..3_usize, 0..12_usize);
    let step = prop_oneof![
        6 => (buyer.clone(), product.clone(), 1..4_i64, 0..5_u8, key())
            .prop_map(|(buyer, product, quantity, then, key)| Step::Enter { buyer, product, quantity, then, key }),
        3 => (order.clone(), buyer.clone(), proptest::option::of(0..3_u8), key())
            .prop_map(|(order, buyer, charge, key)| Step::Confirm { order, buyer, charge, key }),
        3 => (order.clone(), 0..3_u8).prop_map(|(order, charge)| Step::Settle { order, charge }),
        2 => (order.clone(), 0..=BUYERS, key()).prop_map(|(order, by, key)| Step::Cancel { order, by, key }),
        2 => (order.clone(), 0..=BUYERS, key()).prop_map(|(order, by, key)| Step::Refund { order, by, key }),
        1 => order.prop_map(|order| Step::Expire { order }),
        1 => (product, -8..9_i64).prop_map(|(product, delta)| Step::Adjust { product, delta }),
        2 => (0..12_i64).prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::NewBatch),
    ];
    proptest::collection::vec(step, 1..80)
}

/// The ledger under test, and what an outsider has seen of it.
pub(super) struct World {
    pub(super) book: Book,
    pub(super) now: Timestamp,
    pub(super) orders: Vec<OrderId>,
    pub(super) products: Vec<ProductId>,
    /// Units brought in less units taken off, as the answers said.
    brought_in: HashMap<ProductId, Units>,
    /// The first answer of each key: the order that it made, if it made one.
    made_by_key: HashMap<Key, OrderId>,
    /// What the provider knows: whose charge was begun and not answered, ...
    asked: HashSet<OrderId>,
    /// ... and who has paid.
    charged: HashSet<OrderId>,
}

impl World {
    pub(super) fn new() -> Self {
        let terms = |kind, limit, window: Option<(i64, i64)>| Terms {
            kind,
            price: 1_000,
            currency: Currency::KRW,
            opens_at: window.map(|(opens, _)| START.plus_seconds(opens)),
            closes_at: window.map(|(_, closes)| START.plus_seconds(closes)),
            per_buyer_limit: limit,
            hold_seconds: 10,
        };
        let offers = [
            ("limited", terms(Kind::Reservation, Some(3), None), 6),
            ("window", terms(Kind::Reservation, None, Some((OPENS_AFTER_S, CLOSES_AFTER_S))), 4),
            ("general", terms(Kind::General, Some(2), None), 5),
        ];
        let mut book = Book::default();
        let mut brought_in = HashMap::new();
        let mut products = Vec::new();
        for (name, terms, available) in offers {
            let product = ProductId::trusted(name);
            let stock = Stock { available, held: 0, sold: 0 };
            let offer = Offer { product: product.clone(), terms, stock, movement_count: 0, retired: false };
            book.offers.insert(product.clone(), offer);
            brought_in.insert(product.clone(), available);
            products.push(product);
        }
        let mut world = Self {
            book,
            now: START,
            orders: Vec::new(),
            products,
            brought_in,
            made_by_key: HashMap::new(),
            asked: HashSet::new(),
            charged: HashSet::new(),
        };
        world.new_batch();
        world
    }

    /// What an adapter does between batches: the buyers' live units are counted anew from the orders.
    pub(super) fn new_batch(&mut self) {
        self.book.live.clear();
        for buyer in 0..BUYERS {
            for product in &self.products {
                let live = self.live_units(UserId(buyer), product);
                self.book.live.insert((UserId(buyer), product.clone()), live);
            }
        }
    }

    fn live_units(&self, buyer: UserId, product: &ProductId) -> Units {
        let live = |order: &&Order| order.buyer == buyer && order.product == *product && order.is_live();
        self.book.orders.values().filter(live).map(|order| order.quantity).sum()
    }

    fn order(&self, back: usize) -> OrderId {
        let index = self.orders.len().checked_sub(1 + back);
        index.map_or_else(OrderId::fresh, |index| self.orders[index])
    }

    pub(super) fn command(&mut self, step: &Step) -> Option<Command> {
        let keyed = |buyer: i64, path: String, key: Option<u8>, meaning: &str| {
            let key = key.map(|key| Key::new(UserId(buyer), &path, &format!("k{key}")));
            key.map(|key| KeyedRequest::new(key, meaning))
        };
        let mover = |by: i64| if by == BUYERS { Mover::Console } else { Mover::User(UserId(by)) };
        Some(match *step {
            Step::Enter { buyer, product, quantity, then, key } => {
                let order = OrderId::fresh();
                let then = match then {
                    0 => Then::Wait,
                    1 => Then::Charge,
                    charge => Then::Settle(charge_of(charge - 2, order)),
                };
                let path = if then == Then::Wait { "/payments" } else { "/payments/pre-order" };
                let key = keyed(buyer, path.to_owned(), key, &format!("{product} {quantity}"));
                let (buyer, product) = (UserId(buyer), self.products[product].clone());
                Command::Enter(Enter { order, buyer, product, quantity, then, provider: "test", key })
            }
            Step::Confirm { order, buyer, charge, key } => {
                let order = self.order(order);
                let key = keyed(buyer, format!("/payments/{order}/confirm"), key, "");
                Command::Confirm { order, buyer: UserId(buyer), charge: charge.map(|c| charge_of(c, order)), key }
            }
            Step::Settle { order, charge } => {
                let order = self.order(order);
                Command::Settle { order, charge: charge_of(charge, order) }
            }
            Step::Cancel { order, by, key } => {
                let order = self.order(order);
                Command::Cancel { order, by: mover(by), key: keyed(by, format!("/payments/{order}/cancel"), key, "") }
            }
            Step::Refund { order, by, key } => {
                let order = self.order(order);
                Command::Refund { order, by: mover(by), key: keyed(by, format!("/purchases/{order}/cancel"), key, "") }
            }
            Step::Expire { order } => Command::Expire { order: self.order(order) },
            Step::Adjust { product, delta } => {
                Command::Adjust { product: self.products[product].clone(), delta, by: Mover::Console, reason: None }
            }
            Step::Wait { seconds } => {
                self.now = self.now.plus_seconds(seconds);
                return None;
            }
            Step::NewBatch => {
                self.new_batch();
                return None;
            }
        })
    }

    pub(super) fn take(&mut self, step: &Step) {
        let Some(command) = self.command(step) else { return };
        let before = self.book.orders.clone();
        let outcome = decide(&mut self.book, &command, self.now).expect("no command brings the units out of balance");
        self.note_new_orders(&before);
        self.check_transitions(&before, &command);
        self.check_key(&command, &outcome);
        self.note_charges(&command, &outcome);
        if let (Command::Adjust { product, delta, .. }, Ok(_)) = (&command, &outcome.result) {
            *self.brought_in.get_mut(product).expect("every product was brought in") += delta;
        }
        self.check_counts();
        self.check_money();
    }

    pub(super) fn note_new_orders(&mut self, before: &HashMap<OrderId, Order>) {
        let new = self.book.orders.keys().filter(|id| !before.contains_key(*id));
        self.orders.extend(new);
    }

    /// Invariants 1, 2 and 4, counted again from orders and movements.
    pub(super) fn check_counts(&self) {
        for product in &self.products {
            let stock = self.book.offers[product].stock;
            assert!(stock.available >= 0 && stock.held >= 0 && stock.sold >= 0, "{stock:?}");
            assert_eq!(stock.total(), self.brought_in[product], "no unit is lost or made");
            let of_state = |state: State| -> Units {
                let orders = self.book.orders.values();
                orders.filter(|o| o.product == *product && o.state == state).map(|o| o.quantity).sum()
            };
            assert_eq!((stock.held, stock.sold), (of_state(State::Held), of_state(State::Completed)));
            let moved = self.book.changes.movements.iter().filter(|movement| movement.product == *product);
            let sum = moved.fold([0; 3], |[a, h, s], m| [a + m.change.available, h + m.change.held, s + m.change.sold]);
            let start = self.brought_in_at_start(product);
            assert_eq!([start + sum[0], sum[1], sum[2]], [stock.available, stock.held, stock.sold]);
            for buyer in (0..BUYERS).map(UserId) {
                let limit = self.book.offers[product].terms.per_buyer_limit.unwrap_or(Units::MAX);
                assert!(self.live_units(buyer, product) <= limit, "buyer {buyer} has more than {limit}");
            }
        }
    }

    fn brought_in_at_start(&self, product: &ProductId) -> Units {
        let adjusted = self.book.changes.movements.iter().filter(|m| m.product == *product && m.order.is_none());
        self.brought_in[product] - adjusted.map(|m| m.change.available).sum::<Units>()
    }

    /// Invariant 3: an order resolves once. The one way back is money that came in after the time had run out.
    fn check_transitions(&self, before: &HashMap<OrderId, Order>, command: &Command) {
        for (id, order) in &self.book.orders {
            let Some(old) = before.get(id) else { continue };
            let late = matches!(command, Command::Settle { charge: Charge::Paid(_), .. })
                && old.payment.status == PaymentStatus::Pending
                && old.reason == Some(Reason::Expired);
            let allowed = match (old.state, order.state) {
                (State::Held, State::Completed | State::Cancelled) | (State::Completed, State::Refunded) => true,
                (State::Cancelled, State::Completed) => late,
                (from, to) => from == to && old.reason == order.reason,
            };
            assert!(allowed, "{old:?} -> {order:?} by {command:?}");
            assert_eq!((old.amount, old.quantity, old.expires_at), (order.amount, order.quantity, order.expires_at));
        }
    }

    /// Invariant 5: one key, one order, and the same words again.
    fn check_key(&mut self, command: &Command, outcome: &Outcome) {
        let (Command::Enter(Enter { key: Some(request), .. }), Ok(Done::Order(order))) = (command, &outcome.result)
        else {
            return;
        };
        let first = *self.made_by_key.entry(request.key).or_insert(order.id);
        assert_eq!(first, order.id, "a key made two orders");
    }

    /// What the provider does beside the ledger. It is asked on the spot by a command that the ledger carries out, and later
    /// by one that begins a charge; then its first answer counts, whatever the ledger makes of it.
    pub(super) fn note_charges(&mut self, command: &Command, outcome: &Outcome) {
        let at_once = match command {
            Command::Enter(Enter { then: Then::Settle(charge), .. }) => Some(charge),
            Command::Confirm { charge, .. } => charge.as_ref(),
            Command::Settle { order, charge } => {
                if self.asked.remove(order) && matches!(charge, Charge::Paid(_)) {
                    self.charged.insert(*order);
                }
                return;
            }
            _ => None,
        };
        let Ok(Done::Order(order)) = &outcome.result else { return };
        if matches!(at_once, Some(Charge::Paid(_))) {
            self.charged.insert(order.id);
        }
        let begins =
            matches!(command, Command::Enter(Enter { then: Then::Charge, .. }) | Command::Confirm { charge: None, .. });
        if begins && !outcome.replayed && order.state == State::Held {
            assert_eq!(order.payment.status, PaymentStatus::Pending);
            self.asked.insert(order.id);
        }
    }

    /// Invariant 7: what was paid is a completed order or a recorded refund; nobody pays for a cancelled one.
    pub(super) fn check_money(&self) {
        for order in self.book.orders.values() {
            let status = order.payment.status;
            match order.state {
                State::Completed => assert_eq!(status, PaymentStatus::Paid),
                State::Refunded => assert_eq!(status, PaymentStatus::Refunded),
                State::Held => assert!(matches!(status, PaymentStatus::Unpaid | PaymentStatus::Pending)),
                State::Cancelled => assert_ne!(status, PaymentStatus::Paid),
            }
            let on_record = matches!(status, PaymentStatus::Paid | PaymentStatus::Refunded);
            assert!(!on_record || order.payment.reference.is_some(), "money without a reference");
            assert!(on_record || !self.charged.contains(&order.id), "a charge was forgotten: {order:?}");
        }
    }

    /// After any mix of refusals and cancellations every unit can be sold.
    pub(super) fn every_unit_can_be_sold(&mut self) {
        self.now = self.now.plus_seconds(1_000_000);
        for id in self.orders.clone() {
            for command in [
                Command::Expire { order: id },
                Command::Cancel { order: id, by: Mover::Console, key: None },
                Command::Refund { order: id, by: Mover::Console, key: None },
            ] {
                decide(&mut self.book, &command, self.now).expect("balance");
            }
        }
        for product in &self.products {
            let stock = self.book.offers[product].stock;
            assert_eq!(stock, Stock { available: self.brought_in[product], held: 0, sold: 0 }, "units were lost");
        }
        assert!(self.book.live.values().all(|live| *live == 0), "a buyer's limit was lost: {:?}", self.book.live);
    }
}

fn charge_of(kind: u8, order: OrderId) -> Charge {
    match kind {
        0 => Charge::Paid(format!("paid-{order}")),
        1 => Charge::Failed(Failure::Declined),
        _ => Charge::Failed(Failure::Abandoned),
    }
}
