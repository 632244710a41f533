//! What is kept of one person, in the order of the log: everything that somebody wrote has its line there, also what was
//! deleted since, and the line is found under who did it.

use crate::activity::model::ActivityKind;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::store::{Conn, Row, StoreError, bind};

/// The lines of one person's deeds behind another line, as `f`, the oldest first.
macro_rules! own_lines {
    () => {
        "(SELECT activity_id FROM activities_by_actor WHERE actor_id = $1 AND activity_id > $2 \
         UNION ALL SELECT activity_id FROM activities_unfiled WHERE actor_id = $3 AND activity_id > $4 \
         ORDER BY activity_id LIMIT $5) f CROSS JOIN activities a ON a.id = f.activity_id"
    };
}

/// A line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::activity) struct Line {
    pub(in crate::activity) id: ActivityId,
    pub(in crate::activity) kind: ActivityKind,
    pub(in crate::activity) actor: UserId,
    pub(in crate::activity) recipient: UserId,
    pub(in crate::activity) post: Option<PostId>,
    pub(in crate::activity) comment: Option<CommentId>,
    pub(in crate::activity) at: Timestamp,
}

/// The columns that [`line()`] reads.
macro_rules! line_columns {
    () => {
        "a.id, a.type, a.actor_id, a.recipient_id, a.post_id, a.comment_id, a.created_at"
    };
}

fn line(row: Row<'_>) -> Result<Line, StoreError> {
    Ok(Line {
        id: ActivityId(row.int(0)?),
        kind: row.parsed(1)?,
        actor: UserId(row.int(2)?),
        recipient: UserId(row.int(3)?),
        post: row.int_or_null(4)?.map(PostId),
        comment: row.int_or_null(5)?.map(CommentId),
        at: Timestamp(row.int(6)?),
    })
}

/// What somebody did, behind a line.
pub(in crate::activity) fn lines(
    conn: &Conn<'_>,
    user: UserId,
    after: ActivityId,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    const SQL: &str = concat!("SELECT ", line_columns!(), " FROM ", own_lines!(), " ORDER BY a.id");
    conn.rows(SQL, bind![user.0, after.0, user.0, after.0, limit], line)
}

/// The newest line of all.
pub(in crate::activity) fn newest(conn: &Conn<'_>) -> Result<Option<Line>, StoreError> {
    const SQL: &str = concat!("SELECT ", line_columns!(), " FROM activities a ORDER BY a.id DESC LIMIT 1");
    conn.row(SQL, &[], line)
}

/// Something that somebody wrote, deleted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The line of the log that tells of it.
    pub line: ActivityId,
    /// Its number.
    pub id: i64,
    /// For a comment, the post that it is on.
    pub post: Option<PostId>,
    /// A post's title.
    pub title: Option<String>,
    /// Its text.
    pub content: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its words changed last.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

fn written(row: Row<'_>) -> Result<Option<Written>, StoreError> {
    let Some(id) = row.int_or_null(1)? else { return Ok(None) };
    Ok(Some(Written {
        line: ActivityId(row.int(0)?),
        id,
        post: row.int_or_null(2)?.map(PostId),
        title: row.text_or_null(3)?,
        content: row.text(4)?,
        created_at: Timestamp(row.int(5)?),
        updated_at: Timestamp(row.int(6)?),
        deleted_at: row.int_or_null(7)?.map(Timestamp),
    }))
}

/// A part of what is kept, and the line behind which it goes on; `None` at the end.
pub(in crate::activity) type Part<T> = (Vec<T>, Option<ActivityId>);

/// The posts among so many lines.
pub(in crate::activity) fn posts(
    conn: &Conn<'_>,
    user: UserId,
    after: ActivityId,
    limit: i64,
) -> Result<Part<Written>, StoreError> {
    const SQL: &str = concat!(
        "SELECT a.id, p.id, NULL, p.title, p.content, p.created_at, p.updated_at, p.deleted_at FROM ",
        own_lines!(),
        " LEFT JOIN posts p ON p.id = a.post_id AND a.type = 'write_post' ORDER BY a.id"
    );
    all_written(conn, SQL, (user, after, limit))
}

/// The comments among so many lines.
pub(in crate::activity) fn comments(
    conn: &Conn<'_>,
    user: UserId,
    after: ActivityId,
    limit: i64,
) -> Result<Part<Written>, StoreError> {
    const SQL: &str = concat!(
        "SELECT a.id, c.id, c.post_id, NULL, c.content, c.created_at, c.updated_at, c.deleted_at FROM ",
        own_lines!(),
        " LEFT JOIN comments c ON c.id = a.comment_id AND a.type = 'write_comment' ORDER BY a.id"
    );
    all_written(conn, SQL, (user, after, limit))
}

fn all_written(
    conn: &Conn<'_>,
    sql: &str,
    (user, after, limit): (UserId, ActivityId, i64),
) -> Result<Part<Written>, StoreError> {
    let read = |row: Row<'_>| Ok((ActivityId(row.int(0)?), written(row)?));
    let rows = conn.rows(sql, bind![user.0, after.0, user.0, after.0, limit], read)?;
    let next = rows.last().map(|(line, _)| *line).filter(|_| i64::try_from(rows.len()) == Ok(limit));
    Ok((rows.into_iter().filter_map(|(_, written)| written).collect(), next))
}

/// Something that somebody likes, or somebody whom they follow or who follows them; by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tie {
    /// The number.
    pub id: i64,
    /// Since when.
    pub since: Timestamp,
}

/// What kinds of ties there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// Posts that somebody likes.
    LikedPosts,
    /// Comments that somebody likes.
    LikedComments,
    /// Whom somebody follows.
    Following,
    /// Who follows somebody.
    Followers,
}

/// Ties behind a number, by number.
pub(in crate::activity) fn ties(
    conn: &Conn<'_>,
    kind: Ties,
    user: UserId,
    after: i64,
    limit: i64,
) -> Result<Vec<Tie>, StoreError> {
    let sql = match kind {
        Ties::LikedPosts => {
            "SELECT t.post_id, a.created_at FROM post_likes t JOIN activities a ON a.id = t.activity_id \
             WHERE t.user_id = $1 AND t.post_id > $2 ORDER BY t.post_id LIMIT $3"
        }
        Ties::LikedComments => {
            "SELECT t.comment_id, a.created_at FROM comment_likes t JOIN activities a ON a.id = t.activity_id \
             WHERE t.user_id = $1 AND t.comment_id > $2 ORDER BY t.comment_id LIMIT $3"
        }
        Ties::Following => {
            "SELECT t.followee_id, a.created_at FROM follows t JOIN activities a ON a.id = t.activity_id \
             WHERE t.follower_id = $1 AND t.followee_id > $2 ORDER BY t.followee_id LIMIT $3"
        }
        // Sorted for each part: no index has followers by number, and a part reads them all.
        Ties::Followers => {
            "SELECT t.follower_id, a.created_at FROM follows t JOIN activities a ON a.id = t.activity_id \
             WHERE t.followee_id = $1 AND t.follower_id > $2 ORDER BY t.follower_id LIMIT $3"
        }
    };
    conn.rows(sql, bind![user.0, after, limit], |row| Ok(Tie { id: row.int(0)?, since: Timestamp(row.int(1)?) }))
}

/// Empties a post's words.
pub(in crate::activity) fn forget_post(conn: &Conn<'_>, id: PostId) -> Result<(), StoreError> {
    conn.execute("UPDATE posts SET title = '', content = '' WHERE id = $1 AND content <> ''", bind![id.0]).map(drop)
}

/// Empties a comment's words.
pub(in crate::activity) fn forget_comment(conn: &Conn<'_>, id: CommentId) -> Result<(), StoreError> {
    conn.execute("UPDATE comments SET content = '' WHERE id = $1 AND content <> ''", bind![id.0]).map(drop)
}

/// Whether a comment is there, and on which post.
pub(in crate::activity) fn comment_there(conn: &Conn<'_>, id: CommentId) -> Result<Option<PostId>, StoreError> {
    const SQL: &str = "SELECT post_id FROM comments WHERE id = $1 AND deleted_at IS NULL";
    conn.row(SQL, bind![id.0], |row| Ok(PostId(row.int(0)?)))
}

/// Takes the like away that a line began; gives whether it was there still.
pub(in crate::activity) fn unlike_post(conn: &Conn<'_>, line: &Line, post: PostId) -> Result<bool, StoreError> {
    const UNFILED: &str = "DELETE FROM post_likes_unfiled WHERE user_id = $1 AND post_id = $2 AND activity_id = $3";
    const FILED: &str = "DELETE FROM post_likes_filed WHERE user_id = $1 AND post_id = $2 AND activity_id = $3";
    let values = bind![line.actor.0, post.0, line.id.0];
    Ok(conn.execute(UNFILED, values)? + conn.execute(FILED, values)? > 0)
}

/// The same for a comment, with its count.
pub(in crate::activity) fn unlike_comment(
    conn: &Conn<'_>,
    line: &Line,
    comment: CommentId,
) -> Result<bool, StoreError> {
    const UNLIKE: &str = "DELETE FROM comment_likes WHERE user_id = $1 AND comment_id = $2 AND activity_id = $3";
    const COUNT: &str = "UPDATE comments SET like_count = like_count - 1 WHERE id = $1";
    let was_there = conn.execute(UNLIKE, bind![line.actor.0, comment.0, line.id.0])? > 0;
    if was_there {
        conn.execute(COUNT, bind![comment.0])?;
    }
    Ok(was_there)
}

/// Those who follow somebody, some of them, each with the line that tells of it.
pub(in crate::activity) fn some_followers(
    conn: &Conn<'_>,
    user: UserId,
    limit: i64,
) -> Result<Vec<(UserId, ActivityId)>, StoreError> {
    const SQL: &str =
        "SELECT follower_id, activity_id FROM follows WHERE followee_id = $1 ORDER BY activity_id LIMIT $2";
    conn.rows(SQL, bind![user.0, limit], |row| Ok((UserId(row.int(0)?), ActivityId(row.int(1)?))))
}

/// Takes a follow away, if a line has begun it.
pub(in crate::activity) fn unfollow(
    conn: &Conn<'_>,
    (follower, followee): (UserId, UserId),
    line: ActivityId,
) -> Result<bool, StoreError> {
    const SQL: &str = "DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2 AND activity_id = $3";
    Ok(conn.execute(SQL, bind![follower.0, followee.0, line.0])? > 0)
}

/// Takes a line out of the log, wherever it is filed. The schema lets only those of somebody go who is being erased.
pub(in crate::activity) fn forget_line(conn: &Conn<'_>, actor: UserId, line: ActivityId) -> Result<(), StoreError> {
    const ON_POSTS: &str = "DELETE FROM activities_on_posts WHERE activity_id = $1 \
         AND post_author_id = (SELECT post_author_id FROM activities WHERE id = $2)";
    conn.execute(ON_POSTS, bind![line.0, line.0])?;
    for sql in [
        "DELETE FROM activities_by_actor WHERE actor_id = $1 AND activity_id = $2",
        "DELETE FROM activities_unfiled WHERE actor_id = $1 AND activity_id = $2",
    ] {
        conn.execute(sql, bind![actor.0, line.0])?;
    }
    conn.execute("DELETE FROM activities WHERE id = $1", bind![line.0]).map(drop)
}
