//! A post and its comments, and what a reader does with them.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::Pages;
use super::answer::{Answer, NotNow, local, page, see_other, told};
use super::form::{Faults, Form};
use super::visit::Visit;
use crate::activity::{Activity, Comment, Post};
use crate::http::{PageQuery, Path, Routes};
use crate::kernel::actor::Role;
use crate::kernel::error::Error;
use crate::kernel::ids::{CommentId, PostId, UserId};
use crate::kernel::page::PageRequest;

/// How many comments a page shows.
const COMMENTS_SHOWN: u32 = 50;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/posts/{id}", show)
        .post("/posts/{id}/like", like)
        .post("/posts/{id}/unlike", unlike)
        .post("/posts/{id}/delete", delete)
        .post("/posts/{id}/comments", comment)
        .post("/comments/{id}/like", like_comment)
        .post("/comments/{id}/unlike", unlike_comment)
        .post("/comments/{id}/delete", delete_comment)
}

/// A post as one reader sees it.
pub(super) struct Shown {
    pub(super) post: Post,
    /// Whether the reader may delete it.
    pub(super) is_own: bool,
}

impl Shown {
    /// Posts that were read for nobody in particular, as this reader sees them.
    pub(super) async fn all(pages: &Pages, visit: &Visit, posts: Vec<Post>) -> Result<Vec<Self>, Error> {
        let ids: Vec<_> = posts.iter().map(|post| post.id).collect();
        let liked = match visit.actor {
            Some(actor) => pages.activity.liked_among(actor.user, &ids).await?,
            None => vec![false; ids.len()],
        };
        let shown = posts.into_iter().zip(liked).map(|(post, liked)| Self::of(visit, Post { liked, ..post }));
        Ok(shown.collect())
    }

    fn of(visit: &Visit, post: Post) -> Self {
        Self { is_own: is_own(visit, post.writer.id), post }
    }
}

/// Whether a reader is offered to delete what somebody wrote; whether they may is the room's to say.
fn is_own(visit: &Visit, writer: UserId) -> bool {
    visit.actor.is_some_and(|actor| actor.user == writer || actor.role == Role::Admin)
}

#[derive(Template)]
#[template(path = "post.html")]
struct PostPage<'a> {
    v: &'a Visit,
    shown: Shown,
    comments: Vec<Comment>,
    first: String,
    next: String,
    typed: String,
    faults: Faults,
}

impl PostPage<'_> {
    fn is_own(&self, comment: &Comment) -> bool {
        is_own(self.v, comment.writer.id)
    }
}

async fn show(
    State(pages): State<Arc<Pages>>,
    visit: Visit,
    Path(id): Path<PostId>,
    PageQuery(part): PageQuery,
) -> Answer {
    page(&visit, &read(&pages, &visit, id, part).await?)
}

async fn read<'a>(pages: &Pages, visit: &'a Visit, id: PostId, part: PageRequest) -> Result<PostPage<'a>, NotNow> {
    let reader = visit.actor.map(|actor| actor.user);
    let shown = Shown::of(visit, pages.activity.post(id, reader).await?);
    let first = if part.after.is_some() { format!("/posts/{id}") } else { String::new() };
    let comments = pages.activity.comments(id, reader, PageRequest { limit: COMMENTS_SHOWN, ..part }).await?;
    let next = comments.next_cursor.map_or(String::new(), |cursor| format!("/posts/{id}?cursor={cursor}"));
    let (typed, faults) = (String::new(), Faults::none());
    Ok(PostPage { v: visit, shown, comments: comments.items, first, next, typed, faults })
}

/// A form that leads back to the page that it stood on.
#[derive(Debug, Deserialize)]
struct Back {
    back: Option<String>,
}

impl Back {
    /// Back to where the thing stands on the page.
    fn to(&self, thing: &str) -> Response {
        let path = local(self.back.as_deref());
        see_other(&format!("{}#{thing}", path.split('#').next().unwrap_or_default()))
    }
}

async fn like(State(pages): State<Arc<Pages>>, Path(id): Path<PostId>, form: Form<Back>) -> Answer {
    set_liked(&pages, id, form, true).await
}

async fn unlike(State(pages): State<Arc<Pages>>, Path(id): Path<PostId>, form: Form<Back>) -> Answer {
    set_liked(&pages, id, form, false).await
}

async fn set_liked(pages: &Pages, id: PostId, Form(visit, back): Form<Back>, liked: bool) -> Answer {
    pages.activity.set_post_liked(visit.member()?.user, id, liked).await?;
    Ok(back.to(&format!("post-{id}")))
}

async fn delete(State(pages): State<Arc<Pages>>, Path(id): Path<PostId>, Form(visit, _): Form<Back>) -> Answer {
    pages.activity.delete_post(visit.doer()?, id).await?;
    Ok(see_other("/feed"))
}

#[derive(Debug, Deserialize)]
struct Draft {
    #[serde(default)]
    content: String,
}

/// Writes a comment, and shows it.
async fn comment(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<PostId>,
    Form(visit, Draft { content }): Form<Draft>,
) -> Answer {
    let author = visit.member()?.user;
    match pages.activity.write_comment(author, id, Some(&content)).await {
        Ok(comment) => {
            let count = pages.activity.post(id, None).await?.comment_count;
            let is_on_first_page = count <= i64::from(COMMENTS_SHOWN);
            let part = if is_on_first_page {
                String::new()
            } else {
                format!("?cursor={}", Activity::comments_from(id, comment.id))
            };
            Ok(see_other(&format!("/posts/{id}{part}#comment-{}", comment.id)))
        }
        Err(error) => {
            let post = read(&pages, &visit, id, PageRequest { limit: COMMENTS_SHOWN, after: None }).await?;
            let faults = Faults::of(&visit, &error);
            told(&visit, error, &PostPage { typed: content, faults, ..post })
        }
    }
}

async fn like_comment(State(pages): State<Arc<Pages>>, Path(id): Path<CommentId>, form: Form<Back>) -> Answer {
    set_comment_liked(&pages, id, form, true).await
}

async fn unlike_comment(State(pages): State<Arc<Pages>>, Path(id): Path<CommentId>, form: Form<Back>) -> Answer {
    set_comment_liked(&pages, id, form, false).await
}

async fn set_comment_liked(pages: &Pages, id: CommentId, Form(visit, back): Form<Back>, liked: bool) -> Answer {
    pages.activity.set_comment_liked(visit.member()?.user, id, liked).await?;
    Ok(back.to(&format!("comment-{id}")))
}

async fn delete_comment(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<CommentId>,
    Form(visit, back): Form<Back>,
) -> Answer {
    pages.activity.delete_comment(visit.doer()?, id).await?;
    Ok(back.to("comments"))
}
