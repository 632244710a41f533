//! Somebody's profile: who they are, what they wrote, and following them.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::Pages;
use super::account::Nothing;
use super::answer::{Answer, page, see_other};
use super::form::Form;
use super::post::Shown;
use super::visit::Visit;
use crate::http::{PageQuery, Path, Routes};
use crate::kernel::ids::UserId;
use crate::kernel::page::PageRequest;
use crate::users::{Profile, image_path, shown_name};

/// How many posts a page shows.
const POSTS_SHOWN: u32 = 20;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/people/{id}", show).post("/people/{id}/follow", follow).post("/people/{id}/unfollow", unfollow)
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage<'a> {
    v: &'a Visit,
    id: UserId,
    name: String,
    image: Option<String>,
    profile: Profile,
    /// Whether the reader follows them; `None` when that is out of the question.
    following: Option<bool>,
    posts: Vec<Shown>,
    first: String,
    next: String,
}

async fn show(
    State(pages): State<Arc<Pages>>,
    visit: Visit,
    Path(id): Path<UserId>,
    PageQuery(part): PageQuery,
) -> Answer {
    let profile = pages.users.profile(id).await?;
    let following = match visit.actor {
        Some(actor) if actor.user != id => Some(pages.activity.is_following(actor.user, id).await?),
        _ => None,
    };
    let first = if part.after.is_some() { format!("/people/{id}") } else { String::new() };
    let found = pages.activity.posts_of(id, PageRequest { limit: POSTS_SHOWN, ..part }).await?;
    let next = found.next_cursor.map_or(String::new(), |cursor| format!("/people/{id}?cursor={cursor}"));
    let posts = Shown::all(&pages, &visit, found.items).await?;
    let name = shown_name(profile.user.state, profile.user.name.clone());
    let image = profile.user.profile_image.as_deref().map(image_path);
    page(&visit, &PersonPage { v: &visit, id, name, image, profile, following, posts, first, next })
}

async fn follow(State(pages): State<Arc<Pages>>, Path(id): Path<UserId>, form: Form<Nothing>) -> Answer {
    set_following(&pages, id, form, true).await
}

async fn unfollow(State(pages): State<Arc<Pages>>, Path(id): Path<UserId>, form: Form<Nothing>) -> Answer {
    set_following(&pages, id, form, false).await
}

async fn set_following(pages: &Pages, id: UserId, Form(visit, _): Form<Nothing>, following: bool) -> Answer {
    pages.activity.set_following(visit.member()?.user, id, following).await?;
    Ok(see_other(&format!("/people/{id}")))
}
