//! How fast the community is, as ratios within one run: `cargo bench --bench community`.
//!
//! Two databases with 10,000 users and 100,000 follows, one with 1,000 posts and one with 1,000,000, each served by
//! `preorder serve` in a process of its own. A page is asked for by somebody who follows 100 authors and is followed by
//! them. Before each page that is timed something is committed: either something that does not concern the page, or
//! something that makes every page forgotten, so that it is read from the database. The databases take turns.
//!
//! The rates are medians of interleaved rounds over 256 connections, with a client that writes ready-made bytes.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, params};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 256;
const USERS: i64 = 10_000;
const FOLLOWS: i64 = 100_000;
/// Whom the reader follows and who follows the reader; they write a hundredth of all posts, or all of 1,000.
const CIRCLE: i64 = 100;
const PAGE: usize = 50;
const PAGES_TIMED: usize = 200;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (small, large) = (Town::make(1_000), Town::make(1_000_000));
    let servers = (small.serve(), large.serve());
    runtime.block_on(async {
        pages([(&small, &servers.0), (&large, &servers.1)]).await;
        rates(&large, &servers.1).await;
    });
    drop(servers);
    small.audit();
    large.audit();
}

/// Times pages, as readers of a lively community get them and as they are read from the database.
async fn pages(towns: [(&Town, &Server); 2]) {
    println!("| page | 1,000 posts | 1,000,000 posts | ratio | read, 1,000 posts | read, 1,000,000 posts | ratio |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for path in [
        "/newsfeeds?type=all&sort=date",
        "/newsfeeds?type=all&sort=like",
        "/newsfeeds?type=follow&sort=date",
        "/newsfeeds?type=follow&sort=like",
        "/newsfeeds/my-following?",
        "/newsfeeds/my-follower?",
        "/newsfeeds/my-post-alarm?",
    ] {
        for number in [1, PAGE] {
            let mut clients = Vec::new();
            for (town, server) in towns {
                let mut client = Client::connect(server).await;
                let page = town.page(&mut client, path, number).await;
                clients.push((town, client, page));
            }
            print!("| `{path}`, page {number} ");
            for stir in [Town::stir_elsewhere, Town::stir_everything] {
                let mut timed = [Vec::new(), Vec::new()];
                for round in 0..PAGES_TIMED {
                    for ((town, client, page), timed) in clients.iter_mut().zip(&mut timed) {
                        client.ask(&stir(town, round)).await;
                        let began = Instant::now();
                        client.ask(page).await;
                        timed.push(began.elapsed().as_secs_f64() * 1e6);
                    }
                }
                let [small, large] = timed.map(|times| median(&times));
                print!("| {small:.0} µs | {large:.0} µs | {:.2} ", large / small);
            }
            println!("|");
        }
    }
}

async fn rates(town: &Town, server: &Server) {
    let get = |path: &str, token: &str| request("GET", path, token, "");
    let health: Vec<_> = vec![get("/healthz", &town.tokens[0])];
    let feed: Vec<_> = town.tokens[..1_000].iter().map(|token| get("/newsfeeds", token)).collect();
    let follow: Vec<_> = town.tokens[..1_000].iter().map(|token| get("/newsfeeds?type=follow", token)).collect();
    let buy = town.tokens[..1_000].iter();
    let buy = buy.map(|token| request("POST", "/payments/pre-order", token, r#"{"productId":"hot"}"#)).collect();
    let fixed = |requests: Vec<Vec<u8>>| move |number: usize| requests[number % requests.len()].clone();
    let (health, feed, follow, buy) = (fixed(health), fixed(feed), fixed(follow), fixed(buy));
    let tokens = town.tokens.clone();
    // Every like is new, on a post of its own: no page of the database serves two of them.
    let (liked, posts) = (AtomicUsize::new(0), town.posts);
    let like = move |_: usize| {
        let number = liked.fetch_add(1, Ordering::Relaxed);
        let post = (number.wrapping_mul(7_919_017) % usize::try_from(posts).unwrap()) + 1;
        request("PUT", &format!("/activity/posts/{post}/like"), &tokens[5_000 + number % 5_000], "")
    };
    let requests: [(&str, Make, u16); 5] = [
        ("/healthz", Arc::new(health), 200),
        ("feed of all", Arc::new(feed), 200),
        ("feed of followed", Arc::new(follow), 200),
        ("purchases", Arc::new(buy), 201),
        ("likes", Arc::new(like), 200),
    ];
    let mut rates = vec![Vec::new(); requests.len()];
    for round in 1..=ROUNDS {
        for ((_, make, status), rates) in requests.iter().zip(&mut rates) {
            rates.push(rate(server, Arc::clone(make), *status).await);
        }
        let of = |index: usize| rates[index][round - 1];
        println!(
            "round {round}: {:.0} /healthz/s, {:.0} feeds/s, {:.0} followed feeds/s, {:.0} purchases/s, {:.0} likes/s",
            of(0),
            of(1),
            of(2),
            of(3),
            of(4)
        );
    }
    let [health, feed, follow, buy, like] = [0, 1, 2, 3, 4].map(|index| median(&rates[index]));
    println!("feed pages of all ÷ /healthz: {:.2} ({feed:.0} ÷ {health:.0})", feed / health);
    println!("feed pages of followed ÷ /healthz: {:.2} ({follow:.0} ÷ {health:.0})", follow / health);
    println!("likes ÷ durable purchases: {:.2} ({like:.0} ÷ {buy:.0})", like / buy);
}

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: town\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A temporary database with a community and a product to buy.
struct Town {
    folder: tempfile::TempDir,
    posts: i64,
    tokens: Vec<String>,
}

impl Town {
    fn make(posts: i64) -> Self {
        let mut town = Self { folder: tempfile::tempdir().unwrap(), posts, tokens: Vec::new() };
        town.run(&["seed", "--users", &USERS.to_string()]);
        let mut product = vec!["product", "add", "--id", "hot", "--name", "hot", "--type", "reservation"];
        product.extend(["--price", "1000", "--stock", "500000000"]);
        town.run(&product);
        fill(&mut Connection::open(town.database()).unwrap(), posts);
        town.tokens = town.run(&["user", "token", "--all"]).lines().map(str::to_owned).collect();
        town
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("town.db")
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

    fn serve(&self) -> Server {
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
        Server { process, address }
    }

    /// The reader's request for a page, found by paging there.
    async fn page(&self, client: &mut Client, path: &str, number: usize) -> Vec<u8> {
        let mut next = path.to_owned();
        for _ in 1..number {
            let answer = client.ask(&request("GET", &next, &self.tokens[0], "")).await;
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            let page: serde_json::Value = serde_json::from_str(body).unwrap();
            next = format!("{path}&cursor={}", page["nextCursor"].as_str().expect("there are as many pages"));
        }
        request("GET", &next, &self.tokens[0], "")
    }

    /// A commit that makes every page forgotten: somebody changes their profile.
    fn stir_everything(&self, round: usize) -> Vec<u8> {
        let token = &self.tokens[usize::try_from(USERS).unwrap() - 1];
        request("PATCH", "/users/me", token, &format!(r#"{{"greeting":"{round}"}}"#))
    }

    /// A commit that the page does not show: somebody outside the circle follows somebody, or follows them no more.
    fn stir_elsewhere(&self, round: usize) -> Vec<u8> {
        let method = if round.is_multiple_of(2) { "PUT" } else { "DELETE" };
        request(
            method,
            &format!("/activity/follows/{}", USERS - 1),
            &self.tokens[usize::try_from(USERS).unwrap() - 1],
            "",
        )
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

/// Writes the community as its room would have: rows, counts and log. User 1 is the reader, the next 100 the circle.
fn fill(connection: &mut Connection, posts: i64) {
    let town = connection.transaction().unwrap();
    let mut log = Log { town: &town, last: 0 };
    // The circle writes the same share of what the reader sees in both towns: all of 1,000 posts, a hundredth of a million.
    let authors = if posts > 1_000 { USERS - CIRCLE } else { CIRCLE };
    let content = "오늘 예약 구매에 성공했어요. I never thought that I would get one! ".repeat(4);
    let mut insert = town
        .prepare(
            "INSERT INTO posts (id, author_id, like_count, created_at, updated_at, title, content) \
             VALUES (?1, ?2, ?3, ?1, ?1, ?4, ?5)",
        )
        .unwrap();
    let mut like = town.prepare("INSERT INTO post_likes (user_id, post_id, activity_id) VALUES (?1, ?2, ?3)").unwrap();
    for post in 1..=posts {
        // The reader's one post has the likes that fill the list of what happened on it.
        let (author, likes) = match post {
            1 => (1, 1_500),
            _ if post % 100 == 0 => (post % authors + 2, 20 + post % 7),
            _ => (post % authors + 2, if post % 10 == 0 { post % 4 } else { 0 }),
        };
        insert.execute(params![post, author, likes, format!("Post {post}"), content]).unwrap();
        log.write("write_post", author, author, Some((post, author)));
        for fan in 1..=likes {
            // Users from 5,001 on have no likes yet: they give them while likes are counted.
            let fan = fan + 200;
            let activity = log.write("like_post", fan, author, Some((post, author)));
            like.execute([fan, post, activity]).unwrap();
        }
    }
    let mut follow =
        town.prepare("INSERT INTO follows (follower_id, followee_id, activity_id) VALUES (?1, ?2, ?3)").unwrap();
    let mut pair = |follower: i64, followee: i64| {
        let activity = log.write("follow", follower, followee, None);
        follow.execute([follower, followee, activity]).unwrap();
    };
    for member in 2..2 + CIRCLE {
        pair(1, member);
        pair(member, 1);
    }
    for number in 0..FOLLOWS {
        let follower = number % (USERS - 200) + 150;
        let followee = (follower + 1 + number / (USERS - 200)) % (USERS - 200) + 150;
        pair(follower, followee);
    }
    drop((insert, like, follow));
    let counts = "INSERT INTO user_counts (user_id, posts, followers, following) SELECT u.id, \
         (SELECT COUNT(*) FROM posts WHERE author_id = u.id AND deleted_at IS NULL), \
         (SELECT COUNT(*) FROM follows WHERE followee_id = u.id), \
         (SELECT COUNT(*) FROM follows WHERE follower_id = u.id) FROM users u";
    town.execute(counts, []).unwrap();
    town.commit().unwrap();
}

struct Log<'a> {
    town: &'a Transaction<'a>,
    last: i64,
}

impl Log<'_> {
    fn write(&mut self, kind: &str, actor: i64, recipient: i64, post: Option<(i64, i64)>) -> i64 {
        self.last += 1;
        let owner = post.map(|(_, author)| author).filter(|author| *author != actor);
        let sql = "INSERT INTO activities (id, actor_id, recipient_id, post_author_id, type, post_id, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1)";
        let values = params![self.last, actor, recipient, owner, kind, post.map(|(post, _)| post)];
        self.town.prepare_cached(sql).unwrap().execute(values).unwrap();
        self.last
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 131_072] }
    }

    /// Sends a request and reads its answer up to its end and no further.
    async fn ask(&mut self, request: &[u8]) -> &str {
        self.stream.write_all(request).await.unwrap();
        let (mut read, mut end) = (0, None);
        while end.is_none_or(|end| read < end) {
            let more = self.stream.read(&mut self.buffer[read..]).await.unwrap();
            assert!(more > 0, "the server closed a connection");
            read += more;
            end = end.or_else(|| end_of(&self.buffer[..read]));
        }
        std::str::from_utf8(&self.buffer[..read]).unwrap()
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

type Make = Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>;

/// Answers a second, all of them with `status`.
async fn rate(server: &Server, make: Make, status: u16) -> f64 {
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
