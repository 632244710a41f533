//! What every face calls: who follows whom.

use super::model::{FollowState, Person};
use super::rules::may_follow;
use super::service::{Activity, without_since};
use super::store::{self, follows};
use crate::kernel::error::Error;
use crate::kernel::ids::{ActivityId, UserId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::users::user_not_found;

const FOLLOWERS: Cursors = Cursors("followers");
const FOLLOWING: Cursors = Cursors("following");

impl Activity {
    /// Makes a user follow another, or follow them no more.
    ///
    /// # Errors
    /// `422 cannot_follow_self`; `404 user_not_found`, also for following somebody who has withdrawn.
    pub async fn set_following(
        &self,
        follower: UserId,
        followee: UserId,
        following: bool,
    ) -> Result<FollowState, Error> {
        may_follow(follower, followee)?;
        let now = self.clock.now();
        self.db
            .write(move |conn| {
                let is_here = store::user(conn, followee)?.ok_or_else(user_not_found)?;
                if following && !is_here {
                    return Err(user_not_found());
                }
                Ok(follows::set(conn, follower, followee, following, now)?)
            })
            .await
    }

    /// Whether a user follows another.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn is_following(&self, follower: UserId, followee: UserId) -> Result<bool, Error> {
        self.db.read(move |conn| Ok(follows::is_following(conn, follower, followee)?)).await
    }

    /// Who follows a user, the latest first.
    ///
    /// # Errors
    /// `404 user_not_found`; a cursor of another list.
    pub async fn followers(&self, user: UserId, page: PageRequest) -> Result<Page<Person>, Error> {
        let before = ActivityId(FOLLOWERS.open_within(user.0, page.after.as_deref())?.unwrap_or(i64::MAX));
        let limit = i64::from(page.limit) + 1;
        let found = self
            .db
            .read(move |conn| {
                store::user(conn, user)?.ok_or_else(user_not_found)?;
                Ok(follows::followers(conn, user, before, limit)?)
            })
            .await?;
        Ok(without_since(FOLLOWERS.page_within(user.0, found, page.limit, |since| since.activity)))
    }

    /// Whom a user follows, the latest first.
    ///
    /// # Errors
    /// `404 user_not_found`; a cursor of another list.
    pub async fn following(&self, user: UserId, page: PageRequest) -> Result<Page<Person>, Error> {
        let before = ActivityId(FOLLOWING.open_within(user.0, page.after.as_deref())?.unwrap_or(i64::MAX));
        let limit = i64::from(page.limit) + 1;
        let found = self
            .db
            .read(move |conn| {
                store::user(conn, user)?.ok_or_else(user_not_found)?;
                Ok(follows::following(conn, user, before, limit)?)
            })
            .await?;
        Ok(without_since(FOLLOWING.page_within(user.0, found, page.limit, |since| since.activity)))
    }
}
