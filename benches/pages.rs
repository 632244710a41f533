//! What the shop window costs, as ratios within one run: `cargo bench --bench pages`.
//!
//! Purchases with 1,000 streams of live counts open and without, in turns; and the first page of the storefront with 10,000
//! products, beside `/healthz`, which costs what any request costs.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

#[expect(dead_code, reason = "what the benchmarks share is not all for this one")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use self::support::{Client, ROUNDS, Server, Shop, is_only_tested, median, rate, request, runtime};

const BUYERS: i64 = 1_000;
const PRODUCTS: usize = 10_000;
const STREAMS: usize = 1_000;
const PAGES_TIMED: usize = 500;

fn main() {
    if is_only_tested() {
        return;
    }
    let shop = Shop::make(BUYERS, |shop| {
        shop.sell("hot", "500000000", &[]);
        shop.copy_product("hot", PRODUCTS);
    });
    let (server, _) = shop.serve();
    runtime().block_on(async {
        front_page(&shop, &server).await;
        beside_streams(&shop, &server).await;
    });
    drop(server);
    shop.audit();
}

/// Times the storefront's first page, one request at a time.
async fn front_page(shop: &Shop, server: &Server) {
    let mut client = Client::connect(server).await;
    let mut timed = [Vec::new(), Vec::new()];
    let paths = ["/", "/healthz"].map(|path| request("GET", path, &shop.tokens[0], "", ""));
    for _ in 0..PAGES_TIMED {
        for (request, timed) in paths.iter().zip(&mut timed) {
            let began = Instant::now();
            let answer = client.ask(request).await;
            timed.push(began.elapsed().as_secs_f64() * 1e6);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
    let [page, health] = timed.map(|times| median(&times));
    println!("the first page with {PRODUCTS} products: {page:.0} µs, of which any answer costs {health:.0} µs");
}

/// Purchases a second while many watch the product, and while nobody does.
async fn beside_streams(shop: &Shop, server: &Server) {
    let requests: Vec<_> = shop
        .tokens
        .iter()
        .map(|token| request("POST", "/payments/pre-order", token, "", r#"{"productId":"hot"}"#))
        .collect();
    let make: support::Make = Arc::new(move |number| requests[number % requests.len()].clone());
    let watch = request("GET", "/stocks/stream?productId=hot", &shop.tokens[0], "", "");
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        alone.push(rate(server, Arc::clone(&make), 201).await);
        let heard = Arc::new(AtomicUsize::new(0));
        let mut watchers = JoinSet::new(); // its end closes the streams
        for _ in 0..STREAMS {
            let mut client = Client::connect(server).await;
            let (watch, heard) = (watch.clone(), Arc::clone(&heard));
            watchers.spawn(async move {
                let count = || _ = heard.fetch_add(1, Ordering::Relaxed);
                client.listen(&watch, count).await;
            });
        }
        watched.push(rate(server, Arc::clone(&make), 201).await);
        println!(
            "round {round}: {:.0} purchases/s, {:.0} with {STREAMS} streams, which heard {} changes",
            alone[round - 1],
            watched[round - 1],
            heard.load(Ordering::Relaxed)
        );
    }
    let (alone, watched) = (median(&alone), median(&watched));
    println!("purchases with {STREAMS} streams ÷ without: {:.2} ({watched:.0} ÷ {alone:.0})", watched / alone);
}
