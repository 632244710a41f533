//! Posts and their likes.

use super::counts::{self, Counts, counted_posts};
use super::{CountChange, Entry, count, log, person};
use crate::activity::concerns::Concern;
use crate::activity::model::{ActivityKind, LikeState, Post, Since};
use crate::activity::rules::Words;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, PostId, UserId};
use crate::store::{Conn, Row, StoreError, bind};

/// The columns that [`post`] reads, but for whether the viewer likes it.
macro_rules! post_columns {
    () => {
        "p.id, p.title, p.content, COALESCE(n.like_count, k.like_count), COALESCE(n.comment_count, k.comment_count), \
         p.created_at, p.updated_at, u.id, u.name, u.state, u.profile_image"
    };
}

fn post(row: Row<'_>) -> Result<Post, StoreError> {
    Ok(Post {
        id: PostId(row.int(0)?),
        title: row.text(1)?,
        content: row.text(2)?,
        writer: person(row, 7)?,
        like_count: row.int(3)?,
        comment_count: row.int(4)?,
        liked: row.int(11)? != 0,
        created_at: Timestamp(row.int(5)?),
        updated_at: Timestamp(row.int(6)?),
    })
}

/// One post, as `viewer` sees it.
pub(crate) fn find(conn: &Conn<'_>, id: PostId, viewer: Option<UserId>) -> Result<Option<Post>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        post_columns!(),
        ", EXISTS (SELECT 1 FROM post_likes l WHERE l.user_id = $1 AND l.post_id = p.id) FROM ",
        counted_posts!(),
        " JOIN users u ON u.id = p.author_id WHERE p.id = $2 AND p.deleted_at IS NULL"
    );
    conn.row(SQL, bind![viewer.map(|viewer| viewer.0), id.0], post)
}

/// An author's posts below `before`, newest first, as the author sees them.
pub(in crate::activity) fn of(
    conn: &Conn<'_>,
    author: UserId,
    before: PostId,
    limit: i64,
) -> Result<Vec<Post>, StoreError> {
    const SQL: &str = concat!(
        "SELECT ",
        post_columns!(),
        ", EXISTS (SELECT 1 FROM post_likes l WHERE l.user_id = p.author_id AND l.post_id = p.id) FROM ",
        counted_posts!(),
        " JOIN users u ON u.id = p.author_id \
         WHERE p.author_id = $1 AND p.deleted_at IS NULL AND p.id < $2 ORDER BY p.id DESC LIMIT $3"
    );
    conn.rows(SQL, bind![author.0, before.0, limit], post)
}

// The user's likes are sorted by themselves, and only those on the page are looked up.
const LIKED: &str = concat!(
    "WITH l AS MATERIALIZED (SELECT post_id, activity_id FROM post_likes WHERE user_id = $1 AND activity_id < $2 \
     ORDER BY activity_id DESC) SELECT ",
    post_columns!(),
    ", 1, l.activity_id FROM l CROSS JOIN ",
    counted_posts!(),
    " CROSS JOIN users u ON u.id = p.author_id \
     WHERE p.id = l.post_id AND p.deleted_at IS NULL ORDER BY l.activity_id DESC LIMIT $3"
);

/// The posts that a user likes, the latest like first, from before the activity `before`.
pub(in crate::activity) fn liked(
    conn: &Conn<'_>,
    user: UserId,
    before: ActivityId,
    limit: i64,
) -> Result<Vec<Since<Post>>, StoreError> {
    conn.rows(LIKED, bind![user.0, before.0, limit], |row| {
        Ok(Since { activity: ActivityId(row.int(12)?), item: post(row)? })
    })
}

/// Which posts a user likes, at most `limit`.
pub(in crate::activity) fn liked_ids(conn: &Conn<'_>, user: UserId, limit: i64) -> Result<Vec<PostId>, StoreError> {
    const SQL: &str = "SELECT post_id FROM post_likes WHERE user_id = $1 LIMIT $2";
    conn.rows(SQL, bind![user.0, limit], |row| Ok(PostId(row.int(0)?)))
}

/// Whether a user likes a post.
pub(in crate::activity) fn is_liked(conn: &Conn<'_>, user: UserId, post: PostId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM post_likes WHERE user_id = $1 AND post_id = $2";
    Ok(conn.row(SQL, bind![user.0, post.0], |row| row.int(0))?.is_some())
}

/// Adds a post and writes it down.
pub(in crate::activity) fn insert(
    conn: &Conn<'_>,
    author: UserId,
    words: &Words,
    now: Timestamp,
) -> Result<PostId, StoreError> {
    const SQL: &str = "INSERT INTO posts (author_id, created_at, updated_at, title, content) \
         VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let id = conn.row(SQL, bind![author.0, now.0, now.0, &words.title, &words.content], |row| row.int(0))?;
    let id = PostId(id.ok_or_else(|| StoreError::Other("a post was written and got no number".to_owned()))?);
    counts::insert(conn, id, author)?;
    count(conn, author, CountChange { posts: 1, ..CountChange::default() })?;
    let post = Some((id, author));
    log(
        conn,
        &Entry { kind: ActivityKind::WritePost, actor: author, recipient: author, post, comment: None, at: now },
    )?;
    Ok(id)
}

/// Changes a post's words.
pub(in crate::activity) fn update(
    conn: &Conn<'_>,
    (id, author): (PostId, UserId),
    words: &Words,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE posts SET title = $1, content = $2, updated_at = $3 WHERE id = $4";
    conn.concerns(&[Concern::PostsOf(author).into()]);
    conn.execute(SQL, bind![&words.title, &words.content, now.0, id.0]).map(drop)
}

/// Takes a post out of every list, with all that hangs on it.
pub(in crate::activity) fn delete(
    conn: &Conn<'_>,
    id: PostId,
    author: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    conn.concerns(&[Concern::PostsOf(author).into(), Concern::NewestPost.into(), Concern::Ranks.into()]);
    conn.execute("UPDATE posts SET deleted_at = $1 WHERE id = $2", bind![now.0, id.0])?;
    counts::delete(conn, id)?;
    count(conn, author, CountChange { posts: -1, ..CountChange::default() })
}

/// Makes a user like a post, or like it no more; a repeat changes nothing. `None` when there is no such post.
pub(in crate::activity) fn set_liked(
    conn: &Conn<'_>,
    id: PostId,
    user: UserId,
    liked: bool,
    now: Timestamp,
) -> Result<Option<LikeState>, StoreError> {
    const LIKE: &str = "INSERT INTO post_likes_unfiled (user_id, post_id, activity_id) VALUES ($1, $2, $3)";
    const UNLIKE: [&str; 2] = [
        "DELETE FROM post_likes_unfiled WHERE user_id = $1 AND post_id = $2",
        "DELETE FROM post_likes_filed WHERE user_id = $1 AND post_id = $2",
    ];
    let Some(before) = counts::find(conn, id)? else { return Ok(None) };
    if is_liked(conn, user, id)? == liked {
        return Ok(Some(LikeState { liked, count: before.likes }));
    }
    let (kind, likes) = if liked {
        (ActivityKind::LikePost, before.likes + 1)
    } else {
        (ActivityKind::CancelLikePost, before.likes - 1)
    };
    counts::update(conn, Counts { likes, ..before })?;
    let author = before.author;
    let entry = Entry { kind, actor: user, recipient: author, post: Some((id, author)), comment: None, at: now };
    let activity = log(conn, &entry)?;
    if liked {
        conn.execute(LIKE, bind![user.0, id.0, activity.0])?;
    } else {
        for unlike in UNLIKE {
            conn.execute(unlike, bind![user.0, id.0])?;
        }
    }
    Ok(Some(LikeState { liked, count: likes }))
}

/// Files the likes that were given since the last time.
pub(super) fn file_likes(conn: &Conn<'_>) -> Result<(), StoreError> {
    const FILE: &str = "INSERT INTO post_likes_filed (user_id, post_id, activity_id) \
         SELECT user_id, post_id, activity_id FROM post_likes_unfiled ORDER BY user_id, post_id";
    conn.execute(FILE, &[])?;
    conn.execute("DELETE FROM post_likes_unfiled", &[]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::tests::is_sorted_before;

    #[tokio::test]
    async fn the_posts_that_are_liked_are_looked_up_in_their_order() {
        is_sorted_before(super::LIKED, "SEARCH p ").await;
    }
}
