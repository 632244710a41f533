//! The catalogue: making, changing, listing and deleting products, and when others see it.

use preorder::kernel::actor::By;
use preorder::kernel::clock::Timestamp;
use preorder::ledger::Mover;
use preorder::products::Change;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Asker, TestApp, all_pay, eventually, general, id, members, reservation, utc};

fn macbook() -> Value {
    json!({
        "id": "100", "name": " 맥북 ", "description": "M9", "type": "reservation", "price": 1_990_000, "stock": 10,
        "currency": "KRW", "opensAt": "2020-01-01T09:00:00+09:00", "closesAt": "2999-01-01T00:00:00Z",
        "perBuyerLimit": 2, "holdSeconds": 30,
    })
}

async fn patch(asker: &Asker, path: &str, body: &Value) -> crate::support::Answer {
    asker.send(asker.request(Method::PATCH, path).json(body)).await
}

async fn delete(asker: &Asker, path: &str) -> crate::support::Answer {
    asker.send(asker.request(Method::DELETE, path)).await
}

#[tokio::test]
async fn a_product_is_made_and_shown_to_everybody() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post("/products", &macbook()).await.ok(201);
    let mut product = made.clone();
    utc(&product["createdAt"].take());
    assert_eq!(
        product,
        json!({
            "id": "100", "name": "맥북", "description": "M9", "type": "reservation", "price": 1_990_000,
            "currency": "KRW", "opensAt": "2020-01-01T00:00:00Z", "closesAt": "2999-01-01T00:00:00Z",
            "perBuyerLimit": 2, "holdSeconds": 30, "saleState": "open", "createdAt": null,
        })
    );
    assert_eq!(app.anonymous().get("/products/100").await.ok(200), made);
    assert_eq!(app.anonymous().get("/products").await.ok(200), json!({"items": [made], "nextCursor": null}));
    admin.post("/products", &macbook()).await.refused(409, "product_exists");
    assert_eq!(app.units("100").await, [10, 0, 0]);
}

#[tokio::test]
async fn what_is_not_said_has_a_default() {
    let app = TestApp::start().await;
    let bare = json!({"id": "g", "name": "Pen", "type": "general", "price": 0});
    let mut product = app.admin().await.post("/products", &bare).await.ok(201);
    product["createdAt"].take();
    assert_eq!(
        product,
        json!({
            "id": "g", "name": "Pen", "description": "", "type": "general", "price": 0, "currency": "KRW",
            "opensAt": null, "closesAt": null, "perBuyerLimit": null, "holdSeconds": 600, "saleState": "sold_out",
            "createdAt": null,
        })
    );
}

#[tokio::test]
async fn every_fault_of_a_new_product_is_told() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let add = async |body: Value| admin.post("/products", &body).await;
    add(json!({})).await.faults(&[
        ("id", "required"),
        ("name", "required"),
        ("type", "required"),
        ("price", "required"),
    ]);
    add(json!({
        "id": "a b", "name": " ", "description": "d".repeat(2_001), "type": "gift", "price": -1, "currency": "won",
        "stock": -1, "opensAt": "tomorrow", "closesAt": "2030-02-30T00:00:00Z", "perBuyerLimit": 0, "holdSeconds": 0,
    }))
    .await
    .faults(&[
        ("id", "not_allowed"),
        ("name", "blank"),
        ("description", "too_long"),
        ("type", "not_allowed"),
        ("price", "out_of_range"),
        ("currency", "not_allowed"),
        ("stock", "out_of_range"),
        ("opensAt", "not_allowed"),
        ("closesAt", "not_allowed"),
        ("perBuyerLimit", "out_of_range"),
        ("holdSeconds", "out_of_range"),
    ]);
    let with = |name: &str, value: Value| {
        let mut body = macbook();
        body[name] = value;
        body
    };
    add(with("closesAt", json!("2020-01-01T00:00:00Z"))).await.faults(&[("closesAt", "before_opening")]);
    add(with("type", json!("general"))).await.faults(&[("opensAt", "no_window")]);
    add(with("price", json!(1_000_000_000_001_i64))).await.faults(&[("price", "out_of_range")]);
    add(with("price", json!(9.99))).await.faults(&[("price", "out_of_range")]);
    add(with("holdSeconds", json!(86_401))).await.faults(&[("holdSeconds", "out_of_range")]);
    add(with("colour", json!("red"))).await.faults(&[("colour", "unknown_field")]);
    add(with("price", json!("9"))).await.refused(400, "malformed_json");
    add(with("name", json!(["x"]))).await.refused(400, "malformed_json");
    assert_eq!(app.anonymous().get("/products").await.ok(200)["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn only_an_admin_changes_the_catalogue() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 1)).await;
    let (nobody, ann) = (app.anonymous(), app.user("ann").await);
    for (method, path, body) in [
        (Method::POST, "/products", macbook()),
        (Method::PATCH, "/products/100", json!({"name": "x"})),
        (Method::DELETE, "/products/100", json!({})),
    ] {
        let request = nobody.request(method.clone(), path).header("x-user-id", "1").json(&body);
        nobody.send(request).await.refused(401, "unauthenticated");
        ann.send(ann.request(method, path).json(&body)).await.refused(403, "forbidden");
    }
    assert_eq!(nobody.get("/products/100").await.ok(200)["name"], "Product 100");
}

#[tokio::test]
async fn a_body_must_be_json_and_not_too_large() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.sell(reservation("100", 1)).await;
    for (method, path) in [(Method::POST, "/products"), (Method::PATCH, "/products/100")] {
        let send = async |kind: &str, body: String| {
            admin.send(admin.request(method.clone(), path).header("content-type", kind).body(body)).await
        };
        send("text/plain", "{}".to_owned()).await.refused(415, "unsupported_media_type");
        send("application/json", "{".to_owned()).await.refused(400, "malformed_json");
        send("application/json", "[]".to_owned()).await.refused(400, "malformed_json");
        send("application/json", " ".repeat(65_537)).await.refused(413, "payload_too_large");
    }
}

#[tokio::test]
async fn a_list_is_filtered_and_paged() {
    let app = TestApp::start().await;
    for n in 0..5 {
        app.sell(reservation(&format!("r{n}"), 1)).await;
        app.sell(general(&format!("g{n}"), 1)).await;
    }
    let anyone = app.anonymous();
    let ids = |items: Vec<Value>| items.iter().map(id).collect::<Vec<_>>();
    for limit in [1, 3, 5, 100] {
        assert_eq!(
            ids(anyone.pages("/products", limit).await),
            ["g0", "g1", "g2", "g3", "g4", "r0", "r1", "r2", "r3", "r4"]
        );
    }
    for (of_type, count) in [("all", 10), ("reservation", 5), ("general", 5)] {
        let page = anyone.get(&format!("/products?type={of_type}")).await.ok(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count);
    }
    let page = anyone.get("/products?type=general&limit=3").await.ok(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = anyone.get(&format!("/products?type=general&limit=3&cursor={cursor}")).await.ok(200);
    assert_eq!(
        (ids(rest["items"].as_array().unwrap().clone()), &rest["nextCursor"]),
        (vec!["g3".into(), "g4".into()], &Value::Null)
    );

    anyone.get("/products?type=gift").await.faults(&[("type", "not_allowed")]);
    anyone.get("/products?limit=0").await.faults(&[("limit", "out_of_range")]);
    anyone.get("/products?limit=101").await.faults(&[("limit", "out_of_range")]);
    for forged in ["x", "products", "products~", "products~a%20b", "movements~3", "orders~7"] {
        anyone.get(&format!("/products?cursor={forged}")).await.faults(&[("cursor", "cursor_invalid")]);
    }
}

#[tokio::test]
async fn what_nobody_has_is_unknown() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for name in ["nothing", "a%20b", "%FF", "x".repeat(41).as_str()] {
        let path = format!("/products/{name}");
        admin.get(&path).await.refused(404, "product_not_found");
        patch(&admin, &path, &json!({"name": "x"})).await.refused(404, "product_not_found");
        delete(&admin, &path).await.refused(404, "product_not_found");
    }
    let korean = admin.request(Method::GET, "/products/nothing").header("accept-language", "ko-KR");
    let answer = admin.send(korean).await.refused(404, "product_not_found");
    assert_eq!((&answer.body["detail"], answer.header("content-language")), (&json!("없는 상품입니다."), "ko"));
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_null_clears() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post("/products", &macbook()).await.ok(201);
    let change = json!({"name": "MacBook", "description": "", "price": 1, "opensAt": null, "closesAt": null,
        "perBuyerLimit": null, "holdSeconds": 60});
    let changed = patch(&admin, "/products/100", &change).await.ok(200);
    assert_eq!(members(&changed), members(&made));
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(&changed[field], value, "{field}");
    }
    for field in ["id", "type", "currency", "createdAt"] {
        assert_eq!(changed[field], made[field]);
    }
    assert_eq!(app.anonymous().get("/products/100").await.ok(200), changed);
    assert_eq!(app.anonymous().get("/products").await.ok(200)["items"], json!([changed]));
    assert_eq!(patch(&admin, "/products/100", &json!({})).await.ok(200), changed, "what is not named stays");
    assert_eq!(app.units("100").await, [10, 0, 0]);

    let closed = patch(&admin, "/products/100", &json!({"closesAt": "2020-01-01T00:00:00Z"})).await.ok(200);
    assert_eq!(closed["saleState"], "closed");
    patch(&admin, "/products/100", &json!({"opensAt": "2021-01-01T00:00:00Z"}))
        .await
        .faults(&[("closesAt", "before_opening")]);
    let later = json!({"opensAt": "2999-01-01T00:00:00Z", "closesAt": null});
    assert_eq!(patch(&admin, "/products/100", &later).await.ok(200)["saleState"], "upcoming");
}

#[tokio::test]
async fn what_must_not_change_does_not() {
    let app = TestApp::with(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    app.sell(reservation("100", 10)).await;
    app.sell(general("g", 1)).await;
    let try_to = async |path: &str, body: Value| patch(&admin, path, &body).await;
    for (field, value) in
        [("type", json!("general")), ("currency", json!("USD")), ("stock", json!(5)), ("id", json!("101"))]
    {
        try_to("/products/100", json!({field: value})).await.faults(&[(field, "unknown_field")]);
    }
    try_to("/products/100", json!({"name": "", "price": -1, "perBuyerLimit": 0, "holdSeconds": 0})).await.faults(&[
        ("name", "blank"),
        ("price", "out_of_range"),
        ("perBuyerLimit", "out_of_range"),
        ("holdSeconds", "out_of_range"),
    ]);
    try_to("/products/g", json!({"opensAt": "2020-01-01T00:00:00Z"})).await.faults(&[("opensAt", "no_window")]);
    try_to("/products/100", json!({"price": "1"})).await.refused(400, "malformed_json");
    for field in ["name", "description", "price", "holdSeconds"] {
        try_to("/products/100", json!({field: null, "perBuyerLimit": null})).await.faults(&[(field, "not_allowed")]);
    }

    ann.enter("100", 2).await.ok(201);
    ann.buy("100").await.ok(201);
    let answer = try_to("/products/100", json!({"perBuyerLimit": 2, "name": "y"})).await;
    let detail = answer.refused(409, "limit_below_orders").body["detail"].to_string();
    assert!(detail.contains("3 units") && detail.contains("to 2"), "{detail}");
    assert_eq!(admin.get("/products/100").await.ok(200)["name"], "Product 100", "all or nothing");
    assert_eq!(try_to("/products/100", json!({"perBuyerLimit": 3})).await.ok(200)["perBuyerLimit"], 3);
    ann.buy("100").await.refused(409, "limit_reached");
}

#[tokio::test]
async fn orders_keep_the_price_that_they_were_made_at() {
    let app = TestApp::with(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    app.sell(reservation("100", 10)).await;
    let before = ann.hold("100").await;
    patch(&admin, "/products/100", &json!({"price": 9})).await.ok(200);
    assert_eq!(ann.confirm(&before).await.ok(200)["amount"], 1_500);
    assert_eq!(ann.buy("100").await.ok(201)["amount"], 9);
}

#[tokio::test]
async fn a_deleted_product_is_gone_and_its_orders_stay() {
    let app = TestApp::with(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    app.sell(reservation("100", 10)).await;
    let bought = id(&ann.buy("100").await.ok(201));
    let held = ann.hold("100").await;
    let left = ann.hold("100").await;
    let answer = delete(&admin, "/products/100").await;
    assert_eq!((answer.status.as_u16(), answer.body), (204, Value::Null));

    for path in ["/products/100", "/products/100/stock", "/stocks/100", "/stocks/100/movements"] {
        admin.get(path).await.refused(404, "product_not_found");
    }
    delete(&admin, "/products/100").await.refused(404, "product_not_found");
    patch(&admin, "/products/100", &json!({"name": "x"})).await.refused(404, "product_not_found");
    admin.post("/stocks/100/adjustments", &json!({"delta": 1})).await.refused(404, "product_not_found");
    ann.buy("100").await.refused(404, "product_not_found");
    ann.enter("100", 1).await.refused(404, "product_not_found");
    let body = json!({"productId": "100"});
    ann.post_under("k", "/payments/pre-order", &body).await.refused(404, "product_not_found");
    assert_eq!(admin.get("/products").await.ok(200)["items"], json!([]));
    admin.post("/products", &macbook()).await.refused(409, "product_exists");

    assert_eq!(ann.confirm(&held).await.ok(200)["state"], "completed");
    assert_eq!(ann.leave(&left).await.ok(200)["state"], "cancelled");
    assert_eq!(ann.refund(&bought).await.ok(200)["state"], "refunded");
    assert_eq!(ann.order(&bought).await["productId"], "100");
    assert_eq!(ann.pages("/purchases", 2).await.len(), 3);
    app.audit().await;
}

#[tokio::test]
async fn the_sale_state_follows_the_clock_and_the_stock() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let ann = app.user("ann").await;
    let now = app.app.clock.now();
    let mut draft = reservation("100", 1);
    draft.opens_at = Some(now.plus_seconds(10).to_string());
    draft.closes_at = Some(now.plus_seconds(20).to_string());
    app.sell(draft).await;
    let state = async || ann.get("/products/100").await.ok(200)["saleState"].as_str().unwrap().to_owned();
    assert_eq!(state().await, "upcoming");
    clock.advance_seconds(10);
    assert_eq!(state().await, "open");
    let order = id(&ann.buy("100").await.ok(201));
    assert_eq!(state().await, "sold_out");
    ann.refund(&order).await.ok(200);
    assert_eq!(state().await, "open");
    clock.advance_seconds(10);
    assert_eq!(state().await, "closed");
}

#[tokio::test]
async fn what_another_process_changes_is_seen() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let console = app.elsewhere().await;
    let product = "100".parse().unwrap();
    ann.get("/products/100").await.ok(200);
    ann.get("/products/200").await.refused(404, "product_not_found");

    let closed = Change { closes_at: Some(Some(Timestamp(1).to_string())), ..Change::default() };
    console.products.edit(&product, closed, By::Console).await.unwrap();
    eventually(&ann, "/products/100", |answer| answer.body["saleState"] == "closed").await;
    ann.buy("100").await.refused(403, "sale_closed");

    console.products.add(&reservation("200", 5), Mover::Console).await.unwrap();
    eventually(&ann, "/products/200", |answer| answer.status == 200).await;
    eventually(&ann, "/products", |answer| answer.body["items"].as_array().unwrap().len() == 2).await;
    console.stock.adjust("200".parse().unwrap(), -4, None, Mover::Console).await.unwrap();
    eventually(&ann, "/stocks/200", |answer| answer.body["available"] == 1).await;
    ann.buy("200").await.ok(201);

    console.products.delete(&product, By::Console).await.unwrap();
    eventually(&ann, "/products/100", |answer| answer.status == 404).await.refused(404, "product_not_found");
    eventually(&ann, "/products", |answer| answer.body["items"].as_array().unwrap().len() == 1).await;
}

#[tokio::test]
async fn a_purchase_sees_what_another_process_did_even_before_the_pages_do() {
    let app = TestApp::still(all_pay).await; // nothing here follows other processes
    let ann = app.user("ann").await;
    app.sell(reservation("100", 2)).await;
    ann.buy("100").await.ok(201);
    let console = app.elsewhere().await;
    console.stock.adjust("100".parse().unwrap(), -1, None, Mover::Console).await.unwrap();
    assert_eq!(app.units("100").await, [1, 0, 1], "the page has not heard of it");
    ann.buy("100").await.refused(409, "sold_out");
    app.audit().await;
}
