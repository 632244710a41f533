//! Backups: made beside a sale, proven, restored elsewhere; and everything that must be refused without a trace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use preorder::config::{Config, MediaUrl, Secret};
use preorder::kernel::clock::Clock as _;
use preorder::upkeep::rules;
use rusqlite::Connection;
use serde_json::json;

use crate::cli::orders::shop_with_orders;
use crate::support::{Asker, OtherServer, Serving, Shell, TestApp, in_time, seen};

const DATABASE: &str = "data/preorder.db";

/// Every file in a folder, with what is in it.
fn files(folder: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A shop on sale, its server, and its buyers.
async fn on_sale(shell: &Shell, buyers: usize) -> (Serving, Vec<Asker>) {
    shell.ok(&format!("seed --users {buyers}"));
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 1000000 --per-buyer-limit 100000");
    let tokens = shell.ok("user token --all");
    let settings = [("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0"), ("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", "0")];
    let server = shell.serve("", &settings).await;
    let buyers = tokens.lines().take(buyers).map(|token| server.anonymous().bearer(token)).collect();
    (server, buyers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_a_sale_holds_every_order_that_was_answered_before_it() {
    let shell = Shell::new();
    let (mut server, buyers) = on_sale(&shell, 4).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut buying = tokio::task::JoinSet::new();
    let (told, mut answered) = tokio::sync::mpsc::unbounded_channel::<String>();
    for buyer in buyers {
        let (over, told) = (Arc::clone(&over), told.clone());
        buying.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let order = buyer.buy("p").await.ok(201);
                told.send(order["id"].as_str().unwrap().to_owned()).unwrap();
            }
        });
    }
    let mut before = Vec::new();
    for _ in 0..40 {
        before.push(in_time(answered.recv()).await.unwrap());
    }
    while let Ok(order) = answered.try_recv() {
        before.push(order);
    }
    let backup = shell.command("db backup copies.db --json").output();
    over.store(true, Ordering::Relaxed);
    let backup = backup.unwrap();
    assert!(backup.status.success(), "{}", seen("db backup", &backup));
    while let Some(ended) = buying.join_next().await {
        ended.unwrap();
    }
    server.signal(rustix::process::Signal::TERM);
    assert!(in_time(server.ended()).await.success());

    let told: serde_json::Value = serde_json::from_slice(&backup.stdout).unwrap();
    let restored = shell.json("db restore copies.db --db sqlite:elsewhere/shop.db --json");
    assert_eq!((&restored["orders"], &restored["kept"]), (&told["orders"], &serde_json::Value::Null));
    assert!(usize::try_from(told["orders"]["completed"].as_u64().unwrap()).unwrap() >= before.len());
    for order in &before {
        assert_eq!(
            shell.json(&format!("order show {order} --json --db sqlite:elsewhere/shop.db"))["state"],
            "completed"
        );
    }
    shell.ok("audit --db sqlite:elsewhere/shop.db");
    assert_eq!(shell.json("db check --json --db sqlite:elsewhere/shop.db")["ok"], true);
}

#[tokio::test]
async fn a_database_is_destroyed_and_restored_and_the_old_one_is_kept() {
    let (shell, orders) = shop_with_orders().await;
    shell.ok("db backup copy.db");
    assert!(rules_of(&shell, "copy.db"), "only its owner reads a backup");
    let state = |shell: &Shell| shell.json(&format!("order show {} --json", orders[0]))["state"].clone();
    let before = state(&shell);
    shell.ok(&format!("order cancel {}", orders[0]));
    assert_ne!(state(&shell), before);
    let restored = shell.json("db restore copy.db --json");
    assert_eq!(state(&shell), before);
    let kept = restored["kept"].as_str().unwrap();
    assert!(kept.contains("preorder.db.before-restore-20"), "{kept}");
    shell.ok(&format!("audit --db sqlite:{kept}"));
    // Too damaged to be opened: it is kept all the same, and the new one is in its place.
    std::fs::write(shell.path().join(DATABASE), "nothing that could be read").unwrap();
    let restored = shell.json("db restore copy.db --json");
    assert_eq!(state(&shell), before);
    let kept = std::fs::read(restored["kept"].as_str().unwrap()).unwrap();
    assert_eq!(kept, b"nothing that could be read");
    // A server that was killed leaves a log. The database that it belonged to goes, the log must not outlive it.
    let server = shell.serve("", &[]).await;
    server.anonymous().get("/readyz").await.ok(200);
    server.kill().await;
    shell.ok("db restore copy.db");
    assert_eq!(state(&shell), before);
}

fn rules_of(shell: &Shell, file: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(shell.path().join(file)).unwrap().permissions().mode() & 0o777 == 0o600
}

/// A way in which a backup can be bad, how it is made from a good one, and the word for it.
type Bad = (&'static str, fn(&Path), &'static str);

const BAD: &[Bad] = &[
    ("truncated", |path| cut(path, 2), "is truncated: it has"),
    ("a header alone", |path| cut(path, 1_000), "is truncated: it has"),
    ("empty", |path| std::fs::write(path, "").unwrap(), "is no SQLite database"),
    ("a text", |path| std::fs::write(path, "words, ".repeat(1_000)).unwrap(), "is no SQLite database"),
    ("foreign", |path| change(path, "PRAGMA application_id = 7"), "is another program's database"),
    ("newer", |path| change(path, "PRAGMA user_version = 999"), "has schema version 999, newer than"),
    (
        "a trigger more",
        |path| change(path, "CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM users; END"),
        "the trigger t should not be there",
    ),
    ("a view more", |path| change(path, "CREATE VIEW v AS SELECT * FROM users"), "the view v should not be there"),
    ("a table more", |path| change(path, "CREATE TABLE t (x)"), "the table t should not be there"),
    ("a trigger less", |path| change(path, "DROP TRIGGER movements_stay"), "the trigger movements_stay is missing"),
    (
        "a view that is another",
        |path| change(path, "DROP VIEW post_likes; CREATE VIEW post_likes AS SELECT 1 AS user_id, 1 AS post_id"),
        "the view post_likes is another than it should be",
    ),
    ("an older version than its schema", |path| change(path, "PRAGMA user_version = 3"), "the schema of"),
    ("pages of noise", scratch, "is damaged"),
    (
        "an order that refers to nothing",
        |path| {
            change(path, "PRAGMA foreign_keys = OFF; UPDATE orders SET product_id = 'gone' WHERE state = 'cancelled'");
        },
        "has no offers",
    ),
    (
        "units from nowhere",
        |path| change(path, "UPDATE offers SET total = total + 1, available = available + 1"),
        "movements_give_the_counts",
    ),
];

fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn cut(path: &Path, by: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / by).unwrap();
}

/// Writes over the middle of the file.
fn scratch(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() / 2);
    bytes[from..to].fill(0x5a);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_bad_backup_changes_nothing_and_is_told_what_is_wrong_with_it() {
    let (shell, _) = shop_with_orders().await;
    shell.ok("db backup good.db");
    let database = |shell: &Shell| files(&shell.path().join("data"));
    shell.ok("db restore good.db"); // from here on, nothing is in a log
    let before = database(&shell);
    for (way, spoil, word) in BAD {
        std::fs::copy(shell.path().join("good.db"), shell.path().join("bad.db")).unwrap();
        spoil(&shell.path().join("bad.db"));
        let line = "db restore bad.db";
        let text = seen(line, &shell.output(line));
        assert!(text.ends_with("exit 1\n") && text.to_lowercase().contains(&word.to_lowercase()), "{way}: {text}");
        assert!(database(&shell) == before, "{way} changed something");
    }
    // Statistics of ANALYZE do no harm.
    change(&shell.path().join("good.db"), "ANALYZE");
    shell.ok("db restore good.db");
}

#[tokio::test]
async fn an_older_backup_is_brought_up_to_date() {
    let shell = Shell::new();
    let old = Connection::open(shell.path().join("old.db")).unwrap();
    old.execute_batch(include_str!("../../src/store/migrations/sqlite/0001_first_sale.sql")).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1; INSERT INTO users (email, name, password_hash, role, state, created_at) \
         VALUES ('ann@example.com', 'Ann', '-', 'user', 'active', 0)",
    )
    .unwrap();
    drop(old);
    // A backup before an upgrade is as old as what it is made of.
    let made = shell.json("db backup before.db --json --db sqlite:old.db");
    assert_eq!(made["schemaVersion"], 1);
    let restored = shell.json("db restore before.db --json");
    assert_eq!(restored["schemaVersionBefore"], 1);
    assert_eq!(shell.json("user list --json")["items"][0]["email"], "ann@example.com");
    assert_eq!(shell.json("db check --json")["audit"]["ok"], true);
    assert!(!names(shell.path()).iter().any(|name| name.ends_with(".partial")));
}

#[tokio::test]
async fn nothing_is_restored_under_a_server_or_another_program() {
    let (shell, _) = shop_with_orders().await;
    shell.ok("db backup copy.db");
    let refused = |line: &str, word: &str| {
        let text = seen(line, &shell.output(line));
        assert!(text.ends_with("exit 1\n") && text.contains(word), "{text}");
    };
    let server = shell.serve("", &[]).await;
    refused("db restore copy.db", "Another server is running on the database");
    server.anonymous().get("/readyz").await.ok(200);
    server.kill().await;
    let other = Connection::open(shell.path().join(DATABASE)).unwrap();
    other.query_row("SELECT COUNT(*) FROM orders", [], |_| Ok(())).unwrap();
    refused("db restore copy.db", "Another process has the database");
    drop(other);
    refused(&format!("db restore {DATABASE}"), "is a database in use, and no backup");
    refused("db restore nowhere.db", "The backup nowhere.db can't be read");
    refused("db restore data", "data is no file");
    refused(&format!("db backup {DATABASE} --force"), "is a database in use, and no place for a backup");
    refused("db backup copy.db", "copy.db is there already");
    refused("db backup nowhere/copy.db", "nowhere can't be written");
    refused("db backup data --force", "data can't be written");
    refused("db backup other.db --db sqlite:missing.db", "There is no database missing.db");
    assert!(!names(shell.path()).iter().any(|name| name.ends_with(".partial") || name == "missing.db"));
    shell.ok("db backup copy.db --force");
    shell.ok("db restore copy.db");
}

#[tokio::test]
async fn a_broken_database_gives_no_backup_and_its_check_says_why() {
    let (shell, _) = shop_with_orders().await;
    change(&shell.path().join(DATABASE), "UPDATE offers SET total = total + 1, available = available + 1");
    let output = shell.output("db check --json");
    let checked: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &checked["ok"]), (Some(1), &json!(false)));
    assert_eq!(checked["audit"]["broken"], json!(["movements_give_the_counts"]));
    let line = "db backup copy.db";
    let text = seen(line, &shell.output(line));
    assert!(text.contains("movements_give_the_counts"), "{text}");
    assert!(!names(shell.path()).iter().any(|name| name.contains("copy.db")));
    std::fs::write(shell.path().join("other.db"), "x").unwrap();
    change(&shell.path().join(DATABASE), "UPDATE offers SET total = total - 1, available = available - 1");
    shell.ok("db backup copy.db");
    scratch(&shell.path().join("copy.db"));
    let output = shell.output("db check --db sqlite:copy.db");
    let text = seen("db check", &output);
    assert!(output.status.code() == Some(1) && text.contains("BROKEN"), "{text}");
}

/// Backups every hour in a folder of the test's own.
fn hourly(folder: &Path, keep: usize) -> impl Fn(&mut Config) + use<> {
    let folder = folder.to_owned();
    move |config| {
        config.backup.url = Some(MediaUrl::Folder(folder.clone()));
        config.backup.keep = keep;
    }
}

#[tokio::test]
async fn the_newest_backups_are_kept_and_nobody_elses_files_are_touched() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backups");
    std::fs::create_dir(&place).unwrap();
    let (app, clock) = TestApp::still_with_clock(hourly(&place, 2)).await;
    let draft = format!("{}x{}", rules::draft_prefix(&rules::name(clock.now())), rules::DRAFT_SUFFIX);
    for name in ["notes.txt", "preorder-mine.db", &draft] {
        std::fs::write(place.join(name), "words").unwrap();
    }
    let mut made = Vec::new();
    for _ in 0..4 {
        let backup = app.app.backups.make_one().await.unwrap().unwrap();
        made.push(backup.path.file_name().unwrap().to_str().unwrap().to_owned());
        clock.advance_seconds(3_600);
    }
    assert_eq!(names(&place), ["notes.txt", &made[2], &made[3], "preorder-mine.db"]);
    // Two that are asked for at once take turns; the second finds the name of the same second taken.
    let (one, two) = tokio::join!(app.app.backups.make_one(), app.app.backups.make_one());
    assert_eq!((one.is_ok(), two.unwrap_err().code()), (true, "backup_exists"));
}

#[tokio::test]
async fn a_server_makes_the_backups_that_are_due_and_goes_on_without_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backups");
    let app = TestApp::with(hourly(&place, 2)).await;
    let ours = || if place.exists() { names(&place) } else { Vec::new() };
    in_time(async {
        while !ours().iter().any(|name| rules::made_at(name).is_some()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(app);
    // A file where the folder should be.
    std::fs::write(folder.path().join("file"), "words").unwrap();
    let app = TestApp::with(hourly(&folder.path().join("file"), 2)).await;
    assert_eq!(app.app.backups.make_one().await.unwrap_err().code(), "backup_unavailable");
    app.anonymous().get("/readyz").await.ok(200);
    let app = TestApp::still(|_| {}).await;
    assert!(app.app.backups.make_one().await.unwrap().is_none());
}

#[tokio::test]
async fn backups_go_to_a_bucket_and_leave_it() {
    let Some(mut server) = OtherServer::start("s3.py", "").await else { return };
    let port = server.port;
    let (app, clock) = TestApp::still_with_clock(|config| {
        config.backup.url = Some(MediaUrl::S3 { bucket: "shop".to_owned(), prefix: "night/ly".to_owned() });
        config.backup.s3_endpoint = format!("http://127.0.0.1:{port}");
        config.backup.s3_access_key = Some(Secret::new("id"));
        config.backup.s3_secret_key = Some(Secret::new("secret"));
        config.backup.keep = 2;
    })
    .await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        let made = app.app.backups.make_one().await.unwrap().unwrap();
        keys.push(format!("night/ly/{}", made.path.display()));
        clock.advance_seconds(60);
    }
    assert_eq!(server.ask().await, json!(keys[1..]));
    server.kill().await;
    assert_eq!(app.app.backups.make_one().await.unwrap_err().code(), "backup_unavailable");
    let preorder::store::Location::Sqlite(database) = &app.app.config.db;
    let left = names(database.parent().unwrap());
    assert!(!left.iter().any(|name| name.ends_with(".partial")), "{left:?}");
}
