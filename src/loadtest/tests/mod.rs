//! goose really drives HTTP here, against a small server in the test's own process.

mod arrivals;
mod hands;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::talk::Deed;
use super::*;
use crate::kernel::ids::{OrderId, UserId};

/// Serves `router` on a free port until the test ends.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router.route("/healthz", get(|| async { Json(json!({"status": "ok"})) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn scenario(crowd: &str, steps: &str) -> Scenario {
    let text = format!(
        "name = 'test'\n[product]\nstock = 3\nprice = 1\n[crowd]\n{crowd}\n[[journeys]]\nsteps = [{steps}]\n\
         [verdict]\nerror_rate_max = 1.0\n"
    );
    Scenario::parse("test.toml", &text).unwrap()
}

async fn send(scenario: &Scenario, url: &str, buyers: usize) -> Log {
    sent(scenario, url, buyers).await.tally.log()
}

/// The crowd after its visit.
async fn sent(scenario: &Scenario, url: &str, buyers: usize) -> Arc<Crowd> {
    let _turn = crowd::turn().await;
    let sale = Arc::new(Sale { product_id: "p".to_owned(), password: "secret", buyers: numbered(buyers), rows: None });
    let tally = Tally::new(Arc::default()).unwrap();
    let clients = Clients::new(url, scenario.bots.as_ref()).unwrap();
    let crowd = Arc::new(Crowd::new(scenario, 1, sale, tally, clients));
    crowd::send(&crowd, url).await.unwrap();
    crowd
}

/// Buyers whose numbers are their tokens.
fn numbered(count: usize) -> Vec<Buyer> {
    let buyer = |number: usize| Buyer {
        user: UserId(number.try_into().unwrap()),
        token: number.to_string(),
        email: format!("{number}@test"),
    };
    (0..count).map(buyer).collect()
}

fn problem(status: u16, code: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({"title": "no", "status": status, "code": code})))
        .into_response()
}

fn completed() -> Response {
    (StatusCode::CREATED, Json(json!({"id": OrderId::fresh().to_string(), "state": "completed"}))).into_response()
}

/// The buyer's number is its token.
async fn every_answer(headers: HeaderMap) -> Response {
    let token = headers["authorization"].to_str().unwrap();
    let buyer: usize = token.strip_prefix("Bearer ").unwrap().parse().unwrap();
    match buyer % 10 {
        0 => completed(),
        1 => problem(409, "sold_out"),
        2 => problem(402, "payment_declined"),
        3 => problem(409, "payment_abandoned"),
        4 => problem(503, "busy"),
        5 => problem(500, "internal"),
        6 => problem(401, "token_invalid"),
        7 => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
        8 => (StatusCode::CREATED, "{").into_response(),
        // The connection breaks in the middle of the answer.
        _ => Body::from_stream(futures_util::stream::iter([
            Ok::<_, std::io::Error>("{\"id\":"),
            Err(std::io::Error::other("cut")),
        ]))
        .into_response(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_answer_is_counted_as_what_it_is() {
    let url = serve(Router::new().route("/payments/pre-order", post(every_answer))).await;
    let log = send(&scenario("buyers = 200\nconnections = 8", "'buy'"), &url, 200).await;
    assert_eq!(log.requests, 200);
    assert_eq!(log.completed.len(), 20);
    let refusals: Vec<_> = log.refusals.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    assert_eq!(refusals, [("busy", 20), ("payment_abandoned", 20), ("payment_declined", 20), ("sold_out", 20)]);
    let errors: Vec<_> = log.errors.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(
        errors,
        [
            ("201 without an order", 20),
            ("401 token_invalid", 20),
            ("500 internal", 20),
            ("502 without a problem document", 20),
            ("connection broken", 20),
        ]
    );
    assert_eq!(log.purchases_unclear, 80, "all but the 401, which says that nothing was bought");
    assert_eq!(log.latency_us.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_an_error_for_everybody() {
    let log = send(&scenario("buyers = 5\nconnections = 2", "'look'"), "http://127.0.0.1:1", 5).await;
    assert_eq!(log.errors.get("connection refused"), Some(&5), "{:?}", log.errors);
}

/// The steps of an entered payment, in the order in which they were asked for.
async fn entered(state: State<flume::Sender<String>>, path: Option<Path<(String, String)>>) -> Response {
    let Some(Path((order, what))) = path else {
        state.send("enter".to_owned()).unwrap();
        let order = OrderId::fresh().to_string();
        return (StatusCode::CREATED, Json(json!({"id": order, "state": "held"}))).into_response();
    };
    state.send(what.clone()).unwrap();
    let state = if what == "confirm" { "completed" } else { "cancelled" };
    Json(json!({"id": order, "state": state})).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_takes_its_steps_in_order() {
    let (sender, steps) = flume::unbounded();
    let router = Router::new()
        .route("/payments", post(entered))
        .route("/payments/{order}/{what}", post(entered))
        .with_state(sender);
    let url = serve(router).await;
    let steps_of_one = scenario("buyers = 1\nconnections = 1", "'enter-vanish', 'enter-confirm', 'enter-cancel'");
    let log = send(&steps_of_one, &url, 1).await;
    assert_eq!(steps.drain().collect::<Vec<_>>(), ["enter", "enter", "confirm", "enter", "cancel"]);
    assert_eq!((log.requests, log.completed.len(), log.errors_total()), (5, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_closes_when_the_time_is_over() {
    let url = serve(Router::new().route("/products/p", get(|| async { "{}" }))).await;
    let crowd = "buyers = 100000\nconnections = 4\nduration_seconds = 1\nthink_ms = 10000";
    let started = Instant::now();
    let log = send(&scenario(crowd, "'look', 'look'"), &url, 100_000).await;
    assert_eq!(log.requests, 4, "everybody thinks for longer than the door is open");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

/// A community of one post by each of two writers, on two pages; tells what it is asked for.
async fn community(state: State<flume::Sender<String>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let second_page = request.uri().query().is_some_and(|query| query.ends_with("&cursor=a%2Fb"));
    let body = to_bytes(request.into_body(), 1_000).await.unwrap();
    state.send(format!("{method} {path}{}", if second_page { ", page 2" } else { "" })).unwrap();
    let (post, next) = if second_page { (2, None) } else { (1, Some("a/b")) };
    let written = || serde_json::from_slice::<serde_json::Value>(&body).unwrap()["content"].is_string();
    match (method, path.as_str()) {
        // The writers are the visitors, whose number is that of their post.
        (Method::GET, "/newsfeeds") => {
            Json(json!({"items": [{"id": post, "writer": {"id": post - 1}}], "nextCursor": next})).into_response()
        }
        (Method::POST, _) if written() => (StatusCode::CREATED, Json(json!({"id": 9}))).into_response(),
        _ => Json(json!({})).into_response(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_of_the_community_reads_and_reacts_to_what_is_on_the_page() {
    let (sender, asked) = flume::unbounded();
    let url = serve(Router::new().fallback(community).with_state(sender)).await;
    let steps = "'read', 'like', 'comment', 'follow', 'browse', 'follow', 'browse', 'post', 'browse'";
    let log = send(&scenario("buyers = 1\nconnections = 1", steps), &url, 1).await;
    assert_eq!(
        asked.drain().collect::<Vec<_>>(),
        [
            "GET /newsfeeds",
            "GET /activity/posts/1",
            "GET /activity/posts/1/comments",
            "PUT /activity/posts/1/like",
            "POST /activity/posts/1/comments",
            // Nobody follows themselves: the first post is the visitor's own.
            "GET /newsfeeds, page 2",
            "PUT /activity/follows/1",
            "GET /newsfeeds",
            "POST /activity/posts",
            "GET /newsfeeds",
        ]
    );
    assert_eq!(log.errors_total(), 0, "{:?}", log.errors);
    let me = UserId(0);
    let told = Deed::ALL.map(|deed| log.talk.told(deed).to_vec());
    assert_eq!(told, [vec![(me, 9)], vec![(me, 9)], vec![(me, 1)], vec![(me, 1)]]);
}

/// A shop with three units, as the buyers see it from outside.
struct Counter {
    sold: AtomicI64,
    /// Units that it sells without having them; below zero, units that it has and does not sell.
    generous_by: i64,
}

impl Counter {
    async fn open(generous_by: i64) -> String {
        let shop = Arc::new(Self { sold: AtomicI64::new(0), generous_by });
        let router = Router::new()
            .route("/payments/pre-order", post(Self::buy))
            .route("/products/{id}/stock", get(Self::stock))
            .with_state(shop);
        serve(router).await
    }

    #[expect(clippy::unused_async, reason = "axum takes async functions only")]
    async fn buy(shop: State<Arc<Self>>) -> Response {
        if shop.sold.fetch_add(1, Ordering::SeqCst) < 3 + shop.generous_by {
            return completed();
        }
        problem(409, "sold_out")
    }

    #[expect(clippy::unused_async, reason = "axum takes async functions only")]
    async fn stock(shop: State<Arc<Self>>) -> Response {
        let sold = shop.sold.load(Ordering::SeqCst).min(3 + shop.generous_by.min(0));
        Json(json!({"total": 3, "available": 3 - sold, "held": 0, "sold": sold})).into_response()
    }
}

/// The office of a shop that is reached over HTTP only.
struct Office;

impl Shop for Office {
    fn open_sale(&self, wanted: SaleWanted) -> Soon<'_, Sale> {
        let buyers = numbered(wanted.buyers);
        Box::pin(async { Ok(Sale { product_id: "p".to_owned(), password: "secret", buyers, rows: None }) })
    }

    fn audit(&self, _: Location) -> Soon<'_, bool> {
        Box::pin(async { Err(Error::internal("there are no rows to audit")) })
    }
}

/// Fifty buyers at a server that is running already.
fn fifty_buyers(url: String) -> RunPlan {
    RunPlan {
        scenario: scenario("buyers = 50\nconnections = 10", "'stock', 'buy'"),
        seed: 1,
        site: Site::Running { url },
        repeat: String::new(),
        scenario_text: String::new(),
        #[cfg(debug_assertions)]
        planted_fault: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_judged_by_its_answers_and_its_stock_page() {
    let progress = Arc::new(Progress::default());
    let report = run(fifty_buyers(Counter::open(0).await), &Office, Arc::clone(&progress)).await.unwrap();
    assert!(report.passed(), "{:?}", report.failures);
    assert_eq!((report.requests, report.purchases, report.refusals["sold_out"]), (100, 3, 47));
    assert_eq!(report.units, Units { total: 3, sold: 3, held: 0, available: 0, oversold: 0 });
    assert_eq!(report.audit.ok, None);
    let end = progress.snapshot();
    assert_eq!((end.phase, end.buyers, end.buyers_done, end.requests), (Phase::Checking, 50, 50, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_that_sells_more_than_it_has_fails() {
    let report = run(fifty_buyers(Counter::open(1).await), &Office, Arc::default()).await.unwrap();
    assert_eq!(report.verdict, Outcome::Fail);
    assert_eq!(report.failures, ["4 purchases were answered completed, but the stock page says 3 sold"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_that_has_lost_a_unit_fails() {
    let report = run(fifty_buyers(Counter::open(-1).await), &Office, Arc::default()).await.unwrap();
    assert_eq!((report.verdict, report.units.available), (Outcome::Fail, 1));
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert!(report.failures[0].contains("1 units are left"), "{:?}", report.failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_that_puts_nearly_everybody_off_fails() {
    let shop = Arc::new(Counter { sold: AtomicI64::new(0), generous_by: 0 });
    let router = Router::new()
        .route("/payments/pre-order", post(|| async { problem(429, "rate_limited") }))
        .route("/products/{id}/stock", get(Counter::stock))
        .with_state(shop);
    let report = run(fifty_buyers(serve(router).await), &Office, Arc::default()).await.unwrap();
    assert_eq!(report.failures, ["50 of 100 requests were put off (429, 503); at most 0 % may"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sells_something_else_is_not_sent_a_crowd() {
    let shop = Arc::new(Counter { sold: AtomicI64::new(1), generous_by: 0 });
    let url = serve(Router::new().route("/products/{id}/stock", get(Counter::stock)).with_state(shop)).await;
    let error = run(fifty_buyers(url), &Office, Arc::default()).await.unwrap_err();
    assert_eq!(error.code(), "other_server");
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_run_without_a_verdict() {
    // What goose's signal handler does.
    let press = || async {
        goose::trigger_killswitch("SIGINT received");
        std::future::pending::<()>().await;
    };
    let shop = Arc::new(Counter { sold: AtomicI64::new(0), generous_by: 0 });
    let router = Router::new()
        .route("/payments/pre-order", post(press))
        .route("/products/{id}/stock", get(Counter::stock))
        .with_state(shop);
    let url = serve(router).await;
    let error = run(fifty_buyers(url), &Office, Arc::default()).await.unwrap_err();
    assert_eq!(error.code(), "interrupted");
}
