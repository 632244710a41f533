//! What the adapter remembers between batches, and what it must not forget with it.

use std::sync::Arc;

use crate::kernel::clock::{ManualClock, Timestamp};
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::money::Currency;
use crate::ledger::board::Board;
use crate::ledger::command::*;
use crate::ledger::model::*;
use crate::ledger::offers;
use crate::ledger::sqlite::SqliteLedger;
use crate::store::{Db, Location};

const BUYERS: i64 = 40;
const START: Timestamp = Timestamp(1_000_000_000);

fn buys(buyer: i64) -> Command {
    let order = OrderId::fresh();
    let then = Then::Settle(Charge::Paid(format!("paid-{order}")));
    let (buyer, product, provider) = (UserId(buyer), ProductId::trusted("100"), "test");
    Command::Enter(Enter { order, buyer, product, quantity: 1, then, provider, key: None })
}

#[tokio::test]
async fn a_limit_outlives_what_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&Location::Sqlite(folder.path().join("sale.db"))).await.unwrap();
    let terms = Terms {
        kind: Kind::Reservation,
        price: 1,
        currency: Currency::KRW,
        opens_at: None,
        closes_at: None,
        per_buyer_limit: Some(1),
        hold_seconds: 60,
    };
    let stock = 2 * BUYERS;
    db.write(move |conn| offers::insert(conn, &ProductId::trusted("100"), &terms, stock, Mover::Console, START))
        .await
        .unwrap();
    let adapter = SqliteLedger::new(Arc::new(ManualClock::new(START)), Arc::new(Board::default()), 8);
    let process = async |commands: Vec<Command>| {
        let adapter = Arc::clone(&adapter);
        let outcomes = db.sqlite().write_raw(move |connection| adapter.process(connection, &commands)).await.unwrap();
        outcomes.into_iter().map(|outcome| outcome.result).collect::<Vec<_>>()
    };
    let count = async |sql: &'static str| {
        db.read(move |conn| Ok(conn.row(sql, &[], |row| row.int(0))?)).await.unwrap().unwrap_or_default()
    };
    let mut unfiled_most = 0;
    for first in (0..BUYERS).step_by(3) {
        let some = first..BUYERS.min(first + 3);
        assert!(process(some.clone().map(buys).collect()).await.iter().all(Result::is_ok));
        unfiled_most = unfiled_most.max(count("SELECT COUNT(*) FROM orders_unfiled").await);
        // Those of a moment ago, and those of long ago.
        for buyer in 0..some.end {
            assert_eq!(process(vec![buys(buyer)]).await, [Err(Refusal::LimitReached)], "buyer {buyer}");
        }
    }
    assert!(unfiled_most > 0 && count("SELECT COUNT(*) FROM orders_by_buyer").await > 0, "the test asks for both");
    assert_eq!(count("SELECT COUNT(*) FROM orders").await, BUYERS);
}
