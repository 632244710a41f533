//! Erasing what somebody wrote and did, step by step: each step is a transaction of its own, so that a sale goes on beside
//! it, and a kill between two loses nothing but time.
//!
//! - What they wrote is deleted as by themselves, and its words are emptied; those of what was deleted before as well.
//! - Their likes and follows, and who follows them, go with the lines of the log that tell of them, and the counts with them.
//! - Lines that say that they wrote something stay, as what hangs on it does: numbers alone, and shown nowhere.
//!
//! The newest line of the log stays whatever it is: its number would be given again, and whoever listens to the log has seen
//! that number already. So a like or follow that is the newest is cancelled in the common way first, and that pair stays.

use super::concerns::Concern;
use super::model::ActivityKind;
use super::service::Activity;
use super::store::personal::{self, Line};
use super::store::{CountChange, comments, count, counts, follows, posts};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::store::{Conn, StoreError};

/// Lines, or followers, that one step looks at: few enough that nobody who sells meanwhile waits for long.
const STEP: i64 = 200;

/// How much was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Posts that were there.
    pub posts: u64,
    /// Comments that were there.
    pub comments: u64,
    /// Likes of posts and comments.
    pub likes: u64,
    /// Users who were followed.
    pub following: u64,
    /// Users who followed.
    pub followers: u64,
}

impl Erased {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            posts: self.posts + other.posts,
            comments: self.comments + other.comments,
            likes: self.likes + other.likes,
            following: self.following + other.following,
            followers: self.followers + other.followers,
        }
    }
}

/// How far an erasure has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    after: ActivityId,
    kept: Option<Target>,
    lines_done: bool,
}

/// What a like or follow is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Post(PostId),
    Comment(CommentId),
    User(UserId),
}

fn target(line: &Line) -> Option<Target> {
    match line.kind {
        ActivityKind::LikePost | ActivityKind::CancelLikePost => line.post.map(Target::Post),
        ActivityKind::LikeComment | ActivityKind::CancelLikeComment => line.comment.map(Target::Comment),
        ActivityKind::Follow | ActivityKind::CancelFollow => Some(Target::User(line.recipient)),
        ActivityKind::WritePost | ActivityKind::WriteComment => None,
    }
}

impl Activity {
    /// Makes ready to erase what somebody did who is being erased; gives what that took away already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_erasing(&self, user: UserId) -> Result<(Erased, Progress), Error> {
        let now = self.clock.now();
        let (erased, kept) = self.db.write(move |conn| Ok(settle_newest(conn, user, now)?)).await?;
        Ok((erased, Progress { after: ActivityId(0), kept, lines_done: false }))
    }

    /// Erases some of it; gives what that was, and how it goes on: `None` at the end.
    ///
    /// # Errors
    /// When the database fails; what was erased before stays so.
    pub async fn erase_some(&self, user: UserId, progress: Progress) -> Result<(Erased, Option<Progress>), Error> {
        let now = self.clock.now();
        self.db
            .write_alone(move |conn| {
                conn.overwriting(|| {
                    let done = if progress.lines_done {
                        erase_followers(conn, user)?
                    } else {
                        erase_lines(conn, user, progress, now)?
                    };
                    Ok(done)
                })
            })
            .await
    }
}

/// Cancels what the newest line tells of, if it goes with the user; gives how much that was, and what must stay in the log
/// about it.
fn settle_newest(conn: &Conn<'_>, user: UserId, now: Timestamp) -> Result<(Erased, Option<Target>), StoreError> {
    let mut erased = Erased::default();
    let Some(newest) = personal::newest(conn)? else { return Ok((erased, None)) };
    let is_own = newest.actor == user;
    match (newest.kind, newest.post, newest.comment) {
        (ActivityKind::LikePost, Some(post), _) if is_own => {
            erased.likes = u64::from(posts::set_liked(conn, post, user, false, now)?.is_some());
        }
        (ActivityKind::LikeComment, _, Some(comment)) if is_own => {
            erased.likes = u64::from(comments::set_liked(conn, comment, user, false, now)?.is_some());
        }
        (ActivityKind::Follow, ..) if is_own || newest.recipient == user => {
            follows::set(conn, newest.actor, newest.recipient, false, now)?;
            (erased.following, erased.followers) = (u64::from(is_own), u64::from(!is_own));
        }
        _ => {}
    }
    Ok((erased, target(&newest).filter(|_| is_own)))
}

fn erase_lines(
    conn: &Conn<'_>,
    user: UserId,
    progress: Progress,
    now: Timestamp,
) -> Result<(Erased, Option<Progress>), StoreError> {
    let lines = personal::lines(conn, user, progress.after, STEP)?;
    conn.concerns(&[Concern::DeedsOf(user).into(), Concern::LikesOf(user).into(), Concern::CircleOf(user).into()]);
    let mut erased = Erased::default();
    for line in &lines {
        if progress.kept.is_none() || target(line) != progress.kept {
            erased = erased.and(erase_line(conn, line, now)?);
        }
    }
    let after = lines.last().map_or(progress.after, |line| line.id);
    let lines_done = i64::try_from(lines.len()) != Ok(STEP);
    Ok((erased, Some(Progress { after, lines_done, ..progress })))
}

fn erase_line(conn: &Conn<'_>, line: &Line, now: Timestamp) -> Result<Erased, StoreError> {
    let mut erased = Erased::default();
    match (line.kind, line.post, line.comment) {
        (ActivityKind::WritePost, Some(post), _) => {
            if counts::find(conn, post)?.is_some() {
                posts::delete(conn, post, line.actor, now)?;
                erased.posts = 1;
            }
            personal::forget_post(conn, post)?;
            return Ok(erased);
        }
        (ActivityKind::WriteComment, _, Some(comment)) => {
            if let Some(post) = personal::comment_there(conn, comment)? {
                comments::delete(conn, comment, post, now)?;
                erased.comments = 1;
            }
            personal::forget_comment(conn, comment)?;
            return Ok(erased);
        }
        (ActivityKind::LikePost, Some(post), _) => {
            let was_there = personal::unlike_post(conn, line, post)?;
            if was_there {
                counts::one_like_less(conn, post)?;
            }
            erased.likes = u64::from(was_there);
        }
        (ActivityKind::LikeComment, _, Some(comment)) => {
            erased.likes = u64::from(personal::unlike_comment(conn, line, comment)?);
        }
        (ActivityKind::Follow, ..) => {
            erased.following = u64::from(unfollow(conn, (line.actor, line.recipient), line.id)?);
        }
        // What was cancelled goes with what it cancelled.
        _ => {}
    }
    personal::forget_line(conn, line.actor, line.id)?;
    Ok(erased)
}

fn unfollow(conn: &Conn<'_>, (follower, followee): (UserId, UserId), line: ActivityId) -> Result<bool, StoreError> {
    if !personal::unfollow(conn, (follower, followee), line)? {
        return Ok(false);
    }
    conn.concerns(&[Concern::CircleOf(follower).into(), Concern::CircleOf(followee).into()]);
    count(conn, follower, CountChange { following: -1, ..CountChange::default() })?;
    count(conn, followee, CountChange { followers: -1, ..CountChange::default() })?;
    Ok(true)
}

fn erase_followers(conn: &Conn<'_>, user: UserId) -> Result<(Erased, Option<Progress>), StoreError> {
    let some = personal::some_followers(conn, user, STEP)?;
    let mut erased = Erased::default();
    conn.concerns(&[]);
    for (follower, line) in &some {
        conn.concerns(&[Concern::DeedsOf(*follower).into()]);
        erased.followers += u64::from(unfollow(conn, (*follower, user), *line)?);
        personal::forget_line(conn, *follower, *line)?;
    }
    let more = i64::try_from(some.len()) == Ok(STEP);
    Ok((erased, more.then_some(Progress { after: ActivityId(0), kept: None, lines_done: true })))
}
