//! This room's SQL: the activity's rows in the orders in which they are read. Every statement is a seek in an index and as
//! many rows from there as are wanted.

use super::model::{Entry, LikeRank, View};
use super::rules::Source;
use crate::activity::Post;
use crate::activity::store::{person, posts};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::store::{Conn, Row, StoreError, bind};

/// How many users somebody follows, and how many follow them.
pub(super) fn counts(conn: &Conn<'_>, user: UserId) -> Result<(usize, usize), StoreError> {
    const SQL: &str = "SELECT following, followers FROM user_counts WHERE user_id = $1";
    let count = |row: Row<'_>, column| row.int(column).map(|count| usize::try_from(count).unwrap_or(0));
    Ok(conn.row(SQL, bind![user.0], |row| Ok((count(row, 0)?, count(row, 1)?)))?.unwrap_or_default())
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn follows(conn: &Conn<'_>, follower: UserId, followee: UserId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM follows WHERE follower_id = $1 AND followee_id = $2";
    Ok(conn.row(SQL, bind![follower.0, followee.0], |row| row.int(0))?.is_some())
}

/// Reads `(member, key)`; a member without a row has no key.
fn heads<K>(
    conn: &Conn<'_>,
    sql: &str,
    (before, user): (i64, UserId),
    key: fn(i64) -> K,
) -> Result<Vec<(K, UserId)>, StoreError> {
    let heads = conn.rows(sql, bind![before, user.0], |row| Ok((row.int_or_null(1)?, UserId(row.int(0)?))))?;
    Ok(heads.into_iter().filter_map(|(head, member)| head.map(|head| (key(head), member))).collect())
}

/// Posts, the newest first; of members: by those whom `reader` follows.
pub(super) struct ByDate<'a> {
    pub(super) conn: &'a Conn<'a>,
    pub(super) reader: UserId,
}

impl Source for ByDate<'_> {
    type Key = PostId;
    type Item = Post;

    fn newest(&self, before: PostId, count: usize) -> Result<Vec<(PostId, UserId)>, StoreError> {
        // The counts are of the posts that are there, in much narrower rows.
        const SQL: &str =
            "SELECT post_id, author_id FROM post_counts_filed WHERE post_id < $1 ORDER BY post_id DESC LIMIT $2";
        self.conn.rows(SQL, bind![before.0, limit(count)], |row| Ok((PostId(row.int(0)?), UserId(row.int(1)?))))
    }

    fn is_member(&self, user: UserId) -> Result<bool, StoreError> {
        follows(self.conn, self.reader, user)
    }

    fn heads(&self, before: PostId) -> Result<Vec<(PostId, UserId)>, StoreError> {
        const SQL: &str = "SELECT f.followee_id, (SELECT p.id FROM posts p WHERE p.author_id = f.followee_id \
             AND p.deleted_at IS NULL AND p.id < $1 ORDER BY p.id DESC LIMIT 1) FROM follows f WHERE f.follower_id = $2";
        heads(self.conn, SQL, (before.0, self.reader), PostId)
    }

    fn next(&self, member: UserId, before: PostId) -> Result<Option<PostId>, StoreError> {
        const SQL: &str = "SELECT id FROM posts WHERE author_id = $1 AND deleted_at IS NULL AND id < $2 \
             ORDER BY id DESC LIMIT 1";
        self.conn.row(SQL, bind![member.0, before.0], |row| Ok(PostId(row.int(0)?)))
    }

    fn show(&self, post: PostId) -> Result<Option<Post>, StoreError> {
        posts::find(self.conn, post, None)
    }
}

/// The first rank of a member's posts behind another in one of the tables of counts. Both parts of a rank stand in the
/// index; joining the posts to have the second would read a row for each member.
macro_rules! head_by_likes {
    ($table:literal, $which:literal) => {
        concat!(
            "COALESCE((SELECT q.like_count || '.' || q.post_id FROM ",
            $table,
            " q WHERE q.author_id = f.followee_id AND q.like_count = $1 AND q.post_id < $2 ",
            $which,
            " ORDER BY q.post_id DESC LIMIT 1), (SELECT q.like_count || '.' || q.post_id FROM ",
            $table,
            " q WHERE q.author_id = f.followee_id AND q.like_count < $1 ",
            $which,
            " ORDER BY q.like_count DESC, q.post_id DESC LIMIT 1))"
        )
    };
}

fn rank(row: Row<'_>, column: usize) -> Result<Option<LikeRank>, StoreError> {
    let rank = row.text_or_null(column)?.map(|rank| rank.parse()).transpose();
    rank.map_err(|error| StoreError::Other(format!("the rank of a post: {error}")))
}

/// Posts, the most liked first; of members: by those whom `reader` follows. What comes behind a rank is asked in two
/// steps, as many likes and fewer likes: both are seeks, which the comparison of two columns at once is not everywhere.
pub(super) struct ByLikes<'a> {
    pub(super) conn: &'a Conn<'a>,
    pub(super) reader: UserId,
}

impl Source for ByLikes<'_> {
    type Key = LikeRank;
    type Item = Post;

    fn newest(&self, before: LikeRank, count: usize) -> Result<Vec<(LikeRank, UserId)>, StoreError> {
        const AS_MANY: &str = "SELECT like_count, post_id, author_id FROM post_counts WHERE like_count = $1 \
             AND post_id < $2 ORDER BY post_id DESC LIMIT $3";
        const FEWER: &str = "SELECT like_count, post_id, author_id FROM post_counts WHERE like_count < $1 \
             ORDER BY like_count DESC, post_id DESC LIMIT $2";
        let read = |row: Row<'_>| Ok((LikeRank { likes: row.int(0)?, post: PostId(row.int(1)?) }, UserId(row.int(2)?)));
        let mut found = self.conn.rows(AS_MANY, bind![before.likes, before.post.0, limit(count)], read)?;
        if found.len() < count {
            let rest = limit(count - found.len());
            found.extend(self.conn.rows(FEWER, bind![before.likes, rest], read)?);
        }
        Ok(found)
    }

    fn is_member(&self, user: UserId) -> Result<bool, StoreError> {
        follows(self.conn, self.reader, user)
    }

    fn heads(&self, before: LikeRank) -> Result<Vec<(LikeRank, UserId)>, StoreError> {
        // The planner merges the two tables of a view in no subquery, so each is asked by itself.
        const SQL: &str = concat!(
            "SELECT f.followee_id, ",
            head_by_likes!("post_counts_unfiled", ""),
            ", ",
            head_by_likes!(
                "post_counts_filed",
                "AND NOT EXISTS (SELECT 1 FROM post_counts_unfiled n WHERE n.post_id = q.post_id)"
            ),
            " FROM follows f WHERE f.follower_id = $3"
        );
        let values = bind![before.likes, before.post.0, self.reader.0];
        let heads = self.conn.rows(SQL, values, |row| Ok((rank(row, 1)?.max(rank(row, 2)?), UserId(row.int(0)?))))?;
        Ok(heads.into_iter().filter_map(|(rank, member)| rank.map(|rank| (rank, member))).collect())
    }

    fn next(&self, member: UserId, before: LikeRank) -> Result<Option<LikeRank>, StoreError> {
        const AS_MANY: &str = "SELECT like_count, post_id FROM post_counts WHERE author_id = $1 AND like_count = $2 \
             AND post_id < $3 ORDER BY post_id DESC LIMIT 1";
        const FEWER: &str = "SELECT like_count, post_id FROM post_counts WHERE author_id = $1 AND like_count < $2 \
             ORDER BY like_count DESC, post_id DESC LIMIT 1";
        let read = |row: Row<'_>| Ok(LikeRank { likes: row.int(0)?, post: PostId(row.int(1)?) });
        match self.conn.row(AS_MANY, bind![member.0, before.likes, before.post.0], read)? {
            Some(rank) => Ok(Some(rank)),
            None => self.conn.row(FEWER, bind![member.0, before.likes], read),
        }
    }

    fn show(&self, rank: LikeRank) -> Result<Option<Post>, StoreError> {
        posts::find(self.conn, rank.post, None)
    }
}

/// The latest of somebody's activities below `$before`. What waits to be filed is younger than all that is filed.
macro_rules! latest {
    ($filed:literal, $column:literal, $whose:literal, $before:literal) => {
        concat!(
            "COALESCE((SELECT activity_id FROM activities_unfiled WHERE ",
            $column,
            " = ",
            $whose,
            " AND activity_id < ",
            $before,
            " ORDER BY activity_id DESC LIMIT 1), (SELECT activity_id FROM ",
            $filed,
            " WHERE ",
            $column,
            " = ",
            $whose,
            " AND activity_id < ",
            $before,
            " ORDER BY activity_id DESC LIMIT 1))"
        )
    };
}

/// What members of a view did, the latest first: those whom `reader` follows, or those who follow the reader. For what
/// happened on the reader's posts, the only member is the reader.
pub(super) struct Activities<'a> {
    pub(super) conn: &'a Conn<'a>,
    pub(super) reader: UserId,
    pub(super) view: View,
}

impl Source for Activities<'_> {
    type Key = ActivityId;
    type Item = Entry;

    fn newest(&self, before: ActivityId, count: usize) -> Result<Vec<(ActivityId, UserId)>, StoreError> {
        const SQL: &str = "SELECT id, actor_id FROM activities WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let read = |row: Row<'_>| Ok((ActivityId(row.int(0)?), UserId(row.int(1)?)));
        self.conn.rows(SQL, bind![before.0, limit(count)], read)
    }

    fn is_member(&self, user: UserId) -> Result<bool, StoreError> {
        match self.view {
            View::MyFollowing => follows(self.conn, self.reader, user),
            View::MyFollower => follows(self.conn, user, self.reader),
            View::MyPostAlarm => Ok(user == self.reader),
        }
    }

    fn heads(&self, before: ActivityId) -> Result<Vec<(ActivityId, UserId)>, StoreError> {
        const FOLLOWING: &str = concat!(
            "SELECT f.followee_id, ",
            latest!("activities_by_actor", "actor_id", "f.followee_id", "$1"),
            " FROM follows f WHERE f.follower_id = $2"
        );
        const FOLLOWERS: &str = concat!(
            "SELECT f.follower_id, ",
            latest!("activities_by_actor", "actor_id", "f.follower_id", "$1"),
            " FROM follows f WHERE f.followee_id = $2"
        );
        match self.view {
            View::MyFollowing => heads(self.conn, FOLLOWING, (before.0, self.reader), ActivityId),
            View::MyFollower => heads(self.conn, FOLLOWERS, (before.0, self.reader), ActivityId),
            View::MyPostAlarm => {
                Ok(self.next(self.reader, before)?.map(|head| (head, self.reader)).into_iter().collect())
            }
        }
    }

    fn next(&self, member: UserId, before: ActivityId) -> Result<Option<ActivityId>, StoreError> {
        const OF: &str = concat!("SELECT ", latest!("activities_by_actor", "actor_id", "$1", "$2"));
        const ON: &str = concat!("SELECT ", latest!("activities_on_posts", "post_author_id", "$1", "$2"));
        let sql = if self.view == View::MyPostAlarm { ON } else { OF };
        let latest = self.conn.row(sql, bind![member.0, before.0], |row| row.int_or_null(0))?;
        Ok(latest.flatten().map(ActivityId))
    }

    fn show(&self, id: ActivityId) -> Result<Option<Entry>, StoreError> {
        entry(self.conn, id)
    }
}

/// One activity, unless its post or comment was deleted.
pub(super) fn entry(conn: &Conn<'_>, id: ActivityId) -> Result<Option<Entry>, StoreError> {
    const SQL: &str = "SELECT a.type, a.post_id, a.comment_id, a.created_at, x.id, x.name, x.state, x.profile_image, \
         r.id, r.name, r.state, r.profile_image, p.author_id \
         FROM activities a JOIN users x ON x.id = a.actor_id JOIN users r ON r.id = a.recipient_id \
         LEFT JOIN posts p ON p.id = a.post_id LEFT JOIN comments c ON c.id = a.comment_id \
         WHERE a.id = $1 AND p.deleted_at IS NULL AND c.deleted_at IS NULL";
    conn.row(SQL, bind![id.0], |row| {
        Ok(Entry {
            id,
            kind: row.parsed(0)?,
            post: row.int_or_null(1)?.map(PostId),
            post_author: row.int_or_null(12)?.map(UserId),
            comment: row.int_or_null(2)?.map(CommentId),
            created_at: Timestamp(row.int(3)?),
            actor: person(row, 4)?,
            recipient: person(row, 8)?,
        })
    })
}

/// The number of the latest activity.
pub(super) fn latest(conn: &Conn<'_>) -> Result<ActivityId, StoreError> {
    let latest = conn.row("SELECT id FROM activities ORDER BY id DESC LIMIT 1", &[], |row| row.int(0))?;
    Ok(ActivityId(latest.unwrap_or(0)))
}

/// A line of the log, as far as it matters whom it concerns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) id: ActivityId,
    pub(super) actor: UserId,
    pub(super) recipient: UserId,
    pub(super) post_author: Option<UserId>,
    pub(super) kind: crate::activity::ActivityKind,
}

/// The log above `after`, in order.
pub(super) fn lines(conn: &Conn<'_>, after: ActivityId, count: usize) -> Result<Vec<Line>, StoreError> {
    const SQL: &str = "SELECT id, actor_id, recipient_id, post_author_id, type FROM activities WHERE id > $1 \
         ORDER BY id LIMIT $2";
    conn.rows(SQL, bind![after.0, limit(count)], |row| {
        Ok(Line {
            id: ActivityId(row.int(0)?),
            actor: UserId(row.int(1)?),
            recipient: UserId(row.int(2)?),
            post_author: row.int_or_null(3)?.map(UserId),
            kind: row.parsed(4)?,
        })
    })
}

/// Everybody whom a user follows.
pub(super) fn following(conn: &Conn<'_>, user: UserId) -> Result<Vec<UserId>, StoreError> {
    const SQL: &str = "SELECT followee_id FROM follows WHERE follower_id = $1";
    conn.rows(SQL, bind![user.0], |row| Ok(UserId(row.int(0)?)))
}

/// Everybody who follows a user.
pub(super) fn followers(conn: &Conn<'_>, user: UserId) -> Result<Vec<UserId>, StoreError> {
    const SQL: &str = "SELECT follower_id FROM follows WHERE followee_id = $1";
    conn.rows(SQL, bind![user.0], |row| Ok(UserId(row.int(0)?)))
}

/// A post that was just written.
pub(super) fn post(conn: &Conn<'_>, id: PostId) -> Result<Option<Post>, StoreError> {
    posts::find(conn, id, None)
}
