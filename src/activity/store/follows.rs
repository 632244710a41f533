//! Who follows whom.

use super::{CountChange, Entry, count, log, person};
use crate::activity::model::{ActivityKind, FollowState, Person, Since};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, UserId};
use crate::store::{Conn, Row, StoreError, bind};

/// Makes `follower` follow `followee`, or follow them no more; a repeat changes nothing.
pub(in crate::activity) fn set(
    conn: &Conn<'_>,
    follower: UserId,
    followee: UserId,
    following: bool,
    now: Timestamp,
) -> Result<FollowState, StoreError> {
    const FOLLOW: &str = "INSERT INTO follows (follower_id, followee_id, activity_id) VALUES ($1, $2, $3)";
    const UNFOLLOW: &str = "DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2";
    if is_following(conn, follower, followee)? != following {
        let (kind, change) = if following { (ActivityKind::Follow, 1) } else { (ActivityKind::CancelFollow, -1) };
        let entry = Entry { kind, actor: follower, recipient: followee, post: None, comment: None, at: now };
        let activity = log(conn, &entry)?;
        if following {
            conn.execute(FOLLOW, bind![follower.0, followee.0, activity.0])?;
        } else {
            conn.execute(UNFOLLOW, bind![follower.0, followee.0])?;
        }
        count(conn, follower, CountChange { following: change, ..CountChange::default() })?;
        count(conn, followee, CountChange { followers: change, ..CountChange::default() })?;
    }
    let followers =
        conn.row("SELECT followers FROM user_counts WHERE user_id = $1", bind![followee.0], |row| row.int(0))?;
    Ok(FollowState { user: followee, following, followers: followers.unwrap_or(0) })
}

/// Whether a user follows another.
pub(in crate::activity) fn is_following(
    conn: &Conn<'_>,
    follower: UserId,
    followee: UserId,
) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM follows WHERE follower_id = $1 AND followee_id = $2";
    Ok(conn.row(SQL, bind![follower.0, followee.0], |row| row.int(0))?.is_some())
}

fn since(row: Row<'_>) -> Result<Since<Person>, StoreError> {
    Ok(Since { activity: ActivityId(row.int(0)?), item: person(row, 1)? })
}

/// Who follows a user, the latest first, from before the activity `before`.
pub(in crate::activity) fn followers(
    conn: &Conn<'_>,
    user: UserId,
    before: ActivityId,
    limit: i64,
) -> Result<Vec<Since<Person>>, StoreError> {
    const SQL: &str = "SELECT f.activity_id, u.id, u.name, u.state, u.profile_image FROM follows f JOIN users u ON u.id = f.follower_id \
         WHERE f.followee_id = $1 AND f.activity_id < $2 ORDER BY f.activity_id DESC LIMIT $3";
    conn.rows(SQL, bind![user.0, before.0, limit], since)
}

/// Whom a user follows, the latest first, from before the activity `before`.
pub(in crate::activity) fn following(
    conn: &Conn<'_>,
    user: UserId,
    before: ActivityId,
    limit: i64,
) -> Result<Vec<Since<Person>>, StoreError> {
    const SQL: &str = "SELECT f.activity_id, u.id, u.name, u.state, u.profile_image FROM follows f JOIN users u ON u.id = f.followee_id \
         WHERE f.follower_id = $1 AND f.activity_id < $2 ORDER BY f.activity_id DESC LIMIT $3";
    conn.rows(SQL, bind![user.0, before.0, limit], since)
}
