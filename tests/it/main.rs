//! The integration tests, in one binary: each file tells one part of the program's promise to those outside.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected should stop there")]

mod cli;
mod docs;
