//! `preorder`: limited-stock sales that never oversell.

pub mod config;
pub mod kernel;
pub mod loadtest;
pub mod store;
