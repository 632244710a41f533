//! `preorder order`: everybody's orders at the console.

use std::sync::Arc;

use preorder::app::App;
use preorder::config::Config;
use preorder::kernel::clock::SystemClock;
use preorder::kernel::ids::UserId;
use preorder::ledger::Key;
use preorder::store::Location;

use crate::support::{Shell, hidden};

/// A shop with an order in every state, for buyer 1: the first is completed (and has a key), then held, declined,
/// refunded.
pub(crate) async fn shop_with_orders() -> (Shell, Vec<String>) {
    let shell = Shell::new();
    shell.ok("seed --users 2");
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 10 --per-buyer-limit 2 --hold-seconds 3600");
    let buyer = UserId(shell.json("user show buyer000001@preorder.example --json")["id"].as_i64().unwrap());
    let mut config = Config { db: Location::Sqlite(shell.path().join("data/preorder.db")), ..Config::default() };
    (config.payment.simulated.abandon_rate, config.payment.simulated.decline_rate) = (0.0, 1.0);
    let declining = App::open(&config, Arc::new(SystemClock)).await.unwrap();
    let declined = declining.payments.pre_order(buyer, "p", 1, None).await.unwrap_err();
    let declined = declined.parts().extra[0].1.clone();
    drop(declining);
    config.payment.simulated.decline_rate = 0.0;
    let app = App::open(&config, Arc::new(SystemClock)).await.unwrap();
    let refunded = app.payments.pre_order(buyer, "p", 1, None).await.unwrap().order.id;
    app.purchases.refund(buyer, refunded, None).await.unwrap();
    let key = Key::new(buyer, "/payments/pre-order", "k");
    let completed = app.payments.pre_order(buyer, "p", 1, Some(key)).await.unwrap().order.id;
    let held = app.payments.enter(buyer, "p", 1, None).await.unwrap().order.id;
    (shell, vec![completed.to_string(), held.to_string(), declined, refunded.to_string()])
}

#[tokio::test]
async fn orders_are_listed_shown_and_exported() {
    let (shell, orders) = shop_with_orders().await;
    insta::assert_snapshot!(
        "order_list",
        shell.runs([
            "order list",
            "order list --json",
            "order list --state completed",
            "order list --limit 1",
            "order list --buyer buyer000002@preorder.example",
            "order list --buyer nobody@example.com",
            "order list --product nothing",
            "order list --product 'a b'",
            "order list --state lost",
            "order list --limit 0",
        ])
    );
    insta::assert_snapshot!("order_show", shell.run(&format!("order show {}", orders[0])));
    insta::assert_snapshot!("order_show_json", shell.run(&format!("order show {} --json", orders[2])));
    insta::assert_snapshot!("order_export_csv", shell.run("order export --format csv"));
    insta::assert_snapshot!("order_export_json", shell.run("order export --format json"));
    insta::assert_snapshot!(
        "order_export_other",
        shell.runs([
            "order export",
            "order export --format xml",
            "order export --format csv --state refunded",
            "order export --format json --product nothing",
            "order export --format csv --json",
            "order export --format json --json --product nothing",
        ])
    );
    let exported = shell.json("order export --format json");
    assert_eq!(exported["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn an_admin_ends_orders() {
    let (shell, orders) = shop_with_orders().await;
    let ended: Vec<_> = orders.iter().map(|order| shell.run(&format!("order cancel {order}"))).collect();
    insta::assert_snapshot!("order_cancel", hidden(&ended.join("\n")));
    insta::assert_snapshot!(
        "order_unknown",
        shell.runs([
            "order show 01890000-0000-7000-8000-000000000000",
            "order show 7",
            "order cancel 01890000-0000-7000-8000-000000000000",
            "order cancel nothing",
            "order",
        ])
    );
    insta::assert_snapshot!("order_all_ended", shell.runs(["order list --state held", "product show p", "audit"]));
}
