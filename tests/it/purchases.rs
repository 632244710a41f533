//! A buyer's orders: the list, one of them, and paying one back.

use preorder::kernel::ids::OrderId;
use serde_json::{Value, json};

use crate::support::{TestApp, all_pay, general, id, reservation, utc};

#[tokio::test]
async fn a_refund_puts_the_units_back_on_sale_once() {
    let app = TestApp::with(all_pay).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let mut draft = reservation("100", 1);
    draft.per_buyer_limit = Some(1);
    app.sell(draft).await;
    let bought = ann.buy("100").await.ok(201);
    let order = id(&bought);
    bob.buy("100").await.refused(409, "sold_out");
    let refunded = ann.refund(&order).await.ok(200);
    assert_eq!((&refunded["state"], refunded.get("reason")), (&json!("refunded"), None));
    assert_eq!(refunded["payment"]["status"], "refunded");
    assert_eq!(refunded["payment"]["reference"], bought["payment"]["reference"]);
    assert!(utc(&refunded["closedAt"]) >= utc(&refunded["settledAt"]));
    assert_eq!(ann.refund(&order).await.ok(200), refunded, "a repeat");
    assert_eq!(ann.order(&order).await, refunded);
    assert_eq!(app.units("100").await, [1, 0, 0]);

    bob.buy("100").await.ok(201);
    ann.refund(&order).await.ok(200);
    assert_eq!(app.units("100").await, [0, 0, 1], "bob keeps his");
    assert_eq!(ann.confirm(&order).await.ok(200)["state"], "completed", "a repeat gets the first resolution");
    ann.leave(&order).await.refused(409, "order_refunded");
    app.audit().await;
}

#[tokio::test]
async fn a_general_product_is_refunded_too() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(general("g", 3)).await;
    let order = id(&ann.enter("g", 3).await.ok(201));
    ann.confirm(&order).await.ok(200);
    ann.enter("g", 1).await.refused(409, "sold_out");
    ann.refund(&order).await.ok(200);
    assert_eq!(app.units("g").await, [3, 0, 0]);
}

#[tokio::test]
async fn anothers_order_is_unknown() {
    let app = TestApp::with(all_pay).await;
    let (admin, ann, bob) = (app.admin().await, app.user("ann").await, app.user("bob").await);
    app.sell(reservation("100", 5)).await;
    let held = ann.hold("100").await;
    let bought = id(&ann.buy("100").await.ok(201));
    let nobodys = OrderId::fresh().to_string();
    for asker in [&bob, &admin] {
        for order in [&held, &bought, &nobodys] {
            asker.get(&format!("/purchases/{order}")).await.refused(404, "order_not_found");
            asker.confirm(order).await.refused(404, "order_not_found");
            asker.leave(order).await.refused(404, "order_not_found");
            asker.refund(order).await.refused(404, "order_not_found");
        }
        let path = format!("/payments/{held}/confirm");
        asker.post_under("k", &path, &json!({})).await.refused(404, "order_not_found");
        assert_eq!(asker.get("/purchases").await.ok(200), json!({"items": [], "nextCursor": null}));
    }
    let korean = bob.request(reqwest::Method::GET, &format!("/purchases/{held}")).header("accept-language", "ko");
    assert_eq!(bob.send(korean).await.refused(404, "order_not_found").body["detail"], "없는 주문입니다.");
    assert_eq!(app.units("100").await, [3, 1, 1]);
    assert_eq!(ann.order(&held).await["state"], "held");
}

#[tokio::test]
async fn orders_are_listed_newest_first_in_pages() {
    let app = TestApp::with(all_pay).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    app.sell(reservation("100", 100)).await;
    let mut made = Vec::new();
    for n in 0..7 {
        let order = if n % 2 == 0 { ann.buy("100").await.ok(201) } else { ann.enter("100", 1).await.ok(201) };
        made.insert(0, order);
        bob.buy("100").await.ok(201);
    }
    for limit in [1, 2, 3, 7, 8, 100] {
        assert_eq!(ann.pages("/purchases", limit).await, made, "in pages of {limit}");
    }
    let first = ann.get("/purchases?limit=3").await.ok(200);
    ann.buy("100").await.ok(201);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = ann.get(&format!("/purchases?limit=3&cursor={cursor}")).await.ok(200);
    assert_eq!(second["items"], json!(made[3..6]), "what is bought between two pages shifts neither");

    // A cursor names a place in a list; it opens nobody else's.
    let theirs = bob.get(&format!("/purchases?cursor={cursor}")).await.ok(200);
    let bobs = bob.pages("/purchases", 100).await;
    assert!(theirs["items"].as_array().unwrap().iter().all(|order| bobs.contains(order)));
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let app = TestApp::with(all_pay).await;
    let admin = app.admin().await;
    for product in ["100", "200"] {
        app.sell(reservation(product, 5)).await;
    }
    for _ in 0..2 {
        admin.buy("100").await.ok(201);
    }
    let lists = ["/purchases", "/products", "/stocks/100/movements"];
    let mut cursors = Vec::new();
    for list in lists {
        let page = admin.get(&format!("{list}?limit=1")).await.ok(200);
        cursors.push(page["nextCursor"].as_str().unwrap().to_owned());
    }
    for (n, list) in lists.iter().enumerate() {
        for (m, cursor) in cursors.iter().enumerate() {
            let answer = admin.get(&format!("{list}?cursor={cursor}")).await;
            if n == m {
                answer.ok(200);
            } else {
                answer.faults(&[("cursor", "cursor_invalid")]);
            }
        }
        for forged in ["x", "~", "orders~", "orders~7", "all-orders~7", "%FF", "1%20OR%201"] {
            admin.get(&format!("{list}?cursor={forged}")).await.faults(&[("cursor", "cursor_invalid")]);
        }
        admin.get(&format!("{list}?limit=0")).await.faults(&[("limit", "out_of_range")]);
        admin.get(&format!("{list}?limit=101")).await.faults(&[("limit", "out_of_range")]);
        admin.get(&format!("{list}?limit=1&limit=2")).await.faults(&[("limit", "duplicate_field")]);
    }
}

#[tokio::test]
async fn every_state_is_listed() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 10)).await;
    ann.hold("100").await;
    let left = ann.hold("100").await;
    ann.leave(&left).await.ok(200);
    let refunded = id(&ann.buy("100").await.ok(201));
    ann.refund(&refunded).await.ok(200);
    ann.buy("100").await.ok(201);
    let states: Vec<Value> = ann.pages("/purchases", 100).await.iter().map(|order| order["state"].clone()).collect();
    assert_eq!(states, ["completed", "refunded", "cancelled", "held"]);
}
