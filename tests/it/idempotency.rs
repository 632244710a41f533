//! Idempotency keys: one key, one order, the same answer again.

use preorder::config::Config;
use serde_json::{Value, json};

use crate::support::{Answer, Asker, TestApp, all_pay, eventually, id, reservation};

const ONE_CALL: &str = "/payments/pre-order";

fn one() -> Value {
    json!({"productId": "100"})
}

/// A replay says the same as the first answer, and that it is one.
#[track_caller]
fn assert_replays(first: &Answer, replay: &Answer) {
    let told = |answer: &Answer| {
        let mut body = answer.body.clone();
        if let Some(problem) = body.as_object_mut() {
            problem.remove("requestId"); // a replay is a request of its own
        }
        (answer.status, body)
    };
    assert_eq!(told(replay), told(first));
    assert_eq!((first.header("idempotent-replayed"), replay.header("idempotent-replayed")), ("", "true"));
}

async fn sale(change: impl FnOnce(&mut Config)) -> (TestApp, Asker) {
    let app = TestApp::with(change).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10)).await;
    (app, ann)
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_whatever_became_of_the_order() {
    let (app, ann) = sale(all_pay).await;
    let first = ann.post_under("k", ONE_CALL, &one()).await;
    assert_eq!(first.status, 201);
    assert_replays(&first, &ann.post_under("k", ONE_CALL, &one()).await);
    let spelled_out = json!({"quantity": 1, "productId": "100"});
    assert_replays(&first, &ann.post_under("k", ONE_CALL, &spelled_out).await);
    ann.refund(&id(&first.body)).await.ok(200);
    assert_replays(&first, &ann.post_under("k", ONE_CALL, &one()).await);

    let held = ann.post_under("k", "/payments", &one()).await;
    assert_eq!(held.body["state"], "held", "the same key on another path is another key");
    let order = id(&held.body);
    assert_replays(&held, &ann.post_under("k", "/payments", &one()).await);
    let confirm = format!("/payments/{order}/confirm");
    let confirmed = ann.post_under("k", &confirm, &json!({})).await;
    assert_eq!(confirmed.status, 200);
    assert_replays(&held, &ann.post_under("k", "/payments", &one()).await);
    let refund = format!("/purchases/{order}/cancel");
    let refunded = ann.post_under("k", &refund, &json!({})).await;
    assert_eq!(refunded.body["state"], "refunded");
    assert_replays(&refunded, &ann.post_under("k", &refund, &json!({})).await);
    assert_replays(&confirmed, &ann.post_under("k", &confirm, &json!({})).await);
    assert_replays(&held, &ann.post_under("k", "/payments", &one()).await);

    let left = ann.hold("100").await;
    let leave = format!("/payments/{left}/cancel");
    let answer = ann.post_under("k", &leave, &json!({})).await;
    assert_eq!(answer.body["state"], "cancelled");
    assert_replays(&answer, &ann.post_under("k", &leave, &json!({})).await);
    assert_eq!(app.units("100").await, [10, 0, 0]);
    assert_eq!(ann.pages("/purchases", 100).await.len(), 3);
    app.audit().await;
}

#[tokio::test]
async fn a_key_stands_for_one_body_of_one_buyer() {
    let (app, ann) = sale(all_pay).await;
    let bob = app.user("bob").await;
    app.sell(reservation("200", 10)).await;
    let first = ann.post_under("k", ONE_CALL, &one()).await;
    for other in [json!({"productId": "100", "quantity": 2}), json!({"productId": "200"})] {
        let refused = ann.post_under("k", ONE_CALL, &other).await.refused(422, "idempotency_mismatch");
        assert_eq!(refused.header("idempotent-replayed"), "");
    }
    let bobs = bob.post_under("k", ONE_CALL, &json!({"productId": "200"})).await;
    assert_eq!((bobs.status.as_u16(), bobs.header("idempotent-replayed")), (201, ""));
    ann.post_under("l", ONE_CALL, &one()).await.ok(201);
    assert_replays(&first, &ann.post_under("k", ONE_CALL, &one()).await);
    assert_eq!((app.units("100").await, app.units("200").await), ([8, 0, 2], [9, 0, 1]));
    app.audit().await;
}

#[tokio::test]
async fn duplicates_at_once_make_one_order() {
    let (app, ann) = sale(all_pay).await;
    for path in [ONE_CALL, "/payments"] {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let ann = ann.clone();
                tokio::spawn(async move { ann.post_under("k", path, &one()).await })
            })
            .collect();
        let mut firsts = 0;
        let mut bodies = Vec::new();
        for call in calls {
            let answer = call.await.unwrap();
            firsts += usize::from(answer.header("idempotent-replayed").is_empty());
            bodies.push(answer.ok(201));
        }
        assert_eq!(firsts, 1);
        assert!(bodies.iter().all(|body| body == &bodies[0]), "{bodies:?}");
    }
    assert_eq!(app.units("100").await, [8, 1, 1]);
    app.audit().await;
}

#[tokio::test]
async fn final_refusals_are_replayed() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    let mut draft = reservation("100", 1);
    draft.closes_at = Some(app.app.clock.now().plus_seconds(100).to_string());
    app.sell(draft).await;
    let bought = id(&ann.buy("100").await.ok(201));
    let sold_out = ann.post_under("gone", ONE_CALL, &one()).await.refused(409, "sold_out");
    admin.post("/stocks/100/adjustments", &json!({"delta": 5})).await.ok(201);
    assert_replays(&sold_out, &ann.post_under("gone", ONE_CALL, &one()).await);
    let body = json!({"productId": "100", "quantity": 2});
    ann.post_under("gone", ONE_CALL, &body).await.refused(422, "idempotency_mismatch");

    let path = "/products/100";
    let limit = async |limit: Value| {
        admin.send(admin.request(reqwest::Method::PATCH, path).json(&json!({"perBuyerLimit": limit}))).await.ok(200)
    };
    limit(json!(1)).await;
    let limited = ann.post_under("limit", ONE_CALL, &one()).await.refused(409, "limit_reached");
    limit(json!(null)).await;
    assert_replays(&limited, &ann.post_under("limit", ONE_CALL, &one()).await);
    clock.advance_seconds(100);
    let closed = ann.post_under("late", ONE_CALL, &one()).await.refused(403, "sale_closed");
    admin.send(admin.request(reqwest::Method::PATCH, path).json(&json!({"closesAt": null}))).await.ok(200);
    assert_replays(&closed, &ann.post_under("late", ONE_CALL, &one()).await);
    ann.refund(&bought).await.ok(200);
    ann.post_under("fresh", ONE_CALL, &one()).await.ok(201);
    assert_eq!(app.units("100").await, [5, 0, 1]);
}

#[tokio::test]
async fn a_failed_payment_is_replayed() {
    for (leave, decline, code) in [(1.0, 0.0, "payment_abandoned"), (0.0, 1.0, "payment_declined")] {
        for latency_ms in [0, 1] {
            let (app, ann) = sale(|config| {
                let simulated = &mut config.payment.simulated;
                (simulated.abandon_rate, simulated.decline_rate, simulated.latency_ms) = (leave, decline, latency_ms);
            })
            .await;
            let first = ann.post_under("k", ONE_CALL, &one()).await;
            assert_eq!(first.body["code"], code);
            assert_replays(&first, &ann.post_under("k", ONE_CALL, &one()).await);
            assert_eq!(ann.pages("/purchases", 100).await.len(), 1);
            assert_eq!(app.units("100").await, [10, 0, 0]);
        }
    }
}

#[tokio::test]
async fn an_expired_hold_is_replayed_as_expired() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let held = ann.post_under("k", "/payments", &one()).await;
    let confirm = format!("/payments/{}/confirm", id(&held.body));
    clock.advance_seconds(60);
    let late = ann.post_under("k", &confirm, &json!({})).await.refused(410, "hold_expired");
    assert_replays(&late, &ann.post_under("k", &confirm, &json!({})).await);
    assert_replays(&held, &ann.post_under("k", "/payments", &one()).await);
    assert_eq!(app.units("100").await, [1, 0, 0]);
}

#[tokio::test]
async fn what_may_end_differently_later_is_not_recorded() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    ann.post_under("k", ONE_CALL, &one()).await.refused(404, "product_not_found");
    let mut draft = reservation("100", 10);
    draft.opens_at = Some(app.app.clock.now().plus_seconds(10).to_string());
    app.sell(draft).await;
    ann.post_under("k", ONE_CALL, &json!({"productId": "100", "quantity": 0}))
        .await
        .faults(&[("quantity", "out_of_range")]);
    ann.post_under("k", ONE_CALL, &one()).await.refused(403, "sale_not_open");
    clock.advance_seconds(10);
    let bought = ann.post_under("k", ONE_CALL, &one()).await;
    assert_eq!((bought.status.as_u16(), bought.header("idempotent-replayed")), (201, ""));
    assert_replays(&bought, &ann.post_under("k", ONE_CALL, &one()).await);
    let path = format!("/payments/{}/cancel", id(&bought.body));
    admin.post_under("k", &path, &json!({})).await.refused(404, "order_not_found");
}

#[tokio::test]
async fn a_step_that_came_too_early_can_be_repeated_under_its_key() {
    let (app, ann) = sale(all_pay).await;
    let order = ann.hold("100").await;
    let refund = format!("/purchases/{order}/cancel");
    ann.post_under("k", &refund, &json!({})).await.refused(409, "order_held");
    ann.confirm(&order).await.ok(200);
    let leave = format!("/payments/{order}/cancel");
    ann.post_under("k", &leave, &json!({})).await.refused(409, "order_completed");
    let refunded = ann.post_under("k", &refund, &json!({})).await;
    assert_eq!((refunded.header("idempotent-replayed"), &refunded.body["state"]), ("", &json!("refunded")));
    assert_replays(&refunded, &ann.post_under("k", &refund, &json!({})).await);
    let told = ann.post_under("k", &leave, &json!({})).await.refused(409, "order_refunded");
    assert_replays(&told, &ann.post_under("k", &leave, &json!({})).await);
    assert_eq!(app.units("100").await, [10, 0, 0]);
}

#[tokio::test]
async fn a_busy_answer_leaves_the_key_free() {
    let (app, ann) = sale(|config| {
        all_pay(config);
        config.limits.queue_length = 1;
    })
    .await;
    let stalled = app.stall_writes().await;
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let ann = ann.clone();
            tokio::spawn(async move { (n, ann.post_under(&format!("k{n}"), ONE_CALL, &one()).await) })
        })
        .collect();
    // At most two can be on their way; the others are told at once, and that lets the writes go on.
    let mut stalled = Some(stalled);
    let (mut busy, mut bought) = (Vec::new(), 0);
    let mut answers = futures_util::stream::FuturesUnordered::from_iter(calls);
    while let Some(answer) = futures_util::StreamExt::next(&mut answers).await {
        let (n, answer) = answer.unwrap();
        if answer.status == 503 {
            busy.push(n);
        } else {
            answer.ok(201);
            bought += 1;
        }
        if busy.len() == 6 {
            drop(stalled.take());
        }
    }
    assert_eq!(busy.len() + bought, 8);
    for n in busy {
        let answer = ann.post_under(&format!("k{n}"), ONE_CALL, &one()).await;
        assert_eq!((answer.status.as_u16(), answer.header("idempotent-replayed")), (201, ""));
    }
    assert_eq!(app.units("100").await, [2, 0, 8]);
}

#[tokio::test]
async fn a_duplicate_in_flight_is_told_so() {
    let (app, _, provider) = TestApp::with_provider().await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10)).await;
    let call = ann.begin_to_buy("100", "k");
    provider.asked().await;
    let told = ann.post_under("k", ONE_CALL, &one()).await.refused(409, "in_progress");
    assert_eq!((told.header("retry-after"), told.header("idempotent-replayed")), ("1", ""));
    provider.answer();
    let first = call.await.unwrap();
    assert_eq!(told.body["orderId"], first.body["id"]);
    assert_eq!(first.status, 201);
    assert_replays(&first, &ann.post_under("k", ONE_CALL, &one()).await);

    let order = ann.hold("100").await;
    let confirm = format!("/payments/{order}/confirm");
    let call = ann.begin_to_confirm(&order, "k");
    provider.asked().await;
    ann.post_under("k", &confirm, &json!({})).await.refused(409, "in_progress");
    provider.answer();
    let first = call.await.unwrap();
    assert_eq!(first.status, 200);
    assert_replays(&first, &ann.post_under("k", &confirm, &json!({})).await);
    assert_eq!(app.units("100").await, [8, 0, 2]);
    app.audit().await;
}

#[tokio::test]
async fn a_client_that_hung_up_learns_the_end_with_its_key() {
    let (app, _, provider) = TestApp::with_provider().await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10)).await;
    let call = ann.begin_to_buy("100", "k");
    provider.asked().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    provider.answer();
    eventually(&ann, "/stocks/100", |answer| answer.body["sold"] == 1).await;
    let told = ann.post_under("k", ONE_CALL, &one()).await;
    assert_eq!((told.status.as_u16(), told.header("idempotent-replayed")), (201, "true"));
    assert_eq!(told.body, ann.order(&id(&told.body)).await);
    assert_eq!(ann.pages("/purchases", 100).await.len(), 1);
    app.audit().await;
}

#[tokio::test]
async fn a_key_is_known_to_every_server_of_the_database() {
    let (app, ann) = sale(all_pay).await;
    let first = ann.post_under("k", ONE_CALL, &one()).await;
    let other = app.beside().await;
    assert_replays(&first, &ann.over_at(&other).post_under("k", ONE_CALL, &one()).await);
    assert_eq!(other.units("100").await, [9, 0, 1]);
}

#[tokio::test]
async fn a_key_is_not_locked_for_ever_by_a_charge_that_nobody_answers() {
    let (app, clock, provider) = TestApp::with_provider().await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let call = ann.begin_to_buy("100", "k");
    provider.asked().await;
    call.abort();
    ann.post_under("k", ONE_CALL, &one()).await.refused(409, "in_progress");
    clock.advance_seconds(60);
    for _ in 0..2 {
        let told = ann.post_under("k", ONE_CALL, &one()).await.refused(410, "hold_expired");
        assert_eq!(told.header("idempotent-replayed"), "true");
    }
    assert_eq!(app.units("100").await, [1, 0, 0]);
    ann.begin_to_buy("100", "another");
    provider.asked().await;
    app.audit().await;
}
