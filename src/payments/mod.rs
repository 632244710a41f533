//! Entering a payment and settling it: the buyers' face of the ledger, and the port to whoever charges them.

pub mod doc;
pub mod http;
mod provider;
mod service;
mod simulated;

pub use provider::{ChargeRequest, Provider};
pub use service::{Answer, Payments};
pub use simulated::Simulated;
