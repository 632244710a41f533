//! The live counts, in memory: what the door, the stock page and the product pages read instead of the database.
//!
//! Only the ledger's writer publishes here, in the order of its commits; everybody reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio::sync::watch;

use super::command::Refusal;
use super::model::{Kind, Movement, MovementKind, Offer, SaleState, Stock, Terms, Units};
use super::outbox::Listeners;
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

/// When holds run out: no later than they do, and perhaps earlier, for a hold that is looked ahead to may be settled or
/// cancelled meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    /// Each product's first one.
    by_product: HashMap<ProductId, Timestamp>,
    /// No product that is not named has one before this.
    others: Option<Timestamp>,
    /// The first of all.
    first: Option<Timestamp>,
}

impl Expiries {
    /// Notes a hold's end.
    pub(crate) fn add(&mut self, product: &ProductId, expires_at: Timestamp) {
        self.first = Some(self.first.map_or(expires_at, |first| first.min(expires_at)));
        match self.by_product.get_mut(product) {
            Some(first) => *first = expires_at.min(*first),
            None => drop(self.by_product.insert(product.clone(), expires_at)),
        }
    }

    /// Notes that there are more, and none of them before `expires_at`.
    pub(crate) fn add_others(&mut self, expires_at: Timestamp) {
        self.others = Some(expires_at);
    }

    fn of(&self, product: &ProductId) -> Option<Timestamp> {
        self.by_product.get(product).copied().into_iter().chain(self.others).min()
    }
}

/// A product's last published state.
#[derive(Debug)]
struct Post {
    offer: Offer,
    as_of: Timestamp,
    /// The number of the publication that changed it last.
    changed_in: u64,
}

impl Post {
    fn live(&self) -> Option<Live> {
        let Self { offer, as_of, .. } = self;
        (!offer.retired).then(|| Live { terms: offer.terms.clone(), stock: offer.stock, as_of: *as_of })
    }
}

/// What has changed on the board since a publication.
#[derive(Debug)]
pub struct Changes {
    /// The last publication that this knows of.
    pub up_to: u64,
    /// The products, in no order; without counts those that are not sold any more.
    pub products: Vec<(ProductId, Option<Live>)>,
}

/// Every product's last published state.
#[derive(Debug, Default)]
pub(crate) struct Board {
    offers: RwLock<HashMap<ProductId, Post>>,
    /// Counts publications; moves while nobody can read the offers, so that whoever reads them knows which one they are of.
    published: watch::Sender<u64>,
    /// What the counts do not tell: until when they are right if nothing is committed.
    expiries: RwLock<Expiries>,
    /// Orders that this process has completed.
    completed: AtomicU64,
    /// The number of the last event that this process wrote for those who are told.
    told: watch::Sender<i64>,
    #[cfg(debug_assertions)]
    pub(super) planted: super::planted::Planted,
}

impl Board {
    /// Turns a request away at the door when no look at the buyer or the database is needed to refuse it. Units whose hold
    /// has run out may be free: the engine knows.
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
        let Some(Post { offer, .. }) = offers.get(product) else { return Ok(()) };
        if one_call && offer.terms.kind == Kind::General && !offer.retired {
            return Err(Refusal::NotAReservation);
        }
        match rules::on_sale(offer, quantity, now) {
            Err(Refusal::SoldOut) if quantity <= offer.stock.available + offer.stock.held => {
                let expiries = self.expiries.read().unwrap_or_else(PoisonError::into_inner);
                if expiries.of(product).is_some_and(|at| at <= now) { Ok(()) } else { Err(Refusal::SoldOut) }
            }
            admitted => admitted,
        }
    }

    /// Whether a hold may have run out since the last look ahead.
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        let expiries = self.expiries.read().unwrap_or_else(PoisonError::into_inner);
        expiries.first.is_some_and(|at| at <= now)
    }

    /// A product's last published state; `None` when it is unknown or retired.
    pub(crate) fn live(&self, product: &ProductId) -> Option<Live> {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        offers.get(product)?.live()
    }

    /// Moves with every publication.
    pub(crate) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// What has changed since the publication `since`, of the products that are `wanted`.
    pub(crate) fn changes(&self, since: u64, wanted: impl Fn(&ProductId) -> bool) -> Changes {
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        let changed = offers.iter().filter(|(product, post)| post.changed_in > since && wanted(product));
        let products = changed.map(|(product, post)| (product.clone(), post.live())).collect();
        Changes { up_to: *self.published.borrow(), products }
    }

    /// Publishes the offers that a commit changed.
    pub(crate) fn publish<'a>(&self, changed: impl Iterator<Item = &'a Offer>, now: Timestamp) {
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        let number = *self.published.borrow() + 1;
        for offer in changed {
            let post = Post { offer: offer.clone(), as_of: now, changed_in: number };
            offers.insert(offer.product.clone(), post);
        }
        self.published.send_replace(number);
    }

    /// Counts the orders that a commit completed.
    pub(crate) fn count_sold(&self, movements: &[Movement]) {
        let sold = movements.iter().filter(|movement| movement.kind == MovementKind::Sell).count();
        self.completed.fetch_add(sold as u64, Ordering::Relaxed);
    }

    /// How many orders this process has completed.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    /// Lets those who tell of events know how far they go.
    pub(crate) fn tell(&self, listeners: Option<Listeners>) {
        let Some(Listeners::There { last }) = listeners else { return };
        self.told.send_if_modified(|told| std::mem::replace(told, last) != last);
    }

    /// The number of the last event; moves when there are new ones.
    pub(crate) fn told(&self) -> watch::Receiver<i64> {
        self.told.subscribe()
    }

    /// Notes when new holds run out.
    pub(crate) fn look_out_for<'a>(&self, holds: impl Iterator<Item = (&'a ProductId, Timestamp)>) {
        let mut holds = holds.peekable();
        if holds.peek().is_none() {
            return;
        }
        let mut expiries = self.expiries.write().unwrap_or_else(PoisonError::into_inner);
        for (product, expires_at) in holds {
            expiries.add(product, expires_at);
        }
    }

    /// Replaces what is known of holds by a look ahead.
    pub(crate) fn look_ahead(&self, expiries: Expiries) {
        *self.expiries.write().unwrap_or_else(PoisonError::into_inner) = expiries;
    }

    /// Replaces all offers.
    pub(crate) fn replace<'a>(&self, all: impl Iterator<Item = &'a Offer>, now: Timestamp) {
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        let number = *self.published.borrow() + 1;
        let post = |offer: &Offer| {
            let before = offers.get(&offer.product).filter(|before| before.offer == *offer);
            let changed_in = before.map_or(number, |before| before.changed_in);
            (offer.product.clone(), Post { offer: offer.clone(), as_of: now, changed_in })
        };
        *offers = all.map(post).collect();
        self.published.send_replace(number);
    }
}
