//! What the API's description says of this room.

use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;

use super::http::{
    CommentBody, CommentChange, CommentView, FollowView, LikeView, PersonView, PostBody, PostChange, PostView,
};
use super::rules::{
    COMMENT_CHARS_MAX, CONTENT_CHARS_MAX, TITLE_CHARS_MAX, cannot_follow_self, comment_not_found, not_the_author,
    post_not_found,
};
use crate::http::{Document, Operation, shape};
use crate::users::user_not_found;

pub(super) fn title() -> Schema {
    shape::line(1, TITLE_CHARS_MAX)
}

pub(super) fn title_or_null() -> Schema {
    shape::or_null(title())
}

pub(super) fn content() -> Schema {
    shape::text(1, CONTENT_CHARS_MAX)
}

pub(super) fn content_or_null() -> Schema {
    shape::or_null(content())
}

pub(super) fn comment() -> Schema {
    shape::text(1, COMMENT_CHARS_MAX)
}

pub(super) fn comment_or_null() -> Schema {
    shape::or_null(comment())
}

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    let routes = [posts(), comments(), follows()].into_iter().flatten().collect();
    document.add("activity", "Posts, comments, likes, follows.", routes);
}

fn person() -> Value {
    json!({ "id": 7, "name": "Ann", "profileImageUrl": null })
}

/// A post as examples show it.
pub(crate) fn post() -> Value {
    json!({
        "id": 12,
        "title": "It came!",
        "content": "And it is as good as it looked.",
        "writer": person(),
        "likeCount": 3,
        "commentCount": 1,
        "createdAt": "2026-12-03T10:00:00Z",
        "updatedAt": "2026-12-03T10:00:00Z",
        "liked": false,
    })
}

fn a_comment() -> Value {
    json!({
        "id": 34,
        "postId": 12,
        "content": "Lucky you.",
        "writer": person(),
        "likeCount": 0,
        "createdAt": "2026-12-03T10:05:00Z",
        "updatedAt": "2026-12-03T10:05:00Z",
        "liked": false,
    })
}

fn of_post(operation: Operation) -> Operation {
    operation.path("id", &shape::row_id(), "The post's number.").refuses(post_not_found())
}

fn of_comment(operation: Operation) -> Operation {
    operation.path("id", &shape::row_id(), "The comment's number.").refuses(comment_not_found())
}

fn like(operation: Operation, liked: bool) -> Operation {
    operation.says("Doing it twice changes nothing more.").for_user().gives::<LikeView>(
        200,
        "How it is now.",
        &json!({ "liked": liked, "likeCount": i32::from(liked) }),
    )
}

fn posts() -> Vec<Operation> {
    let words = json!({ "title": "It came!", "content": "And it is as good as it looked." });
    vec![
        Operation::get("/activity/posts", "listOwnPosts", "Lists the own posts")
            .for_user()
            .gives_page::<PostView>("A part of the posts.", &post()),
        Operation::post("/activity/posts", "writePost", "Writes a post")
            .says("Texts are trimmed first. Every fault is told at once.")
            .for_user()
            .takes::<PostBody>(&words)
            .gives::<PostView>(201, "The post.", &post())
            .leads_to(&["showPost", "changePost", "likePost", "writeComment", "deletePost"], "id"),
        Operation::get("/activity/posts/liked", "listLikedPosts", "Lists the posts that the asker likes")
            .for_user()
            .gives_page::<PostView>("A part of the posts.", &post()),
        of_post(Operation::get("/activity/posts/{id}", "showPost", "Shows a post")).may_sign_in().gives::<PostView>(
            200,
            "The post.",
            &post(),
        ),
        of_post(Operation::patch("/activity/posts/{id}", "changePost", "Changes a post"))
            .says("The author or an admin. What is left out, or `null`, stays as it is.")
            .for_user()
            .takes::<PostChange>(&json!({ "title": "It came at last!" }))
            .gives::<PostView>(200, "The post as it is now.", &post())
            .refuses(not_the_author()),
        of_post(Operation::delete("/activity/posts/{id}", "deletePost", "Deletes a post"))
            .says("The author or an admin. Its comments go with it.")
            .for_user()
            .gives_nothing(204, "The post is gone.")
            .refuses(not_the_author()),
        like(of_post(Operation::put("/activity/posts/{id}/like", "likePost", "Likes a post")), true),
        like(of_post(Operation::delete("/activity/posts/{id}/like", "unlikePost", "Likes a post no more")), false),
        of_post(Operation::post("/activity/posts/{id}/comments", "writeComment", "Writes a comment"))
            .for_user()
            .takes::<CommentBody>(&json!({ "content": "Lucky you." }))
            .gives::<CommentView>(201, "The comment.", &a_comment())
            .leads_to(&["changeComment", "likeComment", "deleteComment"], "id")
            .refuses(comment_not_found()),
        of_post(Operation::get("/activity/posts/{id}/comments", "listComments", "Lists a post's comments"))
            .may_sign_in()
            .gives_page::<CommentView>("A part of the comments.", &a_comment()),
    ]
}

fn comments() -> Vec<Operation> {
    vec![
        Operation::get("/activity/comments", "listOwnComments", "Lists the own comments")
            .for_user()
            .gives_page::<CommentView>("A part of the comments.", &a_comment()),
        Operation::get("/activity/comments/liked", "listLikedComments", "Lists the comments that the asker likes")
            .for_user()
            .gives_page::<CommentView>("A part of the comments.", &a_comment()),
        of_comment(Operation::patch("/activity/comments/{id}", "changeComment", "Changes a comment"))
            .says("The author or an admin. What is left out, or `null`, stays as it is.")
            .for_user()
            .takes::<CommentChange>(&json!({ "content": "Lucky you!" }))
            .gives::<CommentView>(200, "The comment as it is now.", &a_comment())
            .refuses(not_the_author()),
        of_comment(Operation::delete("/activity/comments/{id}", "deleteComment", "Deletes a comment"))
            .says("The author or an admin.")
            .for_user()
            .gives_nothing(204, "The comment is gone.")
            .refuses(not_the_author()),
        like(of_comment(Operation::put("/activity/comments/{id}/like", "likeComment", "Likes a comment")), true),
        like(
            of_comment(Operation::delete("/activity/comments/{id}/like", "unlikeComment", "Likes a comment no more")),
            false,
        ),
    ]
}

fn follows() -> Vec<Operation> {
    let follow = |operation: Operation, following: bool| {
        operation
            .says("Doing it twice changes nothing more.")
            .for_user()
            .path("userId", &shape::row_id(), "The user's number.")
            .gives::<FollowView>(
                200,
                "How it is now.",
                &json!({ "userId": 8, "following": following, "followerCount": i32::from(following) }),
            )
            .refuses(user_not_found())
            .refuses(cannot_follow_self())
    };
    let list = |path, id, summary| {
        Operation::get(path, id, summary)
            .says("The asker's, or those of the user in the query, for which nobody has to sign in.")
            .for_user_or_query()
            .query("userId", &shape::row_id(), "Another user's number.")
            .gives_page::<PersonView>("A part of the users.", &person())
            .refuses(user_not_found())
    };
    vec![
        follow(Operation::put("/activity/follows/{userId}", "follow", "Follows a user"), true),
        follow(Operation::delete("/activity/follows/{userId}", "unfollow", "Follows a user no more"), false),
        list("/activity/followers", "listFollowers", "Lists who follows a user"),
        list("/activity/following", "listFollowing", "Lists whom a user follows"),
    ]
}
