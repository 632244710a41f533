//! The words of this room.

use std::fmt;
use std::str::FromStr;

use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{ActivityId, CommentId, PostId, UserId};

/// A user as others see them beside what they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub id: UserId,
    /// The name that is shown.
    pub name: String,
    /// Where the profile image is.
    pub profile_image_url: Option<String>,
}

/// A post that was not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its number.
    pub id: PostId,
    /// Its title, one line.
    pub title: String,
    /// Its text.
    pub content: String,
    /// Who wrote it.
    pub writer: Person,
    /// How many users like it.
    pub like_count: i64,
    /// How many comments it has.
    pub comment_count: i64,
    /// Whether the viewer likes it.
    pub liked: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its words changed last.
    pub updated_at: Timestamp,
}

/// A comment that was not deleted, on a post that was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its number.
    pub id: CommentId,
    /// The post.
    pub post: PostId,
    /// Its text.
    pub content: String,
    /// Who wrote it.
    pub writer: Person,
    /// How many users like it.
    pub like_count: i64,
    /// Whether the viewer likes it.
    pub liked: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its words changed last.
    pub updated_at: Timestamp,
}

/// What somebody typed to make a post, or to change one: then what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct PostDraft {
    /// 1 to 100 characters, one line.
    pub title: Option<String>,
    /// 1 to 5,000 characters.
    pub content: Option<String>,
}

/// Whether somebody likes a thing now, and how many do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LikeState {
    /// Whether the asker does.
    pub liked: bool,
    /// How many users do.
    pub count: i64,
}

/// Whether somebody follows a user now, and how many do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowState {
    /// The user.
    pub user: UserId,
    /// Whether the asker follows them.
    pub following: bool,
    /// How many users do.
    pub followers: i64,
}

/// An item of a list that is ordered by when it came to be there: a like, a follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since<T> {
    /// The activity that put it there.
    pub activity: ActivityId,
    /// What it is.
    pub item: T,
}

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivityKind {
    /// Began to follow somebody.
    Follow,
    /// Follows them no more.
    CancelFollow,
    /// Likes a post.
    LikePost,
    /// Likes it no more.
    CancelLikePost,
    /// Likes a comment.
    LikeComment,
    /// Likes it no more.
    CancelLikeComment,
    /// Wrote a post.
    WritePost,
    /// Wrote a comment.
    WriteComment,
}

impl ActivityKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Follow,
        Self::CancelFollow,
        Self::LikePost,
        Self::CancelLikePost,
        Self::LikeComment,
        Self::CancelLikeComment,
        Self::WritePost,
        Self::WriteComment,
    ];

    /// The word in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::CancelFollow => "cancel_follow",
            Self::LikePost => "like_post",
            Self::CancelLikePost => "cancel_like_post",
            Self::LikeComment => "like_comment",
            Self::CancelLikeComment => "cancel_like_comment",
            Self::WritePost => "write_post",
            Self::WriteComment => "write_comment",
        }
    }
}

impl FromStr for ActivityKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or("the name of an activity")
    }
}

impl fmt::Display for ActivityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
