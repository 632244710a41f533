//! The audit log from the command line, and what the command line leaves in it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::Shell;

/// How many entries each command leaves, and of which action, in this order. What only reads leaves none.
/// `$order` is a held order.
const COMMANDS: &[(&str, &str)] = &[
    ("seed --users 2 --posts 3", "db.seed"),
    ("seed --users 2", "db.seed"),
    ("user add --email ann@example.com --name Ann --password-stdin", "user.add"),
    ("user list", ""),
    ("user show ann@example.com", ""),
    ("user set-role ann@example.com admin", "user.set_role"),
    ("user set-role ann@example.com admin", ""),
    ("user set-password ann@example.com --password-stdin", "user.set_password"),
    ("user block ann@example.com", "user.block"),
    ("user block ann@example.com", ""),
    ("user unblock ann@example.com", "user.unblock"),
    ("user token ann@example.com", "user.token"),
    ("user token --all", "user.token"),
    ("user sessions ann@example.com", ""),
    ("user sessions ann@example.com --revoke-all", "user.revoke"),
    ("user sessions ann@example.com --revoke-all", ""),
    ("product add --id p --name Pen --type general --price 5 --stock 9", "product.add"),
    ("product list", ""),
    ("product show p", ""),
    ("product edit p --price 6", "product.edit"),
    ("product edit p --price 6", ""),
    ("product restock p --by 3", "stock.adjust"),
    ("order list", ""),
    ("order show $order", ""),
    ("order export --format csv", ""),
    ("order cancel $order", "order.cancel"),
    ("product delete p", "product.delete"),
    ("user export ann@example.com", "user.export"),
    ("user delete ann@example.com", "user.delete"),
    ("user erase 1 --yes", "user.erase"),
    ("user erase 1 --yes", ""),
    ("db migrate", ""),
    ("db check", ""),
    ("db stats", ""),
    ("audit", ""),
    ("audit-log", ""),
    ("db backup copy.db", "db.backup"),
    ("db restore copy.db", "db.restore"),
    ("webhook add https://1.1.1.1/hook", "webhook.add"),
    ("webhook list", ""),
    ("webhook deliveries", ""),
    ("webhook enable 1", ""),
    ("webhook delete 1", "webhook.delete"),
];

/// Commands that leave nothing in a database, or all that they do in one of their own.
const ELSEWHERE: &[&str] = &["demo", "serve", "loadtest", "config", "openapi", "completions", "man", "webhook test"];

fn log(shell: &Shell) -> Vec<Value> {
    shell.json("audit-log --json --limit 1000")["items"].as_array().unwrap().clone()
}

/// The commands that are told of below `group`.
fn told(shell: &Shell, group: &str) -> Vec<String> {
    let help = shell.ok(&format!("{group} --help"));
    let list = help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(|name| format!("{group} {name}").trim().to_owned()).collect()
}

#[tokio::test]
async fn every_command_that_changes_something_leaves_one_entry() {
    let shell = Shell::new();
    shell.ok("db migrate");
    let (mut before, mut order) = (0, String::new());
    for (line, action) in COMMANDS {
        if line.contains("$order") && order.is_empty() {
            let server = shell.serve("", &[]).await;
            let token = shell.ok("user token buyer000001@preorder.example");
            let buyer = server.anonymous().bearer(token.trim());
            order = buyer.hold("p").await;
            before = log(&shell).len();
        }
        let line = line.replace("$order", &order);
        if line.starts_with("db restore") {
            before -= 1; // the backup's own entry, which is not in it
        }
        if line.ends_with("--password-stdin") {
            let seen = shell.typed(&line, "correct horse");
            assert!(seen.ends_with("exit 0\n"), "{seen}");
        } else {
            shell.ok(&line);
        }
        let all = log(&shell);
        let left: Vec<_> = all[..all.len() - before].iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        assert_eq!(left.join(","), *action, "'preorder {line}'");
        for entry in &all[..left.len()] {
            assert_eq!(entry["by"]["id"], rustix::process::getuid().as_raw());
            assert_eq!((&entry["by"]["type"], &entry["requestId"]), (&json!("console"), &json!(null)));
        }
        before = all.len();
    }

    let tried: BTreeSet<_> = COMMANDS.iter().map(|(line, _)| *line).chain(ELSEWHERE.iter().copied()).collect();
    let is_tried =
        |command: &String| tried.iter().any(|line| line == command || line.starts_with(&format!("{command} ")));
    let groups = told(&shell, "");
    let commands = groups.iter().flat_map(|group| match told(&shell, group) {
        below if below.is_empty() || ELSEWHERE.contains(&group.as_str()) => vec![group.clone()],
        below => below,
    });
    let untried: Vec<_> = commands.filter(|command| !is_tried(command)).collect();
    assert!(untried.is_empty(), "what do these leave in the audit log? {untried:?}");
}

#[test]
fn the_log_is_shown_to_people_and_programs() {
    let shell = Shell::new();
    shell.ok("product add --id p --name Pen --type general --price 5 --stock 9");
    shell.ok("product edit p --price 6 --per-buyer-limit 2");
    shell.ok("product restock p --by -3 --reason 'three were broken'");
    let without_who = |text: &str| {
        let account = |line: &str| {
            let (head, tail) = line.split_once("console:").unwrap_or((line, ""));
            let tail = tail.split_once("  ").map_or("", |(_, rest)| rest.trim_start());
            if tail.is_empty() { head.trim_end().to_owned() } else { format!("{head}<who>  {tail}") }
        };
        let lines = text.lines().map(|line| if line.starts_with("ID ") { squeezed(line) } else { account(line) });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("audit_log", without_who(&shell.run("audit-log")));
    insta::assert_snapshot!(
        "audit_log_some",
        without_who(&shell.run("audit-log --action stock.adjust --on product:p --limit 1"))
    );
    let entry = &shell.json("audit-log --json --by console --until 2100-01-01T00:00:00Z --limit 2")["items"][1];
    assert_eq!(entry["on"], json!({"type": "product", "id": "p"}));
    let (before, after) = (json!({"price": 5, "perBuyerLimit": null}), json!({"price": 6, "perBuyerLimit": 2}));
    assert_eq!((&entry["before"], &entry["after"]), (&before, &after));
    assert_eq!(shell.json("audit-log --json --by 7"), json!({"items": []}));
    assert_eq!(shell.json("audit-log --json --since 2100-01-01T00:00:00Z"), json!({"items": []}));
    insta::assert_snapshot!(
        "audit_log_wrong_usage",
        shell.runs([
            "audit-log --by nobody",
            "audit-log --by ann@example.com",
            "audit-log --action eat",
            "audit-log --on p",
            "audit-log --since today",
            "audit-log --limit 0",
        ])
    );
}

/// A line with one room between its words.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
