//! What every room's handlers take, on a room that only echoes it.

use preorder::http::{Admin, Buyer, Caller, HttpError, IdempotencyKey, InPath, Json, PageQuery, Path, Query, Routes};
use preorder::kernel::actor::Role;
use preorder::kernel::error::{Error, Text};
use preorder::kernel::ids::OrderId;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::TestApp;

struct EchoId(OrderId);

impl InPath for EchoId {
    fn from_path(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn unknown() -> Error {
        Error::not_found("echo_not_found", Text::fixed("No such echo.", "메아리가 없습니다."))
    }
}

#[derive(Deserialize)]
struct Filter {
    kind: Option<i64>,
}

async fn list(PageQuery(page): PageQuery, Query(filter): Query<Filter>) -> Json<Value> {
    Json(json!({"limit": page.limit, "cursor": page.after, "kind": filter.kind}))
}

async fn one(Path(EchoId(id)): Path<EchoId>) -> Json<Value> {
    Json(json!({"id": id.to_string()}))
}

async fn make(key: Option<IdempotencyKey>) -> Json<Value> {
    Json(json!({"key": key.map(|key| key.0)}))
}

async fn caller(Caller(caller): Caller) -> Json<Value> {
    Json(json!({"user": caller.map(|actor| actor.user.0)}))
}

async fn refuse() -> HttpError {
    Error::busy(7).with("orderId", "o-1").replayed(true).into()
}

async fn app() -> TestApp {
    let rooms = Routes::new()
        .get("/echo", list)
        .post("/echo", make)
        .get("/echo/{id}", one)
        .get("/caller", caller)
        .get("/buyer", async |Buyer(actor): Buyer| Json(json!({"user": actor.user.0})))
        .get("/boss", async |Admin(actor): Admin| Json(json!({"user": actor.user.0})))
        .post("/refuse", refuse);
    TestApp::serving(|_| {}, rooms).await
}

#[tokio::test]
async fn a_page_and_a_filter_come_from_the_query() {
    let app = app().await;
    let asker = app.anonymous();
    assert_eq!(asker.get("/echo").await.ok(200), json!({"limit": 20, "cursor": null, "kind": null}));
    let page = asker.get("/echo?limit=100&cursor=a~1&kind=7").await.ok(200);
    assert_eq!(page, json!({"limit": 100, "cursor": "a~1", "kind": 7}));
    asker.get("/echo?limit=0").await.faults(&[("limit", "out_of_range")]);
    asker.get("/echo?limit=101").await.faults(&[("limit", "out_of_range")]);
    asker.get("/echo?kind=seven").await.faults(&[("kind", "not_allowed")]);
    asker.get("/echo?kind=1&kind=2").await.faults(&[("kind", "duplicate_field")]);
}

#[tokio::test]
async fn a_path_that_names_nothing_is_the_rooms_404() {
    let app = app().await;
    let id = OrderId::fresh().to_string();
    assert_eq!(app.anonymous().get(&format!("/echo/{id}")).await.ok(200), json!({"id": id}));
    for bad in ["7", "%FF", "%00", "..."] {
        app.anonymous().get(&format!("/echo/{bad}")).await.refused(404, "echo_not_found");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_checked() {
    let app = app().await;
    let asker = app.anonymous();
    let post = |key: &str| asker.send(asker.request(Method::POST, "/echo").header("idempotency-key", key));
    assert_eq!(asker.post("/echo", &json!({})).await.ok(200), json!({"key": null}));
    assert_eq!(post("k 1").await.ok(200), json!({"key": "k 1"}));
    post("").await.faults(&[("Idempotency-Key", "not_allowed")]);
    post(&"k".repeat(256)).await.faults(&[("Idempotency-Key", "not_allowed")]);
}

#[tokio::test]
async fn a_route_takes_anybody_a_user_or_an_admin() {
    let app = app().await;
    let (anonymous, liar) = (app.anonymous(), app.bearer("a.b.c"));
    let (ann, admin) = (app.user("ann").await, app.admin().await);
    let blocked = app.account("bob", Role::Admin).await.id;
    let bob = app.bearer(app.app.users.token(blocked, None).await.unwrap());
    app.app.users.block(blocked).await.unwrap();

    for nobody in [&anonymous, &liar, &bob] {
        assert_eq!(nobody.get("/caller").await.ok(200), json!({"user": null}));
    }
    assert_eq!(ann.get("/caller").await.ok(200), json!({"user": 1}));
    assert_eq!(ann.get("/buyer").await.ok(200), json!({"user": 1}));
    assert_eq!(admin.get("/buyer").await.ok(200), json!({"user": 2}));
    assert_eq!(admin.get("/boss").await.ok(200), json!({"user": 2}));
    ann.get("/boss").await.refused(403, "forbidden");
    for path in ["/buyer", "/boss"] {
        anonymous.get(path).await.refused(401, "unauthenticated");
        liar.get(path).await.refused(401, "token_invalid");
        bob.get(path).await.refused(403, "account_blocked");
    }
}

#[tokio::test]
async fn a_refusal_carries_what_the_error_says() {
    let app = app().await;
    let answer = app.anonymous().post("/refuse", &json!({})).await.refused(503, "busy");
    assert_eq!((answer.header("retry-after"), answer.header("idempotent-replayed")), ("7", "true"));
    assert_eq!(answer.body["orderId"], "o-1");
}
