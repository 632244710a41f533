//! `preorder user`: accounts at the console.

use std::process::Stdio;

use crate::support::{Shell, eventually, seen};

const ADD: &str = "user add --email ann@example.com --name 'Ann Lee' --role admin --greeting Hello --password-stdin";

/// A time is now and then a digit shorter, and the titles above it with it.
fn without_widths(text: &str) -> String {
    let squeezed = |line: &str| {
        if line.ends_with("EXPIRES") { line.split_whitespace().collect::<Vec<_>>().join("  ") } else { line.to_owned() }
    };
    text.lines().map(squeezed).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_users_life() {
    let shell = Shell::new();
    insta::assert_snapshot!("user_add", shell.typed(ADD, "correct horse\n"));
    let line = "user add --email Bob@Example.COM --name 밥 --password-stdin --json";
    insta::assert_snapshot!("user_add_json", shell.typed(line, "correct horse"));
    insta::assert_snapshot!(
        "user_life",
        without_widths(&shell.runs([
            "user list",
            "user list --json",
            "user show ann@example.com",
            "user show 2 --json",
            "user set-role bob@example.com admin",
            "user sessions bob@example.com",
            "user token bob@example.com",
            "user sessions bob@example.com",
            "user block bob@example.com",
            "user token bob@example.com",
            "user sessions bob@example.com",
            "user unblock bob@example.com",
            "user delete bob@example.com",
            "user show bob@example.com",
            "user show 2",
            "user list",
        ]))
    );
    let line = "user set-password ann@example.com --password-stdin";
    insta::assert_snapshot!("user_set_password", shell.typed(line, "battery staple\n"));
}

#[test]
fn users_that_cannot_be() {
    let shell = Shell::new();
    shell.typed(ADD, "correct horse\n");
    insta::assert_snapshot!("user_add_twice", shell.typed(ADD, "correct horse\n"));
    insta::assert_snapshot!("user_add_short_password", shell.typed(&ADD.replace("ann", "eve"), "short\n"));
    insta::assert_snapshot!("user_add_no_password", shell.typed(&ADD.replace("ann", "eve"), ""));
    let faults = "user add --email nobody --name '' --password-stdin";
    insta::assert_snapshot!("user_add_faults", shell.typed(faults, "x\n"));
    insta::assert_snapshot!(
        "user_wrong_usage",
        shell.runs([
            "user",
            "user add --name Ann",
            "user add --email a@example.com --name Ann",
            "user add --email a@example.com --name Ann --role king --password-stdin",
            "user set-role ann@example.com king",
            "user set-password ann@example.com",
            "user token",
            "user token --all ann@example.com",
        ])
    );
    insta::assert_snapshot!(
        "user_unknown",
        shell.runs([
            "user show nobody@example.com",
            "user show 99",
            "user show 'not an address'",
            "user set-role nobody@example.com user",
            "user block nobody@example.com",
            "user unblock nobody@example.com",
            "user delete nobody@example.com",
            "user sessions nobody@example.com",
            "user token nobody@example.com",
        ])
    );
    let line = "user set-password nobody@example.com --password-stdin";
    insta::assert_snapshot!("user_unknown_password", shell.typed(line, "battery staple\n"));
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let shell = Shell::new();
    shell.typed(ADD, "correct horse\n");
    let tokens: Vec<_> = (0..3).map(|_| shell.ok("user token ann@example.com").trim().to_owned()).collect();
    let server = shell.serve("", &[]).await;
    let [first, second, third] = [0, 1, 2].map(|n| server.anonymous().bearer(&tokens[n]));
    let sessions = shell.json("user sessions ann@example.com --json");
    // The newest first.
    let id = sessions["items"][2]["id"].as_str().unwrap();
    let line = format!("user sessions ann@example.com --revoke {id}");
    insta::assert_snapshot!("user_sessions_revoke", without_widths(&shell.run(&line)));
    eventually(&first, "/users/me", |answer| answer.status == 401).await.refused(401, "session_revoked");
    second.get("/users/me").await.ok(200);
    insta::assert_snapshot!(
        "user_sessions_revoke_all",
        without_widths(&shell.run("user sessions ann@example.com --revoke-all --json"))
    );
    for asker in [&second, &third] {
        eventually(asker, "/users/me", |answer| answer.status == 401).await.refused(401, "session_revoked");
    }
    shell.typed("user add --email bob@example.com --name Bob --password-stdin", "correct horse\n");
    insta::assert_snapshot!(
        "user_sessions_faults",
        shell.runs([
            &*line.replace("ann", "bob"),
            "user sessions ann@example.com --revoke 7",
            &format!("{line} --revoke-all"),
        ])
    );
}

#[test]
fn empty_lists_are_lists() {
    let shell = Shell::new();
    insta::assert_snapshot!(
        "empty_lists",
        shell.runs([
            "user list",
            "user list --json",
            "product list",
            "order list",
            "order list --json",
            "user token --all"
        ])
    );
}

#[tokio::test]
async fn every_active_user_gets_a_token_that_works() {
    let shell = Shell::new();
    shell.ok("seed --users 3");
    shell.ok("user block buyer000002@preorder.example");
    let users = shell.json("user list --json")["items"].as_array().unwrap().len();
    let tokens = shell.ok("user token --all");
    assert_eq!(tokens.lines().count(), users - 1);
    let server = shell.serve("", &[]).await;
    let mut ids = std::collections::BTreeSet::new();
    for token in tokens.lines() {
        assert!(!token.is_empty() && !token.contains(char::is_whitespace), "{token}");
        ids.insert(server.anonymous().bearer(token).get("/users/me").await.ok(200)["id"].as_i64().unwrap());
    }
    assert_eq!(ids.len(), users - 1);
    let one = shell.ok("user token buyer000001@preorder.example");
    assert_eq!(one.lines().count(), 1);
    server.anonymous().bearer(one.trim()).get("/users/me").await.ok(200);
}

#[test]
fn a_reader_who_has_seen_enough_ends_it_quietly() {
    let shell = Shell::new();
    shell.ok("seed --users 300");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = shell.command("user token --all");
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut first = String::new();
    let mut reader = std::io::BufReader::with_capacity(64, reader);
    std::io::BufRead::read_line(&mut reader, &mut first).unwrap();
    drop(reader);
    assert!(first.starts_with("eyJ"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(seen("user token --all", &output), "$ preorder user token --all\nexit 0\n");
}
