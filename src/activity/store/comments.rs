//! Comments and their likes. A comment is there as long as neither it nor its post was deleted.

use super::counts::{self, Counts};
use super::{Entry, log, person};
use crate::activity::concerns::Concern;
use crate::activity::model::{ActivityKind, Comment, LikeState, Since};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::store::{Conn, Row, StoreError, bind};

/// The columns that [`comment`] reads, but for whether the viewer likes it.
macro_rules! comment_columns {
    () => {
        "c.id, c.post_id, c.content, c.like_count, c.created_at, c.updated_at, u.id, u.name, u.state, u.profile_image"
    };
}

fn comment(row: Row<'_>) -> Result<Comment, StoreError> {
    Ok(Comment {
        id: CommentId(row.int(0)?),
        post: PostId(row.int(1)?),
        content: row.text(2)?,
        writer: person(row, 6)?,
        like_count: row.int(3)?,
        liked: row.int(10)? != 0,
        created_at: Timestamp(row.int(4)?),
        updated_at: Timestamp(row.int(5)?),
    })
}

/// One comment, as `viewer` sees it.
pub(in crate::activity) fn find(
    conn: &Conn<'_>,
    id: CommentId,
    viewer: Option<UserId>,
) -> Result<Option<Comment>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        comment_columns!(),
        ", l.user_id IS NOT NULL FROM comments c JOIN posts p ON p.id = c.post_id JOIN users u ON u.id = c.author_id \
         LEFT JOIN comment_likes l ON l.user_id = $1 AND l.comment_id = c.id \
         WHERE c.id = $2 AND c.deleted_at IS NULL AND p.deleted_at IS NULL"
    );
    conn.row(SQL, bind![viewer.map(|viewer| viewer.0), id.0], comment)
}

/// A post's comments above `after`, oldest first, as `viewer` sees them.
pub(in crate::activity) fn on(
    conn: &Conn<'_>,
    post: PostId,
    viewer: Option<UserId>,
    after: CommentId,
    limit: i64,
) -> Result<Vec<Comment>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        comment_columns!(),
        ", l.user_id IS NOT NULL FROM comments c JOIN users u ON u.id = c.author_id \
         LEFT JOIN comment_likes l ON l.user_id = $1 AND l.comment_id = c.id \
         WHERE c.post_id = $2 AND c.deleted_at IS NULL AND c.id > $3 ORDER BY c.id LIMIT $4"
    );
    conn.rows(SQL, bind![viewer.map(|viewer| viewer.0), post.0, after.0, limit], comment)
}

/// An author's comments below `before`, newest first, as the author sees them.
pub(in crate::activity) fn of(
    conn: &Conn<'_>,
    author: UserId,
    before: CommentId,
    limit: i64,
) -> Result<Vec<Comment>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        comment_columns!(),
        ", l.user_id IS NOT NULL FROM comments c JOIN posts p ON p.id = c.post_id JOIN users u ON u.id = c.author_id \
         LEFT JOIN comment_likes l ON l.user_id = c.author_id AND l.comment_id = c.id \
         WHERE c.author_id = $1 AND c.deleted_at IS NULL AND p.deleted_at IS NULL AND c.id < $2 \
         ORDER BY c.id DESC LIMIT $3"
    );
    conn.rows(SQL, bind![author.0, before.0, limit], comment)
}

// Sorted before they are looked up, as liked posts are.
const LIKED: &str = concat!(
    "WITH l AS MATERIALIZED (SELECT comment_id, activity_id FROM comment_likes WHERE user_id = $1 \
     AND activity_id < $2 ORDER BY activity_id DESC) SELECT ",
    comment_columns!(),
    ", 1, l.activity_id FROM l CROSS JOIN comments c ON c.id = l.comment_id \
     CROSS JOIN posts p ON p.id = c.post_id CROSS JOIN users u ON u.id = c.author_id \
     WHERE c.deleted_at IS NULL AND p.deleted_at IS NULL ORDER BY l.activity_id DESC LIMIT $3"
);

/// The comments that a user likes, the latest like first, from before the activity `before`.
pub(in crate::activity) fn liked(
    conn: &Conn<'_>,
    user: UserId,
    before: ActivityId,
    limit: i64,
) -> Result<Vec<Since<Comment>>, StoreError> {
    conn.rows(LIKED, bind![user.0, before.0, limit], |row| {
        Ok(Since { activity: ActivityId(row.int(11)?), item: comment(row)? })
    })
}

/// Adds a comment to the post that `counts` are of, and writes it down.
pub(in crate::activity) fn insert(
    conn: &Conn<'_>,
    author: UserId,
    counts: Counts,
    content: &str,
    now: Timestamp,
) -> Result<CommentId, StoreError> {
    const SQL: &str = "INSERT INTO comments (post_id, author_id, created_at, updated_at, content) \
         VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let (post, post_author) = (counts.post, counts.author);
    let id = conn.row(SQL, bind![post.0, author.0, now.0, now.0, content], |row| row.int(0))?;
    let id = CommentId(id.ok_or_else(|| StoreError::Other("a comment was written and got no number".to_owned()))?);
    counts::update(conn, Counts { comments: counts.comments + 1, ..counts })?;
    let entry = Entry {
        kind: ActivityKind::WriteComment,
        actor: author,
        recipient: post_author,
        post: Some((post, post_author)),
        comment: Some(id),
        at: now,
    };
    log(conn, &entry)?;
    Ok(id)
}

/// Changes a comment's text.
pub(in crate::activity) fn update(
    conn: &Conn<'_>,
    id: CommentId,
    content: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE comments SET content = $1, updated_at = $2 WHERE id = $3";
    conn.concerns(&[]); // no page shows the words of comments
    conn.execute(SQL, bind![content, now.0, id.0]).map(drop)
}

/// Takes a comment out of every list.
pub(in crate::activity) fn delete(
    conn: &Conn<'_>,
    id: CommentId,
    post: PostId,
    now: Timestamp,
) -> Result<(), StoreError> {
    conn.execute("UPDATE comments SET deleted_at = $1 WHERE id = $2", bind![now.0, id.0])?;
    let Some(counts) = counts::find(conn, post)? else { return Ok(()) };
    conn.concerns(&[Concern::PostsOf(counts.author).into()]);
    counts::update_in_place(conn, Counts { comments: counts.comments - 1, ..counts })
}

/// Makes a user like a comment, or like it no more; a repeat changes nothing. `None` when there is no such comment.
pub(in crate::activity) fn set_liked(
    conn: &Conn<'_>,
    id: CommentId,
    user: UserId,
    liked: bool,
    now: Timestamp,
) -> Result<Option<LikeState>, StoreError> {
    const LOOK: &str = "SELECT c.author_id, c.like_count, \
         EXISTS (SELECT 1 FROM comment_likes WHERE user_id = $1 AND comment_id = $2), k.post_id, k.author_id \
         FROM comments c JOIN post_counts_filed k ON k.post_id = c.post_id WHERE c.id = $3 AND c.deleted_at IS NULL";
    const LIKE: &str = "INSERT INTO comment_likes (user_id, comment_id, activity_id) VALUES ($1, $2, $3)";
    const UNLIKE: &str = "DELETE FROM comment_likes WHERE user_id = $1 AND comment_id = $2";
    const COUNT: &str = "UPDATE comments SET like_count = $1 WHERE id = $2";
    let found = conn.row(LOOK, bind![user.0, id.0, id.0], |row| {
        let before = LikeState { liked: row.int(2)? != 0, count: row.int(1)? };
        Ok((UserId(row.int(0)?), before, (PostId(row.int(3)?), UserId(row.int(4)?))))
    })?;
    let Some((author, before, post)) = found else { return Ok(None) };
    if before.liked == liked {
        return Ok(Some(before));
    }
    let (kind, count) = if liked {
        (ActivityKind::LikeComment, before.count + 1)
    } else {
        (ActivityKind::CancelLikeComment, before.count - 1)
    };
    let entry = Entry { kind, actor: user, recipient: author, post: Some(post), comment: Some(id), at: now };
    let activity = log(conn, &entry)?;
    if liked {
        conn.execute(LIKE, bind![user.0, id.0, activity.0])?;
    } else {
        conn.execute(UNLIKE, bind![user.0, id.0])?;
    }
    conn.execute(COUNT, bind![count, id.0])?;
    Ok(Some(LikeState { liked, count }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::is_sorted_before;

    #[tokio::test]
    async fn the_comments_that_are_liked_are_looked_up_in_their_order() {
        is_sorted_before(super::LIKED, "SEARCH c ").await;
    }
}
