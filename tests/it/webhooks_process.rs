//! Webhooks of the real program: beside a running server, over kills, over restored backups, and the examples of their page.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Asker, Receiver, Serving, Shell, in_time, not_tested};

const HERE: [(&str, &str); 3] = [
    ("PREORDER_WEBHOOKS_ALLOW_PRIVATE", "true"),
    ("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0"),
    ("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", "0"),
];

/// A shop that may tell servers here.
fn shop() -> (Shell, String) {
    let shell = Shell::new();
    shell.write("preorder.toml", "[webhooks]\nallow_private = true\n");
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 100000");
    shell.ok("seed --users 1");
    let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
    (shell, token)
}

async fn buyer(shell: &Shell, token: &str) -> (Serving, Asker) {
    let server = shell.serve("", &HERE).await;
    let buyer = server.anonymous().bearer(token);
    (server, buyer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_notices_what_the_command_line_does() {
    let (shell, token) = shop();
    let (_server, ann) = buyer(&shell, &token).await;
    let mut receiver = Receiver::start().await;
    let added = shell.json(&format!("webhook add {} --events order.completed --json", receiver.url()));
    let order = ann.buy("p").await.ok(201);
    assert_eq!(receiver.take().await["data"]["order"]["id"], order["id"]);
    let listed = shell.json("webhook list --json");
    assert_eq!((&listed["items"][0]["state"], listed["items"][0].get("secret")), (&json!("on"), None));
    let shown = shell.json("webhook list --show-secrets --json");
    assert_eq!(shown["items"][0]["secret"], added["secret"]);
    // An order that the command line ends is told of by the server.
    shell.ok(&format!("webhook add {} --events order.refunded", receiver.url()));
    shell.ok(&format!("order cancel {}", order["id"].as_str().unwrap()));
    let refunded = receiver.take().await;
    assert_eq!((&refunded["type"], &refunded["data"]["order"]["id"]), (&json!("order.refunded"), &order["id"]));
    shell.ok("webhook delete 1");
    shell.ok("webhook delete 2");
    assert_eq!(shell.json("webhook list --json"), json!({"items": []}));
    assert_eq!(shell.json("audit --json")["ok"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_loses_no_event() {
    let (shell, token) = shop();
    let mut receiver = Receiver::start().await;
    shell.ok(&format!("webhook add {} --events order.completed", receiver.url()));
    let (mut bought, mut told) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..3 {
        let (server, ann) = buyer(&shell, &token).await;
        for _ in 0..40 {
            bought.insert(ann.buy("p").await.ok(201)["id"].as_str().unwrap().to_owned());
        }
        // Some are told, some fail, some are on their way when it dies.
        for number in 0..15 {
            let got = receiver.next().await;
            if number % 5 == 4 {
                got.answer(500);
            } else {
                told.insert(order_of(&got.event()));
                got.answer(200);
            }
        }
        server.kill().await;
        assert_eq!(shell.json("audit --json")["ok"], true);
    }
    let (_server, _) = buyer(&shell, &token).await;
    let rest = async {
        while told != bought {
            told.insert(order_of(&receiver.take().await));
        }
    };
    in_time(rest).await;
}

fn order_of(event: &Value) -> String {
    event["data"]["order"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_or_a_restored_backup_tells_nothing_twice_that_was_written_down() {
    let (shell, token) = shop();
    let mut receiver = Receiver::start().await;
    shell.ok(&format!("webhook add {} --events order.completed", receiver.url()));
    let (mut server, ann) = buyer(&shell, &token).await;
    for _ in 0..20 {
        ann.buy("p").await.ok(201);
        receiver.take().await;
    }
    stop(&mut server).await;
    shell.ok("db backup copy.db");
    let (mut server, ann) = buyer(&shell, &token).await;
    let last = ann.buy("p").await.ok(201);
    assert_eq!(receiver.take().await["data"]["order"]["id"], last["id"], "after a restart");
    stop(&mut server).await;
    shell.ok("db restore copy.db");
    let (_server, ann) = buyer(&shell, &token).await;
    let last = ann.buy("p").await.ok(201);
    assert_eq!(receiver.take().await["data"]["order"]["id"], last["id"], "after a restored backup");
    assert_eq!(shell.json("audit --json")["ok"], true);
}

async fn stop(server: &mut Serving) {
    server.signal(rustix::process::Signal::TERM);
    assert!(server.ended().await.success(), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_s_examples_verify_a_real_delivery() {
    let (shell, token) = shop();
    let mut receiver = Receiver::start().await;
    let added = shell.json(&format!("webhook add {} --events order.completed --json", receiver.url()));
    let secret = added["secret"].as_str().unwrap();
    let (_server, ann) = buyer(&shell, &token).await;
    ann.buy("p").await.ok(201);
    let got = receiver.next().await;
    let (header, body) = (got.headers["preorder-signature"].clone(), got.body.clone());
    got.answer(200);
    let time: i64 = header[2..].split_once(',').unwrap().0.parse().unwrap();
    let tag = header.split_once("v1=").unwrap().1;
    let other = format!("{}{}", if tag.starts_with('0') { '1' } else { '0' }, &tag[1..]);
    // What the program is given, and what it must say.
    let cases = [
        (header.clone(), body.clone(), time, true),
        (header.clone(), body.clone(), time + 299, true),
        (header.clone(), body.clone(), time + 301, false),
        (header.clone(), body.clone(), time - 301, false),
        (header.clone(), format!("{body} "), time, false),
        (format!("t={time},v1={other}"), body.clone(), time, false),
        (format!("t={},v1={tag}", time + 1), body.clone(), time, false),
        (format!("t={time},v1={other},v1={tag}"), body.clone(), time, true),
        (format!("t={time}"), body.clone(), time, false),
        ("t=x,v1=ü".to_owned(), body.clone(), time, false),
        (String::new(), body.clone(), time, false),
    ];
    for (language, program) in [("python", "bin/python"), ("javascript", "bin/node")] {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-servers").join(program);
        if !program.exists() {
            not_tested(&format!(
                "docs/webhooks.md in {language}: {} is missing; '.ci/run' installs it",
                program.display()
            ));
            continue;
        }
        let (ending, call) = match language {
            "python" => (
                "py",
                "import sys\nh, s, t = sys.argv[1:4]\nprint(verify(h, sys.stdin.buffer.read(), s, now=int(t)))\n",
            ),
            _ => (
                "cjs",
                "const [h, s, t] = process.argv.slice(2);\nconst body = require('node:fs').readFileSync(0);\n\
                 console.log(verify(h, body, s, Number(t)) ? 'True' : 'False');\n",
            ),
        };
        let file = format!("verify.{ending}");
        shell.write(&file, &format!("{}\n{call}", example(language)));
        for (header, body, now, expected) in &cases {
            let mut command = Command::new(&program);
            command.arg(shell.path().join(&file)).args([header, secret, &now.to_string()]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(body.as_bytes()).await.unwrap();
            let said = in_time(child.wait_with_output()).await.unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            assert_eq!(said.trim(), if *expected { "True" } else { "False" }, "{language}: {header} at {now}");
        }
    }
}

/// The page's program in a language.
fn example(language: &str) -> String {
    let page = include_str!("../../docs/webhooks.md");
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}
