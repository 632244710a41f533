//! `preorder`: limited-stock sales that never oversell.

pub mod cli;
pub mod config;
pub mod kernel;
pub mod ledger;
pub mod seed;
pub mod store;
pub mod target;
