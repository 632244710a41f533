//! What others are told of a batch, and that nobody is told what nobody listens for.

use std::sync::Arc;

use crate::kernel::clock::{ManualClock, Timestamp};
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::money::Currency;
use crate::ledger::board::Board;
use crate::ledger::command::*;
use crate::ledger::model::*;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{offers, outbox};
use crate::store::{Db, Location};

const START: Timestamp = Timestamp(1_000_000_000);

/// A product of three units, and an adapter to sell them.
struct Shop {
    _folder: tempfile::TempDir,
    location: Location,
    db: Db,
    adapter: Arc<SqliteLedger>,
    board: Arc<Board>,
    clock: Arc<ManualClock>,
}

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("sale.db"));
        let db = Db::open(&location).await.unwrap();
        let terms = Terms {
            kind: Kind::Reservation,
            price: 1,
            currency: Currency::KRW,
            opens_at: None,
            closes_at: None,
            per_buyer_limit: None,
            hold_seconds: 60,
        };
        let product = ProductId::trusted("100");
        db.write(move |conn| offers::insert(conn, &product, &terms, 3, Mover::Console, START)).await.unwrap();
        let (clock, board) = (Arc::new(ManualClock::new(START)), Arc::new(Board::default()));
        let adapter = SqliteLedger::new(Arc::<ManualClock>::clone(&clock), Arc::clone(&board), 1_000);
        Self { _folder: folder, location, db, adapter, board, clock }
    }

    async fn process(&self, commands: Vec<Command>) {
        let (adapter, count) = (Arc::clone(&self.adapter), commands.len());
        let outcomes = self.db.sqlite().write_raw(move |connection| adapter.process(connection, &commands)).await;
        assert_eq!(outcomes.unwrap().len(), count);
    }

    /// Somebody is told from now on: added by this process, or by another one.
    async fn tell(&self, elsewhere: bool) {
        const ADD: &str = "INSERT INTO webhooks (url, events, description, secret, created_at, revision, cursor, failures) \
             VALUES ('', 15, '', '', 0, 1, 0, 0)";
        if elsewhere {
            let other = Db::open(&self.location).await.unwrap();
            other.write(|conn| Ok(conn.execute(ADD, &[])?)).await.unwrap();
        } else {
            self.adapter.change_listeners(self.db.sqlite(), |conn| Ok(conn.execute(ADD, &[])?)).await.unwrap();
        }
    }

    /// The events after one, in words.
    async fn events(&self, after: i64) -> Vec<String> {
        let found = self.db.read(move |conn| Ok(outbox::events(conn, after, i64::MAX, 15, 100)?)).await.unwrap();
        let words = found.into_iter().map(|told| match told.event.about {
            outbox::About::Order { reason: Some(reason), .. } => format!("{} {reason}", told.event.kind),
            outbox::About::Order { .. } => told.event.kind.to_string(),
            outbox::About::Product { held, sold, .. } => format!("{} {held} {sold}", told.event.kind),
        });
        words.collect()
    }

    async fn last(&self) -> i64 {
        self.db.read(|conn| Ok(outbox::last(conn)?)).await.unwrap()
    }
}

fn enters(order: OrderId, then: Then) -> Command {
    let product = ProductId::trusted("100");
    Command::Enter(Enter { order, buyer: UserId(1), product, quantity: 1, then, provider: "test", key: None })
}

fn pays(order: OrderId) -> Command {
    Command::Confirm { order, buyer: UserId(1), charge: Some(Charge::Paid(format!("paid-{order}"))), key: None }
}

fn adjusts(delta: i64) -> Command {
    Command::Adjust { product: ProductId::trusted("100"), delta, by: Mover::Console, reason: None }
}

#[tokio::test]
async fn every_step_is_told_in_order_also_those_of_one_batch() {
    let shop = Shop::open().await;
    shop.tell(false).await;
    let [one, two, three, late] = [(); 4].map(|()| OrderId::fresh());
    let refund = |order| Command::Refund { order, by: Mover::Console, key: None };
    let cancel = |order| Command::Cancel { order, by: Mover::Console, key: None };
    // Three taken, one of them paid and paid back: one is left, so it is not sold out.
    let batch = [one, two, three].map(|order| enters(order, Then::Wait));
    shop.process(batch.into_iter().chain([pays(one), refund(one)]).collect()).await;
    assert_eq!(shop.events(0).await, ["order.completed", "order.refunded"]);
    // The last one is taken for a moment, and given back.
    shop.process(vec![enters(late, Then::Wait), cancel(late)]).await;
    assert_eq!(shop.events(2).await, ["order.cancelled by_admin"]);

    let charged = OrderId::fresh();
    shop.process(vec![enters(charged, Then::Charge), pays(two)]).await;
    assert_eq!(shop.events(3).await, ["order.completed", "product.sold_out 2 1"]);
    // It stays sold out: what is freed in a batch is taken in it.
    let again = OrderId::fresh();
    shop.process(vec![refund(two), enters(again, Then::Wait)]).await;
    assert_eq!(shop.events(5).await, ["order.refunded"]);
    // Their time runs out, and one charge comes after that: it is cancelled and completed in the same batch.
    shop.clock.advance_seconds(61);
    let charge = Charge::Paid("late".to_owned());
    shop.process(vec![Command::Settle { order: charged, charge }]).await;
    let mut told = shop.events(6).await;
    assert_eq!(told.pop().unwrap(), "order.completed");
    assert_eq!(told, ["order.cancelled expired"; 3]);
    // Taken off sale is gone as well.
    shop.process(vec![adjusts(-2)]).await;
    shop.process(vec![adjusts(1)]).await;
    shop.process(vec![adjusts(1), adjusts(-2)]).await;
    assert_eq!(shop.events(10).await, ["product.sold_out 0 1"; 2]);
    assert_eq!(*shop.board.told().borrow(), 12);
}

#[tokio::test]
async fn nothing_is_written_while_nobody_listens() {
    let shop = Shop::open().await;
    shop.process(vec![enters(OrderId::fresh(), Then::Settle(Charge::Paid("a".to_owned())))]).await;
    assert_eq!(shop.last().await, 0);
    shop.tell(true).await;
    shop.process(vec![adjusts(1), adjusts(-1)]).await;
    assert_eq!(shop.last().await, 0);
    shop.process(vec![adjusts(-2)]).await;
    assert_eq!(shop.last().await, 1, "another process's target is noticed");
    // And so it is when there is nobody any more.
    let off = "UPDATE webhooks SET off_reason = 'gone', off_at = 0";
    shop.adapter.change_listeners(shop.db.sqlite(), move |conn| Ok(conn.execute(off, &[])?)).await.unwrap();
    shop.process(vec![adjusts(1)]).await;
    shop.process(vec![adjusts(-1)]).await;
    assert_eq!(shop.last().await, 1);
    // Numbers go on where they ended.
    shop.tell(false).await;
    shop.process(vec![adjusts(1)]).await;
    shop.process(vec![adjusts(-1)]).await;
    assert_eq!(shop.last().await, 2);
}
