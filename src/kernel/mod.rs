//! The words that every room shares: ids, money, time, pages, who is asking, and what went wrong.
//!
//! Nothing in here does I/O, except that [`clock::SystemClock`] reads the time. `kernel` knows no other module.

pub mod actor;
pub mod check;
pub mod clock;
pub mod error;
pub mod histogram;
pub mod ids;
pub mod limits;
pub mod money;
pub mod page;
#[cfg(debug_assertions)]
pub mod planted;
pub mod splitmix;
pub(crate) mod words;
