//! The audit: proves the ledger's invariants from the rows alone.
//!
//! On purpose it shares nothing with the rules: plain SQL that counts again, so that a fault in the rules shows here.

use crate::kernel::error::Error;
use crate::store::Conn;
use crate::store::proof::{Check, Invariant, prove};

/// What the audit found.
#[derive(Debug, Clone)]
pub struct Audit {
    /// One per invariant.
    pub checks: Vec<Check>,
    /// The counts of every product, as counted from the rows.
    pub products: Vec<ProductCounts>,
    /// How many orders are in each state.
    pub orders: OrderCounts,
}

impl Audit {
    /// Whether every check holds.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

/// A product's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductCounts {
    /// The product.
    pub product: String,
    /// All units.
    pub total: i64,
    /// On sale.
    pub available: i64,
    /// In held orders.
    pub held: i64,
    /// In completed orders.
    pub sold: i64,
}

/// Orders by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderCounts {
    /// Waiting for payment.
    pub held: i64,
    /// Paid.
    pub completed: i64,
    /// Ended without payment.
    pub cancelled: i64,
    /// Paid back.
    pub refunded: i64,
}

/// The ledger's invariants.
const INVARIANTS: &[Invariant] = &[
    (
        "counts_not_negative",
        "available, held and sold are never below zero",
        "SELECT product_id FROM offers WHERE available < 0 OR held < 0 OR sold < 0",
    ),
    (
        "total_adds_up",
        "total = available + held + sold for every product",
        "SELECT product_id FROM offers WHERE total <> available + held + sold",
    ),
    (
        "movements_give_the_counts",
        "a product's movements add up to its counts",
        "SELECT o.product_id FROM offers o LEFT JOIN (SELECT product_id, SUM(available) AS a, SUM(held) AS h, \
         SUM(sold) AS s, COUNT(*) AS n, MAX(number) AS last FROM movements GROUP BY product_id) m \
         ON m.product_id = o.product_id WHERE o.available <> COALESCE(m.a, 0) OR o.held <> COALESCE(m.h, 0) \
         OR o.sold <> COALESCE(m.s, 0) OR o.movement_count <> COALESCE(m.n, 0) OR o.movement_count <> COALESCE(m.last, 0)",
    ),
    (
        "orders_give_the_counts",
        "held orders add up to held, completed orders to sold",
        "SELECT o.product_id FROM offers o LEFT JOIN (SELECT product_id, \
         SUM(CASE WHEN state = 'held' THEN quantity ELSE 0 END) AS h, \
         SUM(CASE WHEN state = 'completed' THEN quantity ELSE 0 END) AS s FROM orders GROUP BY product_id) r \
         ON r.product_id = o.product_id WHERE o.held <> COALESCE(r.h, 0) OR o.sold <> COALESCE(r.s, 0)",
    ),
    (
        "movements_keep_their_kind",
        "each kind of movement moves units from and to the right place",
        "SELECT product_id || ' #' || number FROM movements WHERE NOT CASE kind \
         WHEN 'hold' THEN available < 0 AND held = -available AND sold = 0 \
         WHEN 'sell' THEN available <= 0 AND held <= 0 AND sold = -(available + held) AND sold > 0 \
         AND (available = 0 OR held = 0) \
         WHEN 'release' THEN available > 0 AND held = -available AND sold = 0 \
         WHEN 'refund' THEN available > 0 AND held = 0 AND sold = -available \
         WHEN 'restock' THEN available >= 0 AND held = 0 AND sold = 0 \
         ELSE available < 0 AND held = 0 AND sold = 0 END",
    ),
    (
        "orders_resolve_once",
        "an order's movements add up to what its state says, and none is resolved twice",
        "SELECT lower(hex(o.id)) FROM orders o LEFT JOIN (SELECT order_id, SUM(held) AS h, SUM(sold) AS s, \
         SUM(kind = 'hold' OR (kind = 'sell' AND held = 0)) AS holds, SUM(kind = 'sell') AS sells, SUM(kind = 'release') AS releases, \
         SUM(kind = 'refund') AS refunds FROM movements WHERE order_id IS NOT NULL GROUP BY order_id) m \
         ON m.order_id = o.id WHERE m.order_id IS NULL \
         OR m.h <> (CASE WHEN o.state = 'held' THEN o.quantity ELSE 0 END) \
         OR m.s <> (CASE WHEN o.state = 'completed' THEN o.quantity ELSE 0 END) \
         OR m.sells > 1 OR m.refunds > 1 OR m.releases > 1 OR m.holds <> m.sells + m.releases + (o.state = 'held')",
    ),
    (
        "movements_have_their_order",
        "every movement of an order names one that exists, of the same product",
        "SELECT m.product_id || ' #' || m.number FROM movements m LEFT JOIN orders o ON o.id = m.order_id \
         WHERE m.order_id IS NOT NULL AND (o.id IS NULL OR o.product_id <> m.product_id)",
    ),
    (
        "buyers_keep_their_limit",
        "no buyer's live orders exceed the product's per-buyer limit",
        "SELECT r.product_id || ' buyer ' || r.buyer_id FROM (SELECT product_id, buyer_id, SUM(quantity) AS live \
         FROM orders WHERE state IN ('held', 'completed') GROUP BY product_id, buyer_id) r \
         JOIN offers o ON o.product_id = r.product_id WHERE r.live > o.per_buyer_limit",
    ),
    (
        "orders_are_found_by_their_buyer",
        "every order is filed under its buyer, or waits to be, once",
        "SELECT lower(hex(o.id)) FROM orders o LEFT JOIN (SELECT order_id, MIN(buyer_id) AS buyer_id, \
         MIN(product_id) AS product_id, COUNT(*) AS n FROM (SELECT order_id, buyer_id, product_id FROM orders_by_buyer \
         UNION ALL SELECT order_id, buyer_id, product_id FROM orders_unfiled) f GROUP BY order_id) b ON b.order_id = o.id \
         WHERE b.n IS NULL OR b.n <> 1 OR b.buyer_id <> o.buyer_id OR b.product_id <> o.product_id",
    ),
    (
        "keys_have_their_order",
        "an idempotency key's order exists and is that buyer's",
        "SELECT lower(hex(k.digest)) || ' of buyer ' || k.buyer_id FROM (SELECT digest, buyer_id, order_id \
         FROM idempotency_keys UNION ALL SELECT digest, buyer_id, order_id FROM idempotency_keys_unfiled) k \
         LEFT JOIN orders o ON o.id = k.order_id \
         WHERE k.order_id IS NOT NULL AND (o.id IS NULL OR o.buyer_id <> k.buyer_id)",
    ),
    (
        "one_order_per_key",
        "no two keys of one buyer's purchases gave the same order",
        "SELECT lower(hex(order_id)) FROM (SELECT order_id, entered FROM idempotency_keys UNION ALL \
         SELECT order_id, entered FROM idempotency_keys_unfiled) k WHERE order_id IS NOT NULL AND entered \
         GROUP BY order_id HAVING COUNT(*) > 1",
    ),
    (
        "keys_are_used_once",
        "every key stands once among the filed keys and those that wait to be",
        "SELECT lower(hex(digest)) FROM (SELECT digest FROM idempotency_keys UNION ALL \
         SELECT digest FROM idempotency_keys_unfiled) k GROUP BY digest HAVING COUNT(*) > 1",
    ),
    (
        "money_is_accounted_for",
        "completed orders are paid, refunded ones paid back, and nobody has paid for a cancelled one",
        "SELECT lower(hex(id)) FROM orders WHERE (state = 'completed' AND payment_status <> 'paid') \
         OR (state = 'refunded' AND payment_status <> 'refunded') \
         OR (state = 'cancelled' AND payment_status = 'paid') OR (state = 'held' AND payment_status NOT IN ('unpaid', 'pending')) \
         OR (payment_status IN ('paid', 'refunded') AND payment_reference IS NULL)",
    ),
    (
        "charges_are_not_shared",
        "one charge pays for one order",
        "SELECT payment_reference FROM orders WHERE payment_reference IS NOT NULL \
         GROUP BY payment_provider, payment_reference HAVING COUNT(*) > 1",
    ),
];

/// Counts everything again, in one snapshot.
///
/// # Errors
/// When the database can't be read.
pub(crate) fn audit(conn: &Conn<'_>) -> Result<Audit, Error> {
    let checks = prove(conn, INVARIANTS)?;
    let products = conn.rows(
        "SELECT product_id, SUM(available + held + sold), SUM(available), SUM(held), SUM(sold) FROM movements \
         GROUP BY product_id ORDER BY product_id",
        &[],
        |row| {
            Ok(ProductCounts {
                product: row.text(0)?,
                total: row.int(1)?,
                available: row.int(2)?,
                held: row.int(3)?,
                sold: row.int(4)?,
            })
        },
    )?;
    let mut orders = OrderCounts::default();
    conn.rows("SELECT state, COUNT(*) FROM orders GROUP BY state", &[], |row| {
        let count = row.int(1)?;
        match row.text(0)?.as_str() {
            "held" => orders.held = count,
            "completed" => orders.completed = count,
            "cancelled" => orders.cancelled = count,
            _ => orders.refunded = count,
        }
        Ok(())
    })?;
    Ok(Audit { checks, products, orders })
}
