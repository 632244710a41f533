//! Metrics: they tell what was done, to whom they are for, and however much is asked they stay few.

mod files;
mod scrape;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use preorder::config::{MailMode, MediaUrl, Secret, StartTls};
use preorder::http::Routes;
use preorder::metrics::model::{METRICS, Metric, PRODUCTS_MAX};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use self::scrape::{Labels, Scrape, of_work};
use crate::support::events::Events;
use crate::support::{TestApp, all_pay, id, not_tested, reservation, run_python};

const TOKEN: &str = "a-token-for-metrics";

#[tokio::test]
async fn they_tell_what_was_done() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let (ann, nobody) = (app.user("ann").await, app.anonymous());
    app.sell(reservation("100", 10)).await;
    app.sell(reservation("110", 7)).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(id(&ann.buy("100").await.ok(201)));
    }
    ann.refund(&orders[0]).await.ok(200);
    let held = ann.hold("100").await;
    ann.enter("100", 2).await.ok(201);
    ann.leave(&held).await.ok(200);
    ann.enter("100", 100).await.refused(409, "sold_out");
    nobody.buy("100").await.refused(401, "unauthenticated");
    nobody.get("/no/such/path").await.refused(404, "not_found");

    let scrape = Scrape::of(&nobody).await;
    let requests = |method_route: &str, status| {
        let (method, route) = method_route.split_once(' ').unwrap();
        scrape.value("preorder_http_requests_total", &format!("method={method},route={route},status={status}"))
    };
    assert_eq!(requests("POST /payments/pre-order", 201), 3);
    assert_eq!(requests("POST /payments/pre-order", 401), 1);
    assert_eq!(requests("POST /payments", 201), 2);
    assert_eq!(requests("POST /payments", 409), 1);
    assert_eq!(requests("POST /payments/{orderId}/cancel", 200), 1);
    assert_eq!(requests("other other", 404), 1);
    let times = |end: &str, le: &str| {
        let labels = format!("method=POST,route=/payments/pre-order{le}");
        scrape.value(&format!("preorder_http_request_duration_seconds_{end}"), &labels)
    };
    assert_eq!([times("count", ""), times("bucket", ",le=+Inf"), times("bucket", ",le=33.554432")], [4; 3]);
    let sum = scrape.get("preorder_http_request_duration_seconds_sum", "method=POST,route=/payments/pre-order");
    assert!(sum.unwrap().parse::<f64>().unwrap() > 0.0);
    for code in ["sold_out", "unauthenticated", "not_found"] {
        assert_eq!(scrape.value("preorder_http_refusals_total", &format!("code={code}")), 1, "{code}");
    }
    let units = |product, state| scrape.value("preorder_units", &format!("product={product},state={state}"));
    assert_eq!(["available", "held", "sold"].map(|state| units(100, state)), [6, 2, 2]);
    assert_eq!(["available", "held", "sold"].map(|state| units(110, state)), [7, 0, 0]);
    for (outcome, count) in [("completed", 3), ("refunded", 1), ("by_buyer", 1), ("expired", 0)] {
        assert_eq!(scrape.value("preorder_orders_total", &format!("outcome={outcome}")), count, "{outcome}");
    }
    // Three purchases, a refund, two holds, one cancelled: each waited for its answer, so none shared a batch.
    for name in ["preorder_batch_size_sum", "preorder_batch_size_count", "preorder_commit_duration_seconds_count"] {
        assert_eq!(scrape.value(name, ""), 7, "{name}");
    }
    assert_eq!(scrape.value("preorder_batch_size_bucket", "le=1"), 7);
    for (name, value) in [("products", 2), ("products_not_shown", 0), ("sessions", 1), ("queue_length", 0)] {
        assert_eq!(scrape.value(&format!("preorder_{name}"), ""), value, "{name}");
    }
    assert!(scrape.value("preorder_http_connections", "") >= 1);
    assert!(scrape.value("preorder_database_size_bytes", "") > 0);
    assert_eq!(scrape.value("process_start_time_seconds", ""), 1_893_456_000);

    // The hold that is left runs out, and there are more sessions.
    clock.advance_seconds(61);
    ann.buy("110").await.ok(201);
    app.user("bob").await;
    app.user("eve").await;
    let scrape = Scrape::of(&nobody).await;
    assert_eq!(scrape.value("preorder_orders_total", "outcome=expired"), 1);
    assert_eq!(scrape.value("preorder_units", "product=100,state=available"), 8);
    assert_eq!(scrape.value("preorder_sessions", ""), 3);
}

#[tokio::test]
async fn faults_are_counted_and_rare_statuses_by_their_class() {
    let extra = Routes::new()
        .get("/broken", async || StatusCode::INTERNAL_SERVER_ERROR)
        .get("/busy", async || StatusCode::SERVICE_UNAVAILABLE)
        .get("/loop", async || StatusCode::LOOP_DETECTED)
        .get("/teapot", async || StatusCode::IM_A_TEAPOT);
    let app = TestApp::serving(|_| {}, extra).await;
    let nobody = app.anonymous();
    for path in ["/broken", "/broken", "/busy", "/loop", "/teapot"] {
        nobody.get(path).await;
    }
    let scrape = Scrape::of(&nobody).await;
    let failures = |status| scrape.value("preorder_http_failures_total", &format!("status={status}"));
    assert_eq!(["500", "503", "504", "5xx"].map(failures), [2, 1, 0, 1]);
    let requests = |route, status| {
        scrape.value("preorder_http_requests_total", &format!("method=GET,route={route},status={status}"))
    };
    assert_eq!([requests("/broken", "500"), requests("/loop", "5xx"), requests("/teapot", "4xx")], [2, 1, 1]);
}

#[tokio::test]
async fn caches_tell_what_they_had() {
    let app = TestApp::start().await;
    let nobody = app.anonymous();
    let counts = async |cache: &str| {
        let scrape = Scrape::of(&nobody).await;
        ["hits", "misses"].map(|name| scrape.value(&format!("preorder_cache_{name}_total"), &format!("cache={cache}")))
    };
    for (cache, path) in [("products", "/products/100"), ("product_pages", "/products"), ("feeds", "/newsfeeds")] {
        let [hits, misses] = counts(cache).await;
        for _ in 0..3 {
            nobody.get(path).await;
        }
        assert_eq!(counts(cache).await, [hits + 2, misses + 1], "{cache}");
    }
}

#[tokio::test]
async fn sessions_count_until_they_end() {
    let (app, clock) = TestApp::with_clock(|config| config.jwt.access_minutes = 10).await;
    let [ann, bob, _eve] = [app.user("ann").await, app.user("bob").await, app.user("eve").await];
    let sessions = async || Scrape::of(&app.anonymous()).await.value("preorder_sessions", "");
    assert_eq!(sessions().await, 3);
    ann.post("/users/logout", &json!({})).await.ok(200);
    assert_eq!(sessions().await, 3, "a count stands for a while");
    clock.advance_seconds(10);
    assert_eq!(sessions().await, 2);
    drop(bob);
    clock.advance_seconds(600);
    assert_eq!(sessions().await, 0);
}

#[tokio::test]
async fn every_metric_is_told_with_its_labels_and_no_other() {
    let (_app, scrape) = of_work().await;
    let listed: Vec<_> =
        METRICS.iter().map(|metric| (metric.name.to_owned(), metric.kind.as_str().to_owned())).collect();
    assert_eq!(scrape.families, listed);
    let mut without: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    for (name, labels, _) in &scrape.samples {
        let Metric { name, labels: expected, .. } = metric_of(name);
        let labels: BTreeSet<_> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
        assert_eq!(labels, expected.iter().copied().collect(), "{name}");
        without.remove(name);
    }
    assert!(without.is_empty(), "these have no value, though all kinds of work were done: {without:?}");
}

/// The metric that a sample is of.
fn metric_of(sample: &str) -> &'static Metric {
    let ends = ["", "_bucket", "_sum", "_count"];
    let is_of = |metric: &&Metric| ends.iter().any(|end| sample.strip_suffix(end) == Some(metric.name));
    METRICS.iter().find(is_of).unwrap_or_else(|| panic!("{sample} is not in the list"))
}

#[tokio::test]
async fn prometheus_reads_them() {
    let (_app, scrape) = of_work().await;
    let Some(read) = run_python("metrics.py", &scrape.text).await else {
        return not_tested("the metrics are not read by Prometheus's own library; '.ci/run' installs it");
    };
    let families: BTreeMap<String, Value> = read
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|family: Value| (family["name"].as_str().unwrap().to_owned(), family))
        .collect();
    assert_eq!(families.len(), METRICS.len());
    for Metric { name, kind, help, .. } in METRICS {
        // The library names a counter without its end.
        let family = &families[name.trim_end_matches("_total")];
        assert_eq!((family["type"].as_str(), family["help"].as_str()), (Some(kind.as_str()), Some(*help)), "{name}");
    }
    let samples = families.values().map(|family| family["samples"].as_array().unwrap().len()).sum::<usize>();
    assert_eq!(samples, scrape.samples.len());
}

#[tokio::test]
async fn a_thousand_paths_add_no_series() {
    let app = TestApp::start().await;
    let nobody = app.anonymous();
    let ask = async |numbers: std::ops::Range<u32>| {
        let one = async |number: u32| {
            let word = format!("{number:x}%22%5C%0A");
            for (method, path) in [
                ("GET", format!("/{word}")),
                ("GET", format!("/products/{word}")),
                ("GET", format!("/newsfeeds?cursor={word}")),
                ("POST", format!("/payments/{word}/confirm")),
                (&*format!("BREW{number}"), "/products".to_owned()),
            ] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let answer = nobody.request(method, &path).header("host", format!("h{number}")).send().await.unwrap();
                assert!(answer.status().is_client_error(), "{path}");
            }
        };
        join_all(numbers.map(one)).await;
    };
    ask(0..1).await;
    Scrape::of(&nobody).await; // the scrape counts itself, too
    let before = Scrape::of(&nobody).await;
    ask(1..201).await;
    let after = Scrape::of(&nobody).await;
    assert_eq!(before.series(), after.series());
    let others = |scrape: &Scrape| -> u64 {
        let of_nothing = |labels: &Labels| labels.get("route").is_some_and(|route| route == "other");
        let counts =
            scrape.samples.iter().filter(|(name, labels, _)| name.ends_with("requests_total") && of_nothing(labels));
        counts.map(|(_, _, count)| count.parse::<u64>().unwrap()).sum()
    };
    assert_eq!(others(&after), others(&before) + 400, "they were counted");
}

#[tokio::test]
async fn of_many_products_the_liveliest_are_told() {
    let app = TestApp::with(all_pay).await;
    let more = 5;
    join_all((0..PRODUCTS_MAX + more).map(|number| app.sell(reservation(&format!("p{number:04}"), 3)))).await;
    // Of products that moved together, as when a server starts, those come first of which most is gone.
    let ann = app.user("ann").await;
    ann.buy("p0000").await.ok(201);
    let scrape = Scrape::of(&app.anonymous()).await;
    let told: BTreeSet<_> = scrape
        .samples
        .iter()
        .filter(|(name, ..)| name == "preorder_units")
        .map(|(_, labels, _)| &labels["product"])
        .collect();
    assert_eq!(told.len(), PRODUCTS_MAX);
    assert_eq!(scrape.value("preorder_units", "product=p0000,state=sold"), 1);
    assert_eq!(scrape.value("preorder_products", ""), 1_005);
    assert_eq!(scrape.value("preorder_products_not_shown", ""), 5);

    let again = app.beside().await;
    let scrape = Scrape::of(&again.anonymous()).await;
    assert_eq!(scrape.value("preorder_units", "product=p0000,state=sold"), 1);
    assert_eq!(
        scrape.get("preorder_units", "product=p1004,state=sold"),
        None,
        "by name, where nothing else tells them apart"
    );
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    app.sell(reservation("100", 1)).await;
    let count =
        async |kind: &str| Scrape::of(&app.anonymous()).await.value("preorder_streams", &format!("kind={kind}"));
    assert_eq!(count("stock").await + count("newsfeed").await + count("board").await, 0);
    let mut stock = Events::to(&ann, "/stocks/stream?productId=100", None).await;
    stock.next().await;
    let newsfeed = Events::to(&ann, "/newsfeeds/stream", None).await;
    assert_eq!((count("stock").await, count("newsfeed").await), (1, 1));
    drop((stock, newsfeed));
    let gone = async {
        while count("stock").await + count("newsfeed").await > 0 {
            tokio::task::yield_now().await;
        }
    };
    crate::support::in_time(gone).await;
}

#[tokio::test]
async fn backups_are_told_with_their_failures() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("copies");
    let (app, clock) =
        TestApp::still_with_clock(|config| config.backup.url = Some(MediaUrl::Folder(place.clone()))).await;
    let told = async || {
        let scrape = Scrape::of(&app.anonymous()).await;
        let tries = ["made", "failed"].map(|it| scrape.value("preorder_backups_total", &format!("outcome={it}")));
        (tries, scrape.value("preorder_backup_last_success_timestamp_seconds", ""))
    };
    assert_eq!(told().await, ([0, 0], 0));
    app.app.backups.make_one().await.unwrap();
    assert_eq!(told().await, ([1, 0], 1_893_456_000));
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    clock.advance_seconds(60);
    app.app.backups.make_one().await.unwrap_err();
    assert_eq!(told().await, ([1, 1], 1_893_456_000));
}

#[tokio::test]
async fn letters_are_told_that_a_mail_server_does_not_take() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = TestApp::with(|config| {
        config.mail.mode = MailMode::Smtp;
        config.mail.smtp.host = "127.0.0.1".to_owned();
        config.mail.smtp.port = silent.local_addr().unwrap().port();
        config.mail.smtp.starttls = StartTls::Off;
    })
    .await;
    let waiting = async || Scrape::of(&app.anonymous()).await.value("preorder_mail_waiting", "");
    assert_eq!(waiting().await, 0);
    for name in ["ann", "bob"] {
        let address = json!({"email": format!("{name}@example.com")});
        app.anonymous().post("/users/email-certification", &address).await.ok(202);
    }
    assert_eq!(waiting().await, 2);
}

#[tokio::test]
async fn they_are_for_who_has_the_token_and_comes_from_an_allowed_address() {
    let app = TestApp::with(|config| {
        config.metrics.token = Some(Secret::new(TOKEN));
        config.metrics.addresses = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let nobody = app.anonymous();
    let answer = nobody.get("/metrics").await.refused(401, "metrics_token_required");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    let answer = nobody.bearer("a-token-for-nothing").get("/metrics").await.refused(401, "metrics_token_wrong");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    app.admin().await.get("/metrics").await.refused(401, "metrics_token_wrong");
    let basic = nobody.request(Method::GET, "/metrics").header("authorization", format!("Basic {TOKEN}"));
    nobody.send(basic).await.refused(401, "metrics_token_required");
    let scrape = Scrape::of(&nobody.bearer(TOKEN)).await;
    assert_eq!(scrape.value("preorder_http_requests_total", "method=GET,route=/metrics,status=401"), 4);
    assert!(!scrape.text.contains(TOKEN));
    // It opens nothing else.
    nobody.bearer(TOKEN).get("/users/me").await.refused(401, "token_invalid");

    let elsewhere = TestApp::with(|config| {
        config.metrics.token = Some(Secret::new(TOKEN));
        config.metrics.addresses = vec!["192.0.2.0/24".parse().unwrap()];
    })
    .await;
    let forwarded = elsewhere.anonymous().bearer(TOKEN).request(Method::GET, "/metrics");
    let forwarded = forwarded.header("x-forwarded-for", "192.0.2.1").header("forwarded", "for=192.0.2.1");
    elsewhere.anonymous().send(forwarded).await.refused(403, "address_not_allowed");
}

#[tokio::test]
async fn they_are_told_when_everything_else_is_refused() {
    let app = TestApp::with(|config| {
        config.limits.address_per_second = 1;
        config.limits.address_burst = 1;
    })
    .await;
    let nobody = app.anonymous();
    nobody.get("/products").await;
    let mut scrape = Scrape::of(&nobody).await;
    for _ in 0..20 {
        nobody.get("/products").await;
        scrape = Scrape::of(&nobody).await;
    }
    assert!(scrape.value("preorder_http_refusals_total", "code=rate_limited") >= 1);
    assert_eq!(scrape.value("preorder_http_requests_total", "method=GET,route=/metrics,status=200"), 20);
}
