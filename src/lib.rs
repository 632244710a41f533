//! `preorder`: limited-stock sales that never oversell.

pub mod app;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod kernel;
pub mod ledger;
pub mod loadtest;
pub mod payments;
pub mod products;
pub mod purchases;
pub mod seed;
pub mod server;
pub mod stock;
pub mod store;
pub mod target;
pub mod users;
