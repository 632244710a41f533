//! `/activity`: routes, request and response types, handlers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::doc;
use super::model::{Comment, FollowState, LikeState, Person, Post, PostDraft};
use super::rules::{comment_not_found, post_not_found};
use super::service::Activity;
use crate::http::{
    Asking, Buyer, Caller, HttpError, InPath, Json, PageQuery, PageView, Path, Query, Routes, number, shape,
};
use crate::kernel::error::Error;
use crate::kernel::ids::{CommentId, PostId, UserId};

type Room = State<Arc<Activity>>;

/// The routes of this room.
pub fn routes(activity: Arc<Activity>) -> Routes {
    Routes::new()
        .get("/activity/posts", my_posts)
        .post("/activity/posts", write_post)
        .get("/activity/posts/liked", liked_posts)
        .get("/activity/posts/{id}", show_post)
        .patch("/activity/posts/{id}", edit_post)
        .delete("/activity/posts/{id}", delete_post)
        .put("/activity/posts/{id}/like", like_post)
        .delete("/activity/posts/{id}/like", unlike_post)
        .post("/activity/posts/{id}/comments", write_comment)
        .get("/activity/posts/{id}/comments", comments)
        .get("/activity/comments", my_comments)
        .get("/activity/comments/liked", liked_comments)
        .patch("/activity/comments/{id}", edit_comment)
        .delete("/activity/comments/{id}", delete_comment)
        .put("/activity/comments/{id}/like", like_comment)
        .delete("/activity/comments/{id}/like", unlike_comment)
        .put("/activity/follows/{userId}", follow)
        .delete("/activity/follows/{userId}", unfollow)
        .get("/activity/followers", followers)
        .get("/activity/following", following)
        .with_state(activity)
}

impl InPath for PostId {
    fn from_path(text: &str) -> Option<Self> {
        number(text).map(Self)
    }

    fn unknown() -> Error {
        post_not_found()
    }
}

impl InPath for CommentId {
    fn from_path(text: &str) -> Option<Self> {
        number(text).map(Self)
    }

    fn unknown() -> Error {
        comment_not_found()
    }
}

/// A user as others see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Person)]
#[serde(rename_all = "camelCase")]
pub struct PersonView {
    id: i64,
    name: String,
    #[schema(required)]
    profile_image_url: Option<String>,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self { id: person.id.0, name: person.name, profile_image_url: person.profile_image_url }
    }
}

/// A post. `liked` comes last: the newsfeed fills it in for each reader.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Post)]
#[serde(rename_all = "camelCase")]
pub struct PostView {
    id: i64,
    title: String,
    content: String,
    writer: PersonView,
    like_count: i64,
    comment_count: i64,
    #[schema(schema_with = shape::time)]
    created_at: String,
    #[schema(schema_with = shape::time)]
    updated_at: String,
    liked: bool,
}

impl From<Post> for PostView {
    fn from(post: Post) -> Self {
        Self {
            id: post.id.0,
            title: post.title,
            content: post.content,
            writer: post.writer.into(),
            like_count: post.like_count,
            comment_count: post.comment_count,
            created_at: post.created_at.to_string(),
            updated_at: post.updated_at.to_string(),
            liked: post.liked,
        }
    }
}

/// A comment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Comment)]
#[serde(rename_all = "camelCase")]
pub struct CommentView {
    id: i64,
    post_id: i64,
    content: String,
    writer: PersonView,
    like_count: i64,
    #[schema(schema_with = shape::time)]
    created_at: String,
    #[schema(schema_with = shape::time)]
    updated_at: String,
    liked: bool,
}

impl From<Comment> for CommentView {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id.0,
            post_id: comment.post.0,
            content: comment.content,
            writer: comment.writer.into(),
            like_count: comment.like_count,
            created_at: comment.created_at.to_string(),
            updated_at: comment.updated_at.to_string(),
            liked: comment.liked,
        }
    }
}

/// Whether the asker likes it, and how many do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Like)]
#[serde(rename_all = "camelCase")]
pub(super) struct LikeView {
    liked: bool,
    like_count: i64,
}

impl From<LikeState> for LikeView {
    fn from(LikeState { liked, count }: LikeState) -> Self {
        Self { liked, like_count: count }
    }
}

/// Whether the asker follows a user, and how many do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Follow)]
#[serde(rename_all = "camelCase")]
pub(super) struct FollowView {
    user_id: i64,
    following: bool,
    follower_count: i64,
}

impl From<FollowState> for FollowView {
    fn from(FollowState { user, following, followers }: FollowState) -> Self {
        Self { user_id: user.0, following, follower_count: followers }
    }
}

/// A new post.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewPost)]
#[serde(deny_unknown_fields)]
pub(super) struct PostBody {
    #[schema(required, schema_with = doc::title)]
    title: Option<String>,
    #[schema(required, schema_with = doc::content)]
    content: Option<String>,
}

/// What shall change in a post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostChange {
    #[schema(schema_with = doc::title_or_null)]
    title: Option<String>,
    #[schema(schema_with = doc::content_or_null)]
    content: Option<String>,
}

/// A new comment.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewComment)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentBody {
    #[schema(required, schema_with = doc::comment)]
    content: Option<String>,
}

/// What shall change in a comment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentChange {
    #[schema(schema_with = doc::comment_or_null)]
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfUser {
    user_id: Option<i64>,
}

impl OfUser {
    /// The user that was asked for, or else the asker.
    fn or(self, asker: Result<Buyer, HttpError>) -> Result<UserId, HttpError> {
        self.user_id.map_or_else(|| asker.map(|Buyer(actor)| actor.user), |id| Ok(UserId(id)))
    }
}

type Answer<T> = Result<Json<T>, HttpError>;

/// Writes a post.
async fn write_post(
    State(activity): Room,
    Buyer(author): Buyer,
    Json(body): Json<PostBody>,
) -> Result<(StatusCode, Json<PostView>), HttpError> {
    let PostBody { title, content } = body;
    let post = activity.write_post(author.user, &PostDraft { title, content }).await?;
    Ok((StatusCode::CREATED, Json(post.into())))
}

/// The asker's posts.
async fn my_posts(
    State(activity): Room,
    Buyer(author): Buyer,
    PageQuery(page): PageQuery,
) -> Answer<PageView<PostView>> {
    Ok(Json(activity.posts_of(author.user, page).await?.into()))
}

/// One post, for everybody.
async fn show_post(State(activity): Room, Caller(caller): Caller, Path(id): Path<PostId>) -> Answer<PostView> {
    Ok(Json(activity.post(id, caller.map(|actor| actor.user)).await?.into()))
}

/// Changes a post.
async fn edit_post(
    State(activity): Room,
    Asking(doer): Asking,
    Path(id): Path<PostId>,
    Json(PostChange { title, content }): Json<PostChange>,
) -> Answer<PostView> {
    Ok(Json(activity.edit_post(doer, id, &PostDraft { title, content }).await?.into()))
}

/// Deletes a post.
async fn delete_post(
    State(activity): Room,
    Asking(doer): Asking,
    Path(id): Path<PostId>,
) -> Result<StatusCode, HttpError> {
    activity.delete_post(doer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Likes a post.
async fn like_post(State(activity): Room, Buyer(user): Buyer, Path(id): Path<PostId>) -> Answer<LikeView> {
    Ok(Json(activity.set_post_liked(user.user, id, true).await?.into()))
}

/// Likes it no more.
async fn unlike_post(State(activity): Room, Buyer(user): Buyer, Path(id): Path<PostId>) -> Answer<LikeView> {
    Ok(Json(activity.set_post_liked(user.user, id, false).await?.into()))
}

/// The posts that the asker likes.
async fn liked_posts(
    State(activity): Room,
    Buyer(user): Buyer,
    PageQuery(page): PageQuery,
) -> Answer<PageView<PostView>> {
    Ok(Json(activity.liked_posts(user.user, page).await?.into()))
}

/// Writes a comment.
async fn write_comment(
    State(activity): Room,
    Buyer(author): Buyer,
    Path(post): Path<PostId>,
    Json(body): Json<CommentBody>,
) -> Result<(StatusCode, Json<CommentView>), HttpError> {
    let comment = activity.write_comment(author.user, post, body.content.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(comment.into())))
}

/// A post's comments, for everybody.
async fn comments(
    State(activity): Room,
    Caller(caller): Caller,
    Path(post): Path<PostId>,
    PageQuery(page): PageQuery,
) -> Answer<PageView<CommentView>> {
    Ok(Json(activity.comments(post, caller.map(|actor| actor.user), page).await?.into()))
}

/// The asker's comments.
async fn my_comments(
    State(activity): Room,
    Buyer(author): Buyer,
    PageQuery(page): PageQuery,
) -> Answer<PageView<CommentView>> {
    Ok(Json(activity.comments_of(author.user, page).await?.into()))
}

/// Changes a comment.
async fn edit_comment(
    State(activity): Room,
    Asking(doer): Asking,
    Path(id): Path<CommentId>,
    Json(change): Json<CommentChange>,
) -> Answer<CommentView> {
    Ok(Json(activity.edit_comment(doer, id, change.content.as_deref()).await?.into()))
}

/// Deletes a comment.
async fn delete_comment(
    State(activity): Room,
    Asking(doer): Asking,
    Path(id): Path<CommentId>,
) -> Result<StatusCode, HttpError> {
    activity.delete_comment(doer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Likes a comment.
async fn like_comment(State(activity): Room, Buyer(user): Buyer, Path(id): Path<CommentId>) -> Answer<LikeView> {
    Ok(Json(activity.set_comment_liked(user.user, id, true).await?.into()))
}

/// Likes it no more.
async fn unlike_comment(State(activity): Room, Buyer(user): Buyer, Path(id): Path<CommentId>) -> Answer<LikeView> {
    Ok(Json(activity.set_comment_liked(user.user, id, false).await?.into()))
}

/// The comments that the asker likes.
async fn liked_comments(
    State(activity): Room,
    Buyer(user): Buyer,
    PageQuery(page): PageQuery,
) -> Answer<PageView<CommentView>> {
    Ok(Json(activity.liked_comments(user.user, page).await?.into()))
}

/// Follows a user.
async fn follow(State(activity): Room, Buyer(follower): Buyer, Path(followee): Path<UserId>) -> Answer<FollowView> {
    Ok(Json(activity.set_following(follower.user, followee, true).await?.into()))
}

/// Follows them no more.
async fn unfollow(State(activity): Room, Buyer(follower): Buyer, Path(followee): Path<UserId>) -> Answer<FollowView> {
    Ok(Json(activity.set_following(follower.user, followee, false).await?.into()))
}

/// Who follows the asker, or the user of `?userId=`.
async fn followers(
    State(activity): Room,
    asker: Result<Buyer, HttpError>,
    Query(of): Query<OfUser>,
    PageQuery(page): PageQuery,
) -> Answer<PageView<PersonView>> {
    Ok(Json(activity.followers(of.or(asker)?, page).await?.into()))
}

/// Whom the asker, or the user of `?userId=`, follows.
async fn following(
    State(activity): Room,
    asker: Result<Buyer, HttpError>,
    Query(of): Query<OfUser>,
    PageQuery(page): PageQuery,
) -> Answer<PageView<PersonView>> {
    Ok(Json(activity.following(of.or(asker)?, page).await?.into()))
}
