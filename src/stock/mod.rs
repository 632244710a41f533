//! Stock as people see and adjust it: live counts and their stream, restocks and withdrawals, the history.

pub mod doc;
pub mod http;
mod service;
mod stream;

pub use service::{StockRoom, check_adjustment};
