//! `preorder webhook`: who is told of orders.

use serde_json::json;

use crate::support::Shell;

/// A time is now and then a digit shorter, and the titles above it with it.
fn without_widths(text: &str) -> String {
    let squeezed = |line: &str| {
        if line.starts_with("ID  URL") {
            line.split_whitespace().collect::<Vec<_>>().join("  ")
        } else {
            line.to_owned()
        }
    };
    text.lines().map(squeezed).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_webhooks_life() {
    let shell = Shell::new();
    insta::assert_snapshot!(
        "webhook_life",
        without_widths(&shell.runs([
            "webhook list",
            "webhook add https://1.1.1.1/hook --description 'the accountant'",
            "webhook add https://1.0.0.1:8443/hook?a=b --events order.refunded,product.sold_out --json",
            "webhook list",
            "webhook list --show-secrets",
            "webhook list --json",
            "webhook enable 2",
            "webhook deliveries",
            "webhook deliveries 2 --failed --json",
            "webhook delete 1",
            "webhook delete 1",
            "webhook test 1",
            "webhook deliveries 1",
            "webhook enable 1 --json",
        ]))
    );
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let shell = Shell::new();
    insta::assert_snapshot!(
        "webhook_refusals",
        shell.runs([
            "webhook add http://127.0.0.1/",
            "webhook add http://localhost:80/ --events all",
            "webhook add ftp://example.com/",
            "webhook add https://ann:secret@1.1.1.1/",
            "webhook delete x",
        ])
    );
}

#[test]
fn a_ping_that_nobody_takes_fails() {
    let shell = Shell::new();
    shell.write("preorder.toml", "[webhooks]\nallow_private = true\n");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    shell.ok(&format!("webhook add http://127.0.0.1:{port}/"));
    let output = shell.output("webhook test 1 --json");
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["delivered"], &told["status"]), (&json!(false), &json!(null)));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.starts_with("error: The ping to webhook 1 was not taken: ") && errors.contains("hint: "),
        "{errors}"
    );
    let logged = shell.json("webhook deliveries --failed --json");
    let logged = &logged["items"][0];
    assert_eq!(
        (&logged["outcome"], &logged["type"], &logged["eventId"]),
        (&json!("given_up"), &json!("ping"), &told["eventId"])
    );
}
