//! Orders are filed under their buyers in bulk; nobody who asks for them may notice.

use futures_util::future::join_all;
use preorder::kernel::ids::{OrderId, ProductId, UserId};
use preorder::kernel::page::PageRequest;
use preorder::ledger::{Charge, Command, Enter, Then};
use preorder::products::ProductDraft;

use crate::support::{TestApp, reservation};

const BUYERS: [UserId; 2] = [UserId(1), UserId(2)];
const LIMIT: i64 = 4_500;

fn buys(buyer: UserId) -> Command {
    let order = OrderId::fresh();
    let then = Then::Settle(Charge::Paid(format!("paid-{order}")));
    let product = ProductId::trusted("100");
    Command::Enter(Enter { order, buyer, product, quantity: 1, then, provider: "test", key: None })
}

#[tokio::test]
async fn a_long_sale_files_its_orders_and_keeps_every_limit() {
    let app = TestApp::start().await;
    app.sell(ProductDraft { per_buyer_limit: Some(LIMIT), ..reservation("100", 3 * LIMIT) }).await;
    let ledger = &app.app.ledger;
    for _ in 0..LIMIT / 250 {
        let some = (0..500).map(|number| ledger.submit(buys(BUYERS[number % 2])));
        assert!(join_all(some).await.iter().all(Result::is_ok));
    }
    for buyer in BUYERS {
        assert_eq!(ledger.submit(buys(buyer)).await.unwrap_err().code(), "limit_reached");
    }
    let count = async |table: &str| {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        app.app.db.read(move |conn| Ok(conn.row(&sql, &[], |row| row.int(0))?)).await.unwrap().unwrap()
    };
    let (filed, unfiled) = (count("orders_by_buyer").await, count("orders_unfiled").await);
    assert_eq!(filed + unfiled, 2 * LIMIT);
    assert!(filed > 0 && unfiled > 0, "{filed} are filed and {unfiled} are not: the test asks for both");
    app.audit().await;

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.orders_of(BUYERS[0], PageRequest { limit: 100, after }).await.unwrap();
        seen.extend(page.items.iter().map(|order| order.id));
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|newer, older| newer > older), "newest first, none twice");
    assert_eq!(i64::try_from(seen.len()).unwrap(), LIMIT);
}
