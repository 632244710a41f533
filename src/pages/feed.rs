//! The newsfeed: everybody's posts or those of whom one follows, and a place to write one.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;

use super::Pages;
use super::answer::{Answer, NotNow, page, see_other, told};
use super::form::{Faults, Form};
use super::post::Shown;
use super::visit::Visit;
use crate::activity::PostDraft;
use crate::http::{PageQuery, Query, Routes};
use crate::kernel::page::PageRequest;
use crate::newsfeed::{FeedType, Sort};

/// How many posts a page shows.
const POSTS_SHOWN: u32 = 20;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/feed", feed).post("/feed", write)
}

/// Which posts are wanted, and in which order; a word that means nothing means the first.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    r#type: Option<String>,
    sort: Option<String>,
}

impl Wanted {
    fn follow(&self) -> bool {
        self.r#type.as_deref() == Some("follow")
    }

    fn by_likes(&self) -> bool {
        self.sort.as_deref() == Some("like")
    }
}

#[derive(Template)]
#[template(path = "feed.html")]
struct FeedPage<'a> {
    v: &'a Visit,
    follow: bool,
    by_likes: bool,
    posts: Vec<Shown>,
    first: String,
    next: String,
    typed: Draft,
    faults: Faults,
}

impl FeedPage<'_> {
    /// Where another list is in the same order.
    fn whose(&self, follow: bool) -> String {
        link(follow, self.by_likes)
    }

    /// Where the same list is in another order.
    fn order(&self, by_likes: bool) -> String {
        link(self.follow, by_likes)
    }
}

fn link(follow: bool, by_likes: bool) -> String {
    format!("/feed?type={}&sort={}", if follow { "follow" } else { "all" }, if by_likes { "like" } else { "date" })
}

async fn feed(
    State(pages): State<Arc<Pages>>,
    visit: Visit,
    Query(wanted): Query<Wanted>,
    PageQuery(part): PageQuery,
) -> Answer {
    if wanted.follow() && visit.actor.is_none() {
        return Err(NotNow::SignInFirst(Box::new(visit)));
    }
    page(&visit, &read(&pages, &visit, &wanted, part).await?)
}

/// A page of the feed, with nothing typed yet.
async fn read<'a>(pages: &Pages, visit: &'a Visit, wanted: &Wanted, part: PageRequest) -> Result<FeedPage<'a>, NotNow> {
    let (follow, by_likes) = (wanted.follow(), wanted.by_likes());
    let of = match visit.actor {
        Some(actor) if follow => FeedType::Follow(actor.user),
        _ => FeedType::All,
    };
    let sort = if by_likes { Sort::Like } else { Sort::Date };
    let first = if part.after.is_some() { link(follow, by_likes) } else { String::new() };
    let found = pages.newsfeed.feed(of, sort, PageRequest { limit: POSTS_SHOWN, ..part }).await?;
    let posts = Shown::all(pages, visit, found.posts.items.clone()).await?;
    let next = found.posts.next_cursor.as_ref();
    let next = next.map_or(String::new(), |cursor| format!("{}&cursor={cursor}", link(follow, by_likes)));
    Ok(FeedPage { v: visit, follow, by_likes, posts, first, next, typed: Draft::default(), faults: Faults::none() })
}

/// What somebody writes.
#[derive(Debug, Default, Deserialize)]
struct Draft {
    #[serde(default)]
    title: String,
    #[serde(default)]
    content: String,
}

/// Writes a post, and shows it.
async fn write(State(pages): State<Arc<Pages>>, Form(visit, typed): Form<Draft>) -> Answer {
    let author = visit.member()?.user;
    let draft = PostDraft { title: Some(typed.title.clone()), content: Some(typed.content.clone()) };
    match pages.activity.write_post(author, &draft).await {
        Ok(post) => Ok(see_other(&format!("/posts/{}", post.id))),
        Err(error) => {
            let part = PageRequest { limit: POSTS_SHOWN, after: None };
            let feed = read(&pages, &visit, &Wanted::default(), part).await?;
            let faults = Faults::of(&visit, &error);
            told(&visit, error, &FeedPage { typed, faults, ..feed })
        }
    }
}
