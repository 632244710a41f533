//! What reading the metrics costs a sale, as a ratio within one run: `cargo bench --bench metrics`.
//!
//! Purchases of one hot product beside a thousand others, in turns without and with a scrape each second: as many series as a
//! scrape can have. And how long a scrape takes, in the midst of the sale and without one. What the counting itself costs is
//! seen only by comparing builds: `cargo bench --bench purchases` here and on a commit before.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

#[expect(dead_code, reason = "what the benchmarks share is not all for this one")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::support::{Client, ROUNDS, Server, Shop, is_only_tested, median, rate, request, runtime};

const BUYERS: i64 = 1_000;
const PRODUCTS: usize = 1_000;
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Between two scrapes: Prometheus asks every 15 seconds unless it is told otherwise.
const INTERVAL: Duration = Duration::from_secs(1);

fn main() {
    if is_only_tested() {
        return;
    }
    let shop = Shop::make(BUYERS, |shop| {
        shop.sell("hot", "500000000", &[]);
        shop.copy_product("hot", PRODUCTS);
    });
    let (server, _) = shop.serve();
    runtime().block_on(compare(&shop, &server));
    drop(server);
    shop.audit();
}

async fn compare(shop: &Shop, server: &Server) {
    let buy = |token: &String| request("POST", "/payments/pre-order", token, "", r#"{"productId":"hot"}"#);
    let requests: Vec<_> = shop.tokens.iter().map(buy).collect();
    let make: support::Make = Arc::new(move |number| requests[number % requests.len()].clone());
    let (mut without, mut with, mut times, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 1..=ROUNDS {
        without.push(rate(server, Arc::clone(&make), 201).await);
        let scraper = Scraper::begin(server).await;
        with.push(rate(server, Arc::clone(&make), 201).await);
        let scrapes = scraper.end().await;
        assert!(scrapes.len() > 1);
        println!(
            "round {round}: {:.0} purchases/s, {:.0} with {} scrapes",
            without[round - 1],
            with[round - 1],
            scrapes.len()
        );
        bytes = scrapes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(bytes);
        times.extend(scrapes.iter().map(|(took, _)| took.as_secs_f64() * 1_000.0));
    }
    let mut client = Client::connect_for(server, ANSWER_BYTES_MAX).await;
    let mut alone = Vec::new();
    for _ in 0..20 {
        alone.push(scrape(&mut client).await.0.as_secs_f64() * 1_000.0);
    }
    let (before, after) = (median(&without), median(&with));
    // Of each round by itself: a machine that others use drifts from round to round.
    let ratios: Vec<_> = with.iter().zip(&without).map(|(with, without)| with / without).collect();
    println!(
        "purchases with a scrape each second ÷ without: {:.3} in the middle round ({after:.0} and {before:.0} in the middle)",
        median(&ratios)
    );
    println!(
        "a scrape of {bytes} bytes takes {:.1} ms in the midst of the sale, {:.1} ms without one",
        median(&times),
        median(&alone)
    );
}

/// How long a scrape took, and its length.
async fn scrape(client: &mut Client) -> (Duration, usize) {
    let began = Instant::now();
    let answer = client.ask(b"GET /metrics HTTP/1.1\r\nHost: shop\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("preorder_units{product=\"hot\""), "{answer}");
    (began.elapsed(), answer.len())
}

/// Somebody who reads the metrics every second.
struct Scraper {
    over: Arc<AtomicBool>,
    reading: tokio::task::JoinHandle<Vec<(Duration, usize)>>,
}

impl Scraper {
    async fn begin(server: &Server) -> Self {
        let mut client = Client::connect_for(server, ANSWER_BYTES_MAX).await;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let reading = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            let mut scrapes = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                ticks.tick().await;
                scrapes.push(scrape(&mut client).await);
            }
            scrapes
        });
        Self { over, reading }
    }

    async fn end(self) -> Vec<(Duration, usize)> {
        self.over.store(true, Ordering::Relaxed);
        self.reading.await.unwrap()
    }
}
