//! `/newsfeeds`: routes, views, handlers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::sse::{Event as SentEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::doc;
use super::model::{Entry, Event, FeedPage, FeedText, FeedType, Sort, View};
use super::service::Newsfeed;
use super::stream::Listening;
use crate::activity::http::{PersonView, PostView};
use crate::activity::{Person, Post};
use crate::http::events::{COME_BACK, HEARTBEAT, UNBUFFERED, last_event};
use crate::http::{Buyer, HttpError, Json, PageQuery, PageView, Query, Routes, shape};
use crate::kernel::error::{Error, Text};
use crate::kernel::ids::ActivityId;
use crate::kernel::page::Page;

/// How the text of a post ends that nobody in particular reads.
const NOT_LIKED: &[u8] = b"false}";

/// Whose posts a feed can show.
pub(super) const TYPES: [&str; 2] = ["all", "follow"];
/// In which order.
pub(super) const SORTS: [&str; 2] = ["date", "like"];

type Room = State<Arc<Newsfeed>>;

/// The routes of this room.
pub fn routes(newsfeed: Arc<Newsfeed>) -> Routes {
    Routes::new()
        .get("/newsfeeds", feed)
        .get("/newsfeeds/my-following", my_following)
        .get("/newsfeeds/my-follower", my_follower)
        .get("/newsfeeds/my-post-alarm", my_post_alarm)
        .get("/newsfeeds/stream", listen)
        .with_state(newsfeed)
}

#[derive(Debug, Deserialize)]
struct FeedQuery {
    r#type: Option<String>,
    sort: Option<String>,
}

/// A page of posts, for everybody or for those who follow somebody.
async fn feed(
    State(newsfeed): Room,
    reader: Result<Buyer, HttpError>,
    Query(FeedQuery { r#type, sort }): Query<FeedQuery>,
    PageQuery(page): PageQuery,
) -> Result<Response, HttpError> {
    let follow = one_of("type", r#type.as_deref(), [(TYPES[0], false), (TYPES[1], true)])?;
    let sort = one_of("sort", sort.as_deref(), [(SORTS[0], Sort::Date), (SORTS[1], Sort::Like)])?;
    let (of, reader) = match reader {
        Ok(Buyer(reader)) if follow => (FeedType::Follow(reader.user), Some(reader.user)),
        Err(refused) if follow => return Err(refused),
        // A feed of everybody's posts is for everybody, whatever their token.
        reader => (FeedType::All, reader.ok().map(|Buyer(reader)| reader.user)),
    };
    let page = newsfeed.feed(of, sort, page).await?;
    let liked = match reader {
        Some(reader) => newsfeed.liked(reader, &page).await?,
        None => Vec::new(),
    };
    Ok(answer(&page, &liked))
}

/// The value that a word of the query stands for; the first one when it is not said.
fn one_of<T: Copy>(field: &'static str, word: Option<&str>, values: [(&'static str, T); 2]) -> Result<T, Error> {
    let Some(word) = word else { return Ok(values[0].1) };
    values.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
        let [(one, _), (other, _)] = values;
        let detail = Text::made(format!("Allowed: {one}, {other}."), format!("허용되는 값: {one}, {other}."));
        Error::invalid_field(field, "not_allowed", detail)
    })
}

/// The page's text, with `true` where the reader likes a post.
fn answer(page: &FeedPage, liked: &[bool]) -> Response {
    let FeedText { text, liked_at } = page.text.get_or_init(|| written(&page.posts));
    let body = if liked.contains(&true) {
        let mut body = Vec::with_capacity(text.len());
        let mut copied = 0;
        for at in liked_at.iter().zip(liked).filter(|(_, liked)| **liked).map(|(at, _)| *at) {
            body.extend_from_slice(&text[copied..at]);
            body.extend_from_slice(b"true");
            copied = at + "false".len();
        }
        body.extend_from_slice(&text[copied..]);
        body.into()
    } else {
        Bytes::from_owner(Arc::clone(text))
    };
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// Writes a page as [`PageView`] would, and notes where its readers differ.
fn written(page: &Page<Post>) -> FeedText {
    let mut text = b"{\"items\":[".to_vec();
    let mut liked_at = Vec::with_capacity(page.items.len());
    for (index, post) in page.items.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write(&mut text, &PostView::from(post.clone()));
        debug_assert!(text.ends_with(NOT_LIKED), "a post's text ends with whether it is liked");
        liked_at.push(text.len() - NOT_LIKED.len());
    }
    text.extend_from_slice(b"],\"nextCursor\":");
    write(&mut text, &page.next_cursor);
    text.push(b'}');
    FeedText { text: text.into(), liked_at }
}

fn write(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(text, value).expect("texts and numbers can always be written to a Vec");
}

/// Somebody in an activity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Name)]
struct NameView {
    id: i64,
    name: String,
}

impl From<&Person> for NameView {
    fn from(person: &Person) -> Self {
        Self { id: person.id.0, name: person.name.clone() }
    }
}

/// An activity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivityView {
    id: i64,
    actor: NameView,
    recipient: NameView,
    #[schema(schema_with = doc::kinds)]
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    post_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    comment_id: Option<i64>,
    #[schema(schema_with = shape::time)]
    created_at: String,
}

impl From<&Entry> for ActivityView {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id.0,
            actor: (&entry.actor).into(),
            recipient: (&entry.recipient).into(),
            r#type: entry.kind.as_str(),
            post_id: entry.post.map(|post| post.0),
            comment_id: entry.comment.map(|comment| comment.0),
            created_at: entry.created_at.to_string(),
        }
    }
}

type Activities = Result<Json<PageView<ActivityView>>, HttpError>;

/// What those did whom the reader follows.
async fn my_following(room: Room, reader: Buyer, page: PageQuery) -> Activities {
    view(room, reader, page, View::MyFollowing).await
}

/// What those did who follow the reader.
async fn my_follower(room: Room, reader: Buyer, page: PageQuery) -> Activities {
    view(room, reader, page, View::MyFollower).await
}

/// What others did on the reader's posts.
async fn my_post_alarm(room: Room, reader: Buyer, page: PageQuery) -> Activities {
    view(room, reader, page, View::MyPostAlarm).await
}

async fn view(State(newsfeed): Room, Buyer(reader): Buyer, PageQuery(page): PageQuery, view: View) -> Activities {
    let page = newsfeed.view(reader.user, view, page).await?;
    let items = page.items.iter().map(ActivityView::from).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor.clone() }.into()))
}

/// An activity as it happens, and the reader's views that it stands in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityEvent)]
pub(super) struct EventView {
    #[serde(flatten)]
    activity: ActivityView,
    #[schema(value_type = Vec<String>)]
    views: Vec<&'static str>,
    /// The post, when it was just written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    post: Option<NewPostView>,
}

/// A post that was just written.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WrittenPost)]
#[serde(rename_all = "camelCase")]
struct NewPostView {
    id: i64,
    title: String,
    content: String,
    writer: PersonView,
    #[schema(schema_with = shape::time)]
    created_at: String,
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        let post = event.post.as_deref().map(|post| NewPostView {
            id: post.id.0,
            title: post.title.clone(),
            content: post.content.clone(),
            writer: post.writer.clone().into(),
            created_at: post.created_at.to_string(),
        });
        let views = event.views.iter().map(|view| view.as_str()).collect();
        Self { activity: (&*event.entry).into(), views, post }
    }
}

impl From<&Event> for SentEvent {
    fn from(event: &Event) -> Self {
        let data = serde_json::to_string(&EventView::from(event)).expect("texts and numbers can always be written");
        Self::default().id(event.entry.id.to_string()).event("activity").data(data)
    }
}

/// The three views as they happen, from behind the activity that `Last-Event-ID` names.
async fn listen(
    State(newsfeed): Room,
    Buyer(reader): Buyer,
    headers: HeaderMap,
) -> Result<impl IntoResponse, HttpError> {
    let number = |text: &str| text.parse().ok().filter(|number| *number >= 0).map(ActivityId);
    let listening = newsfeed.listen(reader, last_event(&headers, number)?).await?;
    Ok((UNBUFFERED, sent(listening)))
}

fn sent(listening: Listening) -> Sse<impl Stream<Item = Result<SentEvent, Infallible>>> {
    let Listening { past, missed, mut live } = listening;
    let hello = SentEvent::default().comment("listening").retry(COME_BACK);
    // Whoever was away too long is told that there was more: the lists have it.
    let missed = missed.then(|| SentEvent::default().event("missed").data("{}"));
    let past = past.iter().map(SentEvent::from).collect::<Vec<_>>();
    let first = std::iter::once(hello).chain(missed).chain(past);
    let live = stream::poll_fn(move |cx| live.poll_recv(cx)).map(|event| SentEvent::from(&event));
    Sse::new(stream::iter(first).chain(live).map(Ok)).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_on_which_nothing_happens_says_that_it_is_alive() {
        let (_events, live) = mpsc::channel(1);
        let response = sent(Listening { past: Vec::new(), missed: false, live }).into_response();
        let mut body = response.into_body().into_data_stream();
        let hello = body.next().await.unwrap().unwrap();
        assert!(hello.starts_with(b": listening\n"), "{hello:?}");
        let began = tokio::time::Instant::now();
        for beat in 1..=3 {
            assert_eq!(body.next().await.unwrap().unwrap(), &b":\n\n"[..]);
            assert_eq!(began.elapsed(), HEARTBEAT * beat);
        }
    }
}
