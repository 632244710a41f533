//! What a backup costs a sale, as a ratio within one run: `cargo bench --bench backup`.
//!
//! Purchases on a database of about a gigabyte, in turns without and with a backup beside them: the command line's, made
//! again and again in a process of its own for as long as the round lasts. And how long the slowest purchase took in each.
//! `cargo bench --bench backup -- MEGABYTES` takes another size.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

#[expect(dead_code, reason = "what the benchmarks share is not all for this one")]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::support::{Client, ROUNDS, Server, Shop, is_only_tested, median, rate, request, runtime};

const BUYERS: i64 = 1_000;
const MEGABYTES: u64 = 1_024;
/// A post's text.
const TEXT_BYTES: u64 = 2_000;

fn main() {
    if is_only_tested() {
        return;
    }
    let megabytes = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(MEGABYTES);
    let shop = Shop::make(BUYERS, |shop| {
        shop.sell("hot", "500000000", &[]);
        grow(shop, megabytes);
    });
    let bytes = std::fs::metadata(shop.database()).unwrap().len();
    println!("the database has {} MB", bytes / 1_048_576);
    let (server, _) = shop.serve();
    let backup = shop.folder().join("copy.db");
    let began = Instant::now();
    shop.run(&["db", "backup", backup.to_str().unwrap(), "--force"]);
    println!("a backup with nobody beside it takes {:.1} s", began.elapsed().as_secs_f64());
    runtime().block_on(compare(&shop, &server));
    drop(server);
    shop.audit();
}

/// Fills the table of posts, in the shape that the audit expects.
fn grow(shop: &Shop, megabytes: u64) {
    let posts = megabytes * 1_048_576 / (TEXT_BYTES + 150);
    let connection = rusqlite::Connection::open(shop.database()).unwrap();
    let sql = format!(
        "BEGIN;
         INSERT INTO posts (author_id, created_at, updated_at, title, content)
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {posts})
             SELECT 1, 0, 0, 'one of many', hex(randomblob({})) FROM n;
         INSERT INTO post_counts_filed (post_id, author_id, like_count, comment_count) SELECT id, 1, 0, 0 FROM posts;
         INSERT INTO activities (actor_id, recipient_id, post_author_id, type, post_id, created_at)
             SELECT 1, 1, NULL, 'write_post', id, 0 FROM posts;
         INSERT INTO activities_by_actor SELECT actor_id, id FROM activities;
         INSERT INTO user_counts VALUES (1, {posts}, 0, 0);
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE);",
        TEXT_BYTES / 2
    );
    connection.execute_batch(&sql).unwrap();
    drop(connection);
    shop.audit();
}

/// Purchases a second, and the slowest of them, while backups are made and while none are.
async fn compare(shop: &Shop, server: &Server) {
    let buy = |token: &String| request("POST", "/payments/pre-order", token, "", r#"{"productId":"hot"}"#);
    let requests: Vec<_> = shop.tokens.iter().map(buy).collect();
    let one = requests[0].clone();
    let make: support::Make = Arc::new(move |number| requests[number % requests.len()].clone());
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let slowest = Slowest::watch(server, one.clone()).await;
        alone.push(rate(server, Arc::clone(&make), 201).await);
        let slowest_alone = slowest.end().await;
        let over = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let backups = scope.spawn(|| {
                let file = shop.folder().join("copy.db");
                let mut made = 0;
                while !over.load(Ordering::Relaxed) {
                    made += 1;
                    shop.run(&["db", "backup", file.to_str().unwrap(), "--force"]);
                }
                made
            });
            let (rate, slowest) = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    let slowest = Slowest::watch(server, one.clone()).await;
                    (rate(server, Arc::clone(&make), 201).await, slowest.end().await)
                })
            });
            over.store(true, Ordering::Relaxed);
            beside.push(rate);
            println!(
                "round {round}: {:.0} purchases/s (slowest {} ms), {rate:.0} beside a backup (slowest {} ms)",
                alone[round - 1],
                slowest_alone.as_millis(),
                slowest.as_millis()
            );
            backups.join().unwrap();
        });
    }
    let (alone, beside) = (median(&alone), median(&beside));
    println!("purchases beside a backup ÷ without: {:.2} ({beside:.0} ÷ {alone:.0})", beside / alone);
}

/// Somebody who buys again and again, and remembers the slowest time.
struct Slowest {
    over: Arc<AtomicBool>,
    buying: tokio::task::JoinHandle<Duration>,
}

impl Slowest {
    async fn watch(server: &Server, request: Vec<u8>) -> Self {
        let mut client = Client::connect(server).await;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let buying = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                let began = Instant::now();
                assert!(client.ask(&request).await.starts_with("HTTP/1.1 201 "));
                slowest = slowest.max(began.elapsed());
            }
            slowest
        });
        Self { over, buying }
    }

    async fn end(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.buying.await.unwrap()
    }
}
