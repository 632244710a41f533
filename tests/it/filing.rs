//! Orders are filed under their buyers in bulk, and so are keys; nobody who asks for them may notice.

use futures_util::future::join_all;
use preorder::kernel::ids::{OrderId, ProductId, UserId};
use preorder::kernel::page::PageRequest;
use preorder::ledger::{Charge, Command, Done, Enter, Key, KeyedRequest, Ledger, Then};
use preorder::products::ProductDraft;

use crate::support::{TestApp, reservation};

const BUYERS: [UserId; 2] = [UserId(1), UserId(2)];
const LIMIT: i64 = 4_500;

fn buys(buyer: UserId, key: &str) -> Command {
    let order = OrderId::fresh();
    let key = Key::new(buyer, "/payments/pre-order", key);
    let then = Then::Settle(Charge::Paid(format!("paid-{order}")));
    let product = ProductId::trusted("100");
    Command::Enter(Enter {
        order,
        buyer,
        product,
        quantity: 1,
        then,
        provider: "test",
        key: Some(KeyedRequest::new(key, "100")),
    })
}

/// The order that a key gave, if it gives it again.
async fn replayed(ledger: &Ledger, buyer: UserId, key: &str) -> Option<OrderId> {
    match ledger.submit(buys(buyer, key)).await {
        Ok((Done::Order(order), true)) => Some(order.id),
        _ => None,
    }
}

#[tokio::test]
async fn a_long_sale_files_its_orders_and_keeps_every_limit() {
    let app = TestApp::start().await;
    app.sell(ProductDraft { per_buyer_limit: Some(LIMIT), ..reservation("100", 3 * LIMIT) }).await;
    let ledger = &app.app.ledger;
    for round in 0..LIMIT / 250 {
        let some = (0..500).map(|number| ledger.submit(buys(BUYERS[number % 2], &format!("{round}-{}", number / 2))));
        assert!(join_all(some).await.iter().all(Result::is_ok));
    }
    for buyer in BUYERS {
        assert_eq!(ledger.submit(buys(buyer, "one more")).await.unwrap_err().code(), "limit_reached");
    }
    let count = async |table: &str| {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        app.app.db.read(move |conn| Ok(conn.row(&sql, &[], |row| row.int(0))?)).await.unwrap().unwrap()
    };
    let (filed, unfiled) = (count("orders_by_buyer").await, count("orders_unfiled").await);
    assert_eq!(filed + unfiled, 2 * LIMIT);
    assert!(filed > 0 && unfiled > 0, "{filed} are filed and {unfiled} are not: the test asks for both");
    assert_eq!(count("idempotency_keys").await + count("idempotency_keys_unfiled").await, 2 * LIMIT + 2);
    app.audit().await;
    // Nor may whoever repeats a request.
    let first = replayed(ledger, BUYERS[0], "0-0").await.expect("a key that waits to be filed gives its order again");
    let again = app.elsewhere().await;
    assert_eq!(replayed(&again.ledger, BUYERS[0], "0-0").await, Some(first), "another process files and finds them");
    assert_eq!(count("idempotency_keys_unfiled").await, 0);
    let last = replayed(ledger, BUYERS[0], &format!("{}-249", LIMIT / 250 - 1)).await;
    let last = last.expect("a filed key gives its order again");
    assert_eq!(ledger.submit(buys(BUYERS[1], "one more")).await.unwrap_err().code(), "limit_reached");

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.orders_of(BUYERS[0], PageRequest { limit: 100, after }).await.unwrap();
        seen.extend(page.items.iter().map(|order| order.id));
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.contains(&first) && seen.contains(&last));
    assert!(seen.is_sorted_by(|newer, older| newer > older), "newest first, none twice");
    assert_eq!(i64::try_from(seen.len()).unwrap(), LIMIT);
}
