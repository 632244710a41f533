//! The live counts, in memory: what the door, the stock page and the product pages read instead of the database.
//!
//! Only the ledger's writer publishes here, in the order of its commits; everybody reads.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::command::Refusal;
use super::model::{Kind, Offer, SaleState, Stock, Terms, Units};
use super::rules;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::ProductId;

/// A product's terms and counts after a commit.
#[derive(Debug, Clone)]
pub struct Live {
    /// On which terms it is sold.
    pub terms: Terms,
    /// How many there are.
    pub stock: Stock,
    /// When this was read or committed.
    pub as_of: Timestamp,
}

impl Live {
    /// Whether it can be bought at `now`.
    #[must_use]
    pub fn sale_state(&self, now: Timestamp) -> SaleState {
        rules::sale_state(&self.terms, self.stock, now)
    }
}

/// Every product's last published state.
#[derive(Debug, Default)]
pub(crate) struct Board {
    offers: RwLock<HashMap<ProductId, (Offer, Timestamp)>>,
    #[cfg(debug_assertions)]
    pub(super) planted: super::planted::Planted,
}

impl Board {
    /// Turns a request away at the door when no look at the buyer or the database is needed to refuse it.
    ///
    /// # Errors
    /// The refusals of [`rules::on_sale`], and [`Refusal::NotAReservation`].
    pub(crate) fn admit(
        &self,
        product: &ProductId,
        quantity: Units,
        one_call: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        #[cfg(debug_assertions)]
        if self.planted.oversells() {
            return Ok(());
        }
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        // A product that is not here may just have been made by another process: the engine looks it up.
        let Some((offer, _)) = offers.get(product) else { return Ok(()) };
        if one_call && offer.terms.kind == Kind::General && !offer.retired {
            return Err(Refusal::NotAReservation);
        }
        rules::on_sale(offer, quantity, now)
    }

    /// A product's last published state; `None` when it is unknown or retired.
    pub(crate) fn live(&self, product: &ProductId) -> Option<Live> {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        let (offer, as_of) = offers.get(product).filter(|(offer, _)| !offer.retired)?;
        Some(Live { terms: offer.terms.clone(), stock: offer.stock, as_of: *as_of })
    }

    /// Publishes what a commit left behind.
    pub(crate) fn publish<'a>(&self, changed: impl Iterator<Item = &'a Offer>, now: Timestamp) {
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        for offer in changed {
            offers.insert(offer.product.clone(), (offer.clone(), now));
        }
    }

    /// Replaces everything.
    pub(crate) fn replace<'a>(&self, all: impl Iterator<Item = &'a Offer>, now: Timestamp) {
        let fresh = all.map(|offer| (offer.product.clone(), (offer.clone(), now))).collect();
        *self.offers.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}
