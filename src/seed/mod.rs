//! Seed data: what a first sale starts with.
//!
//! [`files`] reads the products and users that people can edit (`data/seed/*.toml`, embedded in the binary, replaced by
//! `preorder seed --from DIR`), [`texts`] what generated people write; [`generate`] makes any number of products and users
//! more from a seed, and [`community`] what they do. All give plain values, checked as far as they can be without a
//! database. Nothing in here writes; the rooms' services do.

pub mod community;
mod draw;
pub mod files;
pub mod generate;
mod reader;
pub mod texts;

pub use reader::SeedError;

use crate::kernel::actor::Role;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::ProductId;
use crate::kernel::money::Currency;

/// A user to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedUser {
    /// In lower case.
    pub email: String,
    /// The name that others see.
    pub name: String,
    /// A line about themselves; may be empty.
    pub greeting: String,
    /// What the user may do.
    pub role: Role,
    /// Without one, nobody can log in as this user yet.
    pub password: Option<String>,
}

/// A product to add, and its first stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedProduct {
    /// Its id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// What it is, in a line; may be empty.
    pub description: String,
    /// `reservation` or `general`.
    pub kind: String,
    /// The price of one unit, in minor units of `currency`.
    pub price: i64,
    /// The currency.
    pub currency: Currency,
    /// Units on sale.
    pub stock: i64,
    /// When the sale opens; `None` when it is always open.
    pub opens_at: Option<Timestamp>,
    /// When the sale closes; `None` when it never does.
    pub closes_at: Option<Timestamp>,
    /// Units that one buyer may hold and own; `None` for no limit.
    pub per_buyer_limit: Option<i64>,
    /// How long an unpaid order keeps its units.
    pub hold_seconds: i64,
}
