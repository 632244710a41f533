//! Profiles: what others see, how it changes, images, and what is left of somebody who withdrew.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use preorder::app::App;
use preorder::config::MediaUrl;
use preorder::kernel::actor::Role;
use preorder::kernel::clock::ManualClock;
use preorder::kernel::ids::UserId;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, Asker, PASSWORD, TestApp, all_pay, id, in_time, members, reservation};

const MIB: usize = 1024 * 1024;

/// An image of one colour, in some format.
pub(crate) fn drawn(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(40, 30, Rgb([200, 30, 30])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

async fn patch(asker: &Asker, body: &Value) -> Answer {
    asker.send(asker.request(Method::PATCH, "/users/me").json(body)).await
}

async fn withdraw(asker: &Asker) -> Answer {
    asker.send(asker.request(Method::DELETE, "/users/me")).await
}

/// One part of a multipart body: its name, its file's name, and what it holds.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        body.extend_from_slice(format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes());
        if let Some(file) = file {
            body.extend_from_slice(format!("; filename=\"{file}\"\r\nContent-Type: image/svg+xml").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    body
}

async fn post_body(asker: &Asker, media_type: &str, body: Vec<u8>) -> Answer {
    asker.send(asker.request(Method::PATCH, "/users/me").header("content-type", media_type).body(body)).await
}

async fn send(asker: &Asker, parts: &[Part<'_>]) -> Answer {
    post_body(asker, "multipart/form-data; boundary=limit", multipart(parts)).await
}

/// Sends an image that is to be the asker's.
pub(crate) async fn send_image(asker: &Asker, image: &[u8]) -> Answer {
    send(asker, &[("profileImage", Some("../../etc/passwd.svg"), image)]).await
}

/// Gives the asker an image; gives where it is.
pub(crate) async fn upload(asker: &Asker, image: &[u8]) -> String {
    let user = send_image(asker, image).await.ok(200);
    user["profileImageUrl"].as_str().unwrap().to_owned()
}

/// The objects in the app's folder.
fn objects(app: &TestApp) -> Vec<PathBuf> {
    let MediaUrl::Folder(folder) = &app.app.config.media.url else { panic!("no folder") };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// How many objects are noted as shown by nobody.
async fn unused(app: &TestApp) -> i64 {
    let count = |row: preorder::store::Row<'_>| row.int(0);
    app.app.db.read(move |conn| Ok(conn.row("SELECT COUNT(*) FROM media_unused", &[], count)?)).await.unwrap().unwrap()
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
    for nobody in ["0", "-1", "99", "ann", "1.0", "%FF", "99999999999999999999", "1 OR 1=1"] {
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
async fn a_body_that_cannot_be_read_is_refused() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let body = multipart(&[("name", None, b"x")]);
    for (media_type, body) in [
        ("multipart/form-data", body.clone()),
        ("multipart/form-data; boundary=", body.clone()),
        ("multipart/form-data; boundary=other", body.clone()),
        ("multipart/form-data; boundary=limit", Vec::new()),
        ("multipart/form-data; boundary=limit", body[..body.len() - 12].to_vec()),
        ("multipart/form-data; boundary=limit", b"--limit\r\n\xFF: \xFF\r\n\r\nx\r\n--limit--\r\n".to_vec()),
    ] {
        post_body(&ann, media_type, body).await.refused(400, "malformed_body");
    }
    post_body(&ann, "text/plain", body.clone()).await.refused(415, "unsupported_media_type");
    post_body(&ann, "multipart/mixed; boundary=limit", body.clone()).await.refused(415, "unsupported_media_type");
    post_body(&app.anonymous(), "multipart/form-data; boundary=limit", body).await.refused(401, "unauthenticated");
    assert_eq!(ann.get("/users/me").await.ok(200)["name"], "ann");
}

#[tokio::test]
async fn an_image_is_written_anew_and_served_so_that_it_can_do_nothing() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    for (format, media_type) in
        [(ImageFormat::Png, "image/png"), (ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::WebP, "image/jpeg")]
    {
        let sent = [&drawn(format)[..], b"<script>alert(1)</script>"].concat();
        let url = upload(&ann, &sent).await;
        assert!(url.starts_with("/media/") && !url.contains("passwd"), "{url}");
        let answer = app.anonymous().get(&url).await;
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        let length: usize = answer.header("content-length").parse().unwrap();
        answer.ok(200);
        let bytes = bytes(&app, &url).await;
        assert_eq!(bytes.len(), length);
        assert!(!bytes.windows(8).any(|window| window == b"<script>"));
        let image = image::load_from_memory(&bytes).unwrap();
        assert_eq!((image.width(), image.height()), (40, 30));
    }
    let me = ann.get("/users/me").await.ok(200);
    assert_eq!(app.anonymous().get("/users/1").await.ok(200)["profileImageUrl"], me["profileImageUrl"]);
    for nothing in ["/media/x.png", "/media/..%2Fshop.db", "/media/%2e%2e/shop.db", "/media/", "/media"] {
        assert_eq!(app.anonymous().get(nothing).await.status, 404, "{nothing}");
    }
}

async fn bytes(app: &TestApp, url: &str) -> Vec<u8> {
    reqwest::get(format!("http://{}{url}", app.address)).await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn the_image_before_is_gone() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let first = upload(&ann, &drawn(ImageFormat::Png)).await;
    let second = upload(&ann, &drawn(ImageFormat::Jpeg)).await;
    app.anonymous().get(&first).await.refused(404, "image_not_found");
    assert_eq!(objects(&app).len(), 1);
    let changed = patch(&ann, &json!({"greeting": "still there"})).await.ok(200);
    assert_eq!(changed["profileImageUrl"], second);
    let changed = patch(&ann, &json!({"profileImage": null})).await.ok(200);
    assert_eq!(changed["profileImageUrl"], Value::Null);
    app.anonymous().get(&second).await.refused(404, "image_not_found");
    assert!(objects(&app).is_empty());
    assert_eq!(unused(&app).await, 0);
}

#[tokio::test]
async fn an_image_may_have_5_mib() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let mut image = drawn(ImageFormat::Jpeg);
    image.resize(5 * MIB, 0); // what follows an image's end does not matter
    upload(&ann, &image).await;
    image.push(0);
    send(&ann, &[("profileImage", Some("a"), &image)]).await.refused(413, "payload_too_large");
    image.resize(6 * MIB, 0);
    send(&ann, &[("profileImage", Some("a"), &image)]).await.refused(413, "payload_too_large");
    send(&ann, &[("greeting", None, &image)]).await.refused(413, "payload_too_large");
    // As JSON the limit is everybody's.
    patch(&ann, &json!({"greeting": "x".repeat(70_000)})).await.refused(413, "payload_too_large");
    assert_eq!(objects(&app).len(), 1);
}

#[tokio::test]
async fn eight_images_at_once_leave_one() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let uploads: Vec<_> = (0..8)
        .map(|_| {
            let ann = ann.clone();
            tokio::spawn(async move { upload(&ann, &drawn(ImageFormat::Png)).await })
        })
        .collect();
    for upload in uploads {
        upload.await.unwrap();
    }
    let url = ann.get("/users/me").await.ok(200)["profileImageUrl"].as_str().unwrap().to_owned();
    assert_eq!(app.anonymous().get(&url).await.status, 200);
    assert_eq!(objects(&app).len(), 1);
    assert_eq!(unused(&app).await, 0);
}

#[tokio::test]
async fn an_image_that_was_left_behind_is_found() {
    let (app, clock) = TestApp::with_clock(|_| {}).await;
    let ann = app.user("ann").await;
    let url = upload(&ann, &drawn(ImageFormat::Png)).await;
    let name = url.strip_prefix("/media/").unwrap().to_owned();
    // As a crash leaves it that comes after the row and before the object is deleted.
    app.app
        .db
        .write(move |conn| {
            conn.execute("UPDATE users SET profile_image = NULL", &[])?;
            Ok(conn.execute(
                "INSERT INTO media_unused (name, since) VALUES ($1, 0)",
                &[preorder::store::Value::from(&name)],
            )?)
        })
        .await
        .unwrap();
    clock.advance_seconds(1);
    app.app.users.tidy().await.unwrap();
    assert!(objects(&app).is_empty());
    assert_eq!(unused(&app).await, 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_the_servers_fault_and_changes_nothing() {
    let app = TestApp::start().await;
    let MediaUrl::Folder(folder) = &app.app.config.media.url else { panic!("no folder") };
    std::fs::write(folder, "in the way").unwrap();
    let ann = app.user("ann").await;
    let answer = send(&ann, &[("name", None, b"Eve"), ("profileImage", Some("a"), &drawn(ImageFormat::Png))]).await;
    assert_eq!(answer.refused(503, "media_unavailable").header("retry-after"), "5");
    assert_eq!(ann.get("/users/me").await.ok(200)["name"], "ann");
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
                UNION ALL SELECT 'codes', email, '', '', '', '' FROM email_codes";
    let read = app.app.db.read(move |conn| {
        Ok(conn.rows(dump, &[], |row| {
            (0..6).map(|column| Ok(row.text_or_null(column)?.unwrap_or_default())).collect::<Result<Vec<_>, _>>()
        })?)
    });
    for row in read.await.unwrap() {
        rows.push_str(&row.join("|"));
    }
    assert_eq!(rows, "users|||||");
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

#[tokio::test]
async fn no_more_images_than_the_memory_holds_are_taken_at_once() {
    let app = TestApp::start().await;
    let ann = app.account("ann", Role::User).await;
    let token = app.app.users.token(ann.id, None).await.unwrap();
    let ann = app.bearer(&*token);
    let mut slow = Vec::new();
    for _ in 0..32 {
        let mut wire = TcpStream::connect(app.address).await.unwrap();
        let head = format!(
            "PATCH /users/me HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\ncontent-length: 1000\r\n\
             content-type: multipart/form-data; boundary=limit\r\n\r\n--limit\r\n"
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        slow.push(wire);
    }
    let png = drawn(ImageFormat::Png);
    let put_off = in_time(async {
        loop {
            let answer = send_image(&ann, &png).await;
            if answer.status != 200 {
                return answer;
            }
        }
    });
    assert_eq!(put_off.await.refused(503, "busy").header("retry-after"), "1");
    patch(&ann, &json!({"greeting": "without an image"})).await.ok(200);
    drop(slow);
    in_time(async { while send_image(&ann, &png).await.status != 200 {} }).await;
}
