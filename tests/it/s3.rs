//! Profile images in a real S3 bucket.

use image::ImageFormat;
use preorder::config::{Config, MediaUrl, Secret};
use reqwest::Method;
use serde_json::{Value, json};

use crate::images::{drawn, send_image, upload};
use crate::support::{OtherServer, TestApp};

fn bucket(server: &OtherServer, prefix: &'static str) -> impl Fn(&mut Config) + use<> {
    let port = server.port;
    move |config| {
        config.media.url = MediaUrl::S3 { bucket: "shop".to_owned(), prefix: prefix.to_owned() };
        config.media.s3_endpoint = format!("http://127.0.0.1:{port}");
        config.media.s3_access_key = Some(Secret::new("id"));
        config.media.s3_secret_key = Some(Secret::new("secret"));
    }
}

#[tokio::test]
async fn images_live_in_a_bucket_and_leave_it() {
    let Some(mut server) = OtherServer::start("s3.py", "").await else { return };
    for prefix in ["", "people/faces"] {
        let app = TestApp::with(bucket(&server, prefix)).await;
        let ann = app.user("ann").await;
        let first = upload(&ann, &drawn(ImageFormat::Png)).await;
        let answer = app.anonymous().get(&first).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/png"));
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
        let bytes = reqwest::get(format!("http://{}{first}", app.address)).await.unwrap().bytes().await.unwrap();
        assert_eq!(image::load_from_memory(&bytes).unwrap().width(), 40);

        let second = upload(&ann, &drawn(ImageFormat::Jpeg)).await;
        let key = format!("{prefix}/{}", second.strip_prefix("/media/").unwrap());
        assert_eq!(server.ask().await, json!([key.trim_start_matches('/')]), "the one before is gone");
        app.anonymous().get(&first).await.refused(404, "image_not_found");

        assert_eq!(ann.send(ann.request(Method::DELETE, "/users/me")).await.status, 204);
        assert_eq!(server.ask().await, json!([]));
    }
}

#[tokio::test]
async fn a_bucket_that_is_gone_changes_nothing_and_is_told() {
    let Some(mut server) = OtherServer::start("s3.py", "").await else { return };
    let app = TestApp::with(bucket(&server, "")).await;
    let ann = app.user("ann").await;
    let url = upload(&ann, &drawn(ImageFormat::Png)).await;
    server.kill().await;
    send_image(&ann, &drawn(ImageFormat::Jpeg)).await.refused(503, "media_unavailable");
    app.anonymous().get(&url).await.refused(503, "media_unavailable");
    assert_eq!(ann.get("/users/me").await.ok(200)["profileImageUrl"], url);
    // Who withdraws is not held here by an image that can't be deleted now.
    assert_eq!(ann.send(ann.request(Method::DELETE, "/users/me")).await.status, 204);
    assert_eq!(app.anonymous().get("/users/1").await.ok(200)["profileImageUrl"], Value::Null);
}

#[tokio::test]
async fn a_bucket_that_lets_nobody_in_is_told() {
    let Some(server) = OtherServer::start("s3.py", "").await else { return };
    let settings = bucket(&server, "");
    let app = TestApp::with(|config| {
        settings(config);
        config.media.url = MediaUrl::S3 { bucket: "nobodys".to_owned(), prefix: String::new() };
    })
    .await;
    let ann = app.user("ann").await;
    send_image(&ann, &drawn(ImageFormat::Png)).await.refused(503, "media_unavailable");
}
