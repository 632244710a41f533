//! The words of this room.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use crate::activity::{ActivityKind, Person, Post};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};
use crate::kernel::page::Page;

/// Whose posts a feed shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedType {
    /// Everybody's.
    All,
    /// Those of the users whom the reader follows.
    Follow(UserId),
}

/// In which order a feed shows posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// The newest first.
    Date,
    /// The most liked first; of those with as many likes, the newest first.
    Like,
}

/// Where a post stands among the most liked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LikeRank {
    /// Its likes.
    pub likes: i64,
    /// Its number.
    pub post: PostId,
}

impl LikeRank {
    /// Above every post.
    pub const TOP: Self = Self { likes: i64::MAX, post: PostId(i64::MAX) };
}

impl fmt::Display for LikeRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.likes, self.post)
    }
}

impl FromStr for LikeRank {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (likes, post) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { likes: likes.parse()?, post: PostId(post.parse()?) })
    }
}

/// A page of posts as nobody in particular sees them, and what a face made of it, which is kept with it.
#[derive(Debug)]
pub struct FeedPage {
    /// The posts; `liked` is false in all of them.
    pub posts: Page<Post>,
    /// The page as text.
    pub text: OnceLock<FeedText>,
}

/// A page as text, with the places that differ from reader to reader.
#[derive(Debug)]
pub struct FeedText {
    /// The text for somebody who likes none of the posts.
    pub text: Arc<[u8]>,
    /// Where in it the `false` of each post's `liked` begins.
    pub liked_at: Vec<usize>,
}

/// A list of activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// Of those whom the reader follows.
    MyFollowing,
    /// Of those who follow the reader.
    MyFollower,
    /// Of others, on the reader's posts.
    MyPostAlarm,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 3] = [Self::MyFollowing, Self::MyFollower, Self::MyPostAlarm];

    /// The word in paths and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MyFollowing => "my-following",
            Self::MyFollower => "my-follower",
            Self::MyPostAlarm => "my-post-alarm",
        }
    }
}

/// What somebody did, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: ActivityId,
    /// Who did it.
    pub actor: Person,
    /// Who was followed, or whose post or comment it was.
    pub recipient: Person,
    /// What it was.
    pub kind: ActivityKind,
    /// The post that it happened on.
    pub post: Option<PostId>,
    /// Whose post that is.
    pub post_author: Option<UserId>,
    /// The comment that it happened on.
    pub comment: Option<CommentId>,
    /// When.
    pub created_at: Timestamp,
}

/// Something that happens, on its way to one reader.
#[derive(Debug, Clone)]
pub struct Event {
    /// What somebody did.
    pub entry: Arc<Entry>,
    /// The post, when it was just written.
    pub post: Option<Arc<Post>>,
    /// In which of the reader's views it stands.
    pub views: Vec<View>,
}
