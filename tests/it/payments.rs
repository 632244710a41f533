//! Buying in one call and entering payment: what is answered, and every refusal.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use preorder::config::Config;
use preorder::kernel::ids::OrderId;
use preorder::store::Location;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Asker, TestApp, all_pay, general, id, in_time, members, reservation, utc};

const ONE_CALL: &str = "/payments/pre-order";
const ENTER: &str = "/payments";

fn all_leave(config: &mut Config) {
    config.payment.simulated.abandon_rate = 1.0;
    config.payment.simulated.decline_rate = 0.0;
}

fn all_are_declined(config: &mut Config) {
    config.payment.simulated.abandon_rate = 0.0;
    config.payment.simulated.decline_rate = 1.0;
}

#[tokio::test]
async fn one_call_buys() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10)).await;
    let bought = ann.post(ONE_CALL, &json!({"productId": "100", "quantity": 3})).await.ok(201);
    let mut order = bought.clone();
    let [created, settled] = ["createdAt", "settledAt"].map(|name| utc(&order[name].take()));
    assert_eq!(created, settled);
    let id = order["id"].take();
    assert!(id.as_str().unwrap().parse::<OrderId>().is_ok(), "{id}");
    let reference = order["payment"]["reference"].take();
    assert!(!reference.as_str().unwrap().is_empty());
    assert_eq!(
        order,
        json!({
            "id": null, "productId": "100", "quantity": 3, "amount": 4_500, "currency": "KRW", "state": "completed",
            "createdAt": null, "settledAt": null,
            "payment": {"provider": "simulated", "reference": null, "status": "paid"},
        })
    );
    assert_eq!(ann.order(id.as_str().unwrap()).await, bought);
    assert_eq!(ann.buy("100").await.ok(201)["quantity"], 1, "one, unless it is said");
    assert_eq!(app.units("100").await, [6, 0, 4]);
    app.audit().await;
}

#[tokio::test]
async fn entering_holds_and_confirming_pays() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    for product in [reservation("100", 10), general("g", 10)] {
        let product_id = product.id.clone().unwrap();
        app.sell(product).await;
        let held = ann.enter(&product_id, 2).await.ok(201);
        assert_eq!(
            members(&held),
            ["amount", "createdAt", "currency", "expiresAt", "id", "payment", "productId", "quantity", "state"]
        );
        assert_eq!((&held["state"], &held["amount"], &held["quantity"]), (&json!("held"), &json!(3_000), &json!(2)));
        assert_eq!(held["payment"], json!({"provider": "simulated", "reference": null, "status": "unpaid"}));
        assert_eq!(utc(&held["createdAt"]).plus_seconds(60), utc(&held["expiresAt"]));
        assert_eq!(app.units(&product_id).await, [8, 2, 0]);

        let paid = ann.confirm(&id(&held)).await.ok(200);
        assert_eq!((&paid["state"], &paid["payment"]["status"]), (&json!("completed"), &json!("paid")));
        assert!(utc(&paid["settledAt"]) >= utc(&paid["createdAt"]));
        assert_eq!(paid.get("expiresAt"), None, "only a hold expires");
        for same in ["id", "productId", "quantity", "amount", "currency", "createdAt"] {
            assert_eq!(paid[same], held[same], "{same}");
        }
        assert_eq!(app.units(&product_id).await, [8, 0, 2]);
        assert_eq!(ann.confirm(&id(&held)).await.ok(200), paid, "a repeat");
        assert_eq!(app.units(&product_id).await, [8, 0, 2]);
    }
    app.audit().await;
}

#[tokio::test]
async fn a_general_product_is_not_bought_in_one_call() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(general("g", 10)).await;
    ann.buy("g").await.faults(&[("productId", "not_a_reservation")]);
    let body = json!({"productId": "g"});
    ann.post_under("k", ONE_CALL, &body).await.faults(&[("productId", "not_a_reservation")]);
    assert_eq!(app.units("g").await, [10, 0, 0]);
}

#[tokio::test]
async fn nobody_pays_or_reads_orders_without_a_token() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 10)).await;
    let ann = app.user("ann").await;
    let order = ann.hold("100").await;
    let blocked = app.user("bob").await;
    app.app.users.block(app.app.users.find("bob@example.com").await.unwrap().id).await.unwrap();
    for (method, path) in [
        (Method::POST, ENTER.to_owned()),
        (Method::POST, ONE_CALL.to_owned()),
        (Method::POST, format!("/payments/{order}/confirm")),
        (Method::POST, format!("/payments/{order}/cancel")),
        (Method::POST, format!("/purchases/{order}/cancel")),
        (Method::GET, format!("/purchases/{order}")),
        (Method::GET, "/purchases".to_owned()),
    ] {
        let ask = async |asker: &Asker| {
            let request = asker.request(method.clone(), &path).header("x-user-id", "1");
            asker.send(request.json(&json!({"productId": "100"}))).await
        };
        let answer = ask(&app.anonymous()).await.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        ask(&app.bearer("a.b.c")).await.refused(401, "token_invalid");
        ask(&blocked).await.refused(403, "account_blocked");
    }
    assert_eq!(app.units("100").await, [9, 1, 0]);
}

#[tokio::test]
async fn a_bad_request_is_told_apart() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10_000)).await;
    for path in [ENTER, ONE_CALL] {
        let send = async |kind: &str, body: &str| {
            ann.send(ann.request(Method::POST, path).header("content-type", kind).body(body.to_owned())).await
        };
        let json = "application/json";
        for (quantity, code) in [
            ("0", "out_of_range"),
            ("-1", "out_of_range"),
            ("1001", "out_of_range"),
            ("1.5", "out_of_range"),
            ("1e3", "out_of_range"),
            ("9223372036854775807", "out_of_range"),
            ("99999999999999999999", "out_of_range"),
            ("9999999999999999999", "not_allowed"),
        ] {
            let body = format!(r#"{{"productId": "100", "quantity": {quantity}}}"#);
            send(json, &body).await.faults(&[("quantity", code)]);
        }
        for malformed in [
            "",
            "{",
            "[]",
            "null",
            r#""100""#,
            r#"{"productId": 100}"#,
            r#"{"productId": null}"#,
            r#"{"productId": "100", "quantity": "1"}"#,
            r#"{"productId": "100", "quantity": null}"#,
            r#"{"productId": "100", "quantity": true}"#,
            r#"{"productId": "100"} {}"#,
        ] {
            send(json, malformed).await.refused(400, "malformed_json");
        }
        send(json, "{}").await.faults(&[("productId", "required")]);
        send(json, r#"{"productId": "100", "price": 1}"#).await.faults(&[("price", "unknown_field")]);
        send(json, r#"{"productId": "100", "productId": "1"}"#).await.faults(&[("productId", "duplicate_field")]);
        for unknown in ["nothing", "", "..", "사과", &"x".repeat(41)] {
            send(json, &format!(r#"{{"productId": "{unknown}"}}"#)).await.refused(404, "product_not_found");
        }
        send("text/plain", r#"{"productId": "100"}"#).await.refused(415, "unsupported_media_type");
        send("application/x-www-form-urlencoded", "productId=100").await.refused(415, "unsupported_media_type");
        send(json, &" ".repeat(65_537)).await.refused(413, "payload_too_large");
        ann.send(ann.request(Method::GET, path)).await.refused(405, "method_not_allowed");
        for bad in ["", "\t", &"k".repeat(256)] {
            let answer = ann.post_under(bad, path, &json!({"productId": "100"})).await;
            answer.faults(&[("Idempotency-Key", "not_allowed")]);
        }
        ann.post(path, &json!({"productId": "100", "quantity": 1_000})).await.ok(201);
    }
    assert_eq!(app.units("100").await, [8_000, 1_000, 1_000]);
}

#[tokio::test]
async fn the_largest_sum_is_exact() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    let mut dear = reservation("100", 2_000);
    dear.price = Some(1_000_000_000_000);
    app.sell(dear).await;
    let order = ann.enter("100", 1_000).await.ok(201);
    assert_eq!(order["amount"], 1_000_000_000_000_000_i64);
}

#[tokio::test]
async fn the_window_is_kept_to_the_moment() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let ann = app.user("ann").await;
    let now = app.app.clock.now();
    let mut draft = reservation("100", 10);
    draft.opens_at = Some(now.plus_seconds(10).to_string());
    draft.closes_at = Some(now.plus_seconds(20).to_string());
    app.sell(draft).await;
    let body = json!({"productId": "100"});
    let all = async |wanted: u16, code: &str| {
        for (n, path) in [ENTER, ONE_CALL].into_iter().enumerate() {
            let key = format!("{n} at {}", app.app.clock.now());
            for answer in [ann.post(path, &body).await, ann.post_under(&key, path, &body).await] {
                if code.is_empty() {
                    answer.ok(wanted);
                } else {
                    let refused = answer.refused(wanted, code);
                    let opens_at = (code == "sale_not_open").then(|| now.plus_seconds(10).to_string());
                    assert_eq!(refused.body["opensAt"].as_str(), opens_at.as_deref());
                }
            }
        }
    };
    all(403, "sale_not_open").await;
    clock.advance_seconds(9);
    all(403, "sale_not_open").await;
    clock.advance_seconds(1);
    all(201, "").await;
    clock.advance_seconds(9);
    all(201, "").await;
    clock.advance_seconds(1);
    all(403, "sale_closed").await;
    assert_eq!(app.units("100").await, [2, 4, 4]);
}

#[tokio::test]
async fn what_is_gone_is_gone_for_everybody_who_asks_for_more() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 3)).await;
    ann.enter("100", 4).await.refused(409, "sold_out");
    ann.enter("100", 2).await.ok(201);
    ann.enter("100", 2).await.refused(409, "sold_out");
    ann.buy("100").await.ok(201);
    let korean = ann.request(Method::POST, ONE_CALL).header("accept-language", "ko").json(&json!({"productId": "100"}));
    let answer = ann.send(korean).await.refused(409, "sold_out");
    assert_eq!(answer.body["detail"], "남은 수량이 부족합니다.");
    assert_eq!(members(&answer.body), ["code", "detail", "requestId", "status", "title", "type"]);
    assert_eq!(app.units("100").await, [0, 2, 1]);
}

#[tokio::test]
async fn a_limit_counts_across_orders_and_comes_back() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let mut draft = reservation("100", 100);
    draft.per_buyer_limit = Some(3);
    app.sell(draft).await;
    ann.enter("100", 4).await.refused(409, "limit_reached");
    let bought = id(&ann.buy("100").await.ok(201));
    let held = id(&ann.enter("100", 2).await.ok(201));
    for one_more in [ann.buy("100").await, ann.enter("100", 1).await] {
        one_more.refused(409, "limit_reached");
    }
    bob.enter("100", 3).await.ok(201);
    bob.buy("100").await.refused(409, "limit_reached");

    ann.refund(&bought).await.ok(200);
    let again = id(&ann.buy("100").await.ok(201));
    ann.buy("100").await.refused(409, "limit_reached");
    ann.leave(&held).await.ok(200);
    let held = id(&ann.enter("100", 2).await.ok(201));
    ann.buy("100").await.refused(409, "limit_reached");
    clock.advance_seconds(60);
    ann.enter("100", 2).await.ok(201);
    ann.confirm(&held).await.refused(410, "hold_expired");
    ann.refund(&again).await.ok(200);
    ann.buy("100").await.ok(201);
    ann.buy("100").await.refused(409, "limit_reached");
    app.audit().await;
}

#[tokio::test]
async fn who_leaves_or_is_declined_has_a_cancelled_order() {
    for (settings, status, code, reason, payment) in [
        (all_leave as fn(&mut Config), 409, "payment_abandoned", "abandoned", "abandoned"),
        (all_are_declined, 402, "payment_declined", "payment_declined", "declined"),
    ] {
        let app = TestApp::with(settings).await;
        let ann = app.user("ann").await;
        let mut draft = reservation("100", 1);
        draft.per_buyer_limit = Some(1);
        app.sell(draft).await;
        for _ in 0..3 {
            let refused = ann.buy("100").await.refused(status, code);
            let order = ann.order(refused.body["orderId"].as_str().unwrap()).await;
            assert_eq!((&order["state"], &order["reason"]), (&json!("cancelled"), &json!(reason)));
            assert_eq!(order["payment"], json!({"provider": "simulated", "reference": null, "status": payment}));
            assert_eq!(order.get("settledAt"), None);
            assert_eq!(app.units("100").await, [1, 0, 0], "neither unit nor limit is lost");
        }
        app.audit().await;
    }
}

#[tokio::test]
async fn a_declined_confirmation_stays_declined() {
    let app = TestApp::with(all_are_declined).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let order = ann.hold("100").await;
    for _ in 0..2 {
        let refused = ann.confirm(&order).await.refused(402, "payment_declined");
        assert_eq!(refused.body["orderId"], order);
    }
    assert_eq!(ann.leave(&order).await.ok(200)["reason"], "payment_declined", "a cancelled order is cancelled");
    ann.refund(&order).await.refused(409, "order_cancelled");
    assert_eq!(app.units("100").await, [1, 0, 0]);
    app.audit().await;
}

#[tokio::test]
async fn a_buyer_who_confirms_has_not_left() {
    let app = TestApp::with(all_leave).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let order = ann.hold("100").await;
    ann.confirm(&order).await.ok(200);
}

#[tokio::test]
async fn a_full_queue_is_busy_and_not_sold_out() {
    const BUYERS: usize = 8;
    let app = TestApp::with(|config| {
        all_pay(config);
        config.limits.queue_length = 1;
    })
    .await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 100)).await;
    let stalled = app.stall_writes().await;
    let mut buyers: FuturesUnordered<_> = (0..BUYERS).map(|_| ann.buy("100")).collect();
    // One can be in the engine and one in the queue; nobody else gets an answer but this one.
    for _ in 0..BUYERS - 2 {
        let answer = in_time(buyers.next()).await.unwrap().refused(503, "busy");
        assert_eq!(answer.header("retry-after"), "1");
    }
    drop(stalled);
    let mut bought = 0;
    while let Some(answer) = in_time(buyers.next()).await {
        if answer.status != 503 {
            answer.ok(201);
            bought += 1;
        }
    }
    assert!((1..=2).contains(&bought), "{bought}");
    assert_eq!(app.units("100").await, [100 - bought, 0, bought]);
    ann.buy("100").await.ok(201);
}

#[tokio::test]
async fn a_path_that_names_no_order_is_a_404() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10)).await;
    let nobodys = "00000000-0000-0000-0000-000000000000";
    for text in ["%00", "%FF", "%2e%2e%2f", "100", "null", "0", "-1", "%F0%9F%8D%8E", "a'b", nobodys] {
        for (method, path) in [
            (Method::POST, "/payments/{}/confirm"),
            (Method::POST, "/payments/{}/cancel"),
            (Method::POST, "/purchases/{}/cancel"),
            (Method::GET, "/purchases/{}"),
        ] {
            let request = ann.request(method, &path.replace("{}", text)).json(&Value::Null);
            ann.send(request).await.refused(404, "order_not_found");
        }
    }
}

#[tokio::test]
async fn while_another_process_has_the_database_a_sale_is_busy_and_not_over() {
    let app = TestApp::impatient(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 2)).await;
    let held = ann.hold("100").await;
    let Location::Sqlite(file) = &app.app.config.db;
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let post = json!({"title": "t", "content": "c"});
    for answer in [
        ann.buy("100").await,
        ann.confirm(&held).await,
        ann.post_under("k", "/payments/pre-order", &json!({"productId": "100"})).await,
        ann.post("/activity/posts", &post).await,
    ] {
        assert_eq!(answer.refused(503, "busy").header("retry-after"), "1");
    }
    assert_eq!(ann.order(&held).await["state"], "held", "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    ann.confirm(&held).await.ok(200);
    ann.post_under("k", "/payments/pre-order", &json!({"productId": "100"})).await.ok(201);
    assert_eq!(app.units("100").await, [0, 0, 2]);
    app.audit().await;
}
