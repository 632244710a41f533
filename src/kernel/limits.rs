//! How much there may be of anything in a sale: whoever takes a sale's terms checks them against these.

/// The most units in one order.
pub const QUANTITY_MAX: i64 = 1_000;
/// The most units of one product.
pub const STOCK_MAX: i64 = 1_000_000_000;
/// The longest hold, in seconds: a day. Nothing extends a hold, so this is its whole life.
pub const HOLD_SECONDS_MAX: i64 = 86_400;
/// How long a hold lives when the offer does not say, in seconds.
pub const HOLD_SECONDS_DEFAULT: i64 = 600;
