//! What the writes of this room concern, and what pages of its posts and activities are made of.

use crate::kernel::ids::UserId;
use crate::store::Subject;

/// A thing that pages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// The posts of an author, with all that is counted about them, and what others did on them.
    PostsOf(UserId),
    /// What somebody did.
    DeedsOf(UserId),
    /// Whom somebody follows and who follows them.
    CircleOf(UserId),
    /// Which posts somebody likes.
    LikesOf(UserId),
    /// The newest post.
    NewestPost,
    /// The order of all posts by their likes.
    Ranks,
}

impl From<Concern> for Subject {
    fn from(concern: Concern) -> Self {
        match concern {
            Concern::PostsOf(user) => Self::new(1, user.0),
            Concern::DeedsOf(user) => Self::new(2, user.0),
            Concern::CircleOf(user) => Self::new(3, user.0),
            Concern::LikesOf(user) => Self::new(4, user.0),
            Concern::NewestPost => Self::new(5, 0),
            Concern::Ranks => Self::new(6, 0),
        }
    }
}
