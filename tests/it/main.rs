//! The integration tests, in one binary: each file tells about one room, or about what cuts across them.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod cli;
mod crash;
mod docs;
mod extractors;
mod holds;
mod idempotency;
mod law;
mod ledger;
mod payments;
mod products;
mod purchases;
mod race;
mod rehearsal;
mod resume;
mod serve;
mod server;
mod stock;
mod support;
mod users;
