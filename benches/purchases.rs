//! How fast the purchase path is, as ratios within one run: `cargo bench`.
//!
//! Every figure is the median of interleaved rounds against `preorder serve` in a process of its own: 256 connections,
//! `synchronous=FULL`, different buyers with a token each, nobody declined, no per-buyer limit. Rounds alternate, so that a
//! machine that slows down slows both sides.
//!
//! The client shares the machine with the server, so what it costs is part of every figure. Two clients tell: one that
//! writes ready-made bytes, and the crowd of `preorder loadtest`, which is a whole HTTP client (goose over reqwest).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

use std::io::{BufRead, BufReader, Write};
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

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let empty = Shop::make(0);
    let full = Shop::make(PAST_ORDERS);
    let (empty_server, empty_start) = empty.serve();
    let (full_server, full_start) = full.serve();
    println!("start-up: {empty_start:.0?} empty, {full_start:.0?} with {PAST_ORDERS} past orders");

    let mut purchases = Vec::new();
    let mut refusals = Vec::new();
    let mut after_many = Vec::new();
    for round in 1..=ROUNDS {
        purchases.push(runtime.block_on(rate(&empty_server, &empty.tokens, "hot", 201)));
        refusals.push(runtime.block_on(rate(&empty_server, &empty.tokens, "gone", 409)));
        after_many.push(runtime.block_on(rate(&full_server, &full.tokens, "hot", 201)));
        println!(
            "round {round}: {:.0} purchases/s, {:.0} refusals/s, {:.0} purchases/s after {PAST_ORDERS} orders",
            purchases[round - 1],
            refusals[round - 1],
            after_many[round - 1]
        );
    }
    println!("durable purchases ÷ sold_out refusals, ready-made bytes: {:.2}", median(&purchases) / median(&refusals));
    println!(
        "purchases after {PAST_ORDERS} orders ÷ on an empty database: {:.2}",
        median(&after_many) / median(&purchases)
    );
    drop((empty_server, full_server));
    with_the_crowd();
    for shop in [empty, full] {
        shop.audit();
    }
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
        for (id, stock) in [("hot", "500000000"), ("gone", "0")] {
            shop.run(&[
                "product",
                "add",
                "--id",
                id,
                "--name",
                id,
                "--type",
                "reservation",
                "--price",
                "1000",
                "--stock",
                stock,
            ]);
        }
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

/// Writes completed orders of the past as the ledger would have left them.
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
        for number in 0..count {
            let (at, buyer) = (1_600_000_000_000_000 + number, number % i64::try_from(BUYERS).unwrap() + 5);
            let mut id = [0_u8; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            order.execute(rusqlite::params![id, buyer, at, format!("past-{number}")]).unwrap();
            movement.execute(rusqlite::params![number + 2, "sell", -1, 0, 1, id, at]).unwrap();
        }
        let sql = "UPDATE offers SET available = available - ?1, sold = sold + ?1, movement_count = movement_count + ?1 \
                   WHERE product_id = 'hot'";
        transaction.execute(sql, [count]).unwrap();
        let file = "INSERT INTO orders_by_buyer (buyer_id, order_id, product_id) \
                    SELECT buyer_id, id, product_id FROM orders ORDER BY buyer_id, id";
        transaction.execute(file, []).unwrap();
    }
    transaction.commit().unwrap();
}

/// Answers a second, all of them with `status`.
async fn rate(server: &Server, tokens: &[String], product: &str, status: u16) -> f64 {
    let requests: Vec<Vec<u8>> = tokens.iter().map(|token| request(token, product)).collect();
    let crowd = Arc::new(Crowd {
        address: server.address.clone(),
        requests,
        status: format!("HTTP/1.1 {status} ").into_bytes(),
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

fn request(token: &str, product: &str) -> Vec<u8> {
    let body = format!(r#"{{"productId":"{product}"}}"#);
    let mut request = Vec::new();
    write!(
        request,
        "POST /payments/pre-order HTTP/1.1\r\nHost: sale\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    request
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
            let request = &self.requests[self.next.fetch_add(1, Ordering::Relaxed) % self.requests.len()];
            stream.write_all(request).await.unwrap();
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
