//! What a page is made of, and so what makes it untrue.

use std::collections::BTreeSet;

use super::model::{Entry, FeedType, View};
use super::service::Before;
use super::store;
use crate::activity::{Concern, Post};
use crate::kernel::ids::{PostId, UserId};
use crate::store::{Conn, Scope, StoreError, Subject};

/// A page of somebody whose circle is larger is good until anything is committed: looking through so many subjects at each
/// request would cost more than such pages are worth.
const CIRCLE_MAX: usize = 500;

/// Of a page of posts, which shows `posts` and knows of nothing below them.
pub(super) fn of_feed(conn: &Conn<'_>, of: FeedType, before: Before, posts: &[Post]) -> Result<Scope, StoreError> {
    let FeedType::Follow(reader) = of else {
        let authors: BTreeSet<_> = posts.iter().map(|post| post.writer.id).collect();
        let order = match before {
            Before::Post(PostId(i64::MAX)) => Some(Concern::NewestPost),
            Before::Post(_) => None, // nothing new comes in below a post
            Before::Rank(_) => Some(Concern::Ranks),
        };
        return Ok(scope(authors.into_iter().map(Concern::PostsOf).chain(order)));
    };
    let members = store::following(conn, reader)?;
    Ok(of_circle(reader, &members, Concern::PostsOf, []))
}

/// Of a page of activities.
pub(super) fn of_view(conn: &Conn<'_>, reader: UserId, view: View, entries: &[Entry]) -> Result<Scope, StoreError> {
    let members = match view {
        View::MyFollowing => store::following(conn, reader)?,
        View::MyFollower => store::followers(conn, reader)?,
        View::MyPostAlarm => return Ok(scope([Concern::PostsOf(reader)])),
    };
    // A post that is deleted takes what was done on it along.
    let authors: BTreeSet<_> = entries.iter().filter_map(|entry| entry.post_author).collect();
    Ok(of_circle(reader, &members, Concern::DeedsOf, authors.into_iter().map(Concern::PostsOf)))
}

fn of_circle(
    reader: UserId,
    members: &[UserId],
    each: fn(UserId) -> Concern,
    more: impl IntoIterator<Item = Concern>,
) -> Scope {
    if members.len() > CIRCLE_MAX {
        return Scope::Anything;
    }
    scope(members.iter().copied().map(each).chain([Concern::CircleOf(reader)]).chain(more))
}

fn scope(concerns: impl IntoIterator<Item = Concern>) -> Scope {
    Scope::Of(concerns.into_iter().map(Subject::from).collect())
}
