//! A database from before: it is brought up to date with everything that is in it, and never under a server that runs.

use std::path::{Path, PathBuf};

use preorder::kernel::ids::{OrderId, UserId};
use preorder::ledger::{Key, KeyedRequest};
use preorder::store::{Db, Location, SCHEMA_VERSION, ServerLock};
use reqwest::Method;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde_json::json;

use crate::support::{Receiver, Shell, in_time};

const FIRST_SCHEMA: &str = include_str!("../../src/store/migrations/sqlite/0001_first_sale.sql");
/// Those up to the last one before counts, likes and the log were filed in bulk.
const LATER_SCHEMAS: [&str; 6] = [
    include_str!("../../src/store/migrations/sqlite/0002_orders_filed_in_bulk.sql"),
    include_str!("../../src/store/migrations/sqlite/0003_accounts.sql"),
    include_str!("../../src/store/migrations/sqlite/0004_community.sql"),
    include_str!("../../src/store/migrations/sqlite/0005_community_seeds.sql"),
    include_str!("../../src/store/migrations/sqlite/0006_keys_filed_in_bulk.sql"),
    include_str!("../../src/store/migrations/sqlite/0007_sessions_and_codes.sql"),
];
/// Ann wrote a post that bob liked and commented on, and one that is gone; bob wrote one; ann liked both and the comment.
const COMMUNITY: &str = "
    INSERT INTO posts (id, author_id, like_count, comment_count, created_at, updated_at, deleted_at, title, content)
        VALUES (1, 1, 2, 1, 0, 0, NULL, 'one', 'c'), (2, 1, 1, 1, 0, 0, 5, 'gone', 'c'), (3, 2, 1, 0, 0, 0, NULL, 'three', 'c');
    INSERT INTO comments (id, post_id, author_id, like_count, created_at, updated_at, content)
        VALUES (1, 1, 2, 1, 0, 0, 'c'), (2, 2, 2, 0, 0, 0, 'c');
    INSERT INTO activities (id, actor_id, recipient_id, post_author_id, type, post_id, comment_id, created_at)
        VALUES (1, 1, 1, NULL, 'write_post', 1, NULL, 0), (2, 1, 1, NULL, 'write_post', 2, NULL, 0),
        (3, 2, 2, NULL, 'write_post', 3, NULL, 0), (4, 2, 1, 1, 'write_comment', 1, 1, 0),
        (5, 2, 1, 1, 'write_comment', 2, 2, 0), (6, 2, 1, 1, 'like_post', 1, NULL, 0),
        (7, 1, 1, NULL, 'like_post', 1, NULL, 0), (8, 2, 1, 1, 'like_post', 2, NULL, 0),
        (9, 1, 2, 2, 'like_post', 3, NULL, 0), (10, 1, 2, NULL, 'like_comment', 1, 1, 0),
        (11, 1, 2, NULL, 'follow', NULL, NULL, 0);
    INSERT INTO post_likes VALUES (2, 1, 6), (1, 1, 7), (2, 2, 8), (1, 3, 9);
    INSERT INTO comment_likes VALUES (1, 1, 10);
    INSERT INTO follows VALUES (1, 2, 11);
    INSERT INTO user_counts VALUES (1, 1, 0, 1), (2, 1, 1, 0);
";
/// When the rows were written, in microseconds: 2026-01-01T00:00:00Z.
const LONG_AGO: i64 = 1_767_225_600_000_000;
/// When the hold among them ends: a hundred years later.
const FAR_AWAY: i64 = LONG_AGO + 3_155_760_000_000_000;

fn database(shell: &Shell) -> PathBuf {
    shell.path().join("data/preorder.db")
}

/// The text without the number that moves with every migration.
fn without_version(text: &str) -> String {
    text.replace(&format!("to {SCHEMA_VERSION},"), "to <now>,")
        .replace(&format!("program's {SCHEMA_VERSION}."), "program's <now>.")
}

fn version(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// A shop as the first version left it: five units, of which buyer 1 has bought one (under a key), holds one, has given
/// one back and was declined for one. Gives the orders' ids in this order.
fn first_shop(shell: &Shell) -> [OrderId; 4] {
    std::fs::create_dir_all(shell.path().join("data")).unwrap();
    let connection = Connection::open(database(shell)).unwrap();
    connection.execute_batch(FIRST_SCHEMA).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let people = "INSERT INTO users (email, name, greeting, password_hash, role, state, created_at) VALUES \
         ('ann@example.com', 'Ann', 'Hello', '-', 'user', 'active', 0), ('bob@example.com', 'Bob', '', '-', 'user', 'blocked', 0)";
    let product = "INSERT INTO products (id, name, created_at) VALUES ('p', 'Phone', 0); \
         INSERT INTO offers (product_id, kind, price, currency, per_buyer_limit, hold_seconds, total, available, held, sold, \
         movement_count) VALUES ('p', 'reservation', 1000, 'KRW', 2, 60, 5, 3, 1, 1, 8)";
    connection.execute_batch(&format!("{people}; {product};")).unwrap();
    let ids = [(); 4].map(|()| OrderId::fresh());
    let orders = [
        ("completed", None, FAR_AWAY, Some(LONG_AGO), None, "paid"),
        ("held", None, FAR_AWAY, None, None, "unpaid"),
        ("refunded", None, FAR_AWAY, Some(LONG_AGO), Some(LONG_AGO), "refunded"),
        ("cancelled", Some("payment_declined"), FAR_AWAY, None, Some(LONG_AGO), "declined"),
    ];
    for (id, (state, reason, expires_at, settled_at, closed_at, payment)) in ids.iter().zip(orders) {
        let reference = settled_at.map(|_| format!("paid-{id}"));
        let sql = "INSERT INTO orders VALUES (?1, 1, 'p', 1, 1000, 'KRW', ?2, ?3, ?4, ?5, ?6, ?7, 'simulated', ?8, ?9)";
        let values = (id.as_bytes(), state, reason, LONG_AGO, expires_at, settled_at, closed_at, reference, payment);
        connection.execute(sql, values).unwrap();
    }
    let movements = [
        ("restock", [5, 0, 0], None),
        ("hold", [-1, 1, 0], Some(0)),
        ("sell", [0, -1, 1], Some(0)),
        ("hold", [-1, 1, 0], Some(1)),
        ("sell", [-1, 0, 1], Some(2)),
        ("refund", [1, 0, -1], Some(2)),
        ("hold", [-1, 1, 0], Some(3)),
        ("release", [1, -1, 0], Some(3)),
    ];
    for (number, (kind, [available, held, sold], order)) in (1_i64..).zip(movements) {
        let order: Option<&OrderId> = order.map(|index: usize| &ids[index]);
        let sql = "INSERT INTO movements VALUES ('p', ?1, ?2, ?3, ?4, ?5, ?6, 'console', NULL, ?7)";
        let values = (number, kind, available, held, sold, order.map(OrderId::as_bytes), LONG_AGO);
        connection.execute(sql, values).unwrap();
    }
    let key = "INSERT INTO idempotency_keys VALUES (1, '/payments/pre-order', 'k', ?1, ?2, NULL, ?3)";
    let scope = Key::new(UserId(1), "/payments/pre-order", "k");
    let meaning = KeyedRequest::new(scope, "p\n1");
    connection.execute(key, (meaning.body_hash, ids[0].as_bytes(), LONG_AGO)).unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_of_the_first_version_goes_on() {
    let shell = Shell::new();
    let [completed, held, refunded, declined] = first_shop(&shell);
    let mut receiver = Receiver::start().await;
    shell.write("preorder.toml", "[webhooks]\nallow_private = true\n");
    shell.ok(&format!("webhook add {} --events order.refunded", receiver.url()));
    let server = shell.serve("", &[("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0")]).await;
    let token = shell.ok("user token ann@example.com").trim().to_owned();
    let ann = server.anonymous().bearer(&token);

    let page = ann.get("/purchases").await.ok(200);
    let told: Vec<_> = page["items"].as_array().unwrap().iter().map(|it| (&it["id"], it["state"].as_str())).collect();
    let [a, b, c, d] = [declined, refunded, held, completed].map(|id| json!(id.to_string()));
    let states = ["cancelled", "refunded", "held", "completed"].map(Some);
    assert_eq!(told, [(&a, states[0]), (&b, states[1]), (&c, states[2]), (&d, states[3])]);

    let body = json!({"productId": "p", "quantity": 1});
    let again = ann.post_under("k", "/payments/pre-order", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body["id"]), ("true", &d));
    ann.buy("p").await.refused(409, "limit_reached");
    ann.refund(&completed.to_string()).await.ok(200);
    // Others are told of orders from before, too.
    assert_eq!(receiver.take().await["data"]["order"]["id"], completed.to_string());
    ann.leave(&held.to_string()).await.ok(200);
    ann.enter("p", 2).await.ok(201);
    ann.enter("p", 1).await.refused(409, "limit_reached");

    let me = ann.get("/users/me").await.ok(200);
    assert_eq!((&me["name"], &me["greeting"], &me["state"]), (&json!("Ann"), &json!("Hello"), &json!("active")));
    let profile = ann.get("/users/2").await.ok(200);
    assert_eq!(
        (&profile["name"], &profile["postCount"], &profile["followerCount"]),
        (&json!("Bob"), &json!(0), &json!(0))
    );
    let post = json!({"title": "new", "content": "words"});
    ann.post("/activity/posts", &post).await.ok(201);
    ann.send(ann.request(Method::PUT, "/activity/follows/2")).await.ok(200);
    let audit = shell.json("audit --json");
    assert_eq!(audit["ok"], true, "{audit}");
    let orders = json!({"held": 1, "completed": 0, "cancelled": 2, "refunded": 2});
    assert_eq!(audit["orders"], orders);
}

#[tokio::test]
async fn a_community_from_before_its_likes_were_filed_goes_on() {
    let shell = Shell::new();
    first_shop(&shell);
    let connection = Connection::open(database(&shell)).unwrap();
    connection.execute_batch("DELETE FROM idempotency_keys; UPDATE users SET state = 'active'").unwrap();
    connection.create_scalar_function("sha256_16", 1, FunctionFlags::SQLITE_UTF8, |_| Ok(0)).unwrap();
    for schema in LATER_SCHEMAS {
        connection.execute_batch(schema).unwrap();
    }
    connection.execute_batch(COMMUNITY).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    shell.ok("db migrate");
    let audit = shell.json("audit --json");
    assert_eq!(audit["ok"], true, "{audit}");

    let server = shell.serve("", &[]).await;
    let [ann, bob] = ["ann", "bob"].map(|name| {
        let token = shell.ok(&format!("user token {name}@example.com"));
        server.anonymous().bearer(token.trim())
    });
    let post = ann.get("/activity/posts/1").await.ok(200);
    assert_eq!((&post["likeCount"], &post["commentCount"], &post["liked"]), (&json!(2), &json!(1), &json!(true)));
    ann.get("/activity/posts/2").await.refused(404, "post_not_found");
    assert_eq!(ann.ids("/activity/posts/liked").await, [3, 1]);
    assert_eq!(ann.ids("/newsfeeds?type=all&sort=like").await, [1, 3]);
    assert_eq!(ann.ids("/newsfeeds?type=follow&sort=like").await, [3]);
    assert_eq!(ann.activities("my-post-alarm").await, ["Bob like_post", "Bob write_comment"]);
    assert_eq!(ann.activities("my-following").await, ["Bob like_post", "Bob write_comment", "Bob write_post"]);
    assert_eq!(bob.unlike(1).await.ok(200), json!({"liked": false, "likeCount": 1}));
    assert_eq!(bob.like(3).await.ok(200), json!({"liked": true, "likeCount": 2}));
    bob.like(2).await.refused(404, "post_not_found");
    assert_eq!(ann.ids("/newsfeeds?type=all&sort=like").await, [3, 1]);
    assert_eq!(ann.activities("my-post-alarm").await[0], "Bob cancel_like_post");
    let audit = shell.json("audit --json");
    assert_eq!(audit["ok"], true, "{audit}");
}

#[test]
fn nobody_migrates_under_a_server() {
    let shell = Shell::new();
    first_shop(&shell);
    let path = database(&shell);
    // A server of the first version, as far as others can tell.
    let server = ServerLock::take(&Location::Sqlite(path.clone())).unwrap();
    insta::assert_snapshot!("migrate_under_a_server", without_version(&shell.runs(["db migrate", "product list"])));
    assert_eq!(version(&path), 1);
    drop(server);
    shell.ok("db migrate");
    assert!(version(&path) > 1);
    shell.ok("product list");
}

#[tokio::test]
async fn beside_a_server_nobody_needs_its_lock() {
    let shell = Shell::new();
    first_shop(&shell);
    let server = shell.serve("", &[]).await;
    shell.ok("db migrate");
    shell.ok("product restock p --by 1");
    server.kill().await;
    // Whoever makes a new database does not ask for it either.
    let fresh = Location::Sqlite(shell.path().join("fresh.db"));
    let _lock = ServerLock::take(&fresh).unwrap();
    Db::open(&fresh).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_schema_was_changed_under_it_stops() {
    let shell = Shell::new();
    shell.ok("seed --users 1");
    let mut server = shell.serve("", &[]).await;
    server.anonymous().get("/readyz").await.ok(200);
    Connection::open(database(&shell)).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert_eq!(in_time(server.ended()).await.code(), Some(1));
    let log = server.log();
    let told = log.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: "));
    insta::assert_snapshot!("schema_changed_under_a_server", without_version(&told.collect::<Vec<_>>().join("\n")));
}
