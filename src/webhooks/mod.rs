//! Webhooks: others are told of orders and of products that are sold out, by signed requests to their servers.
//!
//! The ledger writes an event in the transaction of the change that it tells of (`ledger/outbox.rs`), once, and nothing more
//! happens in a purchase's way. A task of the server's takes each target through the outbox, by a cursor of its own
//! (`delivery.rs` over the state in `line.rs`, which is pure). It remembers in memory what it did and writes that down twice
//! a second, in one transaction: after a crash some events are told again, and none is lost.
//!
//! A target is somebody else's machine, and the URL somebody else's idea: `sender.rs` reads next to nothing of what it
//! answers, and connects to no address that only this network reaches (`addresses.rs`).

mod addresses;
mod body;
mod delivery;
mod line;
mod model;
mod rules;
mod sender;
mod service;
mod store;

pub use model::*;
pub use rules::signature;
pub use service::{Tested, Webhooks};

/// The page for receivers: its Rust is compiled and run with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/webhooks.md")]
struct Page;
