//! What the audit log tells of a product.

use serde_json::{Value, json};

use super::model::Entry;
use crate::ledger::Terms;

/// All that can be changed of a product, and what never changes of it.
pub(super) fn shown(entry: &Entry, terms: &Terms) -> Value {
    json!({
        "name": entry.name,
        "description": entry.description,
        "type": terms.kind.as_str(),
        "price": terms.price,
        "currency": terms.currency.as_str(),
        "opensAt": terms.opens_at.map(|at| at.to_string()),
        "closesAt": terms.closes_at.map(|at| at.to_string()),
        "perBuyerLimit": terms.per_buyer_limit,
        "holdSeconds": terms.hold_seconds,
    })
}
