//! Schemathesis asks everything that the description allows, and much that it does not, as each kind of asker.

use std::process::Stdio;

use image::ImageFormat;
use preorder::kernel::actor::Role;
use tokio::process::Command;

use crate::images::{drawn, upload};
use crate::support::{TestApp, general, not_tested, reservation};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-servers/bin/schemathesis");
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/schemathesis.toml");
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/servers/schemathesis_hooks.py");

/// Examples of each operation.
const EXAMPLES: &str = "200";
/// What a run draws its examples from, so that one that fails can be had again.
const SEED: &str = "20261125";
/// Requests that a run must have sent to have been one.
const CASES_MIN: u32 = 5_000;
/// Those who log out or withdraw one after the other; more than ever do.
const PEOPLE: usize = 1_500;

/// Runs every check against a shop with something of everything; the asker is somebody with this role, or nobody.
async fn passes_as(role: Option<Role>) {
    if !std::path::Path::new(PROGRAM).exists() {
        not_tested(&format!("the description is not fuzzed: {PROGRAM} is missing; '.ci/run' installs it"));
        return;
    }
    let app = TestApp::start().await;
    app.sell(reservation("100", 100_000)).await;
    app.sell(general("200", 100_000)).await;
    let author = app.user("author").await;
    let image = upload(&author, &drawn(ImageFormat::Png)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .env("SCHEMATHESIS_HOOKS", HOOKS)
        .env("PREORDER_IMAGE", image)
        .arg("--config-file")
        .arg(SETTINGS)
        .arg("run")
        .arg(format!("http://{}/openapi.json", app.address));
    command.args(["--max-examples", EXAMPLES, "--seed", SEED, "--continue-on-failure", "--no-shrink"]);
    if let Some(role) = role {
        let tokens = folder.path().join("tokens");
        std::fs::write(&tokens, tokens_of(&app, role).await).unwrap();
        command.env("PREORDER_TOKENS", tokens);
    }
    let run = command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
    // What was asked, in the words of its summary: 'Test cases:' and '12056 generated, 12056 passed'.
    let asked = told.split_once(" generated, ").and_then(|(before, _)| before.rsplit(char::is_whitespace).next());
    let asked: u32 = asked.unwrap_or_default().parse().unwrap_or(0);
    assert!(asked > CASES_MIN, "only {asked} requests were sent\n{told}");
}

/// A token a line, each somebody's.
async fn tokens_of(app: &TestApp, role: Role) -> String {
    let mut tokens = String::new();
    for number in 0..PEOPLE {
        let account = app.account(&format!("somebody-{number}"), role).await;
        tokens += &app.app.users.token(account.id, Some(7 * 24 * 3_600)).await.unwrap();
        tokens.push('\n');
    }
    tokens
}

#[tokio::test]
#[ignore = "takes minutes; '.ci/run' runs it"]
async fn nobody_finds_a_fault() {
    passes_as(None).await;
}

#[tokio::test]
#[ignore = "takes minutes; '.ci/run' runs it"]
async fn no_user_finds_a_fault() {
    passes_as(Some(Role::User)).await;
}

#[tokio::test]
#[ignore = "takes minutes; '.ci/run' runs it"]
async fn no_admin_finds_a_fault() {
    passes_as(Some(Role::Admin)).await;
}
