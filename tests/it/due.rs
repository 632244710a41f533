//! Holds that have run out, and nobody has passed to tidy up: hundreds at once, and one that can't be read.

use std::sync::Arc;

use futures_util::future::join_all;
use preorder::kernel::clock::{Clock, ManualClock, Timestamp};
use preorder::kernel::error::Error;
use preorder::kernel::ids::{OrderId, ProductId, UserId};
use preorder::ledger::{Command, Done, Enter, Ledger, Mover, Order, Stock, Then};
use preorder::products::{ProductDraft, Products};
use preorder::store::{Db, Location};

use crate::support::reservation;

/// More than a batch ends on its way, and more than the sweeper ends in one go.
const MANY: i64 = 600;

/// A shop without a sweeper, and its clock.
struct Shop {
    db: Db,
    ledger: Arc<Ledger>,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl Shop {
    /// One product, whose holds last a minute.
    async fn open(draft: ProductDraft) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let ledger = Ledger::start(db.clone(), Arc::clone(&time), 1_000).await.unwrap();
        let products = Products::new(db.clone(), time, Arc::clone(&ledger));
        products.add(&draft, Mover::Console).await.unwrap();
        Self { db, ledger, clock, _folder: folder }
    }

    async fn enter(&self, buyer: i64, quantity: i64) -> Result<Order, Error> {
        let (order, product) = (OrderId::fresh(), ProductId::trusted("100"));
        let (buyer, then) = (UserId(buyer), Then::Wait);
        let enter = Enter { order, buyer, product, quantity, then, provider: "test", key: None };
        match self.ledger.submit(Command::Enter(enter)).await? {
            (Done::Order(order), _) => Ok(order),
            (other, _) => panic!("{other:?}"),
        }
    }

    /// As many buyers as there are units hold one each.
    async fn everybody_holds(&self) {
        let holds = join_all((1..=MANY).map(|buyer| self.enter(buyer, 1))).await;
        assert!(holds.iter().all(Result::is_ok));
        assert_eq!(self.stock(), Stock { available: 0, held: MANY, sold: 0 });
    }

    fn stock(&self) -> Stock {
        self.ledger.live(&ProductId::trusted("100")).unwrap().stock
    }

    async fn audit(&self) {
        let audit = Ledger::audit(&self.db).await.unwrap();
        assert!(audit.ok(), "{:#?}", audit.checks.iter().filter(|check| !check.ok).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn units_that_are_about_to_be_free_are_busy_and_not_gone() {
    let shop = Shop::open(reservation("100", MANY)).await;
    shop.everybody_holds().await;
    assert_eq!(shop.enter(0, 1).await.unwrap_err().code(), "sold_out");
    shop.clock.advance_seconds(60);
    // Each batch ends some of the holds on its way; until it has seen the last, "sold out" may not be true.
    assert_eq!(shop.enter(0, MANY).await.unwrap_err().code(), "busy");
    assert_eq!(shop.stock(), Stock { available: 256, held: MANY - 256, sold: 0 });
    assert_eq!(shop.enter(0, MANY).await.unwrap_err().code(), "busy");
    assert_eq!(shop.enter(0, MANY).await.unwrap().quantity, MANY);
    assert_eq!(shop.enter(0, 1).await.unwrap_err().code(), "sold_out");
    shop.audit().await;
}

#[tokio::test]
async fn a_limit_that_is_about_to_be_free_is_busy_and_not_reached() {
    let shop = Shop::open(ProductDraft { per_buyer_limit: Some(1), ..reservation("100", 2 * MANY) }).await;
    let holds = join_all((1..=MANY).map(|buyer| shop.enter(buyer, 1))).await;
    assert!(holds.iter().all(Result::is_ok));
    // The last hold to run out is this buyer's.
    assert_eq!(shop.enter(MANY, 1).await.unwrap_err().code(), "limit_reached");
    shop.clock.advance_seconds(60);
    assert_eq!(shop.enter(MANY, 1).await.unwrap_err().code(), "busy");
    assert_eq!(shop.enter(MANY, 1).await.unwrap_err().code(), "busy");
    shop.enter(MANY, 1).await.unwrap();
    assert_eq!(shop.enter(MANY, 1).await.unwrap_err().code(), "limit_reached");
    shop.audit().await;
}

#[tokio::test]
async fn the_sweeper_ends_every_hold_that_has_run_out() {
    let shop = Shop::open(reservation("100", MANY)).await;
    shop.everybody_holds().await;
    assert_eq!(shop.ledger.sweep().await.unwrap(), 0, "none has run out");
    shop.clock.advance_seconds(60);
    assert!(shop.ledger.sweep().await.unwrap() > 0);
    assert_eq!(shop.stock(), Stock { available: MANY, held: 0, sold: 0 });
    assert_eq!(shop.ledger.sweep().await.unwrap(), 0);
    shop.audit().await;
}

#[tokio::test]
async fn a_hold_that_cannot_be_read_keeps_its_own_unit_only() {
    let shop = Shop::open(reservation("100", 3)).await;
    let (damaged, fine) = (shop.enter(1, 1).await.unwrap(), shop.enter(2, 1).await.unwrap());
    let id = damaged.id;
    shop.db
        .write(move |conn| {
            let id = id.to_string().replace('-', "");
            Ok(conn.execute(&format!("UPDATE orders SET currency = 'won' WHERE id = x'{id}'"), &[])?)
        })
        .await
        .unwrap();
    shop.clock.advance_seconds(60);
    shop.enter(3, 2).await.unwrap();
    assert_eq!(shop.ledger.order(fine.id).await.unwrap().unwrap().closed_at, Some(fine.expires_at));
    assert_eq!(shop.stock(), Stock { available: 0, held: 3, sold: 0 });
    shop.clock.advance_seconds(60);
    let told = shop.ledger.sweep().await.unwrap_err().to_string();
    assert!(told.contains(&id.to_string()), "{told}");
    assert_eq!(shop.stock(), Stock { available: 2, held: 1, sold: 0 }, "and the others were swept");
}
