//! All that is kept of somebody: handed out, and erased.

use std::os::unix::fs::PermissionsExt as _;

use futures_util::future::join_all;
use image::ImageFormat;
use preorder::kernel::actor::{By, Role};
use preorder::kernel::ids::{PostId, UserId};
use preorder::store::Location;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::images::{drawn, upload};
use crate::support::{Member, PASSWORD, Shell, TestApp, all_pay, eventually, id, reservation};

/// All that is kept of somebody.
async fn export(app: &TestApp, user: i64) -> Value {
    let mut text = Vec::new();
    let mut write = |more: &[u8]| {
        text.extend_from_slice(more);
        Ok(())
    };
    app.app.privacy.export(UserId(user), &mut write).await.unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Erases somebody, as the command line does it.
async fn erase(app: &TestApp, user: i64) -> preorder::privacy::Erased {
    app.app.privacy.begin_erasure(UserId(user), By::Console).await.unwrap();
    app.app.privacy.erase_rest(UserId(user)).await.unwrap()
}

/// How many rows a query counts.
fn count(app: &TestApp, sql: &str) -> i64 {
    let Location::Sqlite(path) = &app.app.config.db;
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Ann and bob in a town of theirs, each with a bit of everything; the numbers of ann's posts and comment.
async fn town(app: &TestApp) -> (Member, Member, [i64; 3], i64) {
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let posts = [ann.write("annword one").await, ann.write("annword two").await, ann.write("annword gone").await];
    let of_bob = bob.write("bobword").await;
    let comment = ann.comment(of_bob, "annword said").await;
    ann.comment(posts[0], "annword to herself").await;
    bob.comment(posts[0], "bobword said").await;
    for post in [posts[0], of_bob] {
        ann.like(post).await.ok(200);
        bob.like(post).await.ok(200);
    }
    ann.like(posts[2]).await.ok(200);
    ann.does(Method::DELETE, &format!("/activity/posts/{}", posts[2])).await.ok(204);
    bob.does(Method::PUT, &format!("/activity/comments/{comment}/like")).await.ok(200);
    let of_bobs = bob.comment(of_bob, "bobword again").await;
    for _ in 0..2 {
        ann.does(Method::PUT, &format!("/activity/comments/{of_bobs}/like")).await.ok(200);
        ann.does(Method::DELETE, &format!("/activity/comments/{of_bobs}/like")).await.ok(200);
    }
    ann.does(Method::PUT, &format!("/activity/comments/{of_bobs}/like")).await.ok(200);
    ann.follow(bob.id).await.ok(200);
    bob.follow(ann.id).await.ok(200);
    (ann, bob, posts, of_bob)
}

#[tokio::test]
async fn an_export_has_everything_and_opens_no_door() {
    let app = TestApp::with(all_pay).await;
    let (ann, bob, posts, of_bob) = town(&app).await;
    let image = upload(&ann, &drawn(ImageFormat::Png)).await;
    app.sell(reservation("100", 5)).await;
    let orders = [id(&ann.buy("100").await.ok(201)), ann.hold("100").await];
    app.app.users.entrust(UserId(ann.id), Role::Admin, By::Admin(UserId(bob.id), None)).await.unwrap();
    app.app.users.let_in(UserId(ann.id), By::Admin(UserId(bob.id), None)).await.unwrap();
    let kept = export(&app, ann.id).await;

    let user = &kept["user"];
    let told = ["id", "name", "email", "role", "state"].map(|name| user[name].clone());
    assert_eq!(told, [json!(ann.id), json!("ann"), json!("ann@example.com"), json!("admin"), json!("active")]);
    let name = image.rsplit('/').next().unwrap();
    assert_eq!(user["profileImage"]["name"], name);
    assert!(user["profileImage"]["base64"].as_str().unwrap().len() > 100);

    let ids = |list: &str| kept[list].as_array().unwrap().iter().map(|it| it["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("orders"), [json!(orders[1]), json!(orders[0])]);
    assert_eq!(kept["orders"][1]["payment"]["status"], "paid");
    assert_eq!(ids("posts"), posts.map(Value::from));
    assert_eq!(kept["posts"][2]["title"], "annword gone");
    assert!(kept["posts"][2]["deletedAt"].is_string() && kept["posts"][0]["deletedAt"].is_null());
    let comments: Vec<_> = kept["comments"].as_array().unwrap().iter().map(|it| &it["content"]).collect();
    assert_eq!(comments, ["annword said", "annword to herself"]);
    assert_eq!(ids("likedPosts"), [posts[0], posts[2], of_bob].map(Value::from));
    assert_eq!(kept["likedComments"].as_array().unwrap().len(), 1);
    assert_eq!((ids("following"), ids("followers")), (vec![json!(bob.id)], vec![json!(bob.id)]));
    let deeds = kept["activities"].as_array().unwrap().iter().filter(|deed| deed["type"] == "like_comment");
    assert_eq!(deeds.count(), 3);
    assert_eq!(kept["activities"].as_array().unwrap().len(), 3 + 2 + 3 + 5 + 1);
    assert_eq!(kept["sessions"].as_array().unwrap().len(), 1);
    let about: Vec<_> = kept["auditLogAbout"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
    assert_eq!(about, ["user.set_role", "user.token", "user.add"]);
    assert_eq!(kept["auditLogBy"], json!([]));
    let text = kept.to_string();
    for secret in ["bobword", "bob@", "argon2", "eyJ", PASSWORD, "refresh", "hash"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn a_long_life_is_exported_in_parts_with_nothing_missing_and_nothing_twice() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let post = bob.write("a").await;
    let me = UserId(ann.id);
    for _ in 0..5 {
        let likes = (0..500).map(|turn| app.app.activity.set_post_liked(me, PostId(post), turn % 2 == 0));
        join_all(likes).await.into_iter().for_each(|like| assert!(like.is_ok()));
    }
    let sessions = (0..1_200).map(|_| app.app.users.token(me, None));
    join_all(sessions).await.into_iter().for_each(|token| assert!(token.is_ok()));
    let kept = export(&app, ann.id).await;
    let numbers = |list: &str| kept[list].as_array().unwrap().iter().map(|it| it["id"].to_string()).collect::<Vec<_>>();
    let mut deeds = numbers("activities");
    assert_eq!(deeds.len(), 2_500);
    deeds.dedup();
    assert_eq!(deeds.len(), 2_500);
    let mut sessions = numbers("sessions");
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), 1_201);
    assert_eq!(kept["auditLogAbout"].as_array().unwrap().len(), 1_202);
}

#[tokio::test]
async fn an_erased_member_leaves_the_community_as_if_they_had_taken_everything_back() {
    let app = TestApp::with(all_pay).await;
    let (ann, bob, posts, of_bob) = town(&app).await;
    let image = upload(&ann, &drawn(ImageFormat::Png)).await;
    app.sell(reservation("100", 5)).await;
    let order = id(&ann.buy("100").await.ok(201));
    let erased = erase(&app, ann.id).await;
    let expected = preorder::privacy::Erased { posts: 2, comments: 2, likes: 4, following: 1, followers: 1 };
    assert_eq!(erased, expected);
    app.audit().await;

    ann.get("/users/me").await.refused(401, "session_revoked");
    let profile = bob.get(&format!("/users/{}", ann.id)).await.ok(200);
    assert_eq!((&profile["state"], &profile["postCount"]), (&json!("deleted"), &json!(0)));
    assert_eq!((&profile["followerCount"], &profile["followingCount"]), (&json!(0), &json!(0)));
    bob.get(&format!("/activity/posts/{}", posts[0])).await.refused(404, "post_not_found");
    assert_eq!(app.anonymous().get(&image).await.status, 404);
    let seen = bob.get(&format!("/activity/posts/{of_bob}")).await.ok(200);
    assert_eq!((&seen["likeCount"], &seen["commentCount"], &seen["liked"]), (&json!(1), &json!(1), &json!(true)));
    assert_eq!(bob.ids("/newsfeeds?type=all&sort=date").await, [of_bob]);
    for view in ["my-follower", "my-following", "my-post-alarm"] {
        let told = bob.activities(view).await;
        assert!(told.iter().all(|told| told.starts_with("bob ")), "{told:?}");
    }
    // The books have the order still, and nobody's words are left.
    assert_eq!(app.app.purchases.any(order.parse().unwrap()).await.unwrap().buyer, UserId(ann.id));
    let kept = export(&app, ann.id).await;
    assert!(!kept.to_string().contains("ann"), "{kept}");
    for list in ["likedPosts", "likedComments", "following", "followers", "sessions"] {
        assert_eq!(kept[list], json!([]), "{list}");
    }
    let kinds: Vec<_> =
        kept["activities"].as_array().unwrap().iter().map(|deed| deed["type"].as_str().unwrap()).collect();
    assert!(kinds.iter().all(|kind| kind.starts_with("write_")), "{kinds:?}");

    // Once is enough, in the audit log as well.
    assert_eq!(erase(&app, ann.id).await, preorder::privacy::Erased::default());
    app.audit().await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM trail WHERE action = 'user.erase'"), 1);
    let post = bob.write("life goes on").await;
    bob.like(post).await.ok(200);
    app.audit().await;
}

#[tokio::test]
async fn the_newest_number_of_the_log_is_never_given_again() {
    for last in 0..6 {
        let app = TestApp::start().await;
        let (ann, bob) = (app.member("ann").await, app.member("bob").await);
        let (own, of_bob) = (ann.write("a").await, bob.write("b").await);
        let comment = bob.comment(of_bob, "c").await;
        match last {
            0 => drop(ann.like(of_bob).await.ok(200)),
            1 => {
                ann.like(of_bob).await.ok(200);
                ann.unlike(of_bob).await.ok(200);
            }
            2 => drop(ann.does(Method::PUT, &format!("/activity/comments/{comment}/like")).await.ok(200)),
            3 => drop(ann.follow(bob.id).await.ok(200)),
            4 => drop(bob.follow(ann.id).await.ok(200)),
            _ => {
                // A like of what is gone can't be cancelled.
                ann.like(of_bob).await.ok(200);
                bob.does(Method::DELETE, &format!("/activity/posts/{of_bob}")).await.ok(204);
            }
        }
        let newest = count(&app, "SELECT MAX(id) FROM activities");
        erase(&app, ann.id).await;
        app.audit().await;
        assert!(count(&app, "SELECT MAX(id) FROM activities") >= newest, "{last}");
        let shown = "SELECT (SELECT COUNT(*) FROM post_likes l JOIN post_counts k ON k.post_id = l.post_id) \
             + (SELECT COUNT(*) FROM comment_likes) + (SELECT COUNT(*) FROM follows)";
        assert_eq!(count(&app, shown), 0, "{last}");
        // With another line behind it, nothing is left at all.
        bob.write("another").await;
        erase(&app, ann.id).await;
        app.audit().await;
        let left = format!("SELECT COUNT(*) FROM activities WHERE actor_id = {} AND type <> 'write_post'", ann.id);
        assert_eq!(count(&app, &left), 0, "{last}");
        assert_eq!(count(&app, &format!("SELECT COUNT(*) FROM posts WHERE id = {own} AND content <> ''")), 0);
    }
}

#[tokio::test]
async fn an_erasure_that_is_cut_short_is_ended_by_the_next() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    let post = bob.write("a").await;
    let me = UserId(ann.id);
    // One line before them, so that the first step ends between a like and its end.
    ann.write("c").await;
    let likes = (0..750).map(|turn| app.app.activity.set_post_liked(me, PostId(post), turn % 2 == 0));
    join_all(likes).await.into_iter().for_each(|like| assert!(like.is_ok()));
    let other = bob.write("b").await;
    app.app.activity.set_post_liked(me, PostId(other), true).await.unwrap();
    bob.write("d").await;
    app.app.privacy.begin_erasure(me, By::Console).await.unwrap();
    let (_, progress) = app.app.activity.begin_erasing(me).await.unwrap();
    let (_, next) = app.app.activity.erase_some(me, progress).await.unwrap();
    assert!(next.is_some());
    let torn = format!(
        "SELECT SUM(CASE type WHEN 'cancel_like_post' THEN 1 ELSE -1 END) FROM activities \
         WHERE post_id = {post} AND actor_id = {} AND type <> 'write_post'",
        ann.id
    );
    assert_eq!(count(&app, &torn), 1, "a like ends of which it is not told how it began");
    app.audit().await;
    let erased = erase(&app, ann.id).await;
    assert_eq!((erased.likes, erased.posts), (1, 0));
    app.audit().await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM erasures WHERE ended_at IS NULL"), 0);
}

#[tokio::test]
async fn only_what_an_erased_member_did_leaves_the_log() {
    let app = TestApp::start().await;
    let (_, bob, ..) = town(&app).await;
    let Location::Sqlite(path) = &app.app.config.db;
    let other = Connection::open(path).unwrap();
    let refused = other.execute("DELETE FROM activities", []).unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    let before = bob.activities("my-following").await;
    let third = app.member("eve").await.id;
    erase(&app, third).await;
    assert_eq!(bob.activities("my-following").await, before);
    other.execute(&format!("DELETE FROM activities WHERE actor_id = {}", bob.id), []).unwrap_err();
}

#[tokio::test]
async fn a_server_beside_it_forgets_at_once() {
    let app = TestApp::start().await;
    let (ann, bob, posts, of_bob) = town(&app).await;
    assert_eq!(bob.ids("/newsfeeds?type=all&sort=date").await.len(), 3);
    bob.activities("my-follower").await;
    let console = app.elsewhere().await;
    assert!(console.privacy.begin_erasure(UserId(ann.id), By::Console).await.unwrap());
    eventually(&ann, "/users/me", |answer| answer.status == 401).await;
    console.privacy.erase_rest(UserId(ann.id)).await.unwrap();
    let gone = |answer: &crate::support::Answer| answer.body["items"].as_array().unwrap().len() == 1;
    eventually(&bob, "/newsfeeds?type=all&sort=date", gone).await;
    eventually(&bob, &format!("/activity/posts/{}", posts[0]), |answer| answer.status == 404).await;
    eventually(&bob, &format!("/activity/posts/{of_bob}"), |answer| answer.body["likeCount"] == 1).await;
    let told = bob.activities("my-follower").await;
    assert!(told.is_empty(), "{told:?}");
    app.audit().await;
}

/// A shop on disk in which ann has written, liked, bought and been looked after; the server has ended.
async fn shop(shell: &Shell) {
    for (name, role) in [("ann", "user"), ("bob", "user")] {
        let line = format!("user add --email {name}@example.com --name {name}word --role {role} --password-stdin");
        assert!(shell.typed(&line, PASSWORD).ends_with("exit 0\n"));
    }
    let server = shell.serve("", &[("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0")]).await;
    let people = ["ann", "bob"]
        .map(|name| server.anonymous().bearer(shell.ok(&format!("user token {name}@example.com")).trim()));
    shell.ok("product add --id p --name Pen --type reservation --price 5 --stock 9");
    eventually(&people[0], "/products/p", |answer| answer.status == 200).await;
    people[0].buy("p").await.ok(201);
    let long = "secretword ".repeat(400);
    let post = json!({"title": "secretword", "content": long});
    let post = people[0].post("/activity/posts", &post).await.ok(201)["id"].as_i64().unwrap();
    people[1].like(post).await.ok(200);
    people[0].like(post).await.ok(200);
    people[1].comment(post, "hello").await;
    people[0].comment(post, "secretword").await;
    server.kill().await;
}

#[tokio::test]
async fn somebody_is_exported_and_erased_from_the_command_line() {
    let shell = Shell::new();
    shop(&shell).await;
    insta::assert_snapshot!(
        "user_export",
        shell
            .runs([
                "user export ann@example.com --output kept.json --json",
                "user export ann@example.com --output kept.json",
                "user export 1 --output nowhere/kept.json",
                "user export nobody@example.com",
                "user export nobody",
            ])
            .replace(&std::fs::metadata(shell.path().join("kept.json")).unwrap().len().to_string(), "<bytes>")
    );
    let file = shell.path().join("kept.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["posts"][0]["title"], "secretword");
    let mut printed = shell.json("user export 1");
    printed["exportedAt"] = kept["exportedAt"].clone();
    assert_eq!(printed["auditLogAbout"][0]["action"], "user.export", "the one to the file");
    printed["auditLogAbout"] = kept["auditLogAbout"].clone();
    assert_eq!(printed, kept);
    let left: Vec<_> = std::fs::read_dir(shell.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".preorder")), "{left:?}");

    insta::assert_snapshot!(
        "user_erase",
        shell.runs([
            "user erase ann@example.com",
            "user erase ann@example.com --yes",
            "user erase ann@example.com --yes",
            "user erase 1 --yes --json",
            "user show 1",
        ])
    );
    let audit = shell.json("audit --json");
    assert_eq!(audit["ok"], true, "{audit}");
    let log = shell.json("audit-log --json --on user:1");
    let actions: Vec<_> = log["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["user.erase", "user.export", "user.export", "user.token", "user.add"]);
    let (before, after) = (json!({"role": "user", "state": "active"}), json!({"state": "deleted"}));
    assert_eq!((&log["items"][0]["before"], &log["items"][0]["after"]), (&before, &after));
    assert_eq!(shell.json("order list --json")["items"].as_array().unwrap().len(), 1);
    // Not even the file's pages hold what was there.
    for name in std::fs::read_dir(shell.path().join("data")).unwrap().map(|it| it.unwrap().path()) {
        let bytes = std::fs::read(&name).unwrap();
        for word in ["secretword", "annword", "ann@example.com"] {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{word} in {}", name.display());
        }
    }
}
