//! What is new: feeds of posts, views of what people did, and both as a stream of events.
//!
//! Pages are read by index, however many rows there are, and kept in memory until something is
//! committed that they were made of (`scope.rs`): a reader sees their own writes, and everybody else's, at once. Pages are kept as nobody in particular
//! sees them; what a reader likes is filled in from the activity's memory. The stream reads the log behind each commit.

mod audience;
pub mod doc;
pub mod http;
mod model;
mod rules;
mod scope;
mod service;
mod store;
mod stream;

pub use model::{Entry, Event, FeedPage, FeedText, FeedType, LikeRank, Sort, View};
pub use service::{MayListen, Newsfeed};
pub use stream::Listening;
