//! Which posts a user likes, in memory, so that a page of posts is shown to somebody without a read of the database.

use std::collections::HashSet;
use std::sync::Arc;

use super::concerns::Concern;
use super::store::posts;
use crate::kernel::error::Error;
use crate::kernel::ids::{PostId, UserId};
use crate::store::memory::Memory;
use crate::store::{Db, Scope};

/// Likes of one user that are kept; the pages of somebody who has more are looked up one post at a time.
const LIKES_MAX: usize = 10_000;
/// Likes of all users that are kept, about 64 MiB.
const KEPT_MAX: u64 = 4_000_000;

type Set = Option<Arc<HashSet<PostId>>>;

/// The likes of the users who looked at something lately, each set until its user likes something else.
pub(super) struct Likes {
    db: Db,
    sets: Memory<UserId, Set>,
}

impl Likes {
    pub(super) fn new(db: Db) -> Self {
        let weight = |set: &Set| set.as_ref().map_or(0, |set| set.len()) + 8;
        Self { sets: Memory::new(db.clone(), KEPT_MAX, weight), db }
    }

    /// Which of `posts` the user likes, in their order.
    pub(super) async fn among(&self, user: UserId, posts: &[PostId]) -> Result<Vec<bool>, Error> {
        let load = || async {
            let limit = i64::try_from(LIKES_MAX + 1).unwrap_or(i64::MAX);
            let ids = self.db.read(move |conn| Ok(posts::liked_ids(conn, user, limit)?)).await?;
            let set: Set = (ids.len() <= LIKES_MAX).then(|| Arc::new(ids.into_iter().collect()));
            Ok((set, Scope::Of([Concern::LikesOf(user).into()].into())))
        };
        if let Some(set) = self.sets.get(user, load).await? {
            return Ok(posts.iter().map(|post| set.contains(post)).collect());
        }
        let ids = posts.to_vec();
        self.db
            .read(move |conn| {
                Ok(ids.iter().map(|post| posts::is_liked(conn, user, *post)).collect::<Result<_, _>>()?)
            })
            .await
    }
}
