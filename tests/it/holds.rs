//! Holds in time: expiry, settling after the window has closed, resolving once, and slow charges.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use preorder::kernel::clock::ManualClock;
use preorder::products::ProductDraft;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{Answer, Asker, SlowProvider, TestApp, all_pay, eventually, id, in_time, reservation, utc};

#[tokio::test]
async fn a_hold_ends_on_time_swept_or_not() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let held = ann.enter("100", 1).await.ok(201);
    let order = id(&held);
    clock.advance_seconds(59);
    assert_eq!(ann.order(&order).await, held);
    clock.advance_seconds(1);
    let seen = ann.order(&order).await;
    assert_eq!((&seen["state"], &seen["reason"]), (&json!("cancelled"), &json!("expired")));
    assert_eq!(seen["closedAt"], held["expiresAt"], "whenever it is looked at");
    eventually(&ann, "/stocks/100", |answer| answer.body["available"] == 1).await;
    for _ in 0..2 {
        let refused = ann.confirm(&order).await.refused(410, "hold_expired");
        assert_eq!(refused.body["orderId"], order);
    }
    assert_eq!(ann.leave(&order).await.ok(200)["reason"], "expired", "cancelled it is, if not by the buyer");
    ann.refund(&order).await.refused(409, "order_cancelled");
    ann.buy("100").await.ok(201);
    assert_eq!(app.units("100").await, [0, 0, 1]);
    app.audit().await;
}

#[tokio::test]
async fn a_hold_can_be_confirmed_in_its_last_second() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let order = ann.hold("100").await;
    clock.advance_seconds(59);
    assert_eq!(ann.confirm(&order).await.ok(200)["state"], "completed");
    clock.advance_seconds(3600);
    assert_eq!(ann.order(&order).await["state"], "completed", "what is paid does not run out");
}

#[tokio::test]
async fn an_expired_hold_is_free_before_any_sweep() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    app.sell(reservation("100", 1)).await;
    let order = ann.hold("100").await;
    clock.advance_seconds(59);
    bob.enter("100", 1).await.refused(409, "sold_out");
    clock.advance_seconds(1);
    assert_eq!(app.units("100").await, [0, 1, 0], "nobody has tidied up");
    let second = bob.hold("100").await;
    assert_eq!(app.units("100").await, [0, 1, 0]);
    ann.confirm(&order).await.refused(410, "hold_expired");
    clock.advance_seconds(60);
    ann.buy("100").await.ok(201);
    bob.confirm(&second).await.refused(410, "hold_expired");
    assert_eq!(app.units("100").await, [0, 0, 1]);
    app.audit().await;
}

#[tokio::test]
async fn a_hold_that_has_not_run_out_is_refused_at_the_door() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    app.sell(reservation("100", 2)).await;
    let first = ann.hold("100").await;
    clock.advance_seconds(30);
    ann.hold("100").await;
    ann.confirm(&first).await.ok(200);
    let turned_away = async || {
        let stalled = app.stall_writes().await;
        in_time(bob.buy("100")).await.refused(409, "sold_out");
        drop(stalled);
    };
    turned_away().await;
    clock.advance_seconds(30);
    // The first hold's time is over, and it was settled: one look at the rows tells that there is nothing to be had.
    bob.buy("100").await.refused(409, "sold_out");
    turned_away().await;
    // More than are held can't come back, whenever the hold runs out.
    clock.advance_seconds(30);
    let stalled = app.stall_writes().await;
    in_time(bob.enter("100", 2)).await.refused(409, "sold_out");
    drop(stalled);
    bob.buy("100").await.ok(201);
    app.audit().await;
}

#[tokio::test]
async fn holds_of_many_products_run_out_one_by_one() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let ann = app.user("ann").await;
    // More than the door looks ahead, a second apart.
    let products: Vec<_> = (100..200).map(|number| number.to_string()).collect();
    for product in &products {
        app.sell(ProductDraft { hold_seconds: Some(200), ..reservation(product, 1) }).await;
        ann.hold(product).await;
        clock.advance_seconds(1);
    }
    clock.advance_seconds(99);
    for product in &products[..10] {
        ann.buy(product).await.refused(409, "sold_out");
        clock.advance_seconds(1);
        ann.buy(product).await.ok(201);
    }
    ann.buy(&products[10]).await.refused(409, "sold_out");
    clock.advance_seconds(90);
    for product in products[10..].iter().rev() {
        ann.buy(product).await.ok(201);
    }
    app.audit().await;
}

#[tokio::test]
async fn a_hold_of_the_last_moment_is_settled_after_the_window() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let ann = app.user("ann").await;
    let mut draft = reservation("100", 10);
    draft.closes_at = Some(app.app.clock.now().plus_seconds(10).to_string());
    app.sell(draft).await;
    clock.advance_seconds(9);
    let [paid, left, late] = [ann.hold("100").await, ann.hold("100").await, ann.hold("100").await];
    clock.advance_seconds(1);
    ann.enter("100", 1).await.refused(403, "sale_closed");
    let settled = ann.confirm(&paid).await.ok(200);
    assert_eq!(settled["state"], "completed");
    assert_eq!(utc(&settled["settledAt"]), app.app.clock.now());
    ann.leave(&left).await.ok(200);
    clock.advance_seconds(59);
    ann.confirm(&late).await.refused(410, "hold_expired");
    ann.refund(&paid).await.ok(200);
    assert_eq!(app.units("100").await, [10, 0, 0]);
    app.audit().await;
}

#[tokio::test]
async fn leaving_gives_the_units_back_once() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 5)).await;
    let order = id(&ann.enter("100", 2).await.ok(201));
    let left = ann.leave(&order).await.ok(200);
    assert_eq!((&left["state"], &left["reason"]), (&json!("cancelled"), &json!("by_buyer")));
    assert_eq!(left["payment"]["status"], "unpaid");
    utc(&left["closedAt"]);
    assert_eq!(left.get("settledAt"), None);
    assert_eq!(ann.leave(&order).await.ok(200), left, "a repeat");
    assert_eq!(ann.order(&order).await, left);
    assert_eq!(app.units("100").await, [5, 0, 0]);
    let refused = ann.confirm(&order).await.refused(409, "order_cancelled");
    assert_eq!(refused.body["orderId"], order);
    ann.refund(&order).await.refused(409, "order_cancelled");
    assert_eq!(app.units("100").await, [5, 0, 0]);
    app.audit().await;
}

#[tokio::test]
async fn a_paid_order_is_not_left_but_refunded() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 5)).await;
    let order = ann.hold("100").await;
    ann.refund(&order).await.refused(409, "order_held");
    ann.confirm(&order).await.ok(200);
    let refused = ann.leave(&order).await.refused(409, "order_completed");
    assert_eq!(refused.body["orderId"], order);
    assert_eq!(app.units("100").await, [4, 0, 1]);
}

#[tokio::test]
async fn confirm_and_leave_at_once_end_an_order_once() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 20)).await;
    for _ in 0..20 {
        let order = ann.hold("100").await;
        let (confirmed, left) = tokio::join!(ann.confirm(&order), ann.leave(&order));
        let state = ann.order(&order).await["state"].clone();
        if confirmed.status == 200 {
            left.refused(409, "order_completed");
            assert_eq!(state, "completed");
        } else {
            confirmed.refused(409, "order_cancelled");
            assert_eq!((left.ok(200)["state"].as_str(), state.as_str()), (Some("cancelled"), Some("cancelled")));
        }
    }
    app.audit().await;
}

#[tokio::test]
async fn a_simulated_charge_may_take_time() {
    for (decline_rate, units) in [(0.0, [3, 0, 2]), (1.0, [5, 0, 0])] {
        let app = TestApp::with(|config| {
            all_pay(config);
            config.payment.simulated.decline_rate = decline_rate;
            config.payment.simulated.latency_ms = 1;
        })
        .await;
        let ann = app.user("ann").await;
        app.sell(reservation("100", 5)).await;
        let order = ann.hold("100").await;
        for (answer, status) in [(ann.buy("100").await, 201), (ann.confirm(&order).await, 200)] {
            if decline_rate > 0.0 {
                answer.refused(402, "payment_declined");
            } else {
                let order = answer.ok(status);
                assert_eq!((&order["state"], &order["payment"]["status"]), (&json!("completed"), &json!("paid")));
            }
        }
        assert_eq!(app.units("100").await, units);
        app.audit().await;
    }
}

/// A shop whose provider waits, and a buyer.
async fn slow_sale(stock: i64) -> (TestApp, Arc<ManualClock>, Arc<SlowProvider>, Asker) {
    let (app, clock, provider) = TestApp::with_provider().await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", stock)).await;
    (app, clock, provider, ann)
}

#[tokio::test]
async fn an_order_is_held_while_it_is_charged() {
    let (app, _, provider, ann) = slow_sale(5).await;
    let call = ann.begin_to_buy("100", "k");
    provider.asked().await;
    let page = ann.get("/purchases").await.ok(200);
    let order = &page["items"][0];
    assert_eq!((&order["state"], &order["payment"]["status"]), (&json!("held"), &json!("pending")));
    assert_eq!(app.units("100").await, [4, 1, 0]);
    app.audit().await;
    provider.answer();
    let bought = call.await.unwrap().ok(201);
    assert_eq!((&bought["id"], &bought["state"]), (&order["id"], &json!("completed")));
    assert_eq!(bought["payment"]["reference"], format!("slow-{}", id(order)));
    assert_eq!(app.units("100").await, [4, 0, 1]);
    app.audit().await;
}

#[tokio::test]
async fn two_confirmations_at_once_charge_once() {
    let (app, _, provider, ann) = slow_sale(5).await;
    let order = ann.hold("100").await;
    let call = ann.begin_to_confirm(&order, "k");
    provider.asked().await;
    let refused = ann.confirm(&order).await.refused(409, "in_progress");
    assert_eq!((refused.header("retry-after"), &refused.body["orderId"]), ("1", &json!(order)));
    provider.answer();
    let paid = call.await.unwrap().ok(200);
    assert_eq!(ann.confirm(&order).await.ok(200), paid);
    assert_eq!(app.units("100").await, [4, 0, 1]);
}

#[tokio::test]
async fn a_buyer_who_hangs_up_during_the_charge_has_bought() {
    let (app, _, provider, ann) = slow_sale(5).await;
    let call = ann.begin_to_buy("100", "k");
    provider.asked().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    provider.answer();
    eventually(&ann, "/purchases", |answer| answer.body["items"][0]["state"] == "completed").await;
    assert_eq!(app.units("100").await, [4, 0, 1]);
    app.audit().await;
}

#[tokio::test]
async fn a_stopping_shop_waits_for_the_charges_under_way() {
    let (app, _, provider, ann) = slow_sale(5).await;
    let call = ann.begin_to_buy("100", "k");
    provider.asked().await;
    let mut settled = pin!(app.app.payments.settled());
    assert!(settled.as_mut().now_or_never().is_none(), "a charge is under way");
    provider.answer();
    in_time(settled).await;
    assert_eq!(app.units("100").await, [4, 0, 1]);
    call.await.unwrap().ok(201);
}

#[tokio::test]
async fn leaving_during_the_charge_is_paid_back() {
    let (app, _, provider, ann) = slow_sale(5).await;
    let order = ann.hold("100").await;
    let call = ann.begin_to_confirm(&order, "k");
    provider.asked().await;
    assert_eq!(ann.leave(&order).await.ok(200)["reason"], "by_buyer");
    provider.answer();
    call.await.unwrap().refused(409, "order_cancelled");
    let order = ann.order(&order).await;
    assert_eq!((&order["state"], &order["payment"]["status"]), (&json!("cancelled"), &json!("refunded")));
    assert_eq!(app.units("100").await, [5, 0, 0]);
    app.audit().await;
}

/// The last unit's order, whose time runs out while it is charged.
async fn late_charge() -> (TestApp, Arc<SlowProvider>, Asker, String, JoinHandle<Answer>) {
    let (app, clock, provider, ann) = slow_sale(1).await;
    let order = ann.hold("100").await;
    let call = ann.begin_to_confirm(&order, "k");
    provider.asked().await;
    clock.advance_seconds(60);
    eventually(&ann, "/stocks/100", |answer| answer.body["available"] == 1).await;
    (app, provider, ann, order, call)
}

#[tokio::test]
async fn money_that_comes_late_takes_the_units_again() {
    let (app, provider, ann, order, call) = late_charge().await;
    provider.answer();
    let paid = call.await.unwrap().ok(200);
    assert_eq!((&paid["state"], paid.get("reason"), paid.get("closedAt")), (&json!("completed"), None, None));
    assert_eq!(ann.order(&order).await, paid);
    assert_eq!(app.units("100").await, [0, 0, 1]);
    app.audit().await;
}

#[tokio::test]
async fn money_that_comes_when_the_units_are_gone_is_paid_back() {
    let (app, provider, ann, order, call) = late_charge().await;
    app.user("bob").await.hold("100").await;
    provider.answer();
    call.await.unwrap().refused(410, "hold_expired");
    let order = ann.order(&order).await;
    assert_eq!((&order["state"], &order["reason"]), (&json!("cancelled"), &json!("expired")));
    assert_eq!(order["payment"]["status"], "refunded");
    assert!(order["payment"]["reference"].is_string(), "the charge is on record");
    assert_eq!(app.units("100").await, [0, 1, 0]);
    app.audit().await;
}

#[tokio::test]
async fn a_hold_keeps_the_terms_that_it_was_taken_on() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    app.sell(reservation("100", 5)).await;
    let before = ann.enter("100", 1).await.ok(201);
    let change = json!({"holdSeconds": 10, "price": 1});
    admin.send(admin.request(Method::PATCH, "/products/100").json(&change)).await.ok(200);
    let after = id(&ann.enter("100", 1).await.ok(201));
    clock.advance_seconds(10);
    ann.confirm(&after).await.refused(410, "hold_expired");
    assert_eq!(ann.order(&id(&before)).await, before);
    assert_eq!(ann.confirm(&id(&before)).await.ok(200)["amount"], before["amount"]);
}
