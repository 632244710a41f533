//! The integration tests, in one binary: each file tells about one room, or about what cuts across them.

mod server;
mod support;
mod users;
