//! Counts that nothing may shake: random deeds, and races.

use std::sync::Arc;

use futures_util::future::join_all;
use preorder::app::App;
use preorder::kernel::actor::By;
use preorder::kernel::ids::UserId;
use preorder::kernel::page::PageRequest;
use preorder::newsfeed::{FeedType, Newsfeed, Sort, View};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::json;

use crate::support::{Filed, Member, TestApp};

/// Something that one of three members does, to the thing with an index among those that there are.
#[derive(Debug, Clone)]
enum Deed {
    Write,
    Comment(usize),
    Like(usize, bool),
    LikeComment(usize, bool),
    Follow(usize, bool),
    DeletePost(usize),
    DeleteComment(usize),
    Edit(usize),
    Rename,
    /// Eve is erased, or what she has left is looked for again.
    EraseEve,
    /// Brings the log to where the next line files something.
    File(Filed),
}

fn deed() -> impl Strategy<Value = (usize, Deed)> {
    let which = 0_usize..4;
    let deed = prop_oneof![
        1 => Just(Deed::Write),
        2 => which.clone().prop_map(Deed::Comment),
        4 => (which.clone(), any::<bool>()).prop_map(|(index, on)| Deed::Like(index, on)),
        3 => (which.clone(), any::<bool>()).prop_map(|(index, on)| Deed::LikeComment(index, on)),
        2 => (which.clone(), any::<bool>()).prop_map(|(index, on)| Deed::Follow(index, on)),
        1 => which.clone().prop_map(Deed::DeletePost),
        1 => which.clone().prop_map(Deed::DeleteComment),
        1 => which.prop_map(Deed::Edit),
        1 => Just(Deed::Rename),
        1 => Just(Deed::EraseEve),
        2 => proptest::sample::select(&Filed::ALL[..]).prop_map(Deed::File),
    ];
    (0_usize..3, deed)
}

async fn does(app: &TestApp, members: &[Member], who: usize, deed: &Deed) {
    let me = &members[who];
    let method = |on: bool| if on { Method::PUT } else { Method::DELETE };
    let number = |index: usize| index + 1;
    let answer = match *deed {
        Deed::Write => me.post("/activity/posts", &json!({"title": "a", "content": "c"})).await,
        Deed::File(filed) => return app.log_until(filed).await,
        Deed::EraseEve => {
            let eve = UserId(members[2].id);
            app.app.privacy.begin_erasure(eve, By::Console).await.unwrap();
            app.app.privacy.erase_rest(eve).await.unwrap();
            return;
        }
        Deed::Comment(post) => {
            let path = format!("/activity/posts/{}/comments", number(post));
            me.post(&path, &serde_json::json!({"content": "c"})).await
        }
        Deed::Like(post, on) => me.does(method(on), &format!("/activity/posts/{}/like", number(post))).await,
        Deed::LikeComment(comment, on) => {
            me.does(method(on), &format!("/activity/comments/{}/like", number(comment))).await
        }
        Deed::Follow(user, on) => me.does(method(on), &format!("/activity/follows/{}", number(user))).await,
        Deed::DeletePost(post) => me.does(Method::DELETE, &format!("/activity/posts/{}", number(post))).await,
        Deed::Edit(post) => {
            me.edit(&format!("/activity/posts/{}", number(post)), &serde_json::json!({"title": "b"})).await
        }
        Deed::Rename => me.edit("/users/me", &serde_json::json!({"name": "somebody else"})).await,
        Deed::DeleteComment(comment) => {
            me.does(Method::DELETE, &format!("/activity/comments/{}", number(comment))).await
        }
    };
    assert!([200, 201, 204, 401, 403, 404, 422].contains(&answer.status.as_u16()), "{deed:?}: {answer:?}");
}

/// Plays random deeds of three members: `cases` times, fewer than `deeds_max` each time. `after_each` looks at the town after
/// every deed, and once more when all are done, with none.
fn after_any_deeds(
    cases: u32,
    deeds_max: usize,
    after_each: &impl AsyncFn(&TestApp, &[Member], Option<&(usize, Deed)>),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&proptest::collection::vec(deed(), 1..deeds_max), |deeds| {
            runtime.block_on(async {
                let app = TestApp::still(|_| {}).await;
                let members = [app.member("ann").await, app.member("bob").await, app.member("eve").await];
                members[0].write("the first").await;
                for deed in &deeds {
                    does(&app, &members, deed.0, &deed.1).await;
                    after_each(&app, &members, Some(deed)).await;
                }
                after_each(&app, &members, None).await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_mix_of_deeds_leaves_the_counts_equal_to_the_rows() {
    after_any_deeds(12, 80, &async |app, _, deed| {
        if deed.is_none() {
            app.audit().await;
        }
    });
}

#[tokio::test]
async fn nobody_notices_that_likes_and_counts_and_the_log_are_filed() {
    let app = TestApp::start().await;
    let (ann, bob, eve) = (app.member("ann").await, app.member("bob").await, app.member("eve").await);
    let (mut twice, mut once) = (Vec::new(), Vec::new());
    for filed in Filed::ALL {
        let (kept, taken_back, gone) = (ann.write("kept").await, ann.write("back").await, ann.write("gone").await);
        for post in [kept, taken_back, gone] {
            bob.like(post).await.ok(200);
            eve.like(post).await.ok(200);
        }
        ann.comment(kept, "stays").await;
        let comment = bob.comment(kept, "goes").await;
        assert!(app.unfiled(filed).await > 0);
        app.log_until(filed).await;
        if twice.is_empty() {
            eve.follow(bob.id).await.ok(200)
        } else {
            ann.like(kept).await.ok(200)
        };
        let left = i64::from(matches!(filed, Filed::Likes)); // the like whose line it was waits for the next time
        assert_eq!(app.unfiled(filed).await, left, "{filed:?}");

        assert_eq!(bob.unlike(taken_back).await.ok(200), json!({"liked": false, "likeCount": 1}));
        let more = i64::from(!twice.is_empty());
        assert_eq!(eve.unlike(kept).await.ok(200), json!({"liked": false, "likeCount": 1 + more}));
        assert_eq!(eve.like(kept).await.ok(200), json!({"liked": true, "likeCount": 2 + more}));
        assert_eq!(bob.like(kept).await.ok(200), json!({"liked": true, "likeCount": 2 + more}));
        if more == 1 {
            ann.unlike(kept).await.ok(200);
        }
        ann.does(Method::DELETE, &format!("/activity/posts/{gone}")).await.ok(204);
        bob.does(Method::DELETE, &format!("/activity/comments/{comment}")).await.ok(204);
        bob.like(gone).await.refused(404, "post_not_found");

        twice.insert(0, kept);
        once.insert(0, taken_back);
        let seen = bob.get(&format!("/activity/posts/{kept}")).await.ok(200);
        assert_eq!((&seen["likeCount"], &seen["commentCount"], &seen["liked"]), (&json!(2), &json!(1), &json!(true)));
        assert_eq!(bob.ids("/activity/posts/liked").await, twice);
        assert_eq!(bob.ids("/newsfeeds?type=all&sort=like").await, [&twice[..], &once[..]].concat());
        // What happened on what is gone is told no more.
        let deeds = ["cancel_like_post", "like_post", "like_post"].map(|deed| format!("bob {deed}"));
        let deeds = vec![deeds; twice.len()].concat();
        let told = eve.activities("my-following").await;
        assert_eq!(told, deeds, "{filed:?}");
        app.audit().await;
    }
}

#[tokio::test]
async fn likes_that_race_are_counted_once_each() {
    let app = TestApp::start().await;
    let author = app.member("author").await;
    let post = author.write("a").await;
    let mut members = Vec::new();
    for index in 0..8 {
        members.push(app.member(&format!("m{index}")).await);
    }
    // Everybody likes five times at once; half of them take it back, five times at once.
    let likes = members.iter().flat_map(|member| (0..5).map(move |_| member.like(post)));
    assert!(join_all(likes).await.iter().all(|answer| answer.status == 200));
    let unlikes = members.iter().step_by(2).flat_map(|member| (0..5).map(move |_| member.unlike(post)));
    assert!(join_all(unlikes).await.iter().all(|answer| answer.status == 200));
    let seen = author.get(&format!("/activity/posts/{post}")).await.ok(200);
    assert_eq!(seen["likeCount"], 4);
    let told = author.activities("my-post-alarm").await;
    assert_eq!(told.len(), 8 + 4, "a repeat is no activity: {told:?}");
    // The same from both sides at once: whichever comes last, the counts are right.
    let both = members.iter().flat_map(|member| [(member, true), (member, false)]);
    let both =
        both.map(|(member, on)| async move { if on { member.like(post).await } else { member.unlike(post).await } });
    assert!(join_all(both).await.iter().all(|answer| answer.status == 200));
    app.audit().await;
}

#[tokio::test]
async fn what_races_with_a_deletion_is_all_or_nothing() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.member("ann").await, app.member("bob").await);
    for _ in 0..10 {
        let post = ann.write("a").await;
        let path = format!("/activity/posts/{post}");
        let comment = format!("{path}/comments");
        let body = serde_json::json!({"content": "c"});
        let (like, comment, delete) =
            tokio::join!(bob.like(post), bob.post(&comment, &body), ann.does(Method::DELETE, &path));
        delete.ok(204);
        assert!([200, 404].contains(&like.status.as_u16()) && [201, 404].contains(&comment.status.as_u16()));
    }
    app.audit().await;
}

/// Every page that `readers` can see, as text: small ones, so that there are second ones.
async fn pages(newsfeed: &Newsfeed, readers: &[Member]) -> Vec<String> {
    let mut pages = Vec::new();
    for reader in readers.iter().map(|reader| UserId(reader.id)) {
        for (of, sort) in [FeedType::All, FeedType::Follow(reader)]
            .into_iter()
            .zip([Sort::Date, Sort::Like])
            .chain([(FeedType::All, Sort::Like), (FeedType::Follow(reader), Sort::Date)])
        {
            let mut after = None;
            for _ in 0..2 {
                let page = newsfeed.feed(of, sort, PageRequest { limit: 2, after: after.take() }).await.unwrap();
                let liked = newsfeed.liked(reader, &page).await.unwrap();
                pages.push(format!("{of:?} {sort:?}: {:?}, liked: {liked:?}", page.posts));
                after.clone_from(&page.posts.next_cursor);
            }
        }
        for view in View::ALL {
            let page = newsfeed.view(reader, view, PageRequest { limit: 3, after: None }).await.unwrap();
            pages.push(format!("{reader:?} {view:?}: {page:?}"));
        }
    }
    pages
}

#[test]
fn pages_from_memory_are_those_that_the_database_would_give() {
    after_any_deeds(6, 60, &async |app, members, deed| {
        let fresh = App::on(app.app.db.clone(), &app.app.config, Arc::clone(&app.app.clock)).await.unwrap();
        let remembered = pages(&app.app.newsfeed, members).await;
        assert_eq!(remembered, pages(&fresh.newsfeed, members).await, "after {deed:?}");
    });
}
