//! A generated community beside a running server, and two that are seeded at once.

use preorder::activity::{Deed, DeedKind, PostDraft, Seeded};
use preorder::kernel::actor::Role;
use preorder::kernel::clock::Timestamp;
use preorder::kernel::ids::UserId;
use serde_json::json;

use crate::support::TestApp;

const NOTHING: Seeded = Seeded { posts: 0, member: UserId(0) };
const ONE_POST: Seeded = Seeded { posts: 1, ..NOTHING };

fn post(actor: UserId) -> Deed {
    let draft = PostDraft { title: Some("T".to_owned()), content: Some("C".to_owned()) };
    Deed { actor, at: Timestamp(1_000_000), kind: DeedKind::Post(draft) }
}

#[tokio::test]
async fn a_wave_is_written_whole_once_and_as_everybody_elses_deeds_are() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.account("ann", Role::User).await, app.account("bob", Role::User).await);
    let activity = &app.app.activity;
    let by = |actor, kind| Deed { actor, at: Timestamp(2_000_000), kind };
    let comment = DeedKind::Comment { number: 0, post: 0, content: "Me too".to_owned() };
    let wave = vec![
        by(bob.id, DeedKind::Follow(ann.id)),
        post(ann.id),
        by(bob.id, comment),
        by(bob.id, DeedKind::LikePost(0)),
        by(ann.id, DeedKind::LikeComment(0)),
    ];
    let counts = activity.add_seeded(7, (NOTHING, ONE_POST), wave.clone()).await.unwrap();
    assert_eq!((counts.posts, counts.comments, counts.likes, counts.follows), (1, 1, 2, 1));
    assert_eq!(activity.seeded(7).await.unwrap(), (ONE_POST, Some(Timestamp(2_000_000))));
    let refused = activity.add_seeded(7, (NOTHING, ONE_POST), wave).await.unwrap_err();
    assert_eq!(refused.code(), "seeding_elsewhere");

    let asker = app.signed_in(&bob).await;
    let seen = asker.get("/activity/posts/1").await.ok(200);
    assert_eq!((&seen["likeCount"], &seen["commentCount"], &seen["liked"]), (&json!(1), &json!(1), &json!(true)));
    assert_eq!(seen["createdAt"], "1970-01-01T00:00:01Z");
    assert!(preorder::activity::Activity::audit(&app.app.db).await.unwrap().iter().all(|check| check.ok));
}

#[tokio::test]
async fn a_wave_with_something_that_nobody_may_do_is_not_written_at_all() {
    let app = TestApp::start().await;
    let ann = app.account("ann", Role::User).await.id;
    let activity = &app.app.activity;
    let unheard_of = |kind| Deed { actor: ann, at: Timestamp(2_000_000), kind };
    for (last, code) in [
        (unheard_of(DeedKind::Follow(ann)), "cannot_follow_self"),
        (unheard_of(DeedKind::Post(PostDraft::default())), "validation_failed"),
        (unheard_of(DeedKind::LikePost(1)), "internal"),
        (unheard_of(DeedKind::LikeComment(0)), "internal"),
    ] {
        let refused = activity.add_seeded(7, (NOTHING, ONE_POST), vec![post(ann), last]).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    assert_eq!(activity.seeded(7).await.unwrap(), (NOTHING, None));
    assert_eq!(app.anonymous().get("/activity/posts/1").await.status, 404);
}
