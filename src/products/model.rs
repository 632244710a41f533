//! A product, and what people type to make or change one.

use std::sync::Arc;

use crate::kernel::clock::Timestamp;
use crate::kernel::ids::ProductId;
use crate::ledger::{Kind, Live, Terms, Units};

/// What the catalogue says of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// What it is, for buyers.
    pub description: String,
    /// How it is sold.
    pub kind: Kind,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A product as it is shown: the catalogue's words with the ledger's present terms and counts.
#[derive(Debug, Clone)]
pub struct Product {
    /// The catalogue's part.
    pub entry: Arc<Entry>,
    /// The ledger's part.
    pub live: Live,
}

/// What somebody typed to make a product, unchecked. Times are RFC 3339.
#[derive(Debug, Clone, Default)]
pub struct ProductDraft {
    /// A short text, chosen by the admin.
    pub id: Option<String>,
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// Up to 2,000 characters.
    pub description: Option<String>,
    /// `reservation` or `general`.
    pub kind: Option<String>,
    /// In minor units.
    pub price: Option<i64>,
    /// `KRW` when it is not said.
    pub currency: Option<String>,
    /// Units to begin with; none when it is not said.
    pub stock: Option<i64>,
    /// When the sale opens.
    pub opens_at: Option<String>,
    /// When it closes.
    pub closes_at: Option<String>,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<i64>,
    /// How long a hold lives.
    pub hold_seconds: Option<i64>,
}

/// A product that may be made.
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// Its id.
    pub id: ProductId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// On which terms it is sold.
    pub terms: Terms,
    /// How many there are to begin with.
    pub stock: Units,
}

/// What somebody wants to change, unchecked. `None` leaves a field as it is; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// A new price, for orders to come.
    pub price: Option<i64>,
    /// When the sale opens.
    pub opens_at: Option<Option<String>>,
    /// When it closes.
    pub closes_at: Option<Option<String>>,
    /// How many one buyer may have.
    pub per_buyer_limit: Option<Option<i64>>,
    /// How long holds to come live.
    pub hold_seconds: Option<i64>,
}
