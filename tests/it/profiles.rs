//! Profiles: what others see, how it changes, and what is left of somebody who withdrew.

use std::sync::Arc;

use image::ImageFormat;
use preorder::app::App;
use preorder::kernel::actor::Role;
use preorder::kernel::clock::ManualClock;
use preorder::kernel::ids::UserId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::images::{drawn, objects, send, unused, upload};
use crate::support::{Answer, Asker, PASSWORD, TestApp, all_pay, id, members, reservation};

pub(crate) async fn patch(asker: &Asker, body: &Value) -> Answer {
    asker.send(asker.request(Method::PATCH, "/users/me").json(body)).await
}

async fn withdraw(asker: &Asker) -> Answer {
    asker.send(asker.request(Method::DELETE, "/users/me")).await
}

#[tokio::test]
async fn others_see_a_profile_without_the_address() {
    let app = TestApp::start().await;
    let (ann, bob, admin) = (app.user("ann").await, app.user("bob").await, app.admin().await);
    let seen = app.anonymous().get("/users/1").await.ok(200);
    let expected = ["createdAt", "followerCount", "followingCount", "greeting", "id", "name", "postCount"];
    assert_eq!(members(&seen), [&expected[..], &["profileImageUrl", "role", "state"]].concat());
    assert_eq!((&seen["name"], &seen["postCount"], &seen["followerCount"]), (&json!("ann"), &json!(0), &json!(0)));
    assert_eq!(bob.get("/users/1").await.ok(200), seen);
    assert_eq!(app.bearer("a.b.c").get("/users/1").await.ok(200), seen);
    assert_eq!(ann.get("/users/1").await.ok(200)["email"], "ann@example.com");
    assert_eq!(admin.get("/users/1").await.ok(200)["email"], "ann@example.com");
    for nobody in ["0", "-1", "99", "ann", "1.0", "%FF", "99999999999999999999", "1 OR 1=1", "+1", "01", "1%20"] {
        let status = app.anonymous().get(&format!("/users/{nobody}")).await.refused(404, "user_not_found");
        assert_eq!(status.body["status"], 404, "{nobody}");
    }
    app.app.db.write(|conn| Ok(conn.execute("INSERT INTO user_counts VALUES (1, 3, 2, 1)", &[])?)).await.unwrap();
    let seen = app.anonymous().get("/users/1").await.ok(200);
    assert_eq!(["postCount", "followerCount", "followingCount"].map(|name| seen[name].as_i64().unwrap()), [3, 2, 1]);
}

#[tokio::test]
async fn a_profile_changes_where_somebody_says_so() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let before = ann.get("/users/me").await.ok(200);
    assert_eq!(patch(&ann, &json!({})).await.ok(200), before);
    let changed = patch(&ann, &json!({"name": " 홍길동 ", "greeting": "안녕 👋"})).await.ok(200);
    assert_eq!((&changed["name"], &changed["greeting"]), (&json!("홍길동"), &json!("안녕 👋")));
    assert_eq!(patch(&ann, &json!({"greeting": ""})).await.ok(200)["name"], "홍길동");
    let changed = send(&ann, &[("name", None, "Ann Lee".as_bytes()), ("profileImage", Some(""), b"")]).await.ok(200);
    assert_eq!((&changed["name"], &changed["profileImageUrl"]), (&json!("Ann Lee"), &Value::Null));
    assert_eq!(ann.get("/users/me").await.ok(200), changed);
    assert!(patch(&ann, &json!({"name": "한".repeat(50), "greeting": "👋".repeat(200)})).await.status == 200);
}

#[tokio::test]
async fn a_bad_change_changes_nothing() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let png = drawn(ImageFormat::Png);
    let before = ann.get("/users/me").await.ok(200);
    patch(&ann, &json!({"name": " ", "greeting": "x".repeat(201), "profileImage": "x"})).await.faults(&[
        ("name", "blank"),
        ("greeting", "too_long"),
        ("profileImage", "not_an_image"),
    ]);
    patch(&ann, &json!({"name": "a\u{202E}b"})).await.faults(&[("name", "bad_character")]);
    patch(&ann, &json!({"name": "a\nb"})).await.faults(&[("name", "bad_character")]);
    patch(&ann, &json!({"name": "한".repeat(51)})).await.faults(&[("name", "too_long")]);
    patch(&ann, &json!({"greeting": 5})).await.refused(400, "malformed_json");
    for field in ["role", "state", "email", "password", "id"] {
        patch(&ann, &json!({"greeting": "x", field: "admin"})).await.faults(&[(field, "unknown_field")]);
        send(&ann, &[("greeting", None, b"x"), (field, None, b"admin")]).await.faults(&[(field, "unknown_field")]);
    }
    send(&ann, &[("name", None, b"x"), ("name", None, b"y")]).await.faults(&[("name", "duplicate_field")]);
    send(&ann, &[("profileImage", Some("a"), &png), ("profileImage", Some("a"), &png)])
        .await
        .faults(&[("profileImage", "duplicate_field")]);
    send(&ann, &[("name", None, b"\xFF\xFE")]).await.faults(&[("name", "bad_character")]);
    send(&ann, &[("name", None, b""), ("profileImage", Some("a.png"), b"GIF89a")])
        .await
        .faults(&[("name", "blank"), ("profileImage", "not_an_image")]);
    send(&ann, &[("greeting", None, b"x"), ("profileImage", Some("a.png"), b"")])
        .await
        .faults(&[("profileImage", "not_an_image")]);
    assert_eq!(ann.get("/users/me").await.ok(200), before);
    assert!(objects(&app).is_empty());
    assert_eq!(unused(&app).await, 0);
}

#[tokio::test]
async fn who_withdraws_leaves_orders_and_nothing_personal() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("p", 5)).await;
    let (ann, bob, admin) = (app.user("ann").await, app.user("bob").await, app.admin().await);
    let order = ann.buy("p").await.ok(201);
    let url = upload(&ann, &drawn(ImageFormat::Png)).await;
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    let answer = app.anonymous().post("/users/login", &login).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let phone = app.bearer(answer.header("access"));
    app.anonymous().post("/users/email-certification", &json!({"email": "ann@example.com"})).await.ok(202);

    withdraw(&app.anonymous()).await.refused(401, "unauthenticated");
    let answer = withdraw(&phone).await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").starts_with("refresh=; Path=/users; Max-Age=0;"));
    for gone in [&ann, &phone] {
        gone.get("/users/me").await.refused(401, "session_revoked");
        withdraw(gone).await.refused(401, "session_revoked");
    }
    let again = app.anonymous();
    let request = again.request(Method::POST, "/users/reissue").header("cookie", cookie);
    again.send(request).await.refused(401, "session_revoked");
    app.anonymous().post("/users/login", &login).await.refused(401, "invalid_credentials");
    app.anonymous().get(&url).await.refused(404, "image_not_found");
    assert!(objects(&app).is_empty());

    let seen = bob.get("/users/1").await.ok(200);
    let name = json!("withdrawn user (탈퇴한 사용자)");
    assert_eq!((&seen["name"], &seen["state"], &seen["greeting"]), (&name, &json!("deleted"), &json!("")));
    assert_eq!((&seen["profileImageUrl"], seen.get("email")), (&Value::Null, None));
    assert_eq!(admin.get("/users/1").await.ok(200).get("email"), None);

    let mut rows = String::new();
    let dump = "SELECT 'users', email, name, greeting, password_hash, profile_image FROM users WHERE id = 1
                UNION ALL SELECT 'sessions', user_id, '', '', '', '' FROM sessions WHERE user_id = 1
                UNION ALL SELECT 'codes', code_hash, verified_until, CAST(length(address) AS TEXT), '', '' FROM email_codes";
    let read = app.app.db.read(move |conn| {
        Ok(conn.rows(dump, &[], |row| {
            (0..6).map(|column| Ok(row.text_or_null(column)?.unwrap_or_default())).collect::<Result<Vec<_>, _>>()
        })?)
    });
    for row in read.await.unwrap() {
        rows.push_str(&row.join("|"));
    }
    // Of the address its seal stays for as long as the pause between two letters is remembered.
    assert_eq!(rows, "users|||||codes|||32||");
    let kept = app.app.purchases.any(id(&order).parse().unwrap()).await.unwrap();
    assert_eq!(kept.buyer, UserId(1));
    assert_eq!(app.units("p").await, [4, 0, 1]);
    app.audit().await;
    app.account("ann", Role::User).await;
}

#[tokio::test]
async fn who_withdrew_stays_locked_out_while_a_token_lives() {
    let (app, clock) = TestApp::with_clock(|_| {}).await;
    let id = app.account("ann", Role::User).await.id;
    let token = app.app.users.token(id, None).await.unwrap();
    app.app.users.delete(id).await.unwrap();
    for seconds in [0, 7 * 24 * 3600 - 1] {
        clock.advance_seconds(seconds);
        assert_eq!(app.app.users.authenticate(&token).unwrap_err().code(), "session_revoked");
        let restarted = App::open(&app.app.config, Arc::<ManualClock>::clone(&clock)).await.unwrap();
        assert_eq!(restarted.users.authenticate(&token).unwrap_err().code(), "session_revoked");
    }
}
