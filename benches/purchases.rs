//! How fast the purchase path is, as ratios within one run: `cargo bench --bench purchases`, or `… -- --past 10000000` for
//! so many orders of the past instead of a million.
//!
//! Every figure is the median of interleaved rounds against `preorder serve` in a process of its own: 256 connections,
//! `synchronous=FULL`, 1,000 different buyers with a token each, nobody declined. Rounds alternate, so that a machine that
//! slows down slows both sides. Purchases are made *plain* (no key, no per-buyer limit) and *guarded* (an idempotency key of
//! its own for each, and a per-buyer limit).
//!
//! The client shares the machine with the server, so what it costs is part of every figure. Two clients tell: one that
//! writes ready-made bytes, and the crowd of `preorder loadtest`, which is a whole HTTP client (goose over reqwest).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

#[expect(dead_code, reason = "what the benchmarks share is not all for this one")]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use self::support::{CONNECTIONS, ROUNDS, Server, Shop, is_only_tested, median, rate, request, runtime};

const BUYERS: i64 = 1_000;
const PAST_ORDERS: i64 = 1_000_000;
/// Whose the orders of the past are: most buyers of a shop buy once or twice.
const PAST_BUYERS: i64 = 1_000_000;
/// Products of the sale that is spread.
const PRODUCTS: usize = 1_000;

fn main() {
    if is_only_tested() {
        return;
    }
    let past = std::env::args().skip_while(|argument| *argument != "--past").nth(1);
    let past = past.map_or(PAST_ORDERS, |count| count.parse().expect("--past takes a number of orders"));
    let runtime = runtime();
    let empty = shop(0);
    let full = shop(past);
    let (empty_server, empty_start) = empty.serve();
    let (full_server, full_start) = full.serve();
    println!("start-up: {empty_start:.0?} empty, {full_start:.0?} with {past} past orders");

    let hot = |product: &'static str| Asked { product: Product::One(product), guarded: false, status: 201 };
    let guarded = |product: Product| Asked { product, guarded: true, status: 201 };
    let measured = [
        ("plain purchases", &empty_server, &empty, hot("hot")),
        ("plain refusals", &empty_server, &empty, Asked { status: 409, ..hot("gone") }),
        ("guarded purchases", &empty_server, &empty, guarded(Product::One("limited"))),
        ("guarded refusals", &empty_server, &empty, Asked { status: 409, ..guarded(Product::One("gone")) }),
        ("guarded purchases of many products", &empty_server, &empty, guarded(Product::Many)),
        ("plain purchases, later", &full_server, &full, hot("hot")),
        ("guarded purchases, later", &full_server, &full, guarded(Product::One("limited"))),
    ];
    let mut rates = vec![Vec::new(); measured.len()];
    for round in 1..=ROUNDS {
        for ((name, server, shop, asked), rates) in measured.iter().zip(&mut rates) {
            rates.push(runtime.block_on(asks(server, &shop.tokens, asked, round)));
            println!("round {round}: {name}: {:.0}/s", rates[round - 1]);
        }
    }
    let of = |name: &str| median(&rates[measured.iter().position(|(known, ..)| *known == name).unwrap()]);
    for (what, one, other) in [
        ("durable purchases ÷ sold_out refusals, plain", "plain purchases", "plain refusals"),
        ("… both with a key and a per-buyer limit", "guarded purchases", "guarded refusals"),
        ("… guarded purchases ÷ plain refusals", "guarded purchases", "plain refusals"),
        ("one hot product ÷ 1,000 products", "guarded purchases", "guarded purchases of many products"),
        ("after all past orders ÷ empty, plain", "plain purchases, later", "plain purchases"),
        ("after all past orders ÷ empty, guarded", "guarded purchases, later", "guarded purchases"),
    ] {
        let (one, other) = (of(one), of(other));
        println!("{what}: {:.2} ({one:.0} ÷ {other:.0})", one / other);
    }
    drop((empty_server, full_server));
    with_the_crowd();
    for shop in [empty, full] {
        shop.audit();
    }
}

/// What is asked of the server, and how it must answer.
#[derive(Clone, Copy)]
struct Asked {
    product: Product,
    /// Whether each request has an idempotency key of its own.
    guarded: bool,
    status: u16,
}

#[derive(Clone, Copy)]
enum Product {
    One(&'static str),
    /// One of [`PRODUCTS`], in turn.
    Many,
}

/// The same sale, bought by the crowd of `preorder loadtest`: 60,000 buyers for 1,000,000,000 units, or for a single one.
fn with_the_crowd() {
    let folder = tempfile::tempdir().unwrap();
    let rate = |stock: u32| {
        let scenario = folder.path().join(format!("{stock}.toml"));
        let text = format!(
            "name = \"benchmark\"\n[product]\nstock = {stock}\nprice = 1000\n[crowd]\nbuyers = 60000\n\
             connections = {CONNECTIONS}\n[[journeys]]\nsteps = [\"buy\"]\n"
        );
        std::fs::write(&scenario, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_preorder"));
        let output = command.current_dir(folder.path()).args(["loadtest", "--json"]).arg(&scenario).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["requestsPerSecond"].as_f64().unwrap()
    };
    let (mut purchases, mut refusals) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        refusals.push(rate(1));
        purchases.push(rate(1_000_000_000));
        println!(
            "crowd, round {round}: {:.0} purchases/s, {:.0} refusals/s",
            purchases[round - 1],
            refusals[round - 1]
        );
    }
    println!("durable purchases ÷ sold_out refusals, with the crowd: {:.2}", median(&purchases) / median(&refusals));
}

/// A database with buyers, a product to buy and one that is sold out, and so many orders of the past.
fn shop(past_orders: i64) -> Shop {
    Shop::make(BUYERS, |shop| {
        shop.sell("hot", "500000000", &[]);
        shop.sell("limited", "500000000", &LIMIT);
        shop.sell("gone", "0", &[]);
        shop.copy_product("limited", PRODUCTS);
        if past_orders > 0 {
            add_past_orders(&shop.database(), past_orders);
        }
    })
}

/// A per-buyer limit that is looked at and never reached.
const LIMIT: [&str; 2] = ["--per-buyer-limit", "100000000"];

/// Writes completed orders of the past, each with its key, as the ledger would have left them.
fn add_past_orders(database: &Path, count: i64) {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    let transaction = connection.transaction().unwrap();
    {
        let mut order = transaction
            .prepare(
                "INSERT INTO orders (id, buyer_id, product_id, quantity, amount, currency, state, created_at, \
                 expires_at, settled_at, payment_provider, payment_reference, payment_status) \
                 VALUES (?1, ?2, 'hot', 1, 1000, 'KRW', 'completed', ?3, ?3 + 600000000, ?3, 'simulated', ?4, 'paid')",
            )
            .unwrap();
        let mut movement = transaction
            .prepare(
                "INSERT INTO movements (product_id, number, kind, available, held, sold, order_id, actor, at) \
                 VALUES ('hot', ?1, ?2, ?3, ?4, ?5, ?6, 'system', ?7)",
            )
            .unwrap();
        let mut key = transaction
            .prepare(
                "INSERT INTO idempotency_keys_unfiled (digest, buyer_id, body_hash, order_id, entered) \
                 VALUES (?1, ?2, zeroblob(16), ?3, 1)",
            )
            .unwrap();
        for number in 0..count {
            // Whoever buys now has bought before, as most buyers of the past have not.
            let (at, buyer) = (1_600_000_000_000_000 + number, number % PAST_BUYERS + 5);
            let mut id = [0_u8; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            order.execute(rusqlite::params![id, buyer, at, format!("past-{number}")]).unwrap();
            movement.execute(rusqlite::params![number + 2, "sell", -1, 0, 1, id, at]).unwrap();
            let digest = u128::from(number.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            key.execute(rusqlite::params![digest.to_be_bytes(), buyer, id]).unwrap();
        }
        let sql = "UPDATE offers SET available = available - ?1, sold = sold + ?1, movement_count = movement_count + ?1 \
                   WHERE product_id = 'hot'";
        transaction.execute(sql, [count]).unwrap();
        let file = "INSERT INTO orders_by_buyer (buyer_id, order_id, product_id) \
                    SELECT buyer_id, id, product_id FROM orders ORDER BY buyer_id, id";
        transaction.execute(file, []).unwrap();
        let file = "INSERT INTO idempotency_keys (digest, buyer_id, body_hash, order_id, refusal, refused_at, entered) \
                    SELECT digest, buyer_id, body_hash, order_id, refusal, refused_at, entered \
                    FROM idempotency_keys_unfiled ORDER BY digest";
        transaction.execute(file, []).unwrap();
        transaction.execute("DELETE FROM idempotency_keys_unfiled", []).unwrap();
    }
    transaction.commit().unwrap();
}

/// Answers a second, all of them as they must be.
async fn asks(server: &Server, tokens: &[String], asked: &Asked, round: usize) -> f64 {
    let product = |number: usize| match asked.product {
        Product::One(id) => id.to_owned(),
        Product::Many => format!("p{}", number % PRODUCTS),
    };
    let buy = |(number, token): (usize, &String)| {
        let product = product(number);
        // Its number goes where the mark is, so that each key is its own.
        let key =
            if asked.guarded { format!("Idempotency-Key: {NUMBER}-{round}-{product}\r\n") } else { String::new() };
        request("POST", "/payments/pre-order", token, &key, &format!(r#"{{"productId":"{product}"}}"#))
    };
    let requests: Vec<Vec<u8>> = tokens.iter().enumerate().map(buy).collect();
    let marks: Vec<_> = requests
        .iter()
        .map(|request| request.windows(NUMBER.len()).position(|bytes| bytes == NUMBER.as_bytes()))
        .collect();
    let make = move |number: usize| {
        let which = number % requests.len();
        let mut request = requests[which].clone();
        if let Some(at) = marks[which] {
            // Multiplied, so that the keys come in no order.
            let number = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            request[at..at + NUMBER.len()].copy_from_slice(format!("{number:016x}").as_bytes());
        }
        request
    };
    rate(server, Arc::new(make), asked.status).await
}

/// Where a request's number goes.
const NUMBER: &str = "################";
