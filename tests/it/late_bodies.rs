//! Requests whose body takes its time: what somebody may do counts when the body is there, and not when the head was.

use preorder::kernel::actor::Role;
use preorder::kernel::ids::UserId;
use reqwest::Method;
use serde_json::json;

use crate::server::Wire;
use crate::support::{Asker, PASSWORD, TestApp, all_pay, reservation};

const JSON: &str = "application/json";

/// A request whose head the server has taken, and whose body it waits for.
struct Halfway {
    wire: Wire,
    body: String,
}

impl Halfway {
    async fn send(app: &TestApp, token: &str, line: &str, (media_type, body): (&str, &str)) -> Self {
        let mut wire = Wire::open(app).await;
        wire.send(&format!("{line} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n")).await;
        wire.send(&format!("content-type: {media_type}\r\ncontent-length: {}\r\n", body.len())).await;
        wire.send("expect: 100-continue\r\nconnection: close\r\n\r\n").await;
        // It says so when it begins to wait for the body: the request is past the door by then.
        assert_eq!(wire.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n", "{line}");
        Self { wire, body: body.to_owned() }
    }

    /// Sends the body; gives the answer.
    async fn finish(mut self) -> String {
        self.wire.send(&self.body).await;
        self.wire.read_to_end().await
    }

    async fn refused(self, status: u16, code: &str) {
        let body = self.body.clone();
        let answer = self.finish().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{body}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{body}: {answer}");
    }
}

/// Everything that a user can write, on its way in.
async fn halfway(app: &TestApp, token: &str, post: i64, product: &str) -> Vec<Halfway> {
    let form = "--limit\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nEve\r\n--limit--\r\n";
    let (bought, comment) = (format!("{{\"productId\": \"{product}\"}}"), "{\"content\": \"late\"}");
    let passwords = format!("{{\"currentPassword\": \"{PASSWORD}\", \"newPassword\": \"another horse\"}}");
    let mut requests = Vec::new();
    for (line, media_type, body) in [
        ("POST /activity/posts", JSON, "{\"title\": \"late\", \"content\": \"late\"}"),
        (&format!("POST /activity/posts/{post}/comments"), JSON, comment),
        (&format!("PATCH /activity/posts/{post}"), JSON, "{\"title\": \"late\"}"),
        ("PATCH /users/me", JSON, "{\"name\": \"Eve\"}"),
        ("PATCH /users/me", "multipart/form-data; boundary=limit", form),
        ("PUT /users/me/password", JSON, &passwords),
        ("POST /payments", JSON, &bought),
        ("POST /payments/pre-order", JSON, &bought),
    ] {
        requests.push(Halfway::send(app, token, line, (media_type, body)).await);
    }
    requests
}

/// Whoever is locked out while their requests are on their way, in one way or another.
async fn locked_out(status: u16, code: &str, lock_out: impl AsyncFn(&TestApp, &Asker)) {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("p", 5)).await;
    let ann = app.account("ann", Role::User).await;
    let token = app.app.users.token(ann.id, None).await.unwrap();
    let asker = app.bearer(&*token);
    let post = asker.write("in time").await;
    let requests = halfway(&app, &token, post, "p").await;
    lock_out(&app, &asker).await;
    let seen = app.anonymous().get("/users/1").await.ok(200);
    for request in requests {
        request.refused(status, code).await;
    }
    assert_eq!(app.anonymous().get("/users/1").await.ok(200), seen);
    let kept = app.anonymous().get(&format!("/activity/posts/{post}")).await.ok(200);
    assert_eq!((&kept["title"], &kept["commentCount"]), (&json!("in time"), &json!(0)));
    assert_eq!(app.units("p").await, [5, 0, 0]);
}

#[tokio::test]
async fn who_is_blocked_meanwhile_writes_nothing() {
    locked_out(403, "account_blocked", async |app, _| drop(app.app.users.block(UserId(1)).await.unwrap())).await;
}

#[tokio::test]
async fn who_withdraws_meanwhile_writes_nothing() {
    locked_out(401, "session_revoked", async |_, ann| {
        assert_eq!(ann.does(Method::DELETE, "/users/me").await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn whose_login_ends_meanwhile_writes_nothing() {
    locked_out(401, "session_revoked", async |_, ann| drop(ann.does(Method::POST, "/users/logout").await.ok(200)))
        .await;
}

#[tokio::test]
async fn who_may_still_act_is_served_however_long_it_took() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("p", 5)).await;
    let (ann, bob) = (app.account("ann", Role::User).await, app.account("bob", Role::User).await);
    let token = app.app.users.token(ann.id, None).await.unwrap();
    let post = app.bearer(&*token).write("in time").await;
    let requests = halfway(&app, &token, post, "p").await;
    app.app.users.block(bob.id).await.unwrap();
    for request in requests {
        let answer = request.finish().await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
    assert_eq!(app.units("p").await, [3, 1, 1]);
}

#[tokio::test]
async fn where_nobody_needs_a_token_a_bad_one_does_not_matter_later_either() {
    let app = TestApp::start().await;
    let (ann, _bob) = (app.account("ann", Role::User).await, app.account("bob", Role::User).await);
    let token = app.app.users.token(ann.id, None).await.unwrap();
    let login = format!("{{\"email\": \"bob@example.com\", \"password\": \"{PASSWORD}\"}}");
    let request = Halfway::send(&app, &token, "POST /users/login", (JSON, &login)).await;
    app.app.users.block(ann.id).await.unwrap();
    assert!(request.finish().await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn who_is_an_admin_no_more_is_asked_to_try_again_and_finds_out() {
    let app = TestApp::start().await;
    let admin = app.account("admin", Role::Admin).await;
    let token = app.app.users.token(admin.id, None).await.unwrap();
    let mug = r#"{"id": "mug", "name": "Mug", "type": "general", "price": 100, "stock": 1}"#;
    let request = Halfway::send(&app, &token, "POST /products", (JSON, mug)).await;
    app.app.users.set_role(admin.id, Role::User).await.unwrap();
    request.refused(503, "busy").await;
    app.anonymous().get("/products/mug").await.refused(404, "product_not_found");
    let body = serde_json::from_str(mug).unwrap();
    app.bearer(&*token).post("/products", &body).await.refused(403, "forbidden");
}
