//! A product as the pages show it.

use super::show::{initial, picture_of};
use super::visit::Visit;
use crate::kernel::clock::Timestamp;
use crate::kernel::money::Currency;
use crate::ledger::{Kind, SaleState, Stock};
use crate::products::Product;

/// A product at a moment.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) price: i64,
    pub(super) currency: Currency,
    pub(super) stock: Stock,
    pub(super) state: SaleState,
    pub(super) opens_at: Option<Timestamp>,
    pub(super) closes_at: Option<Timestamp>,
    /// The moment.
    now: Timestamp,
}

impl Item {
    /// A product at `now`.
    pub(super) fn of(product: &Product, now: Timestamp) -> Self {
        let (entry, live) = (&product.entry, &product.live);
        Self {
            id: entry.id.to_string(),
            name: entry.name.clone(),
            kind: live.terms.kind,
            price: live.terms.price,
            currency: live.terms.currency,
            stock: live.stock,
            state: live.sale_state(now),
            opens_at: live.terms.opens_at,
            closes_at: live.terms.closes_at,
            now,
        }
    }

    /// Which picture stands for it.
    pub(super) fn picture(&self) -> u32 {
        picture_of(&self.id)
    }

    /// What stands in the picture.
    pub(super) fn initial(&self) -> String {
        initial(&self.name)
    }

    /// Whether its sale runs, so that stock alone decides.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, SaleState::Open | SaleState::SoldOut)
    }

    /// The kind of badge for its state.
    pub(super) fn badge(&self) -> &'static str {
        match self.state {
            SaleState::Open => "open",
            SaleState::Upcoming => "soon",
            SaleState::SoldOut => "bad",
            SaleState::Closed => "plain",
        }
    }

    /// The word for its state.
    pub(super) fn state_word(&self, visit: &Visit) -> &'static str {
        let t = &visit.t.shop;
        match self.state {
            SaleState::Open => t.open,
            SaleState::Upcoming => t.upcoming,
            SaleState::SoldOut => t.sold_out,
            SaleState::Closed => t.closed,
        }
    }

    /// The moment that the sale waits for: when it opens, or when it closes.
    pub(super) fn turns_at(&self) -> Option<Timestamp> {
        match self.state {
            SaleState::Upcoming => self.opens_at,
            SaleState::Open | SaleState::SoldOut => self.closes_at,
            SaleState::Closed => None,
        }
    }

    /// How long until then, in seconds.
    pub(super) fn turns_in_s(&self) -> i64 {
        self.turns_at().map_or(0, |at| at.as_seconds() - self.now.as_seconds())
    }

    /// What happens then.
    pub(super) fn turn_word(&self, visit: &Visit) -> &'static str {
        if self.state == SaleState::Upcoming { visit.t.shop.opens_in } else { visit.t.shop.closes_in }
    }
}
