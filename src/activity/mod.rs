//! What people do besides buying: posts, comments, likes on both, follows, and the log of all of it.
//!
//! Counts are kept beside what they count, moved in the same transaction, and proven from the rows by the audit. A repeat of
//! a like or a follow changes nothing and is not logged.
//!
//! What becomes of what somebody wrote:
//! - A deleted post is gone from every list, with its comments, its likes and its activities; a deleted comment likewise.
//! - Somebody who is blocked writes nothing (the door refuses them); what they wrote stays, under their name.
//! - Somebody who is erased leaves nothing of it but numbers: see `erasure`.
//! - Somebody who withdraws can't write either; what they wrote stays, under the name of a withdrawn user. Their likes and
//!   follows stay as well, so no count moves by it; nobody can begin to follow them.

mod audit;
mod concerns;
pub mod doc;
mod erasure;
mod follows;
pub mod http;
mod keeping;
mod likes;
mod model;
mod noted;
mod rules;
mod seeding;
mod service;
pub(crate) mod store;

pub(crate) use concerns::Concern;
pub use erasure::{Erased, Progress};
pub use keeping::Deed as KeptDeed;
pub use model::{ActivityKind, Comment, FollowState, LikeState, Person, Post, PostDraft, Since};
pub use seeding::{Deed, DeedKind, SeedCounts, Seeded};
pub use service::Activity;
pub use store::personal::{Tie, Ties, Written};
