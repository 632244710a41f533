//! The integration tests, in one binary: each file tells about one room, or about what cuts across them.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod cli;
mod crash;
mod docs;
mod extractors;
mod law;
mod ledger;
mod rehearsal;
mod resume;
mod serve;
mod server;
mod support;
mod users;
