//! The audit log: what whoever runs the shop did to it, who it was, and what it was before.
//!
//! A room writes an entry with `trail::write` in the very transaction of the change, so that there is no change without its entry
//! and no entry without its change; what changes nothing leaves none. Entries are never changed and never deleted, and
//! name people by their numbers alone. (`preorder audit`, the proof of the invariants, is another thing: this is what
//! people did, and that is whether the rows add up.)
//!
//! It knows no room. What can be done and to what are words ([`Action`], [`Kind`]), each in one place.

mod console;
pub mod doc;
pub mod http;
mod model;
mod service;
mod store;

pub use model::{ALL, Action, Deed, Entry, Filter, Hand, Kind, Thing, Writer, changed};
pub use service::Trail;
pub(crate) use store::write;
