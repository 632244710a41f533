//! The catalogue: general and reservation products, and their sale windows.
//!
//! What a product is (name, description) is kept here; on which terms it is sold, and how many there are, is the ledger's.
//! A product and its offer are written in one transaction. Reads come from memory: the catalogue from a cache, terms and
//! counts from the ledger's board.

pub mod doc;
pub mod http;
mod model;
mod noted;
mod rules;
mod service;
mod store;

pub use model::{Change, NewProduct, Product, ProductDraft};
pub use rules::{check_change, check_draft};
pub use service::Products;
