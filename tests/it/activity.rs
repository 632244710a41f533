//! Posts, comments, likes and follows: who may do what, and what becomes of it.

use preorder::kernel::actor::Role;
use preorder::kernel::ids::UserId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Asker, Member, TestApp, members, number, utc};

/// The people of most tests: an author, somebody else, an admin, nobody, and somebody who is blocked.
struct People {
    ann: Member,
    bob: Member,
    admin: Member,
    nobody: Asker,
    blocked: Member,
}

async fn people(app: &TestApp) -> People {
    People {
        ann: app.member("ann").await,
        bob: app.member("bob").await,
        admin: app.member_with("admin", Role::Admin).await,
        nobody: app.anonymous(),
        blocked: app.blocked("eve").await,
    }
}

/// A request by everybody who may not make it: without a token, and blocked.
async fn refused(People { nobody, blocked, .. }: &People, method: Method, path: &str, body: Option<Value>) {
    for (asker, status, code) in [(nobody, 401, "unauthenticated"), (&blocked.asker, 403, "account_blocked")] {
        let request = asker.request(method.clone(), path);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        asker.send(request).await.refused(status, code);
    }
}

#[tokio::test]
async fn a_post_is_written_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let people = people(&app).await;
    let People { ann, bob, admin, nobody, blocked } = &people;
    let words = json!({"title": " 첫 글 ", "content": "안녕하세요\n👋"});
    let post = ann.post("/activity/posts", &words).await.ok(201);
    let names = ["commentCount", "content", "createdAt", "id", "likeCount", "liked", "title", "updatedAt", "writer"];
    assert_eq!(members(&post), names);
    assert_eq!((&post["title"], &post["content"]), (&json!("첫 글"), &json!("안녕하세요\n👋")));
    assert_eq!(post["writer"], json!({"id": ann.id, "name": "ann", "profileImageUrl": null}));
    assert_eq!((&post["likeCount"], &post["commentCount"], &post["liked"]), (&json!(0), &json!(0), &json!(false)));
    assert_eq!(utc(&post["createdAt"]), utc(&post["updatedAt"]));
    refused(&people, Method::POST, "/activity/posts", Some(words)).await;

    let path = format!("/activity/posts/{}", number(&post));
    for reader in [nobody, &ann.asker, &bob.asker, &admin.asker, &blocked.asker] {
        assert_eq!(reader.get(&path).await.ok(200), post);
    }
    let change = json!({"title": "새 제목"});
    refused(&people, Method::PATCH, &path, Some(change.clone())).await;
    bob.edit(&path, &change).await.refused(403, "forbidden");
    // What is wrong with the words is told first, as it is for comments.
    bob.edit(&path, &json!({"title": ""})).await.faults(&[("title", "blank")]);
    bob.edit("/activity/posts/99", &json!({"title": ""})).await.faults(&[("title", "blank")]);
    let changed = ann.edit(&path, &change).await.ok(200);
    assert_eq!((&changed["title"], &changed["content"]), (&json!("새 제목"), &post["content"]));
    assert!(utc(&changed["updatedAt"]) > utc(&changed["createdAt"]));
    assert_eq!(ann.edit(&path, &json!({})).await.ok(200), changed, "nothing changes by nothing");
    assert_eq!(admin.edit(&path, &json!({"content": "정리함"})).await.ok(200)["content"], "정리함");

    refused(&people, Method::DELETE, &path, None).await;
    bob.does(Method::DELETE, &path).await.refused(403, "forbidden");
    ann.does(Method::DELETE, &path).await.ok(204);
    for gone in [ann.get(&path).await, ann.does(Method::DELETE, &path).await, ann.edit(&path, &change).await] {
        gone.refused(404, "post_not_found");
    }
    let second = bob.write("bob's").await;
    admin.does(Method::DELETE, &format!("/activity/posts/{second}")).await.ok(204);
    app.audit().await;
}

#[tokio::test]
async fn bad_words_are_refused_and_nothing_is_written() {
    let app = TestApp::start().await;
    let ann = app.member("ann").await;
    let post = ann.write("a").await;
    let comments = format!("/activity/posts/{post}/comments");
    let long = |chars: usize| "한".repeat(chars);
    for (body, faults) in [
        (json!({}), vec![("title", "required"), ("content", "required")]),
        (json!({"title": "  ", "content": ""}), vec![("title", "blank"), ("content", "blank")]),
        (json!({"title": long(101), "content": long(5_001)}), vec![("title", "too_long"), ("content", "too_long")]),
        (
            json!({"title": "a\u{202E}b", "content": "\u{0}b"}),
            vec![("title", "bad_character"), ("content", "bad_character")],
        ),
        (json!({"title": "two\nlines", "content": "b"}), vec![("title", "bad_character")]),
        (json!({"title": "a", "content": "b", "likeCount": 7}), vec![("likeCount", "unknown_field")]),
    ] {
        ann.post("/activity/posts", &body).await.faults(&faults);
    }
    for (body, faults) in [
        (json!({}), vec![("content", "required")]),
        (json!({"content": "\t"}), vec![("content", "blank")]),
        (json!({"content": long(1_001)}), vec![("content", "too_long")]),
        (json!({"content": "a\u{2066}b"}), vec![("content", "bad_character")]),
        (json!({"content": "a", "postId": 1}), vec![("postId", "unknown_field")]),
    ] {
        ann.post(&comments, &body).await.faults(&faults);
    }
    let raw = |body: &'static str| {
        ann.request(Method::POST, "/activity/posts").header("content-type", "application/json").body(body)
    };
    ann.send(raw(r#"{"title":"a","title":"b","content":"c"}"#)).await.faults(&[("title", "duplicate_field")]);
    ann.send(raw(r#"{"title":7,"content":"c"}"#)).await.refused(400, "malformed_json");
    ann.send(raw(r#"{"title":"#)).await.refused(400, "malformed_json");
    let fits = json!({"title": "👍".repeat(100), "content": long(5_000)});
    ann.post("/activity/posts", &fits).await.ok(201);
    ann.edit(&format!("/activity/posts/{post}"), &json!({"title": ""})).await.faults(&[("title", "blank")]);
    assert_eq!(ann.ids("/activity/posts").await, [post + 1, post]);
    assert!(ann.ids("/activity/comments").await.is_empty());
    for unknown in ["0", "999", "-1", "+1", "01", "1.0", "abc", "99999999999999999999", "%00"] {
        ann.get(&format!("/activity/posts/{unknown}")).await.refused(404, "post_not_found");
        ann.does(Method::PUT, &format!("/activity/posts/{unknown}/like")).await.refused(404, "post_not_found");
        ann.does(Method::PUT, &format!("/activity/comments/{unknown}/like")).await.refused(404, "comment_not_found");
        ann.does(Method::PUT, &format!("/activity/follows/{unknown}")).await.refused(404, "user_not_found");
    }
    app.audit().await;
}

#[tokio::test]
async fn likes_are_idempotent_and_everybody_sees_their_own() {
    let app = TestApp::start().await;
    let people = people(&app).await;
    let People { ann, bob, nobody, .. } = &people;
    let (post, other) = (ann.write("one").await, ann.write("two").await);
    let path = format!("/activity/posts/{post}/like");
    refused(&people, Method::PUT, &path, None).await;
    refused(&people, Method::DELETE, &path, None).await;
    refused(&people, Method::GET, "/activity/posts/liked", None).await;

    for _ in 0..2 {
        assert_eq!(bob.like(post).await.ok(200), json!({"liked": true, "likeCount": 1}));
    }
    assert_eq!(ann.like(post).await.ok(200), json!({"liked": true, "likeCount": 2}));
    bob.like(other).await.ok(200);
    let seen = async |asker: &Asker| {
        let post = asker.get(&format!("/activity/posts/{post}")).await.ok(200);
        (post["liked"].as_bool().unwrap(), post["likeCount"].as_i64().unwrap())
    };
    assert_eq!((seen(bob).await, seen(nobody).await), ((true, 2), (false, 2)));
    assert_eq!(bob.ids("/activity/posts/liked").await, [other, post], "the latest like first");
    for _ in 0..2 {
        assert_eq!(bob.unlike(post).await.ok(200), json!({"liked": false, "likeCount": 1}));
    }
    assert_eq!(seen(bob).await, (false, 1));
    bob.like(post).await.ok(200);
    assert_eq!(bob.ids("/activity/posts/liked").await, [post, other]);
    assert_eq!(bob.pages("/activity/posts/liked", 1).await.len(), 2);
    ann.does(Method::DELETE, &format!("/activity/posts/{post}")).await.ok(204);
    assert_eq!(bob.ids("/activity/posts/liked").await, [other]);
    bob.like(post).await.refused(404, "post_not_found");
    app.audit().await;
}

#[tokio::test]
async fn comments_live_and_die_with_their_post() {
    let app = TestApp::start().await;
    let people = people(&app).await;
    let People { ann, bob, admin, nobody, .. } = &people;
    let post = ann.write("a").await;
    let on = format!("/activity/posts/{post}/comments");
    refused(&people, Method::POST, &on, Some(json!({"content": "x"}))).await;
    let first = bob.post(&on, &json!({"content": "좋아요"})).await.ok(201);
    let names = ["content", "createdAt", "id", "likeCount", "liked", "postId", "updatedAt", "writer"];
    assert_eq!(members(&first), names);
    let (first, second) = (number(&first), ann.comment(post, "고마워요").await);
    assert_eq!(nobody.ids(&on).await, [first, second], "the oldest first");
    assert_eq!(nobody.get(&format!("/activity/posts/{post}")).await.ok(200)["commentCount"], 2);
    nobody.get("/activity/posts/999/comments").await.refused(404, "post_not_found");

    let path = format!("/activity/comments/{first}");
    let like = format!("{path}/like");
    for (method, path) in [
        (Method::PATCH, &path),
        (Method::DELETE, &path),
        (Method::PUT, &like),
        (Method::DELETE, &like),
        (Method::GET, &"/activity/comments".to_owned()),
        (Method::GET, &"/activity/comments/liked".to_owned()),
    ] {
        let body = (method == Method::PATCH).then(|| json!({"content": "x"}));
        refused(&people, method, path, body).await;
    }
    ann.edit(&path, &json!({"content": "x"})).await.refused(403, "forbidden");
    ann.edit(&path, &json!({"content": ""})).await.faults(&[("content", "blank")]);
    assert_eq!(bob.edit(&path, &json!({"content": "최고"})).await.ok(200)["content"], "최고");
    for _ in 0..2 {
        assert_eq!(ann.does(Method::PUT, &like).await.ok(200), json!({"liked": true, "likeCount": 1}));
    }
    let seen = ann.get(&on).await.ok(200);
    assert_eq!((&seen["items"][0]["liked"], &seen["items"][1]["liked"]), (&json!(true), &json!(false)));
    assert_eq!(ann.ids("/activity/comments/liked").await, [first]);
    assert_eq!(ann.does(Method::DELETE, &like).await.ok(200), json!({"liked": false, "likeCount": 0}));
    ann.does(Method::PUT, &like).await.ok(200);

    ann.does(Method::DELETE, &path).await.refused(403, "forbidden");
    admin.does(Method::DELETE, &path).await.ok(204);
    bob.does(Method::DELETE, &path).await.refused(404, "comment_not_found");
    assert!(ann.ids("/activity/comments/liked").await.is_empty() && bob.ids("/activity/comments").await.is_empty());
    assert_eq!((nobody.ids(&on).await, ann.ids("/activity/comments").await), (vec![second], vec![second]));
    assert_eq!(nobody.get(&format!("/activity/posts/{post}")).await.ok(200)["commentCount"], 1);
    bob.does(Method::PUT, &format!("/activity/comments/{second}/like")).await.ok(200);
    ann.does(Method::DELETE, &format!("/activity/posts/{post}")).await.ok(204);
    assert!(ann.ids("/activity/comments").await.is_empty() && bob.ids("/activity/comments/liked").await.is_empty());
    let gone = format!("/activity/comments/{second}");
    ann.edit(&gone, &json!({"content": "x"})).await.refused(404, "comment_not_found");
    ann.does(Method::DELETE, &gone).await.refused(404, "comment_not_found");
    app.audit().await;
}

#[tokio::test]
async fn people_follow_each_other() {
    let app = TestApp::start().await;
    let people = people(&app).await;
    let People { ann, bob, admin, nobody, .. } = &people;
    refused(&people, Method::PUT, &format!("/activity/follows/{}", ann.id), None).await;
    refused(&people, Method::DELETE, &format!("/activity/follows/{}", ann.id), None).await;
    ann.follow(ann.id).await.refused(422, "cannot_follow_self");
    ann.unfollow(ann.id).await.refused(422, "cannot_follow_self");
    for _ in 0..2 {
        let state = bob.follow(ann.id).await.ok(200);
        assert_eq!(state, json!({"userId": ann.id, "following": true, "followerCount": 1}));
    }
    admin.follow(ann.id).await.ok(200);
    bob.follow(admin.id).await.ok(200);
    let list = format!("/activity/followers?userId={}", ann.id);
    for reader in [nobody, &bob.asker] {
        assert_eq!(reader.ids(&list).await, [admin.id, bob.id], "the latest first");
    }
    assert_eq!(ann.ids("/activity/followers").await, [admin.id, bob.id]);
    assert_eq!(bob.ids("/activity/following").await, [admin.id, ann.id]);
    assert_eq!(
        ann.get("/activity/followers").await.ok(200)["items"][1],
        json!({"id": bob.id, "name": "bob", "profileImageUrl": null})
    );
    assert_eq!(bob.pages("/activity/following", 1).await.len(), 2);
    for path in ["/activity/followers", "/activity/following"] {
        nobody.get(path).await.refused(401, "unauthenticated");
        nobody.get(&format!("{path}?userId=999")).await.refused(404, "user_not_found");
        nobody.get(&format!("{path}?userId=ann")).await.faults(&[("userId", "not_allowed")]);
    }
    for _ in 0..2 {
        let state = bob.unfollow(ann.id).await.ok(200);
        assert_eq!(state, json!({"userId": ann.id, "following": false, "followerCount": 1}));
    }
    assert_eq!(bob.ids("/activity/following").await, [admin.id]);
    app.audit().await;
}

#[tokio::test]
async fn what_somebody_wrote_stays_when_they_go() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let post = ann.write("a").await;
    ann.comment(post, "b").await;
    let his = bob.write("his").await;
    ann.like(his).await.ok(200);
    ann.follow(bob.id).await.ok(200);
    bob.follow(ann.id).await.ok(200);
    let writer = async || bob.get(&format!("/activity/posts/{post}")).await.ok(200)["writer"]["name"].clone();
    app.app.users.block(UserId(ann.id)).await.unwrap();
    assert_eq!(writer().await, "ann");
    app.app.users.delete(UserId(ann.id)).await.unwrap();
    assert_eq!(writer().await, "withdrawn user (탈퇴한 사용자)");
    assert_eq!(bob.get("/newsfeeds").await.ok(200)["items"][1]["writer"]["name"], "withdrawn user (탈퇴한 사용자)");
    // What they liked and whom they followed goes on being counted.
    assert_eq!(bob.get(&format!("/activity/posts/{his}")).await.ok(200)["likeCount"], 1);
    let gone = bob.get(&format!("/users/{}", ann.id)).await.ok(200);
    assert_eq!(["postCount", "followerCount", "followingCount"].map(|count| &gone[count]), [&json!(1); 3]);
    let followers = bob.get("/activity/followers").await.ok(200);
    assert_eq!(followers["items"][0]["name"], "withdrawn user (탈퇴한 사용자)");
    let comments = bob.get(&format!("/activity/posts/{post}/comments")).await.ok(200);
    assert_eq!(comments["items"][0]["writer"]["name"], "withdrawn user (탈퇴한 사용자)");
    bob.like(post).await.ok(200);
    bob.unfollow(ann.id).await.ok(200);
    bob.follow(ann.id).await.refused(404, "user_not_found");
    app.audit().await;
}

#[tokio::test]
async fn a_cursor_belongs_to_one_list() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    for title in ["a", "b"] {
        let (hers, his) = (ann.write(title).await, bob.write(title).await);
        for post in [hers, his] {
            ann.like(post).await.ok(200);
            ann.comment(post, "c").await;
            ann.comment(post, "d").await;
        }
    }
    let cursor = async |asker: &Asker, path: &str| {
        let page = asker.get(&format!("{path}?limit=1")).await.ok(200);
        page["nextCursor"].as_str().unwrap_or_else(|| panic!("{path}: {page}")).to_owned()
    };
    let (mine, his) = (cursor(&ann, "/activity/posts").await, cursor(&bob, "/activity/posts").await);
    ann.get(&format!("/activity/posts?cursor={mine}")).await.ok(200);
    let comments = cursor(&ann, "/activity/posts/1/comments").await;
    ann.get(&format!("/activity/posts/1/comments?cursor={comments}")).await.ok(200);
    for (path, bad) in [
        ("/activity/posts", &*his),
        ("/activity/posts/2/comments", &comments),
        ("/activity/comments", &mine),
        ("/activity/posts/liked", &mine),
        ("/activity/comments/liked", &cursor(&ann, "/activity/posts/liked").await),
        ("/activity/followers", &mine),
        ("/activity/following", "following~1"),
        ("/activity/posts", &mine.replace("posts~3", "posts~2")),
        ("/activity/posts", "x"),
        ("/activity/posts", "%FF"),
    ] {
        ann.get(&format!("{path}?cursor={bad}")).await.faults(&[("cursor", "cursor_invalid")]);
    }
    ann.get("/activity/posts?limit=0").await.faults(&[("limit", "out_of_range")]);
}
