//! What SQLite gives to whoever writes purchases by hand: four statements each, 64 to a transaction, `synchronous=FULL`.
//!
//! `cargo bench --bench raw_writer -- FOLDER SECONDS` prints the rate; `loadtest/peers` puts it beside the others'.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it fails")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

const BATCH: u32 = 64;
const BUYERS: i64 = 1_000;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS offers (id TEXT PRIMARY KEY, available INTEGER NOT NULL CHECK (available >= 0), sold INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (id BLOB PRIMARY KEY, buyer_id INTEGER NOT NULL, product_id TEXT NOT NULL,
        amount INTEGER NOT NULL, state TEXT NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS movements (product_id TEXT NOT NULL, number INTEGER NOT NULL, order_id BLOB NOT NULL,
        sold INTEGER NOT NULL, PRIMARY KEY (product_id, number)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS idempotency_keys (buyer_id INTEGER NOT NULL, key TEXT NOT NULL, order_id BLOB NOT NULL,
        PRIMARY KEY (buyer_id, key)) WITHOUT ROWID;
    INSERT OR IGNORE INTO offers VALUES ('hot', 1000000000, 0);
";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // `cargo test --benches` only wants to know that it runs.
    let [folder, seconds] = arguments.as_slice() else { return };
    let mut writer = Connection::open(PathBuf::from(folder).join("raw.db")).unwrap();
    writer.execute_batch(SCHEMA).unwrap();
    let (began, patience) = (Instant::now(), Duration::from_secs(seconds.parse().unwrap()));
    let mut number: i64 = writer.query_row("SELECT COUNT(*) FROM movements", [], |row| row.get(0)).unwrap();
    let first = number;
    while began.elapsed() < patience {
        let batch = writer.transaction().unwrap();
        for _ in 0..BATCH {
            number += 1;
            purchase(&batch, number);
        }
        batch.commit().unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate is told in five digits")]
    let rate = (number - first) as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} purchases/s");
}

/// The statements of one purchase.
fn purchase(batch: &Connection, number: i64) {
    let order = uuid::Uuid::now_v7().into_bytes();
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        assert_eq!(batch.prepare_cached(sql).unwrap().execute(values).unwrap(), 1);
    };
    let buyer = number % BUYERS;
    run("UPDATE offers SET available = available - 1, sold = sold + 1 WHERE id = 'hot' AND available > 0", params![]);
    run("INSERT INTO orders VALUES (?1, ?2, 'hot', 1000, 'completed', ?3)", params![order, buyer, number]);
    run("INSERT INTO movements VALUES ('hot', ?1, ?2, 1)", params![number, order]);
    let key = uuid::Uuid::new_v4().to_string();
    run("INSERT INTO idempotency_keys VALUES (?1, ?2, ?3)", params![buyer, key, order]);
}
