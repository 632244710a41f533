//! What is counted about posts: their likes and comments, apart from their words, which nobody reads or writes to count.
//!
//! Every post that is there has a row among the filed counts. A changed one would land at random there and in both indexes,
//! so it waits among the unfiled ones, where it stands for the filed one, and is filed with thousands of others. The view
//! `post_counts` is the counts as they are; a row of a post is joined with both tables (`counted_posts!`).

use crate::activity::concerns::Concern;
use crate::kernel::ids::{PostId, UserId};
use crate::store::{Conn, StoreError, bind};

/// A post that is there, `p`, with its counts, filed as `k` and, when they have changed since, unfiled as `n`.
macro_rules! counted_posts {
    () => {
        "posts p CROSS JOIN post_counts_filed k ON k.post_id = p.id LEFT JOIN post_counts_unfiled n ON n.post_id = p.id"
    };
}
pub(super) use counted_posts;

/// What is counted about a post.
#[derive(Debug, Clone, Copy)]
pub(in crate::activity) struct Counts {
    pub(super) post: PostId,
    pub(in crate::activity) author: UserId,
    pub(super) likes: i64,
    pub(super) comments: i64,
}

/// The counts of a post, if it is there.
pub(in crate::activity) fn find(conn: &Conn<'_>, post: PostId) -> Result<Option<Counts>, StoreError> {
    const SQL: &str = "SELECT k.author_id, COALESCE(n.like_count, k.like_count), COALESCE(n.comment_count, k.comment_count) \
         FROM post_counts_filed k LEFT JOIN post_counts_unfiled n ON n.post_id = k.post_id WHERE k.post_id = $1";
    conn.row(SQL, bind![post.0], |row| {
        Ok(Counts { post, author: UserId(row.int(0)?), likes: row.int(1)?, comments: row.int(2)? })
    })
}

/// Begins to count a new post's.
pub(super) fn insert(conn: &Conn<'_>, post: PostId, author: UserId) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO post_counts_filed (post_id, author_id, like_count, comment_count) VALUES ($1, $2, 0, 0)";
    conn.execute(SQL, bind![post.0, author.0]).map(drop)
}

/// Changes a post's counts, with a line of the log: that line may be the one that files them.
pub(super) fn update(conn: &Conn<'_>, counts: Counts) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO post_counts_unfiled (post_id, author_id, like_count, comment_count) \
         VALUES ($1, $2, $3, $4) \
         ON CONFLICT (post_id) DO UPDATE SET like_count = excluded.like_count, comment_count = excluded.comment_count";
    let Counts { post, author, likes, comments } = counts;
    conn.execute(SQL, bind![post.0, author.0, likes, comments]).map(drop)
}

/// Changes a post's counts without a line of the log: where they stand, so that no more wait than the log has lines.
pub(super) fn update_in_place(conn: &Conn<'_>, counts: Counts) -> Result<(), StoreError> {
    const UNFILED: &str = "UPDATE post_counts_unfiled SET like_count = $1, comment_count = $2 WHERE post_id = $3";
    const FILED: &str = "UPDATE post_counts_filed SET like_count = $1, comment_count = $2 WHERE post_id = $3";
    let values = bind![counts.likes, counts.comments, counts.post.0];
    if conn.execute(UNFILED, values)? == 0 {
        conn.execute(FILED, values)?;
    }
    Ok(())
}

/// Counts one like less, without a line of the log; a deleted post's likes are counted no more.
pub(in crate::activity) fn one_like_less(conn: &Conn<'_>, post: PostId) -> Result<(), StoreError> {
    let Some(counts) = find(conn, post)? else { return Ok(()) };
    conn.concerns(&[Concern::PostsOf(counts.author).into(), Concern::Ranks.into()]);
    update_in_place(conn, Counts { likes: counts.likes - 1, ..counts })
}

/// Stops counting a post's.
pub(super) fn delete(conn: &Conn<'_>, post: PostId) -> Result<(), StoreError> {
    conn.execute("DELETE FROM post_counts_unfiled WHERE post_id = $1", bind![post.0])?;
    conn.execute("DELETE FROM post_counts_filed WHERE post_id = $1", bind![post.0]).map(drop)
}

/// Files the counts that have changed since the last time.
pub(super) fn file(conn: &Conn<'_>) -> Result<(), StoreError> {
    // 'WHERE true' tells the conflict's ON from a join's.
    const FILE: &str = "INSERT INTO post_counts_filed (post_id, author_id, like_count, comment_count) \
         SELECT post_id, author_id, like_count, comment_count FROM post_counts_unfiled WHERE true ORDER BY post_id \
         ON CONFLICT (post_id) DO UPDATE SET like_count = excluded.like_count, comment_count = excluded.comment_count";
    conn.execute(FILE, &[])?;
    conn.execute("DELETE FROM post_counts_unfiled", &[]).map(drop)
}
