//! The stream: what happens is told as it happens, once, in order, to whom it concerns.

use preorder::kernel::actor::Role;
use preorder::kernel::ids::{PostId, UserId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::events::{Event, Events};
use crate::support::{Asker, Member, TestApp, in_time, told};

/// Somebody who listens to the newsfeed.
struct Listener(Events);

impl Listener {
    /// Listens from now on, or from behind an event.
    async fn to(asker: &Asker, since: Option<i64>) -> Self {
        let since = since.map(|since| since.to_string());
        Self(Events::to(asker, "/newsfeeds/stream", since.as_deref()).await)
    }

    /// The next event: its number and its data.
    async fn next(&mut self) -> (i64, Value) {
        let Event { id, name, data } = self.0.next().await;
        assert_eq!(name, "activity");
        let id = id.parse().unwrap();
        assert_eq!(data["id"], id);
        (id, data)
    }

    async fn hears(&mut self, expected: &[&str]) -> i64 {
        let mut last = 0;
        for expected in expected {
            let (id, data) = self.next().await;
            assert_eq!(told(&data), *expected);
            last = id;
        }
        last
    }

    async fn ends(self) {
        self.0.ends().await;
    }
}

async fn three(app: &TestApp) -> [Member; 3] {
    [app.member("ann").await, app.member("bob").await, app.member("eve").await]
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = three(&app).await;
    bob.follow(ann.id).await.ok(200);
    let his = bob.write("his").await;
    let (mut to_bob, mut to_ann) = (Listener::to(&bob, None).await, Listener::to(&ann, None).await);
    let post = ann.write("새 글").await;
    let (_, wrote) = to_bob.next().await;
    assert_eq!((told(&wrote), &wrote["views"]), ("ann write_post".to_owned(), &json!(["my-following"])));
    assert_eq!((&wrote["post"]["id"], &wrote["post"]["title"]), (&json!(post), &json!("새 글")));
    ann.like(his).await.ok(200);
    let (_, liked) = to_bob.next().await;
    assert_eq!(liked["views"], json!(["my-following", "my-post-alarm"]));
    assert_eq!(liked["post"], Value::Null);
    eve.comment(his, "c").await;
    assert_eq!(to_bob.next().await.1["views"], json!(["my-post-alarm"]));

    // Circles follow the log: who begins or ceases to follow counts from then on.
    eve.follow(bob.id).await.ok(200);
    bob.unfollow(ann.id).await.ok(200);
    ann.write("unheard").await;
    eve.like(post).await.ok(200);
    to_bob.hears(&["eve follow", "eve like_post"]).await;
    to_ann.hears(&["eve like_post"]).await;
    // What another process does is told too.
    let console = app.elsewhere().await;
    console.activity.set_post_liked(UserId(eve.id), PostId(his), true).await.unwrap();
    to_bob.hears(&["eve like_post"]).await;
}

#[tokio::test]
async fn who_comes_back_hears_what_they_missed() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = three(&app).await;
    bob.follow(ann.id).await.ok(200);
    let his = bob.write("his").await;
    let mut listener = Listener::to(&bob, None).await;
    ann.write("one").await;
    let seen = listener.hears(&["ann write_post"]).await;
    drop(listener);
    let gone = ann.write("two").await;
    ann.does(Method::DELETE, &format!("/activity/posts/{gone}")).await.ok(204);
    ann.like(his).await.ok(200);
    eve.like(his).await.ok(200);
    ann.follow(eve.id).await.ok(200);
    let mut back = Listener::to(&bob, Some(seen)).await;
    eve.unlike(his).await.ok(200);
    let last = back.hears(&["ann like_post", "eve like_post", "ann follow", "eve cancel_like_post"]).await;
    let mut again = Listener::to(&bob, Some(last)).await;
    ann.unlike(his).await.ok(200);
    for listener in [&mut back, &mut again] {
        listener.hears(&["ann cancel_like_post"]).await;
    }
    for bad in ["x", "-1", "1.5", ""] {
        let request = bob.request(Method::GET, "/newsfeeds/stream").header("last-event-id", bad);
        bob.send(request).await.faults(&[("Last-Event-ID", "not_allowed")]);
    }
}

#[tokio::test]
async fn whoever_was_away_too_long_is_told_so() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let his = bob.write("his").await;
    for _ in 0..251 {
        ann.like(his).await.ok(200);
        ann.unlike(his).await.ok(200);
    }
    let mut back = Listener::to(&bob, Some(0)).await;
    assert!(back.0.block().await.unwrap().contains("event: missed"));
    let first = back.next().await.0;
    for expected in first + 1..first + 500 {
        assert_eq!(back.next().await.0, expected);
    }
    ann.like(his).await.ok(200);
    assert_eq!(back.next().await.0, first + 500);
}

#[tokio::test]
async fn a_stream_ends_with_its_login_and_with_the_server() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = three(&app).await;
    let (to_ann, to_bob, to_eve) =
        (Listener::to(&ann, None).await, Listener::to(&bob, None).await, Listener::to(&eve, None).await);
    app.app.users.block(UserId(ann.id)).await.unwrap();
    to_ann.ends().await;
    app.app.users.logout_all(UserId(bob.id)).await.unwrap();
    to_bob.ends().await;
    let stopped = app.stop();
    to_eve.ends().await;
    in_time(stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_goes_on_with_the_next() {
    let (app, clock) = TestApp::with_clock(|_| {}).await;
    let (ann, bob) = (app.member("ann").await, app.account("bob", Role::User).await);
    let for_a_minute = app.bearer(app.app.users.token(bob.id, Some(60)).await.unwrap());
    let for_an_hour = app.bearer(app.app.users.token(bob.id, Some(3_600)).await.unwrap());
    for_an_hour.follow(ann.id).await.ok(200);
    let (mut short, mut long) = (Listener::to(&for_a_minute, None).await, Listener::to(&for_an_hour, None).await);
    clock.advance_seconds(59);
    ann.write("one").await;
    let seen = short.hears(&["ann write_post"]).await;
    clock.advance_seconds(1);
    short.ends().await;
    ann.write("two").await;
    for_a_minute.get("/newsfeeds/stream").await.refused(401, "token_expired");
    let mut back = Listener::to(&for_an_hour, Some(seen)).await;
    back.hears(&["ann write_post"]).await;
    long.hears(&["ann write_post", "ann write_post"]).await;
}

#[tokio::test]
async fn one_user_has_so_many_streams_and_no_more() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Listener::to(&ann, None).await);
    }
    ann.get("/newsfeeds/stream").await.refused(429, "too_many_streams");
    let mut other = Listener::to(&bob, None).await;
    ann.follow(bob.id).await.ok(200);
    other.hears(&["ann follow"]).await;
    open.clear();
    in_time(async { while ann.request(Method::GET, "/newsfeeds/stream").send().await.unwrap().status() != 200 {} })
        .await;
}

#[tokio::test]
async fn whoever_does_not_read_is_dropped_and_holds_nobody_up() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    bob.follow(ann.id).await.ok(200);
    // Far more than the socket and the buffers hold.
    let content = "글".repeat(5_000);
    let slow = Listener::to(&bob, None).await;
    let mut fast = Listener::to(&bob, None).await;
    for _ in 0..800 {
        ann.post("/activity/posts", &json!({"title": "a", "content": content})).await.ok(201);
        fast.hears(&["ann write_post"]).await;
    }
    let Events { mut response, heard } = slow.0;
    let mut heard = heard.len();
    while let Some(chunk) = in_time(response.chunk()).await.unwrap_or(None) {
        heard += chunk.len();
    }
    assert!(heard < 700 * content.len(), "the slow one heard {heard} bytes to the end");
}

#[tokio::test]
async fn a_thousand_streams_hear_the_same() {
    let app = TestApp::start().await;
    let ann = app.member("ann").await;
    let mut streams = Vec::new();
    for index in 0..63 {
        let fan = app.member(&format!("fan{index}")).await;
        fan.follow(ann.id).await.ok(200);
        for _ in 0..16 {
            streams.push(Listener::to(&fan, None).await);
        }
    }
    assert!(streams.len() > 1_000);
    ann.write("a").await;
    for stream in &mut streams {
        stream.hears(&["ann write_post"]).await;
    }
    let stopped = app.stop();
    for stream in streams {
        stream.ends().await;
    }
    in_time(stopped).await.unwrap().unwrap();
}
