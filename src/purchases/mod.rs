//! A buyer's orders: what was bought, what became of it, and paying it back.

pub mod csv;
pub mod doc;
pub mod http;
mod service;

pub use service::Purchases;
