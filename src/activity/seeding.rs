//! What a generated community did, written in bulk: the same rules and statements as for everybody, many deeds to a
//! transaction, each at its own time in the past.

use std::collections::HashMap;

use super::model::PostDraft;
use super::rules;
use super::service::Activity;
use super::store::{comments, counts, follows, posts, seeds};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::{CommentId, PostId, UserId};
use crate::store::Conn;

/// Something that a generated member did.
#[derive(Debug, Clone)]
pub struct Deed {
    /// Who.
    pub actor: UserId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: DeedKind,
}

/// What a generated member did. A post is named by its place among those of the same wave, from 0.
#[derive(Debug, Clone)]
pub enum DeedKind {
    /// Followed a user.
    Follow(UserId),
    /// Wrote a post.
    Post(PostDraft),
    /// Wrote a comment.
    Comment {
        /// What likes of the same wave name it by.
        number: usize,
        /// The post.
        post: usize,
        /// Its text.
        content: String,
    },
    /// Liked a post of this wave.
    LikePost(usize),
    /// Liked a comment of this wave.
    LikeComment(usize),
}

/// How much of a seed's community is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeded {
    /// Posts.
    pub posts: u32,
    /// The last user whose follows are written.
    pub member: UserId,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeedCounts {
    /// Posts.
    pub posts: usize,
    /// Comments.
    pub comments: usize,
    /// Likes of posts and of comments.
    pub likes: usize,
    /// Follows.
    pub follows: usize,
}

impl std::ops::AddAssign for SeedCounts {
    fn add_assign(&mut self, more: Self) {
        self.posts += more.posts;
        self.comments += more.comments;
        self.likes += more.likes;
        self.follows += more.follows;
    }
}

impl Activity {
    /// How much of a seed's community is written, and when anybody did anything last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seeded(&self, seed: u64) -> Result<(Seeded, Option<Timestamp>), Error> {
        self.db.read(move |conn| Ok((seeds::find(conn, seed)?, seeds::last_activity(conn)?))).await
    }

    /// Writes the deeds that lead from `before` to `after`, all of them or none; a like or a follow that is there already
    /// stays as it is and is not counted.
    ///
    /// # Errors
    /// `409 seeding_elsewhere` when another process goes on from `before` as well; `422` for words that nobody may write.
    pub async fn add_seeded(
        &self,
        seed: u64,
        (before, after): (Seeded, Seeded),
        deeds: Vec<Deed>,
    ) -> Result<SeedCounts, Error> {
        self.db
            .write_alone(move |conn| {
                if seeds::find(conn, seed)? != before {
                    return Err(seeding_elsewhere());
                }
                let mut wave = Wave::default();
                for deed in deeds {
                    wave.write(conn, deed)?;
                }
                seeds::put(conn, seed, after)?;
                Ok(wave.counts)
            })
            .await
    }
}

/// The numbers that posts and comments got.
#[derive(Default)]
struct Wave {
    posts: Vec<PostId>,
    comments: HashMap<usize, CommentId>,
    counts: SeedCounts,
}

impl Wave {
    fn write(&mut self, conn: &Conn<'_>, Deed { actor, at, kind }: Deed) -> Result<(), Error> {
        match kind {
            DeedKind::Follow(followee) => {
                rules::may_follow(actor, followee)?;
                self.counts.follows += usize::from(!follows::is_following(conn, actor, followee)?);
                follows::set(conn, actor, followee, true, at)?;
            }
            DeedKind::Post(draft) => {
                let words = rules::new_post(&draft)?;
                self.posts.push(posts::insert(conn, actor, &words, at)?);
                self.counts.posts += 1;
            }
            DeedKind::Comment { number, post, content } => {
                let content = rules::comment(Some(&content))?;
                let post = counts::find(conn, self.post(post)?)?.ok_or_else(out_of_order)?;
                let id = comments::insert(conn, actor, post, &content, at)?;
                self.comments.insert(number, id);
                self.counts.comments += 1;
            }
            DeedKind::LikePost(post) => {
                posts::set_liked(conn, self.post(post)?, actor, true, at)?.ok_or_else(out_of_order)?;
                self.counts.likes += 1;
            }
            DeedKind::LikeComment(number) => {
                let comment = self.comments.get(&number).ok_or_else(out_of_order)?;
                comments::set_liked(conn, *comment, actor, true, at)?.ok_or_else(out_of_order)?;
                self.counts.likes += 1;
            }
        }
        Ok(())
    }

    fn post(&self, place: usize) -> Result<PostId, Error> {
        self.posts.get(place).copied().ok_or_else(out_of_order)
    }
}

fn out_of_order() -> Error {
    Error::internal("a deed of a wave is about something that was not written before it")
}

fn seeding_elsewhere() -> Error {
    let detail = Text::fixed(
        "Another process is seeding the same community; wait until it is done.",
        "다른 프로세스가 같은 커뮤니티를 만들고 있습니다. 끝난 뒤 다시 시도하세요.",
    );
    Error::new(Kind::Conflict, "seeding_elsewhere", detail)
}
