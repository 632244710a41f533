//! What the benchmarks share: a temporary database, a server on it in a process of its own, and a client that costs little.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CONNECTIONS: usize = 256;
pub(crate) const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

/// Whether `cargo test --benches` asks, which only wants to know that it runs.
pub(crate) fn is_only_tested() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// One thread for the client: the server has the rest.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A temporary database with users, and a token for each of them.
pub(crate) struct Shop {
    folder: tempfile::TempDir,
    pub(crate) tokens: Vec<String>,
}

impl Shop {
    /// A database with so many users, which `fill` fills.
    pub(crate) fn make(users: i64, fill: impl FnOnce(&Self)) -> Self {
        let mut shop = Self { folder: tempfile::tempdir().unwrap(), tokens: Vec::new() };
        shop.run(&["seed", "--users", &users.to_string()]);
        fill(&shop);
        shop.tokens = shop.run(&["user", "token", "--all"]).lines().map(str::to_owned).collect();
        shop
    }

    /// Puts a reservation product on sale.
    pub(crate) fn sell(&self, id: &str, stock: &str, more: &[&str]) {
        let mut line = vec!["product", "add", "--id", id, "--name", id, "--type", "reservation", "--price", "1000"];
        line.extend(["--stock", stock]);
        line.extend(more);
        self.run(&line);
    }

    /// Puts `p0`, `p1`, … on sale, as copies of a product.
    pub(crate) fn copy_product(&self, of: &str, count: usize) {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let copy = |table: &str, id: &str, columns: &str| {
            let sql = format!(
                "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {count}) \
                 INSERT INTO {table} SELECT 'p' || n, {columns} FROM n, {table} WHERE {id} = ?1"
            );
            assert_eq!(connection.execute(&sql, [of]).unwrap(), count, "{table}");
        };
        copy("products", "id", "name, description, created_at, deleted_at");
        copy(
            "offers",
            "product_id",
            "kind, price, currency, opens_at, closes_at, per_buyer_limit, hold_seconds, retired, total, available, held, \
             sold, movement_count",
        );
        copy("movements", "product_id", "number, kind, available, held, sold, order_id, actor, reason, at");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
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

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A server, and how long it took to be ready.
    pub(crate) fn serve(&self) -> (Server, Duration) {
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

    /// Ends the benchmark unless the rows prove that all went well.
    pub(crate) fn audit(&self) {
        let audit = self.command().arg("audit").output().unwrap();
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    }
}

/// A running server; it stops when it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

/// A request as bytes; `more` are further header lines.
pub(crate) fn request(method: &str, path: &str, token: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n{more}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One connection: requests are written ready-made, answers are read up to their end and no further.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_for(server, 131_072).await
    }

    /// One for answers of so many bytes.
    pub(crate) async fn connect_for(server: &Server, bytes: usize) -> Self {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; bytes] }
    }

    /// Sends a request and gives its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> &str {
        self.stream.write_all(request).await.unwrap();
        let (mut read, mut end) = (0, None);
        while end.is_none_or(|end| read < end) {
            read += self.more(read).await;
            end = end.or_else(|| end_of(&self.buffer[..read]));
        }
        std::str::from_utf8(&self.buffer[..read]).unwrap()
    }

    /// Sends a request whose answer has no end, and tells of each piece of it.
    pub(crate) async fn listen(&mut self, request: &[u8], mut heard: impl FnMut()) {
        self.stream.write_all(request).await.unwrap();
        loop {
            self.more(0).await;
            heard();
        }
    }

    /// Reads what comes next behind what was `read`; gives how much.
    async fn more(&mut self, read: usize) -> usize {
        let more = self.stream.read(&mut self.buffer[read..]).await.unwrap();
        assert!(more > 0, "the server closed a connection");
        more
    }
}

/// Where an answer ends, once its head is there.
fn end_of(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let name = b"content-length: ";
    let at = answer[..head].windows(name.len()).position(|bytes| bytes.eq_ignore_ascii_case(name))? + name.len();
    let digits = answer[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(head + 4 + digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}

/// Gives the request with a number.
pub(crate) type Make = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// Answers a second, all of them with `status`.
pub(crate) async fn rate(server: &Server, make: Make, status: u16) -> f64 {
    let expected = format!("HTTP/1.1 {status} ");
    let (next, answers, over) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let started = Instant::now();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(server).await;
        let (make, expected) = (Arc::clone(&make), expected.clone());
        let (next, answers, over) = (Arc::clone(&next), Arc::clone(&answers), Arc::clone(&over));
        connections.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let answer = client.ask(&make(next.fetch_add(1, Ordering::Relaxed))).await;
                assert!(answer.starts_with(&expected), "{answer}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(ROUND).await;
    over.store(true, Ordering::Relaxed);
    for connection in connections {
        connection.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is told in four digits")]
    let answers = answers.load(Ordering::Relaxed) as f64;
    answers / started.elapsed().as_secs_f64()
}
