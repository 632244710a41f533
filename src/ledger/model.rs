//! The ledger's words: stock, offers, orders, movements.

use std::borrow::Cow;
use std::fmt;

use crate::kernel::actor::{By, RequestWord};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::money::Currency;
use crate::kernel::words::words;

/// Pieces of stock.
pub type Units = i64;

words! {
    /// How a product is sold.
    Kind {
        /// 예약 상품: sold in a window, in one call or by entering payment.
        Reservation = "reservation",
        /// 일반 상품: always on sale, by entering payment.
        General = "general",
    }
}

words! {
    /// Where an order stands.
    State {
        /// 결제 중: its units wait for the payment.
        Held = "held",
        /// 결제 완료: paid, its units are sold.
        Completed = "completed",
        /// 결제 취소: its units went back on sale.
        Cancelled = "cancelled",
        /// Completed once, then paid back; its units went back on sale.
        Refunded = "refunded",
    }
}

words! {
    /// Why an order was cancelled.
    Reason {
        /// The one-call buyer left the payment.
        Abandoned = "abandoned",
        /// The provider said no.
        PaymentDeclined = "payment_declined",
        /// The hold's time ran out.
        Expired = "expired",
        /// The buyer cancelled.
        ByBuyer = "by_buyer",
        /// An admin cancelled.
        ByAdmin = "by_admin",
    }
}

words! {
    /// Why units moved.
    MovementKind {
        /// available → held.
        Hold = "hold",
        /// held → sold.
        Sell = "sell",
        /// held → available.
        Release = "release",
        /// sold → available.
        Refund = "refund",
        /// new units.
        Restock = "restock",
        /// units taken off sale.
        Withdraw = "withdraw",
    }
}

words! {
    /// Where a payment stands.
    PaymentStatus {
        /// Nobody has been asked for money yet.
        Unpaid = "unpaid",
        /// The provider has been asked and has not answered.
        Pending = "pending",
        /// Charged.
        Paid = "paid",
        /// Refused by the provider; nothing was charged.
        Declined = "declined",
        /// The buyer left; nothing was charged.
        Abandoned = "abandoned",
        /// Charged and paid back.
        Refunded = "refunded",
    }
}

words! {
    /// Whether a product can be bought now.
    SaleState {
        /// Its window has not opened.
        Upcoming = "upcoming",
        /// It can be bought.
        Open = "open",
        /// Its window has closed.
        Closed = "closed",
        /// It is open, and no unit is available.
        SoldOut = "sold_out",
    }
}

/// A product's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// On sale.
    pub available: Units,
    /// In orders that wait for payment.
    pub held: Units,
    /// In completed orders.
    pub sold: Units,
}

impl Stock {
    /// All of them.
    #[must_use]
    pub fn total(self) -> Units {
        self.available + self.held + self.sold
    }
}

/// On which terms a product is sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How it is sold.
    pub kind: Kind,
    /// One unit, in minor units of `currency`.
    pub price: i64,
    /// The currency.
    pub currency: Currency,
    /// The first moment of the sale; `None`: it is open already.
    pub opens_at: Option<Timestamp>,
    /// The first moment after the sale; `None`: it never closes.
    pub closes_at: Option<Timestamp>,
    /// How many units one buyer may have in live orders; `None`: any number.
    pub per_buyer_limit: Option<Units>,
    /// How long a hold lives.
    pub hold_seconds: i64,
}

/// A product as the ledger sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The product.
    pub product: ProductId,
    /// On which terms.
    pub terms: Terms,
    /// How many.
    pub stock: Stock,
    /// How many movements there have been; the next one is numbered one more.
    pub movement_count: i64,
    /// Taken out of the catalogue: nobody can order it any more, open holds may still be settled.
    pub retired: bool,
}

/// What is known of an order's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Who charges.
    pub provider: Cow<'static, str>,
    /// The provider's word for the charge.
    pub reference: Option<String>,
    /// Where it stands.
    pub status: PaymentStatus,
}

/// One buyer's claim on units of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose it is.
    pub buyer: UserId,
    /// What was ordered.
    pub product: ProductId,
    /// How many.
    pub quantity: Units,
    /// The sum, in minor units of `currency`, fixed when the order was made.
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
    /// Where it stands.
    pub state: State,
    /// Why it was cancelled.
    pub reason: Option<Reason>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this moment on the hold can't be settled.
    pub expires_at: Timestamp,
    /// When it was completed.
    pub settled_at: Option<Timestamp>,
    /// When it was cancelled or refunded.
    pub closed_at: Option<Timestamp>,
    /// The payment.
    pub payment: Payment,
}

impl Order {
    /// Whether it counts against stock and against the buyer's limit.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Held | State::Completed)
    }
}

/// Who moved units, for the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mover {
    /// A buyer.
    User(UserId),
    /// An admin over HTTP, and in which request.
    Admin(UserId, Option<RequestWord>),
    /// Somebody at the command line.
    Console,
    /// The server itself: an expired hold.
    System,
}

impl Mover {
    /// Whoever runs the shop, whose doings are noted in the audit log.
    #[must_use]
    pub fn keeper(self) -> Option<By> {
        match self {
            Self::Admin(user, request) => Some(By::Admin(user, request)),
            Self::Console => Some(By::Console),
            Self::User(_) | Self::System => None,
        }
    }
}

impl From<By> for Mover {
    fn from(by: By) -> Self {
        match by {
            By::Admin(user, request) => Self::Admin(user, request),
            By::Console => Self::Console,
        }
    }
}

impl fmt::Display for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Admin(id, _) => write!(f, "admin:{id}"),
            Self::Console => f.write_str("console"),
            Self::System => f.write_str("system"),
        }
    }
}

/// One row of the append-only history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Of which product.
    pub product: ProductId,
    /// 1, 2, 3, … for each product.
    pub number: i64,
    /// Why.
    pub kind: MovementKind,
    /// What it adds to the product's counts.
    pub change: Stock,
    /// For which order; none for a restock or a withdrawal.
    pub order: Option<OrderId>,
    /// Who, as [`Mover`] prints it.
    pub actor: String,
    /// The admin's reason.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}
