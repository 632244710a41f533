//! Webhooks: who is told what of a sale, in which order, and what becomes of those who do not listen.

use preorder::config::Config;
use preorder::webhooks::AttemptOutcome::{Delivered, GivenUp};
use preorder::webhooks::{Attempt, Off, WebhookDraft, WebhookId};
use serde_json::{Value, json};

use crate::support::{Receiver, TestApp, all_pay, general, id, in_time, members, reservation, utc};

const EVENTS: &str = "SELECT COUNT(*) FROM webhook_events";
const RETRIES: &str = "SELECT COUNT(*) FROM webhook_retries";
const ATTEMPTS: &str = "SELECT COUNT(*) FROM webhook_deliveries";

/// Everybody pays, and targets may be here.
fn here(config: &mut Config) {
    all_pay(config);
    config.webhooks.allow_private = true;
}

impl TestApp {
    /// What is logged, the oldest first: outcome, status, attempt.
    async fn logged(&self) -> Vec<(&'static str, Option<i64>, i64)> {
        let mut attempts = self.app.webhooks.deliveries(None, false, 1_000).await.unwrap();
        attempts.reverse();
        attempts.iter().map(|it| (it.outcome.as_str(), it.status, it.attempt)).collect()
    }

    /// The whole log, once it has so many lines.
    async fn logged_so_many(&self, lines: i64) -> Vec<(&'static str, Option<i64>, i64)> {
        self.until_number(ATTEMPTS, lines).await;
        self.logged().await
    }

    /// Waits until so many attempts have ended.
    async fn until_attempts(&self, attempts: u64) {
        let ended = || {
            let figures = self.app.webhooks.figures();
            figures.delivered_total + figures.failed_total
        };
        in_time(async {
            while ended() < attempts {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn whole_audit(&self) {
        let audit = preorder::audit::prove(&self.app.db).await.unwrap();
        let broken: Vec<_> = audit.checks.iter().filter(|check| !check.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[tokio::test]
async fn a_sale_is_told_in_signed_requests() {
    let app = TestApp::with(here).await;
    let mut receiver = Receiver::start().await;
    app.sell(reservation("p", 2)).await;
    app.sell(general("g", 5)).await;
    let ann = app.user("ann").await;
    ann.buy("p").await.ok(201); // nobody is told yet
    assert_eq!(app.number(EVENTS).await, 0);
    let webhook = app.tell(&receiver.url(), None).await;

    let bought = ann.buy("p").await.ok(201);
    let got = receiver.next().await;
    let now = preorder::kernel::clock::Clock::now(&*app.app.clock).as_seconds();
    assert!((now - 60..=now).contains(&got.is_signed_by(&webhook.secret)));
    assert_eq!(
        (got.path.as_str(), got.kind(), &*got.headers["content-type"]),
        ("/hook", "order.completed", "application/json")
    );
    let event = got.event();
    assert_eq!(members(&event), ["createdAt", "data", "id", "type"]);
    assert_eq!((&event["type"], &event["id"]), (&json!("order.completed"), &json!(got.headers["preorder-event-id"])));
    let order = &event["data"]["order"];
    let told =
        ["amount", "buyerId", "createdAt", "currency", "id", "payment", "productId", "quantity", "settledAt", "state"];
    assert_eq!(members(order), told);
    for name in ["id", "productId", "quantity", "amount", "currency", "state", "createdAt", "settledAt"] {
        assert_eq!(order[name], bought[name], "{name}");
    }
    assert_eq!(order["payment"]["reference"], bought["payment"]["reference"]);
    assert_eq!(utc(&event["createdAt"]), utc(&order["settledAt"]));
    got.answer(204);

    let gone = receiver.take().await;
    assert_eq!(gone["type"], "product.sold_out");
    assert_eq!(gone["data"]["stock"], json!({"productId": "p", "total": 2, "available": 0, "held": 0, "sold": 2}));

    ann.refund(&id(&bought)).await.ok(200);
    let refunded = receiver.take().await;
    assert_eq!(
        (&refunded["type"], &refunded["data"]["order"]["state"]),
        (&json!("order.refunded"), &json!("refunded"))
    );
    assert!(utc(&refunded["data"]["order"]["closedAt"]) >= utc(&refunded["data"]["order"]["settledAt"]));

    let held = ann.hold("g").await; // of this nobody is told
    ann.leave(&held).await.ok(200);
    let cancelled = receiver.take().await;
    let order = &cancelled["data"]["order"];
    assert_eq!(
        (&cancelled["type"], &order["id"], &order["reason"]),
        (&json!("order.cancelled"), &json!(held), &json!("by_buyer"))
    );
    assert_eq!((&order["state"], order.get("payment"), order.get("settledAt")), (&json!("cancelled"), None, None));

    assert_eq!(
        app.logged_so_many(4).await,
        [
            ("delivered", Some(204), 1),
            ("delivered", Some(200), 1),
            ("delivered", Some(200), 1),
            ("delivered", Some(200), 1)
        ]
    );
    app.until_number(EVENTS, 1).await; // the last one stays
    app.whole_audit().await;
    assert!(!receiver.has_more());
    let figures = app.app.webhooks.figures();
    assert_eq!((figures.targets, figures.delivered_total, figures.failed_total, figures.waiting), (1, 4, 0, 0));
}

#[tokio::test]
async fn a_target_is_told_only_of_what_it_asked_for() {
    let app = TestApp::with(here).await;
    let (mut some, mut all) = (Receiver::start().await, Receiver::start().await);
    app.tell(&some.url(), Some("product.sold_out, order.refunded")).await;
    app.tell(&all.url(), None).await;
    app.sell(reservation("p", 1)).await;
    let ann = app.user("ann").await;
    let order = id(&ann.buy("p").await.ok(201));
    ann.refund(&order).await.ok(200);
    let kinds =
        |events: &[Value]| events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let told = [some.take().await, some.take().await];
    let mut told = kinds(&told);
    told.sort_unstable();
    assert_eq!(told, ["order.refunded", "product.sold_out"]);
    let told = [all.take().await, all.take().await, all.take().await];
    assert_eq!(told.iter().filter(|event| event["data"]["order"]["id"] == order.as_str()).count(), 2);
    app.until_number("SELECT MIN(cursor) FROM webhooks", 3).await;
    assert!(!some.has_more());
}

#[tokio::test]
async fn an_event_tells_of_its_moment_however_late_it_comes() {
    let (app, clock) = TestApp::with_clock(here).await;
    let mut receiver = Receiver::start().await;
    app.tell(&receiver.url(), None).await;
    app.sell(general("g", 5)).await;
    let ann = app.user("ann").await;
    let order = ann.hold("g").await;
    ann.confirm(&order).await.ok(200);
    let first = receiver.next().await;
    clock.advance_seconds(1);
    ann.refund(&order).await.ok(200);
    let (before, id) = (first.body.clone(), first.event()["id"].clone());
    first.answer(500);
    app.until_number(RETRIES, 2).await; // the second one waits behind it

    clock.advance_seconds(10);
    let again = receiver.next().await;
    assert_eq!((&again.body, &again.event()["id"]), (&before, &id));
    let told = again.event()["data"]["order"].clone();
    assert_eq!((&told["state"], told.get("closedAt")), (&json!("completed"), None));
    again.answer(200);
    // It has waited for the one before it, as it is the same order's.
    let refunded = receiver.take().await;
    assert_eq!(
        (&refunded["type"], &refunded["data"]["order"]["state"]),
        (&json!("order.refunded"), &json!("refunded"))
    );
    let told = app.logged_so_many(3).await;
    assert_eq!(told, [("failed", Some(500), 1), ("delivered", Some(200), 2), ("delivered", Some(200), 1)]);
    app.whole_audit().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_for_three_days_and_holds_nobody_up() {
    let (app, clock) = TestApp::with_clock(here).await;
    let mut receiver = Receiver::start().await;
    app.tell(&receiver.url(), Some("order.completed")).await;
    app.sell(general("g", 50)).await;
    let ann = app.user("ann").await;
    let poisoned = id(&ann.confirm(&ann.hold("g").await).await.ok(200));
    let mut refused = 0;
    // The longest pause is four hours and a fifth.
    for _ in 0..=3 * 86_400 / 17_280 {
        let got = receiver.next().await;
        assert_eq!(got.event()["data"]["order"]["id"], poisoned);
        got.answer(500);
        refused += 1;
        app.until_attempts(refused * 2 - 1).await;
        // Meanwhile others are told without delay.
        let other = id(&ann.confirm(&ann.hold("g").await).await.ok(200));
        assert_eq!(receiver.take().await["data"]["order"]["id"], other);
        app.until_attempts(refused * 2).await;
        clock.advance_seconds(17_280);
    }
    assert_eq!(app.app.webhooks.figures().given_up_total, 1);
    app.until_number(RETRIES, 0).await;
    let last = app.app.webhooks.deliveries(None, true, 1).await.unwrap();
    let Attempt { outcome, attempt, ref subject, .. } = last[0];
    assert_eq!((outcome, attempt, subject), (GivenUp, refused.cast_signed(), &poisoned));
    let webhook = &app.app.webhooks.list().await.unwrap()[0];
    assert_eq!((webhook.off, webhook.failing_since, webhook.retrying), (None, None, 0));
    app.whole_audit().await;
}

fn clock_now(app: &TestApp) -> i64 {
    preorder::kernel::clock::Clock::now(&*app.app.clock).0
}

#[tokio::test]
async fn a_target_that_is_down_costs_few_rows_and_gets_everything_when_it_is_back() {
    let (app, clock) = TestApp::with_clock(here).await;
    // Nobody listens here: the port was free a moment ago.
    let address = Receiver::start_and_stop().await;
    app.tell(&format!("http://{address}/"), Some("order.completed")).await;
    app.sell(general("g", 100)).await;
    let ann = app.user("ann").await;
    let mut orders = Vec::new();
    for _ in 0..60 {
        orders.push(id(&ann.confirm(&ann.hold("g").await).await.ok(200)));
    }
    app.until_number("SELECT failures >= 8 FROM webhooks", 1).await;
    for _ in 0..5 {
        clock.advance_seconds(3_600);
        let failed = app.number(ATTEMPTS).await;
        in_time(async { while app.number(ATTEMPTS).await == failed {} }).await;
    }
    assert!(app.number(RETRIES).await < 25, "{}", app.number(RETRIES).await);
    assert_eq!(app.number(EVENTS).await, 60, "nothing is lost");
    let webhook = &app.app.webhooks.list().await.unwrap()[0];
    assert!(webhook.failing_since.is_some() && webhook.waiting > 30);

    let mut receiver = Receiver::on(tokio::net::TcpListener::bind(address).await.unwrap());
    clock.advance_seconds(5 * 3_600);
    let mut told = Vec::new();
    for _ in 0..60 {
        told.push(receiver.take().await["data"]["order"]["id"].as_str().unwrap().to_owned());
    }
    told.sort_unstable();
    orders.sort_unstable();
    assert_eq!(told, orders);
    app.until_number(EVENTS, 1).await;
    app.whole_audit().await;
}

impl Receiver {
    /// An address at which nobody listens.
    async fn start_and_stop() -> std::net::SocketAddr {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }
}

#[tokio::test]
async fn a_target_that_takes_nothing_for_three_days_is_switched_off() {
    let (app, clock) = TestApp::with_clock(here).await;
    let receiver = Receiver::start().await;
    let webhook = app.tell(&receiver.url(), Some("order.completed")).await;
    let receiver = receiver.answer_all(503);
    app.sell(general("g", 100)).await;
    let ann = app.user("ann").await;
    for _ in 0..40 {
        ann.confirm(&ann.hold("g").await).await.ok(200);
    }
    let failures = || app.app.webhooks.figures().failed_total;
    in_time(async {
        while failures() < 8 {
            tokio::task::yield_now().await;
        }
        while app.app.webhooks.figures().given_up_total == 0 {
            let before = failures();
            clock.advance_seconds(17_280);
            while failures() == before {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    app.until_number("SELECT COUNT(*) FROM webhooks WHERE off_reason = 'failed'", 1).await;
    let off = app.app.webhooks.get(webhook.id).await.unwrap();
    assert_eq!(off.off.map(|(why, _)| why), Some(Off::Failed));
    assert_eq!((app.number(RETRIES).await, off.waiting), (0, 0));
    app.until_number(EVENTS, 1).await;
    assert!(receiver.orders().len() < 40, "it was not asked for each of them");
    let before = app.number("SELECT MAX(number) FROM webhook_events").await;
    ann.confirm(&ann.hold("g").await).await.ok(200);
    assert_eq!(app.number("SELECT MAX(number) FROM webhook_events").await, before, "nobody is told");

    receiver.status.store(200, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(app.app.webhooks.enable(webhook.id).await.unwrap().off, None);
    let order = id(&ann.confirm(&ann.hold("g").await).await.ok(200));
    in_time(async {
        while !receiver.orders().contains(&order) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    app.whole_audit().await;
}

#[tokio::test]
async fn who_answers_410_is_told_nothing_more_until_somebody_says_so() {
    let app = TestApp::with(here).await;
    let mut receiver = Receiver::start().await;
    let webhook = app.tell(&receiver.url(), Some("order.completed")).await;
    app.sell(reservation("p", 9)).await;
    let ann = app.user("ann").await;
    ann.buy("p").await.ok(201);
    receiver.next().await.answer(410);
    app.until_number("SELECT COUNT(*) FROM webhooks WHERE off_reason = 'gone'", 1).await;
    ann.buy("p").await.ok(201);
    assert_eq!(app.number(EVENTS).await, 1, "nobody is told of the second");
    assert_eq!(app.app.webhooks.enable(webhook.id).await.unwrap().off, None);
    let order = id(&ann.buy("p").await.ok(201));
    assert_eq!(receiver.take().await["data"]["order"]["id"], order);
    assert_eq!(app.logged_so_many(2).await, [("given_up", Some(410), 1), ("delivered", Some(200), 1)]);
    app.whole_audit().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_a_target_may_ask_for_a_pause() {
    let (app, clock) = TestApp::with_clock(here).await;
    let (mut receiver, mut elsewhere) = (Receiver::start().await, Receiver::start().await);
    app.tell(&receiver.url(), Some("order.completed")).await;
    app.sell(reservation("p", 9)).await;
    app.user("ann").await.buy("p").await.ok(201);
    receiver.next().await.answer_with(307, &format!("Location: {}\r\n", elsewhere.url()));
    assert_eq!(app.logged_so_many(1).await, [("failed", Some(307), 1)]);
    clock.advance_seconds(10);
    receiver.next().await.answer_with(429, "Retry-After: 1000\r\n");
    app.logged_so_many(2).await;
    assert_eq!(app.number("SELECT next_at FROM webhook_retries").await, clock_now(&app) + 1_000_000_000);
    clock.advance_seconds(1_000);
    receiver.take().await;
    app.until_number(RETRIES, 0).await;
    assert!(!elsewhere.has_more());
}

#[tokio::test]
async fn a_target_that_is_deleted_while_it_is_told_leaves_nothing_behind() {
    let app = TestApp::with(here).await;
    let mut receiver = Receiver::start().await;
    let webhook = app.tell(&receiver.url(), Some("order.completed")).await;
    app.sell(reservation("p", 9)).await;
    let ann = app.user("ann").await;
    ann.buy("p").await.ok(201);
    let got = receiver.next().await;
    app.app.webhooks.delete(webhook.id).await.unwrap();
    got.answer(500);
    let other = app.tell(&receiver.url(), Some("order.completed")).await;
    assert!(other.id > webhook.id && *other.secret != *webhook.secret);
    let order = id(&ann.buy("p").await.ok(201));
    let got = receiver.next().await;
    assert_eq!(got.event()["data"]["order"]["id"], order);
    got.is_signed_by(&other.secret);
    got.answer(200);
    assert_eq!(app.logged_so_many(1).await, [("delivered", Some(200), 1)]);
    app.until_number(EVENTS, 1).await;
    assert_eq!(app.app.webhooks.delete(webhook.id).await.unwrap_err().code(), "webhook_not_found");
    assert_eq!(app.app.webhooks.test(webhook.id).await.unwrap_err().code(), "webhook_not_found");
    app.whole_audit().await;
}

#[tokio::test]
async fn a_ping_is_sent_at_once_and_logged() {
    let app = TestApp::still(here).await;
    let mut receiver = Receiver::start().await;
    let webhook = app.tell(&receiver.url(), None).await;
    let webhooks = std::sync::Arc::clone(&app.app.webhooks);
    let testing = tokio::spawn(async move { webhooks.test(webhook.id).await });
    let got = receiver.next().await;
    got.is_signed_by(&webhook.secret);
    assert_eq!((got.kind(), &got.event()["data"]), ("ping", &json!({"webhookId": webhook.id.0})));
    got.answer(202);
    let tested = in_time(testing).await.unwrap().unwrap();
    assert_eq!((tested.delivered, tested.status, tested.error), (true, Some(202), None));
    let logged = app.app.webhooks.deliveries(Some(webhook.id), false, 9).await.unwrap();
    assert_eq!((logged.len(), logged[0].outcome, &logged[0].event_id), (1, Delivered, &tested.event_id));
    assert!(!format!("{webhook:?}").contains(&*webhook.secret), "secrets are not shown");
    assert!(webhook.secret.starts_with("whsec_") && webhook.secret.len() == 6 + 64);
}

#[tokio::test]
async fn what_is_wrong_with_a_target_is_told_at_once() {
    let app = TestApp::still(|_| {}).await;
    let add = async |url: &str, events: Option<&str>, description: Option<String>| {
        let events = events.map(str::to_owned);
        let error = app.app.webhooks.add(WebhookDraft { url: url.to_owned(), events, description }).await.unwrap_err();
        error.parts().fields.iter().map(|fault| (fault.field.to_string(), fault.code)).collect::<Vec<_>>()
    };
    let fault = |field: &str, code| vec![(field.to_owned(), code)];
    for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost:9/", "http://2130706433/"] {
        assert_eq!(add(url, None, None).await, fault("url", "private_address"), "{url}");
    }
    let all = add("ftp://x", Some("order.sold"), Some("x".repeat(201))).await;
    let codes = [("url", "bad_url"), ("events", "not_allowed"), ("description", "too_long")];
    assert_eq!(all, codes.map(|(field, code)| (field.to_owned(), code)));
    assert_eq!(add("https://1.1.1.1/", Some(""), None).await, fault("events", "not_allowed"));
    assert_eq!(app.app.webhooks.enable(WebhookId(1)).await.unwrap_err().code(), "webhook_not_found");
    for _ in 0..200 {
        app.tell("https://1.1.1.1/", None).await;
    }
    let draft = WebhookDraft { url: "https://1.1.1.1/".to_owned(), ..WebhookDraft::default() };
    assert_eq!(app.app.webhooks.add(draft).await.unwrap_err().code(), "too_many_webhooks");
}
