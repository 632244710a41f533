//! The admin's board, and the stream behind it.

use preorder::kernel::actor::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::boss;
use crate::support::events::Events;
use crate::support::{Browser, TestApp, all_pay, in_time, reservation};

/// Opens the board's stream.
async fn live(browser: &Browser) -> Events {
    let response = browser.request(Method::GET, "/admin/live").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    Events { response, heard: Vec::new() }
}

/// The next event's name and data.
async fn event(events: &mut Events) -> Option<(String, Value)> {
    loop {
        let block = events.block().await?;
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let (Some(name), Some(data)) = (field("event:"), field("data:")) {
            return Some((name.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }
}

/// How many refusals of a kind a second tells of, of all and of the last minute; none when it is the past.
fn refused(second: &Value, code: &str) -> [u64; 2] {
    let found = second["refusals"].as_array().and_then(|all| all.iter().find(|it| it["code"] == code));
    found.map_or([0, 0], |it| ["total", "lately"].map(|name| it[name].as_u64().unwrap()))
}

#[tokio::test]
async fn the_stream_tells_what_was_done() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 3)).await;
    let boss = boss(&app).await;
    let mut events = live(&boss).await;
    let (name, past) = event(&mut events).await.unwrap();
    assert_eq!((&*name, &past["kept"]), ("past", &json!(120)));
    let ann = app.user("ann").await;
    for _ in 0..3 {
        ann.buy("100").await.ok(201);
    }
    for _ in 0..2 {
        ann.buy("100").await.refused(409, "sold_out");
    }
    // The orders may fall into more than one second; all of them are told.
    let mut orders = 0;
    let mut requests = 0;
    let last = in_time(async {
        loop {
            let (name, second) = event(&mut events).await.unwrap();
            assert_eq!(name, "second");
            orders += second["orders"].as_u64().unwrap();
            requests += second["requests"].as_u64().unwrap();
            if orders >= 3 && requests >= 5 && refused(&second, "sold_out") == [2, 2] {
                return second;
            }
        }
    })
    .await;
    assert_eq!((orders, &last["waiting"]), (3, &json!(0)));
    let latency = ["p50", "p90", "p99"].map(|name| last["latencyMs"][name].as_f64().unwrap());
    assert!(latency[0] > 0.0 && latency[0] <= latency[1] && latency[1] <= latency[2], "{latency:?}");

    // Whoever comes later is told of it too, and the page shows it without a script.
    let mut later = live(&boss).await;
    let (_, past) = event(&mut later).await.unwrap();
    let told: u64 = past["orders"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).sum();
    assert_eq!(told, 3);
    assert_eq!(past["products"]["100"].as_array().unwrap().last(), Some(&json!([0, 0, 3])));
    let page = boss.open("/admin").await.is(200);
    page.says(&["Orders per second", "Product 100", "Sold out sold_out 2 2", "need JavaScript", "Reload"]);
}

#[tokio::test]
async fn refusals_are_called_what_the_reader_calls_them() {
    let app = TestApp::start().await;
    app.anonymous().get("/products/none").await.refused(404, "product_not_found");
    let boss = boss(&app).await.korean();
    let page = boss.open("/signin").await;
    boss.submit(&page, "/signin", &[("email", "nobody@example.com"), ("password", "wrong")]).await.is(401);
    let mut events = live(&boss).await;
    let found = in_time(async {
        loop {
            let (_, second) = event(&mut events).await.unwrap();
            if refused(&second, "product_not_found")[0] == 1 {
                return second;
            }
        }
    })
    .await;
    let titles: Vec<_> = found["refusals"].as_array().unwrap().iter().map(|it| it["title"].clone()).collect();
    assert!(titles.contains(&json!("없는 상품")), "{titles:?}");
}

#[tokio::test]
async fn the_stream_ends_with_the_rights_and_with_the_server() {
    let app = TestApp::start().await;
    let boss = boss(&app).await;
    let mut events = live(&boss).await;
    let id = app.app.users.find("boss@example.com").await.unwrap().id;
    app.app.users.set_role(id, Role::User).await.unwrap();
    in_time(async { while event(&mut events).await.is_some() {} }).await;
    app.app.users.set_role(id, Role::Admin).await.unwrap();
    let mut events = live(&boss).await;
    let server = app.stop();
    in_time(async { while event(&mut events).await.is_some() {} }).await;
    in_time(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_board_shows_what_moved_last_first() {
    let app = TestApp::with(all_pay).await;
    for number in 0..10 {
        app.sell(reservation(&format!("p{number}"), 5)).await;
    }
    let boss = boss(&app).await;
    let ann = app.user("ann").await;
    // What moves in one second has no order: the purchase shall fall into a later one than the products.
    let mut events = live(&boss).await;
    for _ in 0..4 {
        event(&mut events).await.unwrap();
    }
    ann.buy("p9").await.ok(201);
    in_time(async {
        loop {
            let shown = boss.open("/admin").await.html;
            let first = shown.split("data-course=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            assert_eq!(shown.matches("data-course").count(), 8);
            if first == "p9" {
                break;
            }
            event(&mut events).await.unwrap();
        }
    })
    .await;
}
