//! Looking for orders among everybody's: each page costs as much as looking at a few thousand of them, however many there are
//! and however few of them are meant.

use super::model::{Order, State};
use super::queries::OrderFilter;
use super::rows::{self, select_orders};
use super::rules;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::{Conn, bind};

const FOUND_ORDERS: Cursors = Cursors("found-orders");

/// How many orders one page looks at.
const LOOKED_AT_MAX: i64 = 5_000;

/// Sorts after every order id.
const AFTER_ALL: [u8; 16] = [0xFF; 16];

/// Orders that `filter` means, newest first, as they are seen at `now`.
pub(crate) fn orders(
    conn: &Conn<'_>,
    filter: &OrderFilter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Page<Order>, Error> {
    orders_within(conn, filter, page, now, LOOKED_AT_MAX)
}

fn orders_within(
    conn: &Conn<'_>,
    filter: &OrderFilter,
    page: &PageRequest,
    now: Timestamp,
    looked_at_max: i64,
) -> Result<Page<Order>, Error> {
    let before = FOUND_ORDERS.open::<OrderId>(page.after.as_deref())?;
    let before = before.as_ref().map_or(AFTER_ALL.as_slice(), |id| id.as_bytes());
    let last = last_looked_at(conn, filter, before, looked_at_max)?;
    let from: &[u8] = last.as_ref().map_or(&[], |id| id.as_bytes());
    let product = filter.product.as_ref().map(ProductId::as_str);
    // A hold that has run out is a cancelled order, whatever its row says: that is judged below.
    let (state, also) = match filter.state {
        Some(State::Cancelled) => (Some(State::Cancelled), Some(State::Held)),
        state => (state, state),
    };
    let (state, also) = (state.map(State::as_str), also.map(State::as_str));
    let read = |row: crate::store::Row<'_>| Ok(rules::as_seen(rows::order(row)?, now));
    let found = match filter.buyer {
        Some(buyer) => conn.rows(
            select_orders!(
                "WHERE id IN (SELECT order_id FROM orders_by_buyer WHERE buyer_id = $1 AND order_id < $2 AND order_id >= $3 \
                 UNION ALL SELECT order_id FROM orders_unfiled WHERE buyer_id = $1 AND order_id < $2 AND order_id >= $3) \
                 AND ($4 IS NULL OR product_id = $4) AND ($5 IS NULL OR state = $5 OR state = $6) ORDER BY id DESC"
            ),
            bind![buyer.0, before, from, product, state, also],
            read,
        )?,
        None => conn.rows(
            select_orders!(
                "WHERE id < $1 AND id >= $2 AND ($3 IS NULL OR product_id = $3) \
                 AND ($4 IS NULL OR state = $4 OR state = $5) ORDER BY id DESC"
            ),
            bind![before, from, product, state, also],
            read,
        )?,
    };
    let is_meant = |order: &Order| filter.state.is_none_or(|state| order.state == state);
    let found: Vec<_> = found.into_iter().filter(is_meant).take(page.limit as usize + 1).collect();
    let mut found = FOUND_ORDERS.page(found, page.limit, |order| order.id);
    if found.next_cursor.is_none() {
        found.next_cursor = last.map(|id| FOUND_ORDERS.cursor_within(0, id));
    }
    Ok(found)
}

/// The last order that one page looks at; `None` when it looks at all that are left.
fn last_looked_at(
    conn: &Conn<'_>,
    filter: &OrderFilter,
    before: &[u8],
    looked_at_max: i64,
) -> Result<Option<OrderId>, Error> {
    const OF_ALL: &str = "SELECT id FROM orders WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";
    const OF_BUYER: &str = "SELECT order_id FROM (SELECT order_id FROM orders_by_buyer WHERE buyer_id = $1 AND order_id < $2 \
         UNION ALL SELECT order_id FROM orders_unfiled WHERE buyer_id = $1 AND order_id < $2) AS theirs \
         ORDER BY order_id DESC LIMIT 1 OFFSET $3";
    let skipped = looked_at_max - 1;
    let id = |row: crate::store::Row<'_>| row.id(0, OrderId::from_bytes);
    Ok(match filter.buyer {
        Some(buyer) => conn.row(OF_BUYER, bind![buyer.0, before, skipped], id)?,
        None => conn.row(OF_ALL, bind![before, skipped], id)?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::clock::ManualClock;
    use crate::kernel::ids::UserId;
    use crate::ledger::{Command, Done, Enter, Kind, Ledger, Mover, Terms, Then, offers};
    use crate::store::{Db, Location};

    const START: Timestamp = Timestamp(1_893_456_000_000_000);

    /// Puts a product on sale.
    async fn sell(ledger: &Ledger, product: ProductId) {
        let terms = Terms {
            kind: Kind::General,
            price: 1,
            currency: "KRW".parse().unwrap(),
            opens_at: None,
            closes_at: None,
            per_buyer_limit: None,
            hold_seconds: 60,
        };
        let id = product.clone();
        let work = move |conn: &Conn<'_>| {
            conn.execute("INSERT INTO products (id, name, created_at) VALUES ($1, $1, 0)", bind![id.as_str()])?;
            offers::insert(conn, &id, &terms, 100, Mover::Console, START)
        };
        ledger.change_offer(product, work).await.unwrap();
    }

    #[tokio::test]
    async fn a_page_looks_at_so_many_orders_and_the_pages_together_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let ledger = Ledger::start(db.clone(), Arc::<ManualClock>::clone(&clock), 100).await.unwrap();
        for id in ["a", "b"] {
            sell(&ledger, id.parse().unwrap()).await;
        }
        // Every third is of 'b', and buyer 2's.
        let mut made = Vec::new();
        for number in 0..12 {
            let (buyer, product) = if number % 3 == 0 { (2, "b") } else { (1, "a") };
            let enter = Enter {
                order: OrderId::fresh(),
                buyer: UserId(buyer),
                product: product.parse().unwrap(),
                quantity: 1,
                then: Then::Wait,
                provider: "none",
                key: None,
            };
            let (Done::Order(order), _) = ledger.submit(Command::Enter(enter)).await.unwrap() else {
                panic!("an order")
            };
            made.push(order.id);
        }
        made.reverse();
        let ids = |of: &dyn Fn(usize) -> bool| {
            made.iter().enumerate().filter(|(at, _)| of(11 - at)).map(|(_, id)| *id).collect::<Vec<_>>()
        };
        let of_b = OrderFilter { product: Some("b".parse().unwrap()), ..OrderFilter::default() };
        let of_2 = OrderFilter { buyer: Some(UserId(2)), ..OrderFilter::default() };
        let held = OrderFilter { state: Some(State::Held), ..OrderFilter::default() };
        let cancelled = OrderFilter { state: Some(State::Cancelled), ..OrderFilter::default() };
        let every_third = |number: usize| number.is_multiple_of(3);
        let later = START.plus_seconds(61);
        for (filter, now, expected) in [
            (&of_b, START, ids(&every_third)),
            (&of_2, START, ids(&every_third)),
            (&held, START, made.clone()),
            (&cancelled, START, Vec::new()),
            (&held, later, Vec::new()),
            (&cancelled, later, made.clone()),
        ] {
            for (limit, looked_at_max) in [(2, 4), (100, 4), (3, 100), (100, 100)] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let (filter, page) = (filter.clone(), PageRequest { limit, after });
                    let read = move |conn: &Conn<'_>| orders_within(conn, &filter, &page, now, looked_at_max);
                    let page = db.read(read).await.unwrap();
                    assert!(page.items.len() <= limit as usize);
                    found.extend(page.items.into_iter().map(|order| order.id));
                    after = page.next_cursor;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "{filter:?}, {limit} of {looked_at_max}");
            }
        }
    }
}
