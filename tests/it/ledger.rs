//! The ledger on its real database: random commands from two engines on one file, restarts in between, a virtual clock,
//! and the audit after every step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use preorder::kernel::clock::{Clock, ManualClock, Timestamp};
use preorder::kernel::error::Error;
use preorder::kernel::ids::{OrderId, ProductId, UserId};
use preorder::ledger::{Charge, Command, Done, Enter, Failure, Key, KeyedRequest, Ledger, Mover, Order, State, Then};
use preorder::products::{ProductDraft, Products};
use preorder::store::{Db, Location};
use proptest::prelude::*;

use crate::support::{TestApp, all_pay, reservation};

const PRODUCTS: [(&str, i64, Option<i64>); 2] = [("limited", 6, Some(3)), ("free", 4, None)];
const HOLD_SECONDS: i64 = 10;

#[derive(Debug, Clone)]
enum Step {
    Enter { buyer: i64, product: usize, quantity: i64, then: u8, key: Option<u8> },
    Confirm { order: usize, charge: Option<bool> },
    Settle { order: usize, paid: bool },
    Cancel { order: usize },
    Refund { order: usize },
    Adjust { product: usize, delta: i64 },
    Wait { seconds: i64 },
    Sweep,
    OtherEngine,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let order = || 0..8_usize;
    let step = prop_oneof![
        6 => (0..3_i64, 0..2_usize, 1..4_i64, 0..4_u8, proptest::option::weighted(0.3, 0..3_u8))
            .prop_map(|(buyer, product, quantity, then, key)| Step::Enter { buyer, product, quantity, then, key }),
        3 => (order(), proptest::option::of(any::<bool>())).prop_map(|(order, charge)| Step::Confirm { order, charge }),
        2 => (order(), any::<bool>()).prop_map(|(order, paid)| Step::Settle { order, paid }),
        2 => order().prop_map(|order| Step::Cancel { order }),
        2 => order().prop_map(|order| Step::Refund { order }),
        1 => (0..2_usize, -5..6_i64).prop_map(|(product, delta)| Step::Adjust { product, delta }),
        2 => (0..8_i64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Sweep),
        3 => Just(Step::OtherEngine),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..50)
}

/// One process's view of the database.
struct Shop {
    db: Db,
    ledger: Arc<Ledger>,
}

impl Shop {
    async fn open(location: &Location, clock: &Arc<ManualClock>) -> Self {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let db = Db::open(location).await.unwrap();
        let ledger = Ledger::start(db.clone(), clock, 100).await.unwrap();
        Self { db, ledger }
    }
}

/// A sale at two shops that share one database.
struct Sale {
    location: Location,
    clock: Arc<ManualClock>,
    shops: [Shop; 2],
    at: usize,
    /// Whether nobody has sold at the other shop: then this one's door knows all that there is to know.
    alone: bool,
    /// Every order that was answered, as it was answered last.
    answered: Vec<Order>,
    /// What each product should have in all.
    totals: [i64; 2],
    _folder: tempfile::TempDir,
}

impl Sale {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("sale.db"));
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000_000)));
        let shops = [Shop::open(&location, &clock).await, Shop::open(&location, &clock).await];
        let products =
            Products::new(shops[0].db.clone(), Arc::<ManualClock>::clone(&clock), Arc::clone(&shops[0].ledger));
        for (id, stock, limit) in PRODUCTS {
            let draft = ProductDraft {
                id: Some(id.to_owned()),
                name: Some(id.to_owned()),
                kind: Some("reservation".to_owned()),
                price: Some(1_000),
                stock: Some(stock),
                per_buyer_limit: limit,
                hold_seconds: Some(HOLD_SECONDS),
                ..ProductDraft::default()
            };
            products.add(&draft, Mover::Console).await.unwrap();
        }
        let totals = PRODUCTS.map(|(_, stock, _)| stock);
        Self { location, clock, shops, at: 0, alone: true, answered: Vec::new(), totals, _folder: folder }
    }

    fn order(&self, back: usize) -> OrderId {
        let index = self.answered.len().checked_sub(1 + back);
        index.map_or_else(OrderId::fresh, |index| self.answered[index].id)
    }

    fn command(&self, step: &Step) -> Option<Command> {
        let product = |index: usize| ProductId::trusted(PRODUCTS[index].0);
        let charge = |paid: bool, order: OrderId| {
            if paid { Charge::Paid(format!("paid-{order}")) } else { Charge::Failed(Failure::Declined) }
        };
        Some(match *step {
            Step::Enter { buyer, product: index, quantity, then, key } => {
                let order = OrderId::fresh();
                let (then, path) = match then {
                    0 => (Then::Wait, "/payments"),
                    1 => (Then::Charge, "/payments/pre-order"),
                    lot => (Then::Settle(charge(lot == 2, order)), "/payments/pre-order"),
                };
                let key = key.map(|key| {
                    let key = Key::new(UserId(buyer), path, &format!("k{key}"));
                    KeyedRequest::new(key, &format!("{index} {quantity}"))
                });
                let (buyer, product, provider) = (UserId(buyer), product(index), "test");
                Command::Enter(Enter { order, buyer, product, quantity, then, provider, key })
            }
            Step::Confirm { order, charge: lot } => {
                let order = self.order(order);
                let buyer = self.answered.iter().find(|o| o.id == order).map_or(UserId(0), |o| o.buyer);
                Command::Confirm { order, buyer, charge: lot.map(|paid| charge(paid, order)), key: None }
            }
            Step::Settle { order, paid } => {
                let order = self.order(order);
                Command::Settle { order, charge: charge(paid, order) }
            }
            Step::Cancel { order } => Command::Cancel { order: self.order(order), by: Mover::Console, key: None },
            Step::Refund { order } => Command::Refund { order: self.order(order), by: Mover::Console, key: None },
            Step::Adjust { product: index, delta } => {
                Command::Adjust { product: product(index), delta, by: Mover::Console, reason: None }
            }
            Step::Wait { .. } | Step::Sweep | Step::OtherEngine | Step::Restart => return None,
        })
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Wait { seconds } => self.clock.advance_seconds(*seconds),
            Step::Sweep => drop(self.shops[self.at].ledger.sweep().await.unwrap()),
            Step::OtherEngine => (self.at, self.alone) = (1 - self.at, false),
            Step::Restart => self.shops[self.at] = Shop::open(&self.location, &self.clock).await,
            _ => {}
        }
        let Some(command) = self.command(step) else { return };
        let ledger = &self.shops[self.at].ledger;
        let turned_away = match &command {
            Command::Enter(enter) => ledger.admit(&enter.product, enter.quantity, enter.then != Then::Wait).is_err(),
            _ => false,
        };
        match ledger.submit(command).await {
            Ok((Done::Order(order), false)) if turned_away && self.alone => {
                panic!("the door has units less: {order:?}")
            }
            Ok((Done::Order(order), false)) => self.note(order),
            Ok((Done::Movement(_), _)) => {
                let Step::Adjust { product, delta } = step else { panic!("a movement for {step:?}") };
                self.totals[*product] += delta;
            }
            Ok((_, _)) => {}
            Err(error) => assert!(error.code() != "internal" && error.code() != "busy", "{step:?}: {error}"),
        }
    }

    fn note(&mut self, order: Order) {
        match self.answered.iter_mut().find(|known| known.id == order.id) {
            Some(known) => *known = order,
            None => self.answered.push(order),
        }
    }

    /// The audit, the totals, the board and every answered order.
    async fn check(&self) {
        let audit = Ledger::audit(&self.shops[0].db).await.unwrap();
        assert!(audit.ok(), "{:#?}", audit.checks.iter().filter(|check| !check.ok).collect::<Vec<_>>());
        for (product, total) in PRODUCTS.iter().zip(self.totals) {
            let counts = audit.products.iter().find(|counts| counts.product == product.0).unwrap();
            assert_eq!(counts.total, total, "no unit is lost or made");
        }
        for order in &self.answered {
            let row = self.shops[0].ledger.order(order.id).await.unwrap().expect("an answered order is there");
            let paid = matches!(order.state, State::Completed | State::Refunded);
            assert!(!paid || matches!(row.state, State::Completed | State::Refunded), "{order:?} became {row:?}");
        }
    }

    async fn every_unit_can_be_sold(&mut self) {
        self.clock.advance_seconds(HOLD_SECONDS * 10);
        let ledger = Arc::clone(&self.shops[self.at].ledger);
        ledger.sweep().await.unwrap();
        for order in &self.answered {
            drop(ledger.submit(Command::Refund { order: order.id, by: Mover::Console, key: None }).await);
        }
        ledger.reload().await.unwrap();
        for (index, (id, ..)) in PRODUCTS.iter().enumerate() {
            let product = ProductId::trusted(id);
            for buyer in 100..100 + self.totals[index] {
                let order = OrderId::fresh();
                let then = Then::Settle(Charge::Paid(format!("paid-{order}")));
                let (buyer, product, provider) = (UserId(buyer), product.clone(), "test");
                let enter = Enter { order, buyer, product, quantity: 1, then, provider, key: None };
                ledger.submit(Command::Enter(enter)).await.unwrap();
            }
            let stock = ledger.live(&product).unwrap().stock;
            assert_eq!((stock.available, stock.held, stock.sold), (0, 0, self.totals[index]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_audit_holds_after_every_step_on_the_real_database(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut sale = Sale::open().await;
            for step in &steps {
                sale.take(step).await;
                sale.check().await;
            }
            sale.every_unit_can_be_sold().await;
            sale.check().await;
        });
    }
}

/// A clock that panics when it is told to, once.
struct Panicking {
    clock: ManualClock,
    now: AtomicBool,
}

impl Clock for Panicking {
    fn now(&self) -> Timestamp {
        assert!(!self.now.swap(false, Ordering::SeqCst), "a panic that a test wants");
        self.clock.now()
    }
}

#[tokio::test]
async fn a_panic_in_a_batch_is_told_and_stops_nobody_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&Location::Sqlite(folder.path().join("sale.db"))).await.unwrap();
    let clock = Arc::new(Panicking { clock: ManualClock::new(Timestamp(1_000_000)), now: AtomicBool::new(false) });
    let ledger = Ledger::start(db, Arc::<Panicking>::clone(&clock), 100).await.unwrap();
    let expire = || ledger.submit(Command::Expire { order: OrderId::fresh() });
    assert_eq!(expire().await.unwrap().0, Done::Nothing);
    clock.now.store(true, Ordering::SeqCst);
    assert_eq!(expire().await.unwrap_err().code(), "internal");
    assert_eq!(expire().await.unwrap().0, Done::Nothing);
}

#[tokio::test]
async fn a_row_that_is_there_already_is_the_fault_of_one_command_only() {
    let app = TestApp::still(all_pay).await;
    for product in ["100", "200"] {
        app.sell(reservation(product, 5)).await;
    }
    // What no code of ours leaves behind: the number of the next movement is taken.
    let taken = "INSERT INTO movements (product_id, number, kind, available, held, sold, actor, at) \
                 VALUES ('100', 2, 'restock', 0, 0, 0, 'console', 0)";
    app.app.db.write(move |conn| Ok(conn.execute(taken, &[])?)).await.unwrap();
    let stalled = app.stall_writes().await;
    let buys = |product: &str| {
        let (order, product) = (OrderId::fresh(), ProductId::trusted(product));
        let then = Then::Settle(Charge::Paid(format!("paid-{order}")));
        let enter = Enter { order, buyer: UserId(1), product, quantity: 1, then, provider: "test", key: None };
        app.app.ledger.submit(Command::Enter(enter))
    };
    let batch = join_all([buys("200"), buys("100"), buys("200")]);
    drop(stalled);
    let codes: Vec<_> =
        batch.await.iter().map(|answer| answer.as_ref().map_or_else(Error::code, |_| "bought")).collect();
    assert_eq!(codes, ["bought", "internal", "bought"]);
    assert_eq!((app.units("100").await, app.units("200").await), ([5, 0, 0], [3, 0, 2]));
}
