//! Profile images: what is taken, what becomes of it, and how much of it at once.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use preorder::app::App;
use preorder::config::MediaUrl;
use preorder::kernel::actor::Role;
use preorder::kernel::clock::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::profiles::patch;
use crate::server::Wire;
use crate::support::{Answer, Asker, TestApp, in_time};

const MIB: usize = 1024 * 1024;

/// An image of one colour, in some format.
pub(crate) fn drawn(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(40, 30, Rgb([200, 30, 30])).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// One part of a multipart body: its name, its file's name, and what it holds.
pub(crate) type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

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

pub(crate) async fn send(asker: &Asker, parts: &[Part<'_>]) -> Answer {
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
pub(crate) fn objects(app: &TestApp) -> Vec<PathBuf> {
    let MediaUrl::Folder(folder) = &app.app.config.media.url else { panic!("no folder") };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// How many objects are noted as shown by nobody.
pub(crate) async fn unused(app: &TestApp) -> i64 {
    let count = |row: preorder::store::Row<'_>| row.int(0);
    app.app.db.read(move |conn| Ok(conn.row("SELECT COUNT(*) FROM media_unused", &[], count)?)).await.unwrap().unwrap()
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
async fn an_image_that_somebody_else_could_not_reach_is_deleted_by_the_server() {
    let app = TestApp::still(|_| {}).await;
    let empty = tempfile::tempdir().unwrap();
    for elsewhere in [empty.path().to_owned(), empty.path().join("missing")] {
        let name = if elsewhere.exists() { "ann" } else { "bob" };
        let id = app.account(name, Role::User).await;
        let url = upload(&app.signed_in(&id).await, &drawn(ImageFormat::Png)).await;
        // A command line in another folder: the media folder of the settings leads nowhere from there.
        let mut config = app.app.config.clone();
        config.media.url = MediaUrl::Folder(elsewhere);
        let console = App::open(&config, Arc::new(SystemClock)).await.unwrap();
        console.users.delete(id.id).await.unwrap();
        assert_eq!(unused(&app).await, 1, "the server can only delete what it knows of");
        app.app.users.tidy().await.unwrap();
        app.anonymous().get(&url).await.refused(404, "image_not_found");
        assert!(objects(&app).is_empty());
        assert_eq!(unused(&app).await, 0);
    }
}

#[tokio::test]
async fn what_is_gone_already_is_noted_no_more() {
    let app = TestApp::still(|_| {}).await;
    let ann = app.user("ann").await;
    upload(&ann, &drawn(ImageFormat::Png)).await;
    for object in objects(&app) {
        std::fs::remove_file(object).unwrap();
    }
    patch(&ann, &json!({"profileImage": null})).await.ok(200);
    app.app.users.tidy().await.unwrap();
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

/// An image whose first line the server has and whose rest does not come: it takes room until it is dropped.
async fn half_an_image(app: &TestApp, token: &str) -> Wire {
    let mut wire = Wire::open(app).await;
    let head = format!(
        "PATCH /users/me HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\ncontent-length: 1000\r\n\
         content-type: multipart/form-data; boundary=limit\r\nexpect: 100-continue\r\n\r\n"
    );
    wire.send(&head).await;
    wire
}

#[tokio::test]
async fn no_more_images_than_the_memory_holds_are_taken_at_once() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let mut slow = Vec::new();
    for index in 0..4 {
        let id = app.account(&format!("slow{index}"), Role::User).await.id;
        let token = app.app.users.token(id, None).await.unwrap();
        for _ in 0..8 {
            let mut wire = half_an_image(&app, &token).await;
            assert_eq!(wire.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
            slow.push(wire);
        }
    }
    let png = drawn(ImageFormat::Png);
    assert_eq!(send_image(&ann, &png).await.refused(503, "busy").header("retry-after"), "1");
    patch(&ann, &json!({"greeting": "without an image"})).await.ok(200);
    drop(slow);
    in_time(async { while send_image(&ann, &png).await.status != 200 {} }).await;
}

#[tokio::test]
async fn one_user_takes_the_room_of_eight_images_and_no_more() {
    let app = TestApp::start().await;
    let bob = app.user("bob").await;
    let id = app.account("ann", Role::User).await.id;
    let token = app.app.users.token(id, None).await.unwrap();
    let mut slow = Vec::new();
    for _ in 0..32 {
        let mut wire = half_an_image(&app, &token).await;
        slow.push((wire.read_until("\r\n").await, wire));
    }
    let taken = slow.iter().take_while(|(line, _)| line == "HTTP/1.1 100 Continue\r\n").count();
    assert_eq!(taken, 8);
    assert!(slow[8..].iter().all(|(line, _)| line.starts_with("HTTP/1.1 429 ")), "{}", slow[8].0);
    let (ann, png) = (app.bearer(token), drawn(ImageFormat::Png));
    assert_eq!(send_image(&ann, &png).await.refused(429, "too_many_uploads").header("retry-after"), "1");
    patch(&ann, &json!({"greeting": "without an image"})).await.ok(200);
    upload(&bob, &png).await;
    slow.clear();
    in_time(async { while send_image(&ann, &png).await.status != 200 {} }).await;
}
