//! More buyers than can be served: who would wait too long is told so at once, and nothing is done for them.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::poll;
use preorder::kernel::actor::Role;
use preorder::kernel::error::Error;
use preorder::kernel::ids::UserId;
use preorder::payments::{Answer, Payments};
use serde_json::json;

use crate::support::{TestApp, all_pay, in_time, reservation};

/// As many as may always wait: two batches.
const ALWAYS: i64 = 1_024;

type Purchase = Pin<Box<dyn Future<Output = Result<Answer, Error>>>>;

/// Purchases that wait for the ledger.
async fn waiting(payments: &Arc<Payments>, buyer: UserId, count: i64) -> Vec<Purchase> {
    let mut waiting: Vec<Purchase> = Vec::new();
    for _ in 0..count {
        let payments = Arc::clone(payments);
        let mut purchase: Purchase = Box::pin(async move { payments.pre_order(buyer, "100", 1, None).await });
        assert!(poll!(&mut purchase).is_pending());
        waiting.push(purchase);
    }
    waiting
}

#[tokio::test]
async fn who_would_wait_too_long_is_turned_away_at_the_door_and_comes_in_later() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let account = app.account("ann", Role::User).await;
    let ann = app.signed_in(&account).await;
    app.sell(reservation("100", 5_000)).await;
    let (paid, left) = (ann.hold("100").await, ann.hold("100").await);
    let browser = app.signed_in_browser("ann").await;
    let form = browser.open("/shop/100").await.form("/shop/100/buy", &[]);

    let stalled = app.stall_writes().await;
    let crowd = waiting(&app.app.payments, account.id, ALWAYS).await;
    app.app.payments.has_room().unwrap(); // they may yet be answered in time
    clock.advance_seconds(1);
    let busy = ann.buy("100").await.refused(503, "busy");
    assert_eq!(busy.header("retry-after"), "1");
    ann.enter("100", 1).await.refused(503, "busy");
    let one = json!({"productId": "100"});
    ann.post_under("k", "/payments/pre-order", &one).await.refused(503, "busy");
    app.anonymous().buy("100").await.refused(503, "busy");
    for path in ["/shop/100/buy", "/shop/100/enter"] {
        let busy = browser.post(path, &form).await.is(503).says(&["One moment, please"]);
        assert_eq!(busy.header("retry-after"), "1");
    }

    // Nobody else is turned away: not who looks, and not who has an order.
    ann.get("/products/100/stock").await.ok(200);
    ann.get("/purchases").await.ok(200);
    let (confirmed, cancelled, ()) = tokio::join!(ann.confirm(&paid), ann.leave(&left), async { drop(stalled) });
    confirmed.ok(200);
    cancelled.ok(200);

    for answer in in_time(join_all(crowd)).await {
        answer.unwrap();
    }
    assert_eq!(app.units("100").await, [5_000 - ALWAYS - 1, 0, ALWAYS + 1], "nothing was done for who was turned away");
    let first = ann.post_under("k", "/payments/pre-order", &one).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""), "the key is free");
    ann.buy("100").await.ok(201);
    app.audit().await;
}

#[tokio::test]
async fn two_batches_may_wait_however_long_it_takes() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let account = app.account("ann", Role::User).await;
    app.sell(reservation("100", 5_000)).await;
    let payments = &app.app.payments;
    let stalled = app.stall_writes().await;
    let mut crowd = waiting(payments, account.id, ALWAYS - 1).await;
    clock.advance_seconds(1);
    payments.has_room().unwrap();
    crowd.extend(waiting(payments, account.id, 1).await);
    assert_eq!(payments.has_room().unwrap_err().code(), "busy");
    // One who leaves makes room.
    drop(crowd.pop());
    payments.has_room().unwrap();
    drop(stalled);
    for answer in in_time(join_all(crowd)).await {
        answer.unwrap();
    }
    payments.has_room().unwrap();
}
