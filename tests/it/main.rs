//! The integration tests, in one binary: each file tells about one room, or about what cuts across them.
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod access;
mod activity;
mod admin;
mod admin_board;
mod admin_people;
mod backup;
mod cli;
mod codes;
mod community;
mod crash;
mod docs;
mod due;
mod extractors;
mod filing;
#[cfg(target_os = "linux")]
mod full_disk;
mod holds;
mod idempotency;
mod images;
mod in_browser;
mod late_bodies;
mod law;
mod ledger;
mod mail;
mod newsfeed;
mod newsfeed_stream;
mod overload;
mod pages;
mod payments;
mod products;
mod profiles;
mod purchases;
mod race;
mod rehearsal;
mod resume;
mod s3;
mod seeding;
mod serve;
mod server;
mod sessions;
mod stock;
mod stock_stream;
mod support;
mod upgrade;
mod users;
