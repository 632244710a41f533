//! Real servers of other people's making, each in a process of its own: a mail server, an S3 server.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::in_time;

/// Where `.ci/run` installs them.
pub(crate) const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-servers/bin/python");

/// A server that a test started; it ends with this.
pub(crate) struct OtherServer {
    /// Where it may write.
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl OtherServer {
    /// Starts `tests/it/servers/{script}` on a free port; `None` when its libraries are not installed, except in CI, where
    /// that is a failure.
    pub(crate) async fn start(script: &str, mode: &str) -> Option<Self> {
        if !Path::new(PYTHON).exists() {
            not_tested(&format!("{script} is not tested: {PYTHON} is missing; '.ci/run' installs it"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/servers").join(script);
        let mut command = Command::new(PYTHON);
        command.arg(path).arg(folder.path()).arg(mode).kill_on_drop(true);
        let errors = std::fs::File::create(folder.path().join("errors")).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self { folder, port: 0, child, input, lines };
        server.port = server.line().await["port"].as_u64().unwrap().try_into().unwrap();
        Some(server)
    }

    /// The next thing that it tells.
    pub(crate) async fn line(&mut self) -> Value {
        let line = in_time(self.lines.next_line()).await.unwrap();
        let errors = || std::fs::read_to_string(self.folder.path().join("errors")).unwrap();
        serde_json::from_str(&line.unwrap_or_else(|| panic!("it ended: {}", errors()))).unwrap()
    }

    /// Asks it something; what it tells comes with [`Self::line`].
    pub(crate) async fn ask(&mut self) -> Value {
        self.input.write_all(b"\n").await.unwrap();
        self.line().await
    }

    /// Ends it the way a power failure does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// What `tests/it/servers/{script}` makes of `input`; `None` when its libraries are not installed.
pub(crate) async fn run_python(script: &str, input: &str) -> Option<String> {
    const NOT_INSTALLED: i32 = 3;
    if !Path::new(PYTHON).exists() {
        return None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/servers").join(script);
    let mut command = Command::new(PYTHON);
    let mut child = command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let told = async {
        // Beside the reading: neither waits for the other's full pipe. A script that has ended takes nothing.
        let input = async {
            drop(stdin.write_all(input.as_bytes()).await);
            drop(stdin);
        };
        tokio::join!(input, child.wait_with_output()).1.unwrap()
    };
    let output = in_time(told).await;
    if output.status.code() == Some(NOT_INSTALLED) {
        return None;
    }
    assert!(output.status.success(), "{script}: {}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Says loudly that something could not be tested; in CI that is a failure.
#[track_caller]
pub(crate) fn not_tested(what: &str) {
    assert!(!in_ci(), "{what}");
    // Past the test's own output, which nobody sees while it passes.
    std::io::stderr().write_all(format!("\nSKIPPED: {what}\n\n").as_bytes()).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "whether a missing server is a failure is not the program's to know")]
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
