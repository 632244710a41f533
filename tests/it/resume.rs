//! Charges that a server did not live to settle are settled by the next one.

use std::sync::Arc;

use preorder::kernel::clock::{Clock, ManualClock, Timestamp};
use preorder::kernel::ids::UserId;
use preorder::ledger::{Command, Ledger, Mover, Order, PaymentStatus, State};
use preorder::payments::Payments;
use preorder::products::{ProductDraft, Products};
use preorder::store::{Db, Location};

use crate::support::{SlowProvider, reservation};

async fn shop(
    folder: &tempfile::TempDir,
    clock: &Arc<ManualClock>,
    provider: &Arc<SlowProvider>,
) -> (Db, Arc<Ledger>, Arc<Payments>) {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
    let ledger = Ledger::start(db.clone(), clock, 100).await.unwrap();
    let payments = Payments::new(Arc::clone(&ledger), Arc::<SlowProvider>::clone(provider));
    (db, ledger, payments)
}

/// A charge is under way when the server dies; the next one starts `seconds` later.
async fn after_a_crash(seconds: i64, stock_meanwhile: i64) -> (Order, bool) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(1_000_000_000)));
    let order = {
        let silent = Arc::<SlowProvider>::default();
        let (db, ledger, payments) = shop(&folder, &clock, &silent).await;
        let products = Products::new(db, Arc::<ManualClock>::clone(&clock), Arc::clone(&ledger));
        let draft = ProductDraft { hold_seconds: Some(10), ..reservation("100", 1) };
        products.add(&draft, Mover::Console).await.unwrap();
        let waiting = tokio::spawn(async move { payments.pre_order(UserId(1), "100", 1, None).await });
        silent.asked().await;
        let order = ledger.being_charged().await.unwrap().pop().unwrap();
        waiting.abort();
        order
    };
    clock.advance_seconds(seconds);
    let provider = Arc::<SlowProvider>::default();
    provider.answer();
    let (db, ledger, payments) = shop(&folder, &clock, &provider).await;
    ledger.sweep().await.unwrap();
    if stock_meanwhile != 0 {
        let (product, by) = (order.product.clone(), Mover::Console);
        ledger.submit(Command::Adjust { product, delta: stock_meanwhile, by, reason: None }).await.unwrap();
    }
    assert_eq!(payments.resume().await.unwrap(), 1);
    payments.settled().await;
    assert!(ledger.being_charged().await.unwrap().is_empty());
    (ledger.order(order.id).await.unwrap().unwrap(), Ledger::audit(&db).await.unwrap().ok())
}

#[tokio::test]
async fn a_charge_that_a_crash_cut_off_is_settled_by_the_next_server() {
    let (order, sound) = after_a_crash(5, 0).await;
    assert_eq!((order.state, order.payment.status, sound), (State::Completed, PaymentStatus::Paid, true));
}

#[tokio::test]
async fn money_that_came_in_while_no_server_ran_is_not_dropped() {
    let (order, sound) = after_a_crash(60, 0).await;
    assert_eq!((order.state, order.payment.status, sound), (State::Completed, PaymentStatus::Paid, true));
    let (order, sound) = after_a_crash(60, -1).await;
    assert_eq!((order.state, order.payment.status, sound), (State::Cancelled, PaymentStatus::Refunded, true));
}
