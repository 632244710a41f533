//! Feeds and views of activities.

use reqwest::Method;
use serde_json::json;

use crate::support::{Asker, Member, TestApp, eventually, members, number};

/// Every id of a feed, read in pages of `limit`; `between` happens after each page.
async fn paged(asker: &Asker, path: &str, limit: usize, mut between: impl AsyncFnMut()) -> Vec<i64> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = asker.get(&format!("{path}&limit={limit}&cursor={cursor}")).await.ok(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        ids.extend(items.iter().map(number));
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return ids,
        }
        between().await;
    }
}

/// Ann, Bob and Eve write three posts each, in turns: 1 is Ann's, 2 is Bob's, 3 is Eve's, 4 is Ann's …
async fn town(app: &TestApp) -> [Member; 3] {
    let people = [app.member("ann").await, app.member("bob").await, app.member("eve").await];
    for _ in 0..3 {
        for person in &people {
            person.write("a").await;
        }
    }
    people
}

#[tokio::test]
async fn feeds_come_by_date_and_by_likes_of_all_and_of_those_one_follows() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = town(&app).await;
    for (post, fans) in [(5, vec![&ann, &bob, &eve]), (3, vec![&ann, &bob]), (6, vec![&ann, &eve]), (1, vec![&bob])] {
        for fan in fans {
            fan.like(post).await.ok(200);
        }
    }
    ann.follow(bob.id).await.ok(200);
    ann.follow(eve.id).await.ok(200);
    for (query, expected) in [
        ("", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("type=all&sort=date", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("sort=like", vec![5, 6, 3, 1, 9, 8, 7, 4, 2]),
        ("type=follow", vec![9, 8, 6, 5, 3, 2]),
        ("type=follow&sort=like", vec![5, 6, 3, 9, 8, 2]),
    ] {
        let path = format!("/newsfeeds?{query}");
        assert_eq!(ann.ids(&path).await, expected, "{query}");
        for limit in [1, 2, 3] {
            assert_eq!(paged(&ann, &path, limit, async || {}).await, expected, "{query} by {limit}");
        }
        if !query.contains("follow") {
            assert_eq!(app.anonymous().ids(&path).await, expected, "{query}");
        }
    }
    assert!(bob.ids("/newsfeeds?type=follow").await.is_empty());
    let page = ann.get("/newsfeeds?sort=like").await.ok(200);
    let names = ["commentCount", "content", "createdAt", "id", "likeCount", "liked", "title", "updatedAt", "writer"];
    assert_eq!(members(&page["items"][0]), names);
    assert_eq!(page["items"][0]["writer"], json!({"id": bob.id, "name": "bob", "profileImageUrl": null}));
    // The page is kept as nobody sees it, so each reader must find their own likes in it.
    for (reader, expected) in [(&ann, vec![5, 6, 3]), (&bob, vec![5, 3, 1]), (&eve, vec![5, 6])] {
        let page = reader.get("/newsfeeds?sort=like").await.ok(200);
        let liked = page["items"].as_array().unwrap().iter().filter(|post| post["liked"] == true).map(number);
        assert_eq!(liked.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_feed_is_for_whom_it_is_for() {
    let app = TestApp::start().await;
    let blocked = app.blocked("eve").await;
    let (nobody, liar) = (app.anonymous(), app.bearer("a.b.c"));
    for anybody in [&nobody, &liar, &blocked.asker] {
        assert_eq!(anybody.get("/newsfeeds").await.ok(200), json!({"items": [], "nextCursor": null}));
    }
    for path in [
        "/newsfeeds?type=follow",
        "/newsfeeds/my-following",
        "/newsfeeds/my-follower",
        "/newsfeeds/my-post-alarm",
        "/newsfeeds/stream",
    ] {
        nobody.get(path).await.refused(401, "unauthenticated");
        liar.get(path).await.refused(401, "token_invalid");
        blocked.get(path).await.refused(403, "account_blocked");
    }
    nobody.get("/newsfeeds?type=mine").await.faults(&[("type", "not_allowed")]);
    nobody.get("/newsfeeds?sort=name").await.faults(&[("sort", "not_allowed")]);
    nobody.get("/newsfeeds?sort=date&sort=like").await.faults(&[("sort", "duplicate_field")]);
    nobody.get("/newsfeeds?limit=101").await.faults(&[("limit", "out_of_range")]);
}

#[tokio::test]
async fn a_cursor_belongs_to_one_feed() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = town(&app).await;
    for reader in [&ann, &bob] {
        reader.follow(eve.id).await.ok(200);
    }
    let feeds = ["sort=date", "sort=like", "type=follow&sort=date", "type=follow&sort=like"];
    for own in feeds {
        let page = ann.get(&format!("/newsfeeds?{own}&limit=1")).await.ok(200);
        let cursor = page["nextCursor"].as_str().unwrap();
        for feed in feeds {
            let answer = ann.get(&format!("/newsfeeds?{feed}&cursor={cursor}")).await;
            if feed == own {
                answer.ok(200);
            } else {
                answer.faults(&[("cursor", "cursor_invalid")]);
            }
        }
        if own.contains("follow") {
            bob.get(&format!("/newsfeeds?{own}&cursor={cursor}")).await.faults(&[("cursor", "cursor_invalid")]);
        }
        ann.get(&format!("/newsfeeds/my-following?cursor={cursor}")).await.faults(&[("cursor", "cursor_invalid")]);
    }
    for forged in ["1", "feed-all-date~1", "feed-all-date~1~00000000", "~", "%00"] {
        ann.get(&format!("/newsfeeds?cursor={forged}")).await.faults(&[("cursor", "cursor_invalid")]);
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_when_posts_arrive() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = town(&app).await;
    eve.follow(ann.id).await.ok(200);
    eve.follow(bob.id).await.ok(200);
    eve.like(4).await.ok(200);
    for (query, expected) in [
        ("type=all&sort=date", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("type=follow&sort=date", vec![8, 7, 5, 4, 2, 1]),
        ("type=all&sort=like", vec![4, 9, 8, 7, 6, 5, 3, 2, 1]),
        ("type=follow&sort=like", vec![4, 8, 7, 5, 2, 1]),
    ] {
        // New posts stand before every page that is still to come, but for the first.
        let mut fresh = Vec::new();
        let read = paged(&eve, &format!("/newsfeeds?{query}"), 2, async || fresh.push(ann.write("new").await)).await;
        assert_eq!(read, expected, "{query}");
        for post in fresh {
            ann.does(Method::DELETE, &format!("/activity/posts/{post}")).await.ok(204);
        }
    }
}

#[tokio::test]
async fn everybody_sees_at_once_what_was_answered() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let post = ann.write("a").await;
    bob.follow(ann.id).await.ok(200);
    let first =
        async |reader: &Asker, query: &str| reader.get(&format!("/newsfeeds{query}")).await.ok(200)["items"][0].clone();
    for round in 0..5 {
        for query in ["", "?sort=like", "?type=follow", "?type=follow&sort=like"] {
            assert_eq!(first(&bob, query).await["liked"], false);
            bob.like(post).await.ok(200);
            let seen = first(&bob, query).await;
            assert_eq!((&seen["liked"], &seen["likeCount"]), (&json!(true), &json!(1)), "{query}");
            assert_eq!(first(&app.anonymous(), "").await["likeCount"], 1);
            bob.unlike(post).await.ok(200);
            assert_eq!(first(&bob, query).await["likeCount"], 0);
        }
        let title = format!("title {round}");
        ann.edit(&format!("/activity/posts/{post}"), &json!({"title": title})).await.ok(200);
        assert_eq!(first(&bob, "").await["title"], title);
        bob.comment(post, "c").await;
        assert_eq!(first(&bob, "").await["commentCount"], round + 1);
    }
    bob.unfollow(ann.id).await.ok(200);
    assert!(bob.ids("/newsfeeds?type=follow").await.is_empty());
    ann.does(Method::DELETE, &format!("/activity/posts/{post}")).await.ok(204);
    assert!(app.anonymous().ids("/newsfeeds").await.is_empty());
}

#[tokio::test]
async fn a_page_comes_from_memory_until_something_changes() {
    let app = TestApp::still(|_| {}).await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let (eve, dan) = (app.member("eve").await, app.member("dan").await);
    let post = ann.write("a").await;
    bob.follow(ann.id).await.ok(200);
    let paths = ["/newsfeeds", "/newsfeeds?type=follow&sort=like", "/newsfeeds/my-following"];
    for path in paths {
        bob.get(path).await.ok(200);
    }
    let reads = app.app.db.reads_total();
    for path in paths {
        bob.get(path).await.ok(200);
        bob.get(path).await.ok(200);
    }
    app.anonymous().get("/newsfeeds").await.ok(200);
    assert_eq!(app.app.db.reads_total(), reads);
    // What others do elsewhere does not concern these pages; what is done to what they show does.
    eve.follow(dan.id).await.ok(200);
    bob.write("nobody here follows bob").await;
    for path in &paths[1..] {
        bob.get(path).await.ok(200);
    }
    assert_eq!(app.app.db.reads_total(), reads);
    assert_eq!(bob.ids("/newsfeeds").await.len(), 2);
    eve.like(post).await.ok(200);
    assert_eq!(bob.get(paths[1]).await.ok(200)["items"][0]["likeCount"], 1);
}

#[tokio::test]
async fn what_another_process_writes_is_seen() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let post = ann.write("a").await;
    assert_eq!(bob.get("/newsfeeds").await.ok(200)["items"][0]["liked"], false);
    let console = app.elsewhere().await;
    let user = preorder::kernel::ids::UserId(bob.id);
    console.activity.set_post_liked(user, preorder::kernel::ids::PostId(post), true).await.unwrap();
    let seen = eventually(&bob, "/newsfeeds", |answer| answer.body["items"][0]["liked"] == true).await;
    assert_eq!(seen.body["items"][0]["likeCount"], 1);
}

#[tokio::test]
async fn activities_are_told_to_whom_they_concern() {
    let app = TestApp::start().await;
    let [ann, bob, eve] = [app.member("ann").await, app.member("bob").await, app.member("eve").await];
    bob.follow(ann.id).await.ok(200);
    let post = ann.write("a").await;
    let comment = eve.comment(post, "c").await;
    let path = format!("/activity/comments/{comment}/like");
    for _ in 0..2 {
        eve.like(post).await.ok(200);
        ann.does(Method::PUT, &path).await.ok(200);
    }
    ann.like(post).await.ok(200);
    eve.unlike(post).await.ok(200);
    ann.does(Method::DELETE, &path).await.ok(200);
    ann.follow(eve.id).await.ok(200);
    ann.unfollow(eve.id).await.ok(200);
    ann.follow(bob.id).await.ok(200);

    let of_ann = [
        "ann follow",
        "ann cancel_follow",
        "ann follow",
        "ann cancel_like_comment",
        "ann like_post",
        "ann like_comment",
        "ann write_post",
    ];
    assert_eq!(bob.activities("my-following").await, of_ann);
    assert_eq!(bob.activities("my-follower").await, of_ann, "ann follows bob too");
    assert_eq!(ann.activities("my-follower").await, ["bob follow"]);
    assert_eq!(ann.activities("my-post-alarm").await, ["eve cancel_like_post", "eve like_post", "eve write_comment"]);
    assert!(eve.activities("my-following").await.is_empty() && eve.activities("my-post-alarm").await.is_empty());
    assert_eq!(bob.pages("/newsfeeds/my-following", 2).await.len(), of_ann.len());

    let latest = ann.get("/newsfeeds/my-post-alarm?limit=1").await.ok(200)["items"][0].clone();
    assert_eq!(members(&latest), ["actor", "createdAt", "id", "postId", "recipient", "type"]);
    assert_eq!(
        (&latest["actor"], &latest["recipient"]),
        (&json!({"id": eve.id, "name": "eve"}), &json!({"id": ann.id, "name": "ann"}))
    );
    let wrote = ann.get("/newsfeeds/my-post-alarm").await.ok(200)["items"][2].clone();
    assert_eq!((&wrote["postId"], &wrote["commentId"]), (&json!(post), &json!(comment)));

    eve.does(Method::DELETE, &format!("/activity/comments/{comment}")).await.ok(204);
    assert_eq!(ann.activities("my-post-alarm").await, ["eve cancel_like_post", "eve like_post"]);
    ann.does(Method::DELETE, &format!("/activity/posts/{post}")).await.ok(204);
    assert!(ann.activities("my-post-alarm").await.is_empty());
    assert_eq!(bob.activities("my-following").await, ["ann follow", "ann cancel_follow", "ann follow"]);
    app.audit().await;
}

#[tokio::test]
async fn whoever_follows_many_reads_the_same_feed() {
    let app = TestApp::start().await;
    let reader = app.member("reader").await;
    let mut expected = Vec::new();
    // More than are merged at once; the quiet ones' posts lie behind those of a stranger who writes a lot.
    let mut followed = Vec::new();
    for index in 0..40 {
        let member = app.member(&format!("m{index}")).await;
        expected.push(member.write("old").await);
        reader.follow(member.id).await.ok(200);
        member.follow(reader.id).await.ok(200);
        followed.push(member);
    }
    let stranger = app.member("stranger").await;
    for _ in 0..100 {
        stranger.write("noise").await;
    }
    expected.extend([followed[3].write("new").await, followed[7].write("new").await]);
    expected.reverse();
    for limit in [7, 100] {
        assert_eq!(paged(&reader, "/newsfeeds?type=follow", limit, async || {}).await, expected);
        assert_eq!(paged(&reader, "/newsfeeds?type=follow&sort=like", limit, async || {}).await, expected);
    }
    let mine = reader.pages("/newsfeeds/my-following", 9).await;
    let followers = reader.pages("/newsfeeds/my-follower", 9).await;
    assert_eq!((mine.len(), &mine), (40 * 2 + 2, &followers));
}

#[tokio::test]
async fn a_page_of_deleted_things_ends_early_and_loses_nothing() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let (kept, busy) = (bob.write("kept").await, bob.write("busy").await);
    ann.like(kept).await.ok(200);
    for _ in 0..251 {
        ann.like(busy).await.ok(200);
        ann.unlike(busy).await.ok(200);
    }
    bob.does(Method::DELETE, &format!("/activity/posts/{busy}")).await.ok(204);
    let first = bob.get("/newsfeeds/my-post-alarm").await.ok(200);
    assert_eq!(first["items"], json!([]), "500 hidden activities end a page");
    let all = paged(&bob, "/newsfeeds/my-post-alarm?", 20, async || {}).await;
    assert_eq!(all.len(), 1, "the like of the post that is still there");
}
