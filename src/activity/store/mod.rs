//! This room's SQL: people, the log, and what is counted about a user. Posts, their counts, comments and follows have files
//! of their own.

pub(crate) mod comments;
pub(crate) mod counts;
pub(crate) mod follows;
pub(crate) mod personal;
pub(crate) mod posts;
pub(crate) mod seeds;

use super::concerns::Concern;
use super::model::{ActivityKind, Person};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::store::{Conn, Row, StoreError, bind};
use crate::users::{image_path, shown_name};

/// What waits to be filed is filed after so many lines of the log: more would make reading slow and the one who files wait
/// long, fewer would share fewer pages. Lines have no gaps, so no more than this ever waits.
const FILED_EVERY: i64 = 16_384;
const COUNTS_FILED_AT: i64 = FILED_EVERY / 3;
const LIKES_FILED_AT: i64 = 2 * FILED_EVERY / 3;

/// Reads the columns `id, name, state, profile_image` of `users`, from column `first` on.
pub(crate) fn person(row: Row<'_>, first: usize) -> Result<Person, StoreError> {
    let name = shown_name(row.parsed(first + 2)?, row.text(first + 1)?);
    Ok(Person {
        id: UserId(row.int(first)?),
        name,
        profile_image_url: row.text_or_null(first + 3)?.as_deref().map(image_path),
    })
}

/// Whether there is, or was, such a user; `Some(false)` for one who has withdrawn.
pub(super) fn user(conn: &Conn<'_>, id: UserId) -> Result<Option<bool>, StoreError> {
    conn.row("SELECT state <> 'deleted' FROM users WHERE id = $1", bind![id.0], |row| Ok(row.int(0)? != 0))
}

/// Something that somebody did, to be written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) kind: ActivityKind,
    pub(super) actor: UserId,
    pub(super) recipient: UserId,
    /// The post that it happened on, and whose that is.
    pub(super) post: Option<(PostId, UserId)>,
    pub(super) comment: Option<CommentId>,
    pub(super) at: Timestamp,
}

/// Writes a line of the log, says what it concerns, and files what waits when it is time.
pub(super) fn log(conn: &Conn<'_>, entry: &Entry) -> Result<ActivityId, StoreError> {
    const NOTE: &str = "INSERT INTO activities_unfiled (activity_id, actor_id, post_author_id) VALUES ($1, $2, $3)";
    const SQL: &str = "INSERT INTO activities (actor_id, recipient_id, post_author_id, type, post_id, comment_id, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let Entry { kind, actor, recipient, post, comment, at } = *entry;
    // What people do on their own posts is no news to them.
    let post_author = post.map(|(_, author)| author).filter(|author| *author != actor);
    let values = bind![
        actor.0,
        recipient.0,
        post_author.map(|author| author.0),
        kind.as_str(),
        post.map(|(post, _)| post.0),
        comment.map(|comment| comment.0),
        at.0
    ];
    let id = conn.row(SQL, values, |row| Ok(ActivityId(row.int(0)?)))?;
    say_concerned(conn, entry);
    let id = id.ok_or_else(|| StoreError::Other("an activity was written and got no number".to_owned()))?;
    conn.execute(NOTE, bind![id.0, actor.0, post_author.map(|author| author.0)])?;
    // Not all at once: whoever waits for one need not wait for the others.
    match id.0 % FILED_EVERY {
        0 => file(conn)?,
        COUNTS_FILED_AT => counts::file(conn)?,
        LIKES_FILED_AT => posts::file_likes(conn)?,
        _ => {}
    }
    Ok(id)
}

/// Files the lines that were written since the last time, under who did it and on whose posts it happened.
fn file(conn: &Conn<'_>) -> Result<(), StoreError> {
    const BY_ACTOR: &str = "INSERT INTO activities_by_actor (actor_id, activity_id) \
         SELECT actor_id, activity_id FROM activities_unfiled ORDER BY actor_id, activity_id";
    const ON_POSTS: &str = "INSERT INTO activities_on_posts (post_author_id, activity_id) \
         SELECT post_author_id, activity_id FROM activities_unfiled WHERE post_author_id IS NOT NULL \
         ORDER BY post_author_id, activity_id";
    conn.execute(BY_ACTOR, &[])?;
    conn.execute(ON_POSTS, &[])?;
    conn.execute("DELETE FROM activities_unfiled", &[]).map(drop)
}

fn say_concerned(conn: &Conn<'_>, entry: &Entry) {
    let Entry { kind, actor, recipient, post, .. } = *entry;
    conn.concerns(&[Concern::DeedsOf(actor).into()]);
    if let Some((_, author)) = post {
        conn.concerns(&[Concern::PostsOf(author).into()]);
    }
    match kind {
        ActivityKind::Follow | ActivityKind::CancelFollow => {
            conn.concerns(&[Concern::CircleOf(actor).into(), Concern::CircleOf(recipient).into()]);
        }
        ActivityKind::LikePost | ActivityKind::CancelLikePost => {
            conn.concerns(&[Concern::LikesOf(actor).into(), Concern::Ranks.into()]);
        }
        ActivityKind::WritePost => conn.concerns(&[Concern::NewestPost.into(), Concern::Ranks.into()]),
        ActivityKind::LikeComment | ActivityKind::CancelLikeComment | ActivityKind::WriteComment => {}
    }
}

/// What changes in what is counted about a user.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountChange {
    pub(super) posts: i64,
    pub(super) followers: i64,
    pub(super) following: i64,
}

/// Moves a user's counts.
pub(super) fn count(conn: &Conn<'_>, user: UserId, change: CountChange) -> Result<(), StoreError> {
    let CountChange { posts, followers, following } = change;
    conn.execute(
        "INSERT INTO user_counts (user_id, posts, followers, following) VALUES ($1, 0, 0, 0) \
         ON CONFLICT (user_id) DO NOTHING",
        bind![user.0],
    )?;
    conn.execute(
        "UPDATE user_counts SET posts = posts + $1, followers = followers + $2, following = following + $3 \
         WHERE user_id = $4",
        bind![posts, followers, following, user.0],
    )
    .map(drop)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::store::{Db, Location, bind};

    /// That a query of three parameters has sorted before it does the `lookup` of its plan, and does not sort again.
    pub(super) async fn is_sorted_before(sql: &str, lookup: &str) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("town.db"))).await.unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = db.read(move |conn| Ok(conn.rows(&sql, bind![1, 1, 1], |row| row.text(3))?)).await.unwrap();
        let sorts = plan.iter().rposition(|step| step.contains("TEMP B-TREE") || step.contains("MERGE"));
        let looks_up = plan.iter().position(|step| step.starts_with(lookup));
        assert!(sorts < looks_up && sorts.is_some(), "{plan:#?}");
    }
}
