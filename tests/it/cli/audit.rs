//! `preorder audit`: clean rows, and rows that somebody has broken in every way that it looks for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::orders::shop_with_orders;
use crate::support::{Shell, hidden, seen};

/// Each check, and how to break it behind the program's back.
const FAULTS: &[(&str, &str)] = &[
    ("counts_not_negative", "UPDATE offers SET available = -1 WHERE product_id = 'p'"),
    ("total_adds_up", "UPDATE offers SET total = total + 1 WHERE product_id = 'p'"),
    (
        "movements_give_the_counts",
        "UPDATE offers SET available = available + 1, total = total + 1 WHERE product_id = 'p'",
    ),
    ("orders_give_the_counts", "UPDATE orders SET quantity = 2 WHERE state = 'completed'"),
    ("movements_keep_their_kind", "UPDATE movements SET kind = 'refund' WHERE kind = 'sell'"),
    (
        "orders_resolve_once",
        "INSERT INTO movements SELECT product_id, number + 100, kind, available, held, sold, order_id, actor, reason, at \
         FROM movements WHERE kind = 'release'",
    ),
    ("movements_have_their_order", "UPDATE movements SET order_id = randomblob(16) WHERE kind = 'sell'"),
    ("buyers_keep_their_limit", "UPDATE offers SET per_buyer_limit = 1 WHERE product_id = 'p'"),
    ("orders_are_found_by_their_buyer", "DELETE FROM orders_unfiled"),
    ("keys_have_their_order", "UPDATE idempotency_keys_unfiled SET order_id = randomblob(16)"),
    (
        "one_order_per_key",
        "INSERT INTO idempotency_keys SELECT randomblob(16), buyer_id, body_hash, order_id, refusal, refused_at, entered \
         FROM idempotency_keys_unfiled",
    ),
    (
        "keys_are_used_once",
        "INSERT INTO idempotency_keys SELECT digest, buyer_id, body_hash, NULL, 'sold_out', 0, entered \
         FROM idempotency_keys_unfiled",
    ),
    ("money_is_accounted_for", "UPDATE orders SET payment_status = 'unpaid' WHERE state = 'completed'"),
    ("charges_are_not_shared", "UPDATE orders SET payment_reference = 'same' WHERE state IN ('completed', 'refunded')"),
    ("likes_give_the_counts", "UPDATE comments SET like_count = 2"),
    ("comments_give_the_counts", "UPDATE post_counts_filed SET comment_count = 0"),
    ("posts_have_their_counts", "DELETE FROM post_counts_filed"),
    ("likes_are_filed_once", "INSERT INTO post_likes_filed SELECT * FROM post_likes_unfiled"),
    ("posts_and_follows_give_the_counts", "UPDATE user_counts SET followers = 7 WHERE user_id = 1"),
    ("likes_and_follows_are_logged", "UPDATE follows SET activity_id = 3"),
    (
        "the_log_gives_the_likes_and_follows",
        "INSERT INTO activities (actor_id, recipient_id, post_author_id, type, post_id, created_at) \
         VALUES (2, 1, 1, 'cancel_like_post', 1, 0)",
    ),
    ("what_was_written_is_logged", "UPDATE activities SET actor_id = 2 WHERE type = 'write_post'"),
    ("activities_are_found", "DELETE FROM activities_by_actor"),
    ("activities_name_their_people", "UPDATE activities SET recipient_id = 2 WHERE type = 'like_post'"),
    ("webhooks_miss_no_event", "DELETE FROM webhook_events WHERE number = 2"),
    ("webhook_retries_have_their_event", "UPDATE webhook_retries SET event = 2"),
    ("webhook_events_have_their_order", "UPDATE webhook_events SET order_id = randomblob(16) WHERE number = 1"),
];

/// User 1 wrote a post; user 2 follows, likes and comments; user 1 likes the comment.
const COMMUNITY: &str = "
    INSERT INTO posts (id, author_id, created_at, updated_at, title, content) VALUES (1, 1, 0, 0, 't', 'c');
    INSERT INTO post_counts_filed VALUES (1, 1, 1, 1);
    INSERT INTO comments (id, post_id, author_id, like_count, created_at, updated_at, content)
        VALUES (1, 1, 2, 1, 0, 0, 'c');
    INSERT INTO activities (id, actor_id, recipient_id, post_author_id, type, post_id, comment_id, created_at)
        VALUES (1, 1, 1, NULL, 'write_post', 1, NULL, 0), (2, 2, 1, 1, 'write_comment', 1, 1, 0),
        (3, 2, 1, 1, 'like_post', 1, NULL, 0), (4, 1, 2, NULL, 'like_comment', 1, 1, 0),
        (5, 2, 1, NULL, 'follow', NULL, NULL, 0);
    INSERT INTO activities_by_actor SELECT actor_id, id FROM activities WHERE id < 4;
    INSERT INTO activities_on_posts SELECT post_author_id, id FROM activities WHERE id < 4 AND post_author_id IS NOT NULL;
    INSERT INTO activities_unfiled SELECT actor_id, id, post_author_id FROM activities WHERE id >= 4;
    INSERT INTO post_likes_unfiled VALUES (2, 1, 3);
    INSERT INTO comment_likes VALUES (1, 1, 4);
    INSERT INTO follows VALUES (2, 1, 5);
    INSERT INTO user_counts VALUES (1, 1, 1, 0), (2, 0, 0, 1);
";

/// Somebody is told of two orders; the first is tried again, the second comes next.
const WEBHOOKS: &str = "
    INSERT INTO webhooks (url, events, description, secret, created_at, revision, cursor, failures) VALUES ('', 15, '', '', 0, 1, 1, 1);
    INSERT INTO webhook_events (number, kind, at, order_id) SELECT 1, 0, 0, id FROM orders WHERE state = 'completed';
    INSERT INTO webhook_events (number, kind, at, order_id, reason) SELECT 2, 1, 0, id, reason FROM orders WHERE state = 'cancelled';
    INSERT INTO webhook_events (number, kind, at, product_id, held, sold) VALUES (3, 3, 0, 'p', 1, 1);
    INSERT INTO webhook_retries VALUES (1, 1, 1, 0, 0);
";

/// Does what no command would: no checks, no triggers.
fn plant(shell: &Shell, database: &str, sql: &str) {
    let database = rusqlite::Connection::open(shell.path().join(database)).unwrap();
    let off = "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; DROP TRIGGER movements_stay; \
         DROP TRIGGER activities_stay;";
    database.execute_batch(off).unwrap();
    assert!(database.execute(sql, []).unwrap() > 0, "{sql} changed nothing");
}

fn broken(audit: &Value) -> BTreeSet<&str> {
    let checks = audit["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["ok"] == false).map(|check| check["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_check_can_fail() {
    let (shell, _) = shop_with_orders().await;
    let database = rusqlite::Connection::open(shell.path().join("data/preorder.db")).unwrap();
    database.execute_batch(COMMUNITY).unwrap();
    database.execute_batch(WEBHOOKS).unwrap();
    drop(database);
    let clean = shell.json("audit --json");
    assert_eq!(clean["ok"], true, "{clean}");
    let all: BTreeSet<_> = clean["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(all, FAULTS.iter().map(|(check, _)| *check).collect(), "each check has its fault");
    for (check, sql) in FAULTS {
        let copy = format!("{check}.db");
        let sound = rusqlite::Connection::open(shell.path().join("data/preorder.db")).unwrap();
        sound.execute("VACUUM INTO $1", [shell.path().join(&copy).to_str().unwrap()]).unwrap();
        plant(&shell, &copy, sql);
        let output = shell.output(&format!("audit --json --db sqlite:{copy}"));
        assert_eq!(output.status.code(), Some(1), "{check}");
        let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(audit["ok"], false);
        assert!(broken(&audit).contains(check), "{check} is not broken by {sql}: {:?}", broken(&audit));
    }
}

#[tokio::test]
async fn the_audit_for_people_and_for_programs() {
    let (shell, orders) = shop_with_orders().await;
    insta::assert_snapshot!("audit_clean", shell.runs(["audit", "audit --json"]));
    plant(&shell, "data/preorder.db", "UPDATE orders SET payment_status = 'unpaid' WHERE state = 'completed'");
    let line = "audit";
    let text = hidden(&seen(line, &shell.output(line))).replace(&orders[0].replace('-', ""), "<order>");
    insta::assert_snapshot!("audit_broken", text);
    let output = shell.output("audit --json");
    let text = String::from_utf8(output.stdout).unwrap();
    let members = ["ok", "checks", "products", "orders"];
    let at = members.map(|name| text.find(&format!("\n  \"{name}\":")).unwrap());
    assert!(at.is_sorted(), "{text}");
    let audit: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(audit.as_object().unwrap().len(), members.len());
    let product = json!({"productId": "p", "total": 10, "available": 8, "held": 1, "sold": 1});
    assert!(audit["products"].as_array().unwrap().contains(&product), "{audit}");
    assert_eq!(audit["orders"], json!({"held": 1, "completed": 1, "cancelled": 1, "refunded": 1}));
    assert_eq!(audit["checks"][0].as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn no_command_breaks_a_limit() {
    let (shell, _) = shop_with_orders().await;
    insta::assert_snapshot!("audit_after_lower_limit", shell.runs(["product edit p --per-buyer-limit 1", "audit"]));
}
