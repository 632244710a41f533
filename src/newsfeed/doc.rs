//! What the API's description says of this room.

use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;

use super::http::{ActivityView, EventView, SORTS, TYPES};
use super::stream::too_many_streams;
use crate::activity::ActivityKind;
use crate::activity::doc::post;
use crate::activity::http::PostView;
use crate::http::{Document, Operation, shape};

pub(super) fn kinds() -> Schema {
    shape::words(&ActivityKind::ALL.map(ActivityKind::as_str))
}

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    let feed = Operation::get("/newsfeeds", "showFeed", "Shows posts")
        .says("Everybody's, for everybody; or, for who is signed in, those of the users whom they follow.")
        .for_user_or_query()
        .query("type", &shape::first_of(&TYPES), "Whose posts.")
        .query("sort", &shape::first_of(&SORTS), "The newest, or the most liked, first.")
        .gives_page::<PostView>("A part of the feed.", &post());
    let view = |path, id, summary| {
        Operation::get(path, id, summary)
            .says("The newest first.")
            .for_user()
            .gives_page::<ActivityView>("A part of the activities.", &activity())
    };
    let stream = Operation::get("/newsfeeds/stream", "streamActivities", "Tells activities as they happen")
        .says(
            "Server-sent events: `activity`, whose data is an `ActivityEvent` with the `views` that it stands in, and \
             `missed`, when more happened since `Last-Event-ID` than is told: the lists have it. The stream has no end.",
        )
        .for_user()
        .header("Last-Event-ID", &shape::number(0, i64::MAX), "The `id` of the last event that was seen.")
        .checks()
        .streams::<EventView>(
            "The stream.",
            "id: 56\nevent: activity\ndata: {\"id\":56,\"actor\":{\"id\":7,\"name\":\"Ann\"},\"recipient\":{\"id\":8,\"name\":\
             \"Bob\"},\"type\":\"follow\",\"createdAt\":\"2026-12-03T10:00:00Z\",\"views\":[\"my-follower\"]}\n\n",
        )
        .refuses(too_many_streams());
    let routes = vec![
        feed,
        view("/newsfeeds/my-following", "showMyFollowing", "Lists what those did whom the reader follows"),
        view("/newsfeeds/my-follower", "showMyFollower", "Lists what those did who follow the reader"),
        view("/newsfeeds/my-post-alarm", "showMyPostAlarm", "Lists what others did on the reader's posts"),
        stream,
    ];
    document.add("newsfeed", "Feeds, activities, and their stream.", routes);
}

fn activity() -> Value {
    json!({
        "id": 56,
        "actor": { "id": 7, "name": "Ann" },
        "recipient": { "id": 8, "name": "Bob" },
        "type": "like_post",
        "postId": 12,
        "createdAt": "2026-12-03T10:00:00Z",
    })
}
