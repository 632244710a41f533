//! The audit log: what admins did, in whose name, and what it was before.

use preorder::kernel::actor::{By, Role};
use preorder::kernel::ids::UserId;
use preorder::ledger::Mover;
use preorder::trail::{Action, Deed, Kind, Thing};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Asker, TestApp, all_pay, id, reservation, utc};

/// The entries that a query finds, without what differs from run to run; the latest first.
async fn entries(admin: &Asker, query: &str) -> Vec<Value> {
    let mut page = admin.get(&format!("/audit-log?limit=100{query}")).await.ok(200);
    let Value::Array(mut items) = page["items"].take() else { panic!("no items") };
    for item in &mut items {
        utc(&item["at"].take());
        assert!(item["id"].take().as_i64().unwrap() > 0);
        item["requestId"].take();
    }
    items
}

fn by(admin: UserId) -> Value {
    json!({"type": "admin", "id": admin.0})
}

/// An entry as [`entries`] shows it.
fn entry(by: &Value, action: &str, on: (&str, &str), before: Value, after: Value) -> Value {
    let on = json!({"type": on.0, "id": on.1});
    let mut entry = json!({"id": null, "at": null, "by": by, "action": action, "on": on, "requestId": null});
    (entry["before"], entry["after"]) = (before, after);
    entry
}

#[tokio::test]
async fn a_product_has_its_whole_life_in_it() {
    let app = TestApp::with(all_pay).await;
    let account = app.account("admin", Role::Admin).await;
    let (admin, me) = (app.signed_in(&account).await, by(account.id));
    let mug = json!({"id": "mug", "name": "Mug", "type": "general", "price": 100, "stock": 5});
    admin.post("/products", &mug).await.ok(201);
    let edit = |body: Value| admin.send(admin.request(Method::PATCH, "/products/mug").json(&body));
    edit(json!({"name": "Cup", "price": 100, "perBuyerLimit": 2})).await.ok(200);
    edit(json!({"name": "Cup", "price": 100})).await.ok(200); // changes nothing
    edit(json!({"price": -1})).await.refused(422, "validation_failed");
    let ann = app.user("ann").await;
    ann.enter("mug", 2).await.ok(201);
    edit(json!({"name": "Bowl", "perBuyerLimit": 1})).await.refused(409, "limit_below_orders");
    admin.post("/stocks/mug/adjustments", &json!({"delta": -2, "reason": "broken"})).await.ok(201);
    admin.post("/stocks/mug/adjustments", &json!({"delta": -2})).await.refused(409, "stock_in_use");
    ann.post("/stocks/mug/adjustments", &json!({"delta": 1})).await.refused(403, "forbidden");
    admin.send(admin.request(Method::DELETE, "/products/mug")).await;
    admin.send(admin.request(Method::DELETE, "/products/mug")).await.refused(404, "product_not_found");

    let mug = ("product", "mug");
    let added = json!({
        "name": "Mug", "description": "", "type": "general", "price": 100, "currency": "KRW", "opensAt": null,
        "closesAt": null, "perBuyerLimit": null, "holdSeconds": 600, "stock": 5,
    });
    let expected = [
        entry(&me, "product.delete", mug, json!({"name": "Cup"}), json!({"deleted": true})),
        entry(
            &me,
            "stock.adjust",
            mug,
            json!({"available": 3, "total": 5}),
            json!({"available": 1, "total": 3, "reason": "broken"}),
        ),
        entry(
            &me,
            "product.edit",
            mug,
            json!({"name": "Mug", "perBuyerLimit": null}),
            json!({"name": "Cup", "perBuyerLimit": 2}),
        ),
        entry(&me, "product.add", mug, json!(null), added),
    ];
    assert_eq!(entries(&admin, "&on=product:mug").await, expected);
}

#[tokio::test]
async fn an_order_that_an_admin_ends_is_in_it_and_what_buyers_do_is_not() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    let (account, mut orders) = (app.account("admin", Role::Admin).await, Vec::new());
    app.sell(reservation("100", 9)).await;
    let admin = app.signed_in(&account).await;
    let before = entries(&admin, "").await.len();
    for _ in 0..2 {
        orders.push(id(&ann.buy("100").await.ok(201)));
        orders.push(ann.hold("100").await);
    }
    ann.refund(&orders[0]).await.ok(200);
    ann.leave(&orders[1]).await.ok(200);
    ann.confirm(&orders[1]).await.refused(409, "order_cancelled");
    assert_eq!(entries(&admin, "").await.len(), before);

    let mover = Mover::from(By::Admin(account.id, None));
    let end = async |order: &str| app.app.purchases.end(order.parse().unwrap(), mover).await;
    for order in &orders {
        // The second time, and what its buyer has ended, is refused or stays as it is.
        drop((end(order).await, end(order).await));
    }
    let refunded = json!({"state": "refunded", "payment": "refunded"});
    let cancelled = json!({"state": "cancelled", "reason": "by_admin"});
    let me = by(account.id);
    let expected = [
        entry(&me, "order.cancel", ("order", &orders[3]), json!({"state": "held", "reason": null}), cancelled),
        entry(&me, "order.refund", ("order", &orders[2]), json!({"state": "completed", "payment": "paid"}), refunded),
    ];
    assert_eq!(entries(&admin, &format!("&by={}", account.id)).await, expected);
    app.audit().await;
}

#[tokio::test]
async fn a_hold_that_has_run_out_is_nobodys_doing() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let order = ann.hold("100").await.parse().unwrap();
    clock.advance_seconds(100_000);
    app.app.purchases.cancel(order, Mover::Console).await.unwrap();
    assert_eq!(entries(&app.admin().await, "&action=order.cancel").await, [json!(null); 0]);
}

#[tokio::test]
async fn what_others_wrote_is_named_and_never_repeated() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let account = app.account("admin", Role::Admin).await;
    let (admin, me) = (app.signed_in(&account).await, by(account.id));
    let author = ann.get("/users/me").await.ok(200)["id"].clone();
    let post = async |asker: &Asker| {
        asker.post("/activity/posts", &json!({"title": "secret", "content": "words"})).await.ok(201)["id"].to_string()
    };
    let (of_ann, of_admin) = (post(&ann).await, post(&admin).await);
    let comments = format!("/activity/posts/{of_ann}/comments");
    let comment = ann.post(&comments, &json!({"content": "secret"})).await.ok(201)["id"].to_string();
    let edit = async |asker: &Asker, path: String, body: Value| {
        asker.send(asker.request(Method::PATCH, &path).json(&body)).await.ok(200);
    };
    edit(&ann, format!("/activity/posts/{of_ann}"), json!({"content": "mine"})).await;
    edit(&admin, format!("/activity/posts/{of_admin}"), json!({"content": "mine"})).await;
    edit(&admin, format!("/activity/posts/{of_ann}"), json!({"title": "kind", "content": "mine"})).await;
    edit(&admin, format!("/activity/posts/{of_ann}"), json!({"title": "kind"})).await;
    edit(&admin, format!("/activity/comments/{comment}"), json!({"content": "kind"})).await;
    for path in [format!("comments/{comment}"), format!("posts/{of_ann}"), format!("posts/{of_admin}")] {
        assert_eq!(admin.send(admin.request(Method::DELETE, &format!("/activity/{path}"))).await.status, 204);
    }
    let expected = [
        entry(&me, "post.delete", ("post", &of_ann), json!(null), json!({"author": author})),
        entry(&me, "comment.delete", ("comment", &comment), json!(null), json!({"author": author})),
        entry(
            &me,
            "comment.edit",
            ("comment", &comment),
            json!(null),
            json!({"author": author, "changed": ["content"]}),
        ),
        entry(&me, "post.edit", ("post", &of_ann), json!(null), json!({"author": author, "changed": ["title"]})),
    ];
    assert_eq!(entries(&admin, &format!("&by={}", account.id)).await, expected);
}

#[tokio::test]
async fn accounts_are_numbers_in_it() {
    let app = TestApp::start().await;
    let (admin, ann) = (app.admin().await, app.account("ann", Role::User).await);
    let users = &app.app.users;
    let me = By::Admin(UserId(1), None);
    let session = users.authenticate(&users.token(ann.id, None).await.unwrap()).unwrap().session;
    users.entrust(ann.id, Role::Admin, me).await.unwrap();
    users.entrust(ann.id, Role::Admin, me).await.unwrap();
    users.lock_out(ann.id, me).await.unwrap();
    users.lock_out(ann.id, me).await.unwrap();
    users.let_in(ann.id, me).await.unwrap();
    users.let_in(ann.id, me).await.unwrap();
    users.revoke(ann.id, session, me).await.unwrap();
    users.revoke(ann.id, session, me).await.unwrap();
    assert_eq!(users.revoke_all(ann.id, me).await.unwrap(), 0);
    users.set_password(ann.id, "another horse".to_owned()).await.unwrap();
    users.delete(ann.id).await.unwrap();
    let found = entries(&admin, &format!("&on=user:{}", ann.id)).await;
    let told: Vec<_> = found.iter().map(|it| (&it["action"], &it["before"], &it["after"])).collect();
    let (user, active, blocked) = (json!({"role": "user"}), json!({"state": "active"}), json!({"state": "blocked"}));
    let session = json!({"endedSessions": 1, "session": session.to_string()});
    assert_eq!(
        told[..told.len() - 2],
        [
            (&json!("user.delete"), &active, &json!({"state": "deleted"})),
            (&json!("user.set_password"), &json!(null), &json!({"endedSessions": 0})),
            (&json!("user.revoke"), &json!(null), &session),
            (&json!("user.unblock"), &blocked, &active),
            (&json!("user.block"), &active, &blocked),
            (&json!("user.set_role"), &user, &json!({"role": "admin"})),
        ]
    );
    assert_eq!(
        ["user.token", "user.add"],
        [&told[told.len() - 2].0, &told[told.len() - 1].0].map(|it| it.as_str().unwrap())
    );
    let all = serde_json::to_string(&found).unwrap();
    for secret in ["ann", "eyJ", "argon2", "horse"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    // What somebody does to their own account is not the admins' doing.
    let bob = app.user("bob").await;
    let number = bob.get("/users/me").await.ok(200)["id"].clone();
    bob.send(bob.request(Method::DELETE, "/users/me")).await;
    assert_eq!(entries(&admin, &format!("&on=user:{number}&action=user.delete")).await, [json!(null); 0]);
}

#[tokio::test]
async fn the_request_that_did_it_can_be_found() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.sell(reservation("100", 1)).await;
    let request = admin.request(Method::PATCH, "/products/100").json(&json!({"name": "Cup"}));
    admin.send(request.header("x-request-id", "cup-1")).await.ok(200);
    let page = admin.get("/audit-log?limit=2").await.ok(200);
    assert_eq!(page["items"][0]["requestId"], "cup-1");
    assert_eq!(page["items"][1]["by"]["type"], "console");
    assert_eq!(page["items"][1]["by"]["id"], rustix::process::getuid().as_raw());
    assert_eq!(page["items"][1]["requestId"], json!(null));
}

#[tokio::test]
async fn a_long_log_is_read_in_pages_and_by_whoever_did_what_to_what_and_when() {
    let (app, clock) = TestApp::still_with_clock(all_pay).await;
    let admin = app.admin().await;
    let start = app.app.clock.now();
    for number in 0..60_i64 {
        let who = if number % 3 == 0 { By::Console } else { By::Admin(UserId(1 + number % 3), None) };
        let action = if number % 2 == 0 { Action::UserBlock } else { Action::UserUnblock };
        app.app.trail.note(who, Deed::new(action, UserId(number % 5), json!({"n": number}))).await.unwrap();
        // Once the clock goes back: the log's own time stands still meanwhile.
        clock.advance_seconds(if number == 30 { -5 } else { 1 });
    }
    let numbers = async |query: &str| -> Vec<i64> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("/audit-log?limit=7&cursor={cursor}{query}")).await.ok(200);
            found.extend(page["items"].as_array().unwrap().iter().filter_map(|it| it["after"]["n"].as_i64()));
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return found,
            }
        }
    };
    let wanted = |keep: fn(i64) -> bool| (0..60).rev().filter(|number| keep(*number)).collect::<Vec<_>>();
    assert_eq!(numbers("").await, wanted(|_| true));
    assert_eq!(numbers("&by=console").await, wanted(|n| n % 3 == 0));
    assert_eq!(numbers("&by=2").await, wanted(|n| n % 3 == 1));
    assert_eq!(numbers("&by=admin:3&action=user.block").await, wanted(|n| n % 6 == 2));
    assert_eq!(numbers("&on=user:4").await, wanted(|n| n % 5 == 4));
    assert_eq!(numbers("&on=user:4&by=2&action=user.block").await, wanted(|n| n % 30 == 4));
    assert_eq!(numbers("&action=user.unblock").await, wanted(|n| n % 2 == 1));
    let (ten, twenty) = (start.plus_seconds(10), start.plus_seconds(20));
    assert_eq!(numbers(&format!("&since={ten}&until={twenty}")).await, wanted(|n| (10..20).contains(&n)));
    assert_eq!(numbers(&format!("&until={ten}&action=user.block")).await, wanted(|n| n < 10 && n % 2 == 0));
    assert_eq!(numbers(&format!("&since={}", start.plus_seconds(1_000))).await, [0; 0]);
    assert_eq!(numbers(&format!("&until={}", start.plus_seconds(-1))).await, [0; 0]);
    // From the moment at which the clock stood before it went back: everything from there on, and nothing twice.
    assert_eq!(numbers(&format!("&since={}", start.plus_seconds(30))).await, wanted(|n| n >= 30));
    let times: Vec<_> = admin.get("/audit-log?limit=100").await.ok(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| utc(&it["at"]))
        .collect();
    assert!(times.is_sorted_by(|later, earlier| later >= earlier));
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused_with_all_its_faults() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let query = "/audit-log?by=ann&action=user.eat&on=user&since=now&until=2026-13-01T00:00:00Z";
    let expected = ["by", "action", "on", "since", "until"].map(|field| (field, "not_allowed"));
    admin.get(query).await.faults(&expected);
    admin.get("/audit-log?limit=0").await.faults(&[("limit", "out_of_range")]);
    admin.get("/audit-log?cursor=users~1~00000000").await.faults(&[("cursor", "cursor_invalid")]);
    app.user("ann").await.get("/audit-log").await.refused(403, "forbidden");
    app.anonymous().get("/audit-log").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn nobody_changes_or_deletes_an_entry() {
    let app = TestApp::start().await;
    app.app.trail.note(By::Console, Deed::new(Action::DbSeed, Thing::all(Kind::Database), json!({}))).await.unwrap();
    let preorder::store::Location::Sqlite(path) = &app.app.config.db;
    let other = Connection::open(path).unwrap();
    for sql in ["UPDATE trail SET admin_id = 1", "DELETE FROM trail", "DELETE FROM trail WHERE id = 1"] {
        let refused = other.execute(sql, []).unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}
