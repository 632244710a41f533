//! Stock as people see and adjust it: live counts, restocks and withdrawals, the history.

pub mod http;
mod service;

pub use service::{StockRoom, check_adjustment};
