//! Metrics for Prometheus: what `GET /metrics` answers.
//!
//! `model` is the one list of metrics, with their help; the documentation is made from it. Nothing is counted here: the door,
//! the ledger and the rooms count in atomics as they go, and whoever scrapes pays for reading them. What has labels is bounded:
//! routes are those of the router, statuses and codes those that the program knows, and of the products the liveliest
//! [`model::PRODUCTS_MAX`].

pub mod doc;
pub mod http;
pub mod model;
mod process;
mod rules;
mod service;
mod text;

pub use service::{Metrics, Sources};
