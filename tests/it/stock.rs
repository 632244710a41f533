//! Live counts, restocks and withdrawals, and the history of both.

use std::path::PathBuf;

use preorder::store::Location;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, all_pay, id, members, reservation, utc};

#[tokio::test]
async fn counts_follow_every_commit_at_once() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 5)).await;
    let mut stock = app.anonymous().get("/stocks/100").await.ok(200);
    utc(&stock["asOf"].take());
    assert_eq!(stock, json!({"productId": "100", "total": 5, "available": 5, "held": 0, "sold": 0, "asOf": null}));

    ann.enter("100", 2).await.ok(201);
    assert_eq!(app.units("100").await, [3, 2, 0]);
    let order = id(&ann.buy("100").await.ok(201));
    assert_eq!(app.units("100").await, [2, 2, 1]);
    ann.refund(&order).await.ok(200);
    let one = app.anonymous().get("/stocks/100").await.ok(200);
    assert_eq!(app.anonymous().get("/products/100/stock").await.ok(200), one);
    assert_eq!(
        (&one["total"], &one["available"], &one["held"], &one["sold"]),
        (&json!(5), &json!(3), &json!(2), &json!(0))
    );
    let before = utc(&one["asOf"]);
    ann.buy("100").await.ok(201);
    assert!(utc(&app.anonymous().get("/stocks/100").await.ok(200)["asOf"]) > before);
}

#[tokio::test]
async fn what_nobody_sells_has_no_stock() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for name in ["nothing", "a%20b", "%FF"] {
        for path in ["/products/{}/stock", "/stocks/{}", "/stocks/{}/movements"] {
            admin.get(&path.replace("{}", name)).await.refused(404, "product_not_found");
        }
        let path = format!("/stocks/{name}/adjustments");
        admin.post(&path, &json!({"delta": 1})).await.refused(404, "product_not_found");
    }
}

#[tokio::test]
async fn only_an_admin_adjusts_and_reads_the_history() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 5)).await;
    let (nobody, ann) = (app.anonymous(), app.user("ann").await);
    for (method, path) in [(Method::POST, "/stocks/100/adjustments"), (Method::GET, "/stocks/100/movements")] {
        let request = |asker: &crate::support::Asker| asker.request(method.clone(), path).json(&json!({"delta": 1}));
        nobody.send(request(&nobody)).await.refused(401, "unauthenticated");
        let liar = app.bearer("a.b.c");
        liar.send(request(&liar)).await.refused(401, "token_invalid");
        ann.send(request(&ann)).await.refused(403, "forbidden");
    }
    assert_eq!(app.units("100").await, [5, 0, 0]);
}

#[tokio::test]
async fn units_are_added_and_taken_off() {
    let app = TestApp::with(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    app.sell(reservation("100", 5)).await;
    let path = "/stocks/100/adjustments";
    let mut movement = admin.post(path, &json!({"delta": 3, "reason": " 재입고 "})).await.ok(201);
    utc(&movement["at"].take());
    assert_eq!(
        movement,
        json!({
            "productId": "100", "number": 2, "kind": "restock", "available": 3, "held": 0, "sold": 0, "orderId": null,
            "actor": "admin:1", "reason": "재입고", "at": null,
        })
    );
    let movement = admin.post(path, &json!({"delta": -1})).await.ok(201);
    assert_eq!(
        (&movement["kind"], &movement["available"], &movement["reason"]),
        (&json!("withdraw"), &json!(-1), &Value::Null)
    );
    assert_eq!(app.units("100").await, [7, 0, 0]);

    ann.enter("100", 2).await.ok(201);
    ann.buy("100").await.ok(201);
    let refused = async |language: &str| {
        let request = admin.request(Method::POST, path).header("accept-language", language).json(&json!({"delta": -5}));
        admin.send(request).await.refused(409, "stock_in_use").body["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused("en").await, "Only 4 units are available (2 held, 1 sold); -5 can't be taken off.");
    let korean = refused("ko").await;
    assert!(korean.contains("판매 가능 4개(결제 중 2개, 판매 1개)"), "{korean}");
    assert_eq!(app.units("100").await, [4, 2, 1], "nothing is clamped");
    admin.post(path, &json!({"delta": -4})).await.ok(201);
    assert_eq!(app.units("100").await, [0, 2, 1]);
    app.audit().await;
}

#[tokio::test]
async fn a_bad_adjustment_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.sell(reservation("100", 5)).await;
    let path = "/stocks/100/adjustments";
    let adjust = async |body: Value| admin.post(path, &body).await;
    adjust(json!({"delta": 0})).await.faults(&[("delta", "zero")]);
    adjust(json!({"delta": 1_000_000_001})).await.faults(&[("delta", "out_of_range")]);
    adjust(json!({"delta": i64::MIN})).await.faults(&[("delta", "out_of_range")]);
    adjust(json!({"delta": 1_000_000_000})).await.faults(&[("delta", "too_many_units")]);
    adjust(json!({"delta": 1.5})).await.faults(&[("delta", "out_of_range")]);
    adjust(json!({"reason": "x"})).await.faults(&[("delta", "required")]);
    adjust(json!({"delta": 1, "reason": "r".repeat(201)})).await.faults(&[("reason", "too_long")]);
    adjust(json!({"delta": 1, "why": "x"})).await.faults(&[("why", "unknown_field")]);
    adjust(json!({"delta": "1"})).await.refused(400, "malformed_json");
    adjust(json!(1)).await.refused(400, "malformed_json");
    admin.send(admin.request(Method::POST, path).body("{}")).await.refused(415, "unsupported_media_type");
    let long = json!({"delta": 1, "reason": "r".repeat(70_000)});
    adjust(long).await.refused(413, "payload_too_large");
    assert_eq!(app.units("100").await, [5, 0, 0]);
}

#[tokio::test]
async fn the_history_tells_every_movement() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    app.sell(reservation("100", 5)).await;
    let sold = id(&ann.buy("100").await.ok(201));
    let left = ann.hold("100").await;
    ann.leave(&left).await.ok(200);
    ann.refund(&sold).await.ok(200);
    let late = ann.hold("100").await;
    clock.advance_seconds(60);
    ann.confirm(&late).await.refused(410, "hold_expired");
    admin.post("/stocks/100/adjustments", &json!({"delta": -2, "reason": "broken"})).await.ok(201);

    let page = admin.get("/stocks/100/movements").await.ok(200);
    assert_eq!(members(&page), ["items", "nextCursor"]);
    let told: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|movement| {
            utc(&movement["at"]);
            assert_eq!(movement["productId"], "100");
            json!([
                movement["number"],
                movement["kind"],
                [movement["available"], movement["held"], movement["sold"]],
                movement["orderId"],
                movement["actor"],
                movement["reason"],
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!([1, "restock", [5, 0, 0], null, "console", "first stock"]),
            json!([2, "sell", [-1, 0, 1], sold, "user:2", null]),
            json!([3, "hold", [-1, 1, 0], left, "user:2", null]),
            json!([4, "release", [1, -1, 0], left, "user:2", null]),
            json!([5, "refund", [1, 0, -1], sold, "user:2", null]),
            json!([6, "hold", [-1, 1, 0], late, "user:2", null]),
            json!([7, "release", [1, -1, 0], late, "system", null]),
            json!([8, "withdraw", [-2, 0, 0], null, "admin:1", "broken"]),
        ]
    );
}

#[tokio::test]
async fn the_history_is_paged() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for product in ["100", "200"] {
        app.sell(reservation(product, 1)).await;
    }
    for _ in 0..6 {
        admin.post("/stocks/100/adjustments", &json!({"delta": 1})).await.ok(201);
    }
    for limit in [1, 3, 7, 100] {
        let numbers: Vec<_> = admin
            .pages("/stocks/100/movements", limit)
            .await
            .iter()
            .map(|item| item["number"].as_i64().unwrap())
            .collect();
        assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    }
    // What is added between two pages shifts neither.
    let first = admin.get("/stocks/100/movements?limit=3").await.ok(200);
    admin.post("/stocks/100/adjustments", &json!({"delta": 1})).await.ok(201);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = admin.get(&format!("/stocks/100/movements?limit=3&cursor={cursor}")).await.ok(200);
    assert_eq!(second["items"][0]["number"], 4);
    for forged in ["x", "movements~x", "movements~1.5", "products~100", "orders~7", "%00"] {
        let path = format!("/stocks/100/movements?cursor={forged}");
        admin.get(&path).await.faults(&[("cursor", "cursor_invalid")]);
    }
    admin.get("/stocks/100/movements?limit=x").await.faults(&[("limit", "out_of_range")]);
}

fn log_of(app: &TestApp) -> Vec<u8> {
    let Location::Sqlite(file) = &app.app.config.db;
    let mut log = PathBuf::from(file).into_os_string();
    log.push("-wal");
    std::fs::read(log).unwrap()
}

#[tokio::test]
async fn hot_answers_come_from_memory() {
    let app = TestApp::still(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    app.sell(reservation("200", 1)).await;
    ann.buy("100").await.ok(201);
    let pages = ["/products/100", "/products?type=reservation", "/products", "/stocks/100", "/products/100/stock"];
    for page in pages {
        ann.get(page).await.ok(200);
    }
    let (reads, log) = (app.app.db.reads_total(), log_of(&app));
    for _ in 0..100 {
        for page in pages {
            ann.get(page).await.ok(200);
        }
        ann.buy("100").await.refused(409, "sold_out");
        ann.enter("100", 1).await.refused(409, "sold_out");
    }
    assert_eq!(app.app.db.reads_total(), reads, "read from the database");
    assert!(log_of(&app) == log, "written to the database");

    ann.buy("200").await.ok(201);
    assert!(log_of(&app) != log, "a purchase does write");
    ann.get("/purchases").await.ok(200);
    assert!(app.app.db.reads_total() > reads, "a list of orders does read");
}

#[tokio::test]
async fn hot_answers_do_not_wait_for_a_write() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    ann.buy("100").await.ok(201);
    let stalled = app.stall_writes().await;
    for path in ["/products/100", "/products", "/stocks/100", "/products/100/stock"] {
        ann.get(path).await.ok(200);
    }
    ann.buy("100").await.refused(409, "sold_out");
    drop(stalled);
}
