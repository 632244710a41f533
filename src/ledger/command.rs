//! What can be asked of the ledger, and what it answers.

use sha2::{Digest as _, Sha256};

use super::model::{Movement, Mover, Order, State, Stock, Units};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::words::words;

/// How a charge ended. It comes in with the command: the rules draw no lots and call nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// Charged, under the provider's reference.
    Paid(String),
    /// Not charged.
    Failed(Failure),
}

/// Why nothing was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The provider said no.
    Declined,
    /// The buyer left before paying.
    Abandoned,
}

/// What is kept of a key, and of what a request means: the first half of a SHA-256, which nobody finds twice.
pub type Digest = [u8; 16];

fn digest(text: &str) -> Digest {
    let whole: [u8; 32] = Sha256::digest(text).into();
    std::array::from_fn(|index| whole[index])
}

/// A buyer's idempotency key in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose.
    pub(super) buyer: UserId,
    /// Of the buyer, the route and the header's text.
    pub(super) digest: Digest,
}

impl Key {
    /// The key `text` of a buyer on a route; `path` has the ids in it.
    #[must_use]
    pub fn new(buyer: UserId, path: &str, text: &str) -> Self {
        // Migration 0006 does the same with keys that were kept in full.
        Self { buyer, digest: digest(&format!("{buyer}\0{path}\0{text}")) }
    }
}

/// A key as it comes with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The key.
    pub key: Key,
    /// A hash of what the request means.
    pub body_hash: Digest,
}

impl KeyedRequest {
    /// A request under `key`; `meaning` is everything that the path does not say.
    #[must_use]
    pub fn new(key: Key, meaning: &str) -> Self {
        Self { key, body_hash: digest(meaning) }
    }
}

/// What a key was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The hash that came with it.
    pub body_hash: Digest,
    /// The answer.
    pub answer: Answered,
    /// Whether the key made the order, rather than do something with it.
    pub entered: bool,
}

/// The answer that a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// An order; what is said about it follows from its rows.
    Order(OrderId),
    /// A final refusal that made no order.
    Refused(FinalRefusal),
}

words! {
    /// A refusal that stays true for its request, so that a key may replay it.
    FinalRefusal {
        /// No unit was left.
        SoldOut = "sold_out",
        /// The buyer had as many as allowed.
        LimitReached = "limit_reached",
        /// The window had closed.
        SaleClosed = "sale_closed",
    }
}

/// What can be asked of the ledger.
#[derive(Debug, Clone)]
pub enum Command {
    /// Take units for a buyer.
    Enter(Enter),
    /// Charge a held order and settle it. Without a charge the order is marked as being charged, and a
    /// [`Command::Settle`] follows.
    Confirm {
        /// Which.
        order: OrderId,
        /// Whose.
        buyer: UserId,
        /// How the charge ended, when the provider answers on the spot.
        charge: Option<Charge>,
        /// The buyer's key.
        key: Option<KeyedRequest>,
    },
    /// The answer to a charge that took its time.
    Settle {
        /// Which.
        order: OrderId,
        /// How it ended.
        charge: Charge,
    },
    /// End a hold.
    Cancel {
        /// Which.
        order: OrderId,
        /// Who wants it: a buyer reaches only their own.
        by: Mover,
        /// The buyer's key.
        key: Option<KeyedRequest>,
    },
    /// Pay a completed order back.
    Refund {
        /// Which.
        order: OrderId,
        /// Who wants it: a buyer reaches only their own.
        by: Mover,
        /// The buyer's key.
        key: Option<KeyedRequest>,
    },
    /// End a hold whose time has run out; one that is still running is left alone.
    Expire {
        /// Which.
        order: OrderId,
    },
    /// Add units, or take available ones off sale.
    Adjust {
        /// Which product.
        product: ProductId,
        /// How many; negative takes off.
        delta: Units,
        /// Who.
        by: Mover,
        /// Why.
        reason: Option<String>,
    },
}

/// A buyer wants units.
#[derive(Debug, Clone)]
pub struct Enter {
    /// The order's id, should there be one.
    pub order: OrderId,
    /// Who wants them.
    pub buyer: UserId,
    /// Of what.
    pub product: ProductId,
    /// How many.
    pub quantity: Units,
    /// How it goes on.
    pub then: Then,
    /// The provider's name, for the order's payment.
    pub provider: &'static str,
    /// The buyer's key, if there is one.
    pub key: Option<KeyedRequest>,
}

/// How an order goes on after its units were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// It waits for the buyer: `POST /payments`.
    Wait,
    /// It is settled in the same step: a one-call purchase whose provider answers on the spot.
    Settle(Charge),
    /// It is being charged: a one-call purchase whose provider takes its time.
    Charge,
}

/// What the ledger did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The order as it stands, or as it stood when the key was first used.
    Order(Order),
    /// The adjustment's row.
    Movement(Movement),
    /// Nothing was to do.
    Nothing,
}

/// Why the ledger did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such product, or no longer.
    ProductNotFound,
    /// A general product can't be bought in one call.
    NotAReservation,
    /// The window opens later.
    SaleNotOpen(Timestamp),
    /// The window has closed.
    SaleClosed,
    /// Fewer units are available than were asked for.
    SoldOut,
    /// The buyer's live orders would exceed the limit.
    LimitReached,
    /// The sum would not fit.
    AmountTooLarge,
    /// There is no such order for this asker.
    OrderNotFound,
    /// The hold's time ran out.
    HoldExpired(OrderId),
    /// Nothing was charged; the order is cancelled.
    Unpaid(OrderId, Failure),
    /// The order was resolved in another way before.
    Resolved(OrderId, State),
    /// A charge for this order is under way.
    InProgress(OrderId),
    /// Fewer units are available than shall be taken off.
    CannotWithdraw {
        /// The counts as they are.
        stock: Stock,
        /// What was asked for.
        delta: Units,
    },
    /// There would be more than [`crate::kernel::limits::STOCK_MAX`].
    TooManyUnits,
    /// The key was used with another request.
    KeyMismatch,
    /// So many holds ran out at once that they are still being ended.
    Busy,
}

/// A command's outcome, and whether it was told before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was done, or why not.
    pub result: Result<Done, Refusal>,
    /// True when an idempotency key brought a first answer back.
    pub replayed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_digest_for_ever() {
        // What the migration of keys that were kept in full computed, too.
        let digest = 0xaaf8_a693_28ab_f2c2_9ec8_7637_b566_a730_u128.to_be_bytes();
        assert_eq!(Key::new(UserId(7), "/payments", "k").digest, digest);
        assert_ne!(Key::new(UserId(7), "/payments", "k"), Key::new(UserId(7), "/payments", "k2"));
        assert_ne!(Key::new(UserId(7), "/payments", "k").digest, Key::new(UserId(8), "/payments", "k").digest);
    }
}
