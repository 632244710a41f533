//! What every face calls: feeds and views of activities, as pages. The stream is in `stream`.

use std::sync::{Arc, OnceLock};

use super::model::{Entry, FeedPage, FeedType, LikeRank, Sort, View};
use super::rules::{Found, Source, Wanted, collect};
use super::scope;
use super::store::{self, Activities, ByDate, ByLikes};
use super::stream::Hub;
use crate::activity::{Activity, Post};
use crate::kernel::actor::Actor;
use crate::kernel::error::Error;
use crate::kernel::ids::{ActivityId, PostId, UserId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::cache::CacheUse;
use crate::store::memory::Memory;
use crate::store::{Conn, Db, StoreError};

/// Pages of posts kept in memory, in bytes; text and posts are both counted.
const FEED_BYTES_MAX: u64 = 64 << 20;
/// Pages of activities kept in memory.
const VIEW_PAGES_MAX: u64 = 10_000;
/// What a post weighs besides its texts, in bytes.
const POST_BYTES: usize = 600;

/// Where a feed's page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Before {
    Post(PostId),
    Rank(LikeRank),
}

type FeedKey = (FeedType, Before, u32);
type ViewKey = (View, UserId, ActivityId, u32);

/// Whether somebody may still act: whose login has ended, and who was locked out, hears no more.
pub type MayListen = Arc<dyn Fn(Actor) -> bool + Send + Sync>;

/// Feeds over the activity.
pub struct Newsfeed {
    pub(super) db: Db,
    activity: Arc<Activity>,
    feeds: Memory<FeedKey, Arc<FeedPage>>,
    views: Memory<ViewKey, Arc<Page<Entry>>>,
    pub(super) hub: Hub,
}

impl Newsfeed {
    /// The room over `db` and the activity there.
    #[must_use]
    pub fn new(db: Db, activity: Arc<Activity>, may_listen: MayListen) -> Arc<Self> {
        let hub = Hub::new(db.clone(), may_listen);
        let feeds = Memory::new(db.clone(), FEED_BYTES_MAX, |page: &Arc<FeedPage>| weight(&page.posts.items));
        let views = Memory::new(db.clone(), VIEW_PAGES_MAX, |_| 1);
        Arc::new(Self { db, activity, feeds, views, hub })
    }

    /// How its memories were used, by name.
    #[must_use]
    pub fn caches(&self) -> [(&'static str, CacheUse); 2] {
        [("feeds", self.feeds.usage()), ("activity_views", self.views.usage())]
    }

    /// A page of posts. Posts that arrive while somebody pages are neither skipped nor repeated; one whose likes change
    /// meanwhile may be, where likes are the order.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn feed(&self, of: FeedType, sort: Sort, page: PageRequest) -> Result<Arc<FeedPage>, Error> {
        let (cursors, owner) = list(of, sort);
        let cursor = page.after.as_deref();
        let before = match sort {
            Sort::Date => Before::Post(cursors.open_within(owner, cursor)?.map_or(PostId(i64::MAX), PostId)),
            Sort::Like => Before::Rank(cursors.open_within(owner, cursor)?.unwrap_or(LikeRank::TOP)),
        };
        let load = || async {
            let limit = page.limit as usize + 1;
            let read = move |conn: &Conn<'_>| {
                let posts = posts(conn, of, before, limit)?;
                let scope = scope::of_feed(conn, of, before, &posts)?;
                Ok((posts, scope))
            };
            let (posts, scope) = self.db.read(read).await?;
            let posts = match sort {
                Sort::Date => cursors.page_within(owner, posts, page.limit, |post| post.id),
                Sort::Like => cursors.page_within(owner, posts, page.limit, rank),
            };
            Ok((Arc::new(FeedPage { posts, text: OnceLock::new() }), scope))
        };
        self.feeds.get((of, before, page.limit), load).await
    }

    /// Which of a page's posts somebody likes, in their order.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn liked(&self, reader: UserId, page: &FeedPage) -> Result<Vec<bool>, Error> {
        let ids: Vec<_> = page.posts.items.iter().map(|post| post.id).collect();
        self.activity.liked_among(reader, &ids).await
    }

    /// A page of activities, the latest first. It may be short, or empty, and not be the last one, when much of what was
    /// done is not shown any more.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn view(&self, reader: UserId, view: View, page: PageRequest) -> Result<Arc<Page<Entry>>, Error> {
        let cursors = Cursors(view.as_str());
        let before = ActivityId(cursors.open_within(reader.0, page.after.as_deref())?.unwrap_or(i64::MAX));
        let load = || async {
            let wanted = Wanted { before, after: None, limit: page.limit as usize + 1 };
            let read = move |conn: &Conn<'_>| {
                let found = entries(conn, reader, view, wanted)?;
                let scope = scope::of_view(conn, reader, view, &found.items)?;
                Ok((found, scope))
            };
            let (found, scope) = self.db.read(read).await?;
            let mut shown = cursors.page_within(reader.0, found.items, page.limit, |entry| entry.id);
            if let Some(reached) = found.given_up.filter(|_| shown.next_cursor.is_none()) {
                shown.next_cursor = Some(cursors.cursor_within(reader.0, reached));
            }
            Ok((Arc::new(shown), scope))
        };
        self.views.get((view, reader, before, page.limit), load).await
    }
}

/// A feed's cursors, and whose list it is.
fn list(of: FeedType, sort: Sort) -> (Cursors, i64) {
    match (of, sort) {
        (FeedType::All, Sort::Date) => (Cursors("feed-all-date"), 0),
        (FeedType::All, Sort::Like) => (Cursors("feed-all-like"), 0),
        (FeedType::Follow(reader), Sort::Date) => (Cursors("feed-follow-date"), reader.0),
        (FeedType::Follow(reader), Sort::Like) => (Cursors("feed-follow-like"), reader.0),
    }
}

fn rank(post: &Post) -> LikeRank {
    LikeRank { likes: post.like_count, post: post.id }
}

fn weight(posts: &[Post]) -> usize {
    let text = |post: &Post| post.title.len() + post.content.len() + post.writer.name.len();
    posts.iter().map(|post| POST_BYTES + 2 * text(post)).sum()
}

fn posts(conn: &Conn<'_>, of: FeedType, before: Before, limit: usize) -> Result<Vec<Post>, StoreError> {
    let reader = match of {
        FeedType::All => None,
        FeedType::Follow(reader) => Some((reader, store::counts(conn, reader)?.0)),
    };
    let whose = reader.map_or(UserId(0), |(reader, _)| reader);
    let members = reader.map(|(_, members)| members);
    match before {
        Before::Post(before) => pick(&ByDate { conn, reader: whose }, members, Wanted { before, after: None, limit }),
        Before::Rank(before) => pick(&ByLikes { conn, reader: whose }, members, Wanted { before, after: None, limit }),
    }
}

/// Everybody's rows, or those of `members` of them.
fn pick<S: Source>(source: &S, members: Option<usize>, wanted: Wanted<S::Key>) -> Result<Vec<S::Item>, StoreError> {
    if let Some(members) = members {
        return Ok(collect(source, members, wanted)?.items);
    }
    let keys = source.newest(wanted.before, wanted.limit)?;
    keys.into_iter().filter_map(|(key, _)| source.show(key).transpose()).collect()
}

/// The activities of one view.
pub(super) fn entries(
    conn: &Conn<'_>,
    reader: UserId,
    view: View,
    wanted: Wanted<ActivityId>,
) -> Result<Found<ActivityId, Entry>, StoreError> {
    let members = match view {
        View::MyFollowing => store::counts(conn, reader)?.0,
        View::MyFollower => store::counts(conn, reader)?.1,
        View::MyPostAlarm => 1,
    };
    collect(&Activities { conn, reader, view }, members, wanted)
}
