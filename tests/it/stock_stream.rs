//! The stream of live counts: the state as it is, then each product's as it changes, at most so often.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::events::{Event, Events};
use crate::support::{TestApp, all_pay, in_time, reservation, utc};

/// What is told of a product: available, held, sold.
#[track_caller]
fn units(event: &Event) -> [i64; 3] {
    assert_eq!(event.name, "stock", "{event:?}");
    ["available", "held", "sold"].map(|count| event.data[count].as_i64().unwrap())
}

/// Listens until the counts of the one product are these; gives the last event.
async fn hears(stream: &mut Events, expected: [i64; 3]) -> Event {
    loop {
        let event = stream.next().await;
        if units(&event) == expected {
            return event;
        }
    }
}

#[tokio::test]
async fn counts_come_as_they_are_and_as_they_change() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 5)).await;
    app.sell(reservation("110", 7)).await;
    let mut stream = Events::to(&app.anonymous(), "/stocks/stream?productId=100", None).await;
    let mut event = stream.next().await;
    utc(&event.data["asOf"].take());
    let expected = json!({"productId": "100", "total": 5, "available": 5, "held": 0, "sold": 0, "asOf": null});
    assert_eq!((event.name.as_str(), &event.data), ("stock", &expected));
    ann.enter("110", 2).await.ok(201); // nothing to hear of
    ann.enter("100", 2).await.ok(201);
    assert_eq!(units(&stream.next().await), [3, 2, 0]);
    // What another process does is told too.
    let console = app.elsewhere().await;
    let product = preorder::kernel::ids::ProductId::trusted("100");
    console.stock.adjust(product, 4, None, preorder::ledger::Mover::Console).await.unwrap();
    assert_eq!(units(&stream.next().await), [7, 2, 0]);

    // Two named, in either order.
    let mut both = Events::to(&ann, "/stocks/stream?productId=110&productId=100", None).await;
    let mut first = [both.next().await, both.next().await].map(|event| event.data["productId"].clone());
    first.sort_by_key(Value::to_string);
    assert_eq!(first, ["100", "110"]);

    // Whoever names none hears of every change, and of nothing before.
    let mut all = Events::to(&ann, "/stocks/stream", None).await;
    ann.buy("110").await.ok(201);
    let event = all.next().await;
    assert_eq!((event.data["productId"].as_str(), units(&event)), (Some("110"), [4, 2, 1]));
}

#[tokio::test]
async fn however_much_is_sold_each_state_is_told_once_and_the_last_one_is() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 300)).await;
    let ann = app.user("ann").await;
    let mut stream = Events::to(&ann, "/stocks/stream?productId=100", None).await;
    assert_eq!(units(&stream.next().await), [300, 0, 0]);
    for bought in join_all((0..300).map(|_| ann.buy("100"))).await {
        bought.ok(201);
    }
    let mut last = 0;
    loop {
        let sold = units(&stream.next().await)[2];
        assert!(sold > last, "{sold} after {last}");
        last = sold;
        if last == 300 {
            break;
        }
    }
}

#[tokio::test]
async fn who_comes_back_hears_what_has_changed_meanwhile() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    for product in ["100", "110", "120"] {
        app.sell(reservation(product, 5)).await;
    }
    let mut stream = Events::to(&ann, "/stocks/stream?productId=100", None).await;
    stream.next().await;
    ann.buy("100").await.ok(201);
    let seen = stream.next().await;
    drop(stream);
    ann.buy("110").await.ok(201);
    for path in ["/stocks/stream", "/stocks/stream?productId=100&productId=110&productId=120"] {
        let mut back = Events::to(&ann, path, Some(&seen.id)).await;
        let event = back.next().await;
        assert_eq!(event.data["productId"], "110", "only this one has changed: {event:?}");
        ann.buy("110").await.ok(201);
        assert_eq!(back.next().await.data["productId"], "110");
    }
    // Another server counts anew: it tells the state.
    let beside = app.beside().await;
    let other = ann.over_at(&beside);
    let mut back = Events::to(&other, "/stocks/stream?productId=100", Some(&seen.id)).await;
    assert_eq!(units(&back.next().await), [4, 0, 1]);
    for bad in ["x", "1", "1-", "-1", "1-x"] {
        let request = ann.request(Method::GET, "/stocks/stream").header("last-event-id", bad);
        ann.send(request).await.faults(&[("Last-Event-ID", "not_allowed")]);
    }
}

#[tokio::test]
async fn a_product_that_is_taken_away_is_told_as_gone() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.sell(reservation("100", 5)).await;
    let mut stream = Events::to(&admin, "/stocks/stream?productId=100", None).await;
    stream.next().await;
    admin.send(admin.request(Method::DELETE, "/products/100")).await.ok(204);
    let event = stream.next().await;
    assert_eq!((event.name.as_str(), event.data), ("gone", json!({"productId": "100"})));
    admin.get("/stocks/stream?productId=100").await.refused(404, "product_not_found");
    admin.get("/stocks/stream?productId=a%20b").await.refused(404, "product_not_found");
    let many: Vec<_> = (0..101).map(|number| format!("productId=p{number}")).collect();
    let path = format!("/stocks/stream?{}", many.join("&"));
    admin.get(&path).await.faults(&[("productId", "too_many")]);
}

#[tokio::test]
async fn whoever_does_not_read_holds_nobody_up_and_then_hears_the_last() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1_000)).await;
    let mut slow = Events::to(&ann, "/stocks/stream?productId=100", None).await;
    let mut fast = Events::to(&ann, "/stocks/stream?productId=100", None).await;
    fast.next().await;
    for sold in 1..=40 {
        ann.buy("100").await.ok(201);
        hears(&mut fast, [1_000 - sold, 0, sold]).await;
    }
    hears(&mut slow, [960, 0, 40]).await;
}

#[tokio::test]
async fn a_thousand_streams_hear_the_same_and_end_with_the_server() {
    let app = TestApp::with(all_pay).await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 5)).await;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        streams.push(Events::to(&app.anonymous(), "/stocks/stream?productId=100", None).await);
    }
    ann.buy("100").await.ok(201);
    for stream in &mut streams {
        hears(stream, [4, 0, 1]).await;
    }
    let stopped = app.stop();
    for stream in streams {
        stream.ends().await;
    }
    in_time(stopped).await.unwrap().unwrap();
}
