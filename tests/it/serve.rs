//! `preorder serve` as a process: its one line, what stops it, what it refuses to start on, and command lines beside it.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Answer, Serving, Shell, eventually, hidden, in_time, seen};

/// What somebody sees whose server can't start, without the address that it was to listen on.
fn refused(shell: &Shell, line: &str) -> String {
    hidden(&seen(line, &shell.output(line)))
}

#[tokio::test]
async fn one_line_says_where_it_is() {
    let shell = Shell::new();
    let mut server = shell.serve("", &[]).await;
    assert_eq!(server.line, format!("preorder is ready at {}", server.url));
    server.anonymous().get("/readyz").await.ok(200);
    let mut more = server.output();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(in_time(more.next_line()).await.unwrap(), None, "one line and nothing else");
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused() {
    let shell = Shell::new();
    let server = shell.serve("", &[]).await;
    insta::assert_snapshot!("second_server", refused(&shell, "serve --listen 127.0.0.1:0"));
    server.anonymous().get("/readyz").await.ok(200);
    server.kill().await;
    // The lock goes with the process, however it ends.
    shell.serve("", &[]).await.kill().await;
}

#[tokio::test]
async fn what_a_server_does_not_start_on() {
    let shell = Shell::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = refused(&shell, &format!("serve --listen {address}"));
    insta::assert_snapshot!("address_in_use", text.replace(&address, "ADDRESS"));
    insta::assert_snapshot!("bad_address", refused(&shell, "serve --listen nowhere"));
    insta::assert_snapshot!("bad_target", refused(&shell, "serve --target users,prices"));
    shell.write("notes.txt", &"Only words, and enough of them to be longer than a header. ".repeat(20));
    insta::assert_snapshot!("no_database", refused(&shell, "serve --listen 127.0.0.1:0 --db sqlite:notes.txt"));
    shell.ok("db migrate --db sqlite:newer.db");
    let newer = rusqlite::Connection::open(shell.path().join("newer.db")).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    insta::assert_snapshot!("newer_schema", refused(&shell, "serve --listen 127.0.0.1:0 --db sqlite:newer.db"));
}

/// A server whose charges take half a second, with a buyer and a product.
async fn slow_shop() -> (Shell, Serving, String) {
    let shell = Shell::new();
    shell.ok("seed --users 1");
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 10");
    let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
    let settings = [
        ("PREORDER_PAYMENT_SIMULATED_LATENCY_MS", "500"),
        ("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0"),
        ("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", "0"),
    ];
    let server = shell.serve("", &settings).await;
    (shell, server, token)
}

#[tokio::test]
async fn a_signal_lets_purchases_in_flight_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let (shell, mut server, token) = slow_shop().await;
        let buyer = server.anonymous().bearer(&token);
        let asker = buyer.clone();
        let buying = tokio::spawn(async move { asker.post("/payments/pre-order", &json!({"productId": "p"})).await });
        let held = |answer: &Answer| answer.body["items"][0]["state"] == "held";
        eventually(&buyer, "/purchases", held).await;
        server.signal(signal);
        let order = in_time(buying).await.unwrap().ok(201);
        assert_eq!(order["state"], "completed");
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
        assert_eq!(shell.json("audit --json")["orders"]["completed"], 1);
    }
}

#[tokio::test]
async fn a_server_that_was_started_for_somebody_ends_with_them() {
    let shell = Shell::new();
    let mut command = shell.command("serve --listen 127.0.0.1:0 --until-stdin-closes");
    command.stdin(Stdio::piped());
    let mut server = Serving::start(command, shell.path()).await;
    server.anonymous().get("/readyz").await.ok(200);
    drop(server.child.stdin.take());
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn command_lines_beside_a_server_show_on_it() {
    let shell = Shell::new();
    shell.ok("seed --users 2");
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 1");
    let token = |name: &str| shell.ok(&format!("user token {name}@preorder.example")).trim().to_owned();
    let (first, second) = (token("buyer000001"), token("buyer000002"));
    let server = shell.serve("", &[("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0")]).await;
    let anybody = server.anonymous();
    let stock = |name: &'static str, count: i64| move |answer: &Answer| answer.body[name] == count;

    shell.ok("product restock p --by 4");
    eventually(&anybody, "/products/p/stock", stock("total", 5)).await;
    shell.ok("product add --id late --name Late --type general --price 1 --stock 3");
    eventually(&anybody, "/products/late/stock", stock("available", 3)).await;
    shell.ok("product edit p --name 'Another name'");
    eventually(&anybody, "/products/p", |answer| answer.body["name"] == "Another name").await;

    let (buyer, other) = (anybody.bearer(&first), anybody.bearer(&second));
    let order = buyer.post("/payments", &json!({"productId": "p", "quantity": 5})).await.ok(201);
    other.post("/payments", &json!({"productId": "p"})).await.refused(409, "sold_out");
    shell.ok(&format!("order cancel {}", order["id"].as_str().unwrap()));
    eventually(&anybody, "/products/p/stock", stock("available", 5)).await;
    other.post("/payments", &json!({"productId": "p", "quantity": 5})).await.ok(201);

    shell.ok("user block buyer000001@preorder.example");
    let locked_out = eventually(&buyer, "/purchases", |answer| answer.status != 200).await;
    assert!([401, 403].contains(&locked_out.status.as_u16()), "{:?}", locked_out.body);
    shell.ok("product delete late");
    eventually(&anybody, "/products/late", |answer| answer.status == 404).await;
    assert_eq!(shell.json("audit --json")["ok"], true);
}

#[tokio::test]
async fn a_disk_that_takes_no_more_stops_the_sale_and_loses_nothing() {
    let shell = Shell::new();
    shell.ok("seed --users 1");
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 100000");
    let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
    // No file may grow beyond 400 KB; the signal that says so is ignored, so that writes fail as on a broken disk.
    let mut command = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_preorder");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f 800; exec {program} serve --listen 127.0.0.1:0")]);
    command.current_dir(shell.path()).env_clear().stdin(Stdio::null());
    command.envs([
        ("PREORDER_LIMITS_ADDRESS_PER_SECOND", "0"),
        ("PREORDER_LIMITS_ACCOUNT_PER_SECOND", "0"),
        ("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0"),
        ("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", "0"),
    ]);
    let mut server = Serving::start(command, shell.path()).await;
    let buyer = server.anonymous().bearer(&token);
    let mut bought = Vec::new();
    let refusal = in_time(async {
        loop {
            let answer = buyer.post("/payments/pre-order", &json!({"productId": "p"})).await;
            if answer.status != 201 {
                return answer;
            }
            bought.push(answer.body["id"].as_str().unwrap().to_owned());
        }
    })
    .await;
    assert!(!bought.is_empty());
    let refusal = refusal.refused(503, "storage_failed");
    assert!(!refusal.header("retry-after").is_empty());
    let text = refusal.body.to_string();
    assert!(!text.contains("SQL") && !text.contains("I/O"), "{text}");
    assert_eq!(server.ended().await.code(), Some(1));
    let log = server.log();
    let told = log.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: "));
    insta::assert_snapshot!("disk_failed", told.collect::<Vec<_>>().join("\n"));
    drop(server);

    let server = shell.serve("", &[]).await;
    let buyer = server.anonymous().bearer(&token);
    for order in &bought {
        assert_eq!(buyer.get(&format!("/purchases/{order}")).await.ok(200)["state"], "completed");
    }
    let audit = shell.json("audit --json");
    assert_eq!((&audit["ok"], &audit["orders"]["completed"]), (&json!(true), &json!(bought.len())));
    buyer.post("/payments", &json!({"productId": "p"})).await.ok(201);
}
