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

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 256;
const BUYERS: usize = 1_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const PAST_ORDERS: i64 = 1_000_000;
/// Whose the orders of the past are: most buyers of a shop buy once or twice.
const PAST_BUYERS: i64 = 1_000_000;
/// Products of the sale that is spread.
const PRODUCTS: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` only wants to know that it runs.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let past = arguments.iter().skip_while(|argument| *argument != "--past").nth(1);
    let past = past.map_or(PAST_ORDERS, |count| count.parse().expect("--past takes a number of orders"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let empty = Shop::make(0);
    let full = Shop::make(past);
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
            rates.push(runtime.block_on(rate(server, &shop.tokens, asked, round)));
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

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A temporary database with buyers, a product to buy and one that is sold out.
struct Shop {
    folder: tempfile::TempDir,
    tokens: Vec<String>,
}

impl Shop {
    fn make(past_orders: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut shop = Self { folder, tokens: Vec::new() };
        shop.run(&["seed", "--users", &BUYERS.to_string()]);
        for (id, stock, limit) in [("hot", "500000000", None), ("limited", "500000000", LIMIT), ("gone", "0", None)] {
            let mut line = vec!["product", "add", "--id", id, "--name", id, "--type", "reservation", "--price", "1000"];
            line.extend(["--stock", stock]);
            line.extend(limit.into_iter().flat_map(|limit| ["--per-buyer-limit", limit]));
            shop.run(&line);
        }
        add_products(&shop.database());
        if past_orders > 0 {
            add_past_orders(&shop.database(), past_orders);
        }
        shop.tokens = shop.run(&["user", "token", "--all"]).lines().map(str::to_owned).collect();
        shop
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("sale.db")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preorder"));
        command
            .current_dir(self.folder.path())
            .args(["--db", &format!("sqlite:{}", self.database().display())])
            .env("PREORDER_LIMITS_ADDRESS_PER_SECOND", "0")
            .env("PREORDER_LIMITS_ACCOUNT_PER_SECOND", "0")
            .env("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0")
            .env("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", "0")
            .env("PREORDER_JWT_ACCESS_MINUTES", "60");
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A server, and how long it took to be ready.
    fn serve(&self) -> (Server, Duration) {
        let started = Instant::now();
        let mut process = self
            .command()
            .args(["serve", "--listen", "127.0.0.1:0", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").expect("the server tells its URL").1.to_owned();
        (Server { process, address }, started.elapsed())
    }

    fn audit(&self) {
        let audit = self.command().arg("audit").output().unwrap();
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    }
}

/// A running server; it stops when it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// A per-buyer limit that is looked at and never reached.
const LIMIT: Option<&str> = Some("100000000");

/// Writes the products of the sale that is spread, as copies of the limited one.
fn add_products(database: &Path) {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let copy = |table: &str, columns: &str| {
        let sql = format!(
            "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {PRODUCTS}) \
             INSERT INTO {table} SELECT 'p' || n, {columns} FROM n, {table} WHERE {} = 'limited'",
            if table == "products" { "id" } else { "product_id" }
        );
        assert_eq!(connection.execute(&sql, []).unwrap(), PRODUCTS, "{table}");
    };
    copy("products", "name, description, created_at, deleted_at");
    copy(
        "offers",
        "kind, price, currency, opens_at, closes_at, per_buyer_limit, hold_seconds, retired, total, available, held, sold, \
         movement_count",
    );
    copy("movements", "number, kind, available, held, sold, order_id, actor, reason, at");
}

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
async fn rate(server: &Server, tokens: &[String], asked: &Asked, round: usize) -> f64 {
    let product = |number: usize| match asked.product {
        Product::One(id) => id.to_owned(),
        Product::Many => format!("p{}", number % PRODUCTS),
    };
    let requests =
        tokens.iter().enumerate().map(|(number, token)| request(token, &product(number), asked.guarded, round));
    let crowd = Arc::new(Crowd {
        address: server.address.clone(),
        requests: requests.collect(),
        status: format!("HTTP/1.1 {} ", asked.status).into_bytes(),
        next: AtomicUsize::new(0),
        answers: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let started = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(Arc::clone(&crowd).connection())).collect();
    tokio::time::sleep(ROUND).await;
    crowd.over.store(true, Ordering::Relaxed);
    for connection in connections {
        connection.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is told in four digits")]
    let answers = crowd.answers.load(Ordering::Relaxed) as f64;
    answers / started.elapsed().as_secs_f64()
}

/// Where a request's number goes, so that its key is its own.
const NUMBER: &[u8] = b"################";

fn request(token: &str, product: &str, guarded: bool, round: usize) -> Vec<u8> {
    let body = format!(r#"{{"productId":"{product}"}}"#);
    let number = String::from_utf8_lossy(NUMBER);
    let key = if guarded { format!("Idempotency-Key: {number}-{round}-{product}\r\n") } else { String::new() };
    format!(
        "POST /payments/pre-order HTTP/1.1\r\nHost: sale\r\nAuthorization: Bearer {token}\r\n{key}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A client that costs little: requests are written ready-made, answers are read up to their end and no further.
struct Crowd {
    address: String,
    requests: Vec<Vec<u8>>,
    status: Vec<u8>,
    next: AtomicUsize,
    answers: AtomicU64,
    over: AtomicBool,
}

impl Crowd {
    async fn connection(self: Arc<Self>) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = vec![0; 4_096];
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let mut request = self.requests[number % self.requests.len()].clone();
            if let Some(at) = request.windows(NUMBER.len()).position(|bytes| bytes == NUMBER) {
                // Multiplied, so that the keys come in no order.
                let number = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                request[at..at + NUMBER.len()].copy_from_slice(format!("{number:016x}").as_bytes());
            }
            stream.write_all(&request).await.unwrap();
            let mut read = 0;
            while !is_whole(&buffer[..read]) {
                let more = stream.read(&mut buffer[read..]).await.unwrap();
                assert!(more > 0, "the server closed a connection");
                read += more;
            }
            let answer = &buffer[..read];
            assert!(answer.starts_with(&self.status), "{}", String::from_utf8_lossy(answer));
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether an answer is there with its whole body.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| answer.len() >= head + 4 + length)
}
