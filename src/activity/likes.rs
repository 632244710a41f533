//! Which posts a user likes, in memory, so that a page of posts is shown to somebody without a read of the database.
//!
//! A user's set is loaded once and kept until that user likes something else. Whoever changes a user's likes carries a
//! [`Touch`] through the commit; when it is dropped, which is after the commit whether or not the asker still waits, the
//! set that was loaded before is never asked for again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::store::posts;
use crate::kernel::error::Error;
use crate::kernel::ids::{PostId, UserId};
use crate::store::Db;
use crate::store::cache::Cache;

/// Likes of one user that are kept; the pages of somebody who has more are looked up one post at a time.
const LIKES_MAX: usize = 10_000;
/// Likes of all users that are kept, about 64 MiB.
const KEPT_MAX: u64 = 4_000_000;
/// Users share this many counters of changes; a shared one only costs a load.
const COUNTERS: usize = 4_096;

/// The likes of the users who looked at something lately.
pub(super) struct Likes {
    db: Db,
    sets: Cache<(UserId, u64), Option<Arc<HashSet<PostId>>>>,
    changes: Arc<[AtomicU64]>,
}

/// Says, when it is dropped, that a user's likes have changed.
pub(super) struct Touch {
    changes: Arc<[AtomicU64]>,
    user: UserId,
}

impl Drop for Touch {
    fn drop(&mut self) {
        counter(&self.changes, self.user).fetch_add(1, Ordering::AcqRel);
    }
}

fn counter(changes: &[AtomicU64], user: UserId) -> &AtomicU64 {
    let index = usize::try_from(user.0).unwrap_or(0) % COUNTERS;
    &changes[index]
}

impl Likes {
    pub(super) fn new(db: Db) -> Self {
        let weight = |set: &Option<Arc<HashSet<PostId>>>| set.as_ref().map_or(0, |set| set.len()) + 8;
        let changes = (0..COUNTERS).map(|_| AtomicU64::new(0)).collect();
        Self { db, sets: Cache::weighed(KEPT_MAX, weight), changes }
    }

    /// To be dropped after the commit that changes `user`'s likes.
    pub(super) fn touch(&self, user: UserId) -> Touch {
        Touch { changes: Arc::clone(&self.changes), user }
    }

    /// Which of `posts` the user likes, in their order.
    pub(super) async fn among(&self, user: UserId, posts: &[PostId]) -> Result<Vec<bool>, Error> {
        let change = counter(&self.changes, user).load(Ordering::Acquire);
        let db = &self.db;
        let load = async move {
            let limit = i64::try_from(LIKES_MAX + 1).unwrap_or(i64::MAX);
            let ids = db.read(move |conn| Ok(posts::liked_ids(conn, user, limit)?)).await?;
            Ok((ids.len() <= LIKES_MAX).then(|| Arc::new(ids.into_iter().collect())))
        };
        self.sets.keep_up(*db.changed_elsewhere().borrow());
        if let Some(set) = self.sets.get_or_load((user, change), load).await? {
            return Ok(posts.iter().map(|post| set.contains(post)).collect());
        }
        let ids = posts.to_vec();
        db.read(move |conn| Ok(ids.iter().map(|post| posts::is_liked(conn, user, *post)).collect::<Result<_, _>>()?))
            .await
    }
}
