//! The real program: somebody at a shell, and servers in processes of their own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::ChildStdout;

use super::{Asker, in_time};

/// Settings that suit tests: cheap passwords, no rate limits.
const TEST_SETTINGS: [(&str, &str); 4] = [
    ("PREORDER_LIMITS_ADDRESS_PER_SECOND", "0"),
    ("PREORDER_LIMITS_ACCOUNT_PER_SECOND", "0"),
    ("PREORDER_PASSWORD_MEMORY_KIB", "8"),
    ("PREORDER_PASSWORD_ITERATIONS", "1"),
];

/// Somebody at a shell, in an empty folder and with a clean environment.
pub(crate) struct Shell {
    folder: TempDir,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preorder"));
        command.args(words(line)).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// What the user sees, as a snapshot.
    pub(crate) fn run(&self, line: &str) -> String {
        hidden(&seen(line, &self.output(line)))
    }

    /// What the user sees of several commands, one after the other.
    pub(crate) fn runs<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> String {
        lines.into_iter().map(|line| self.run(line)).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> String {
        let mut command = self.command(line);
        seen(line, &command.envs(environment.iter().copied()).output().unwrap())
    }

    /// The same with something on standard input.
    pub(crate) fn typed(&self, line: &str, input: &str) -> String {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.envs(TEST_SETTINGS).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        hidden(&seen(line, &child.wait_with_output().unwrap()))
    }

    /// Runs what must succeed, and gives its stdout.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.command(line).envs(TEST_SETTINGS).output().unwrap();
        assert!(output.status.success(), "{}", seen(line, &output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must succeed, and gives the one document that it prints.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }

    /// Starts a server on a free port, with more settings.
    pub(crate) async fn serve(&self, flags: &str, environment: &[(&str, &str)]) -> Serving {
        let mut command = self.command(&format!("serve --listen 127.0.0.1:0 {flags}"));
        command.envs(TEST_SETTINGS).envs(environment.iter().copied());
        Serving::start(command, self.path()).await
    }
}

/// A server in a process of its own; it dies with this.
pub(crate) struct Serving {
    pub(crate) child: tokio::process::Child,
    pub(crate) url: String,
    /// The line in which it said so.
    pub(crate) line: String,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    log: std::path::PathBuf,
}

impl Serving {
    pub(crate) async fn start(mut command: Command, folder: &Path) -> Self {
        let log = folder.join("serve.log");
        let errors = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stdout(Stdio::piped()).stderr(errors);
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = in_time(lines.next_line()).await.unwrap();
        let line = line.unwrap_or_else(|| panic!("no server: {}", std::fs::read_to_string(&log).unwrap()));
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { child, url, line, lines: Some(lines), log }
    }

    /// Somebody without a token, with connections of their own.
    pub(crate) fn anonymous(&self) -> Asker {
        Asker::at(&self.url)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        in_time(self.child.wait()).await.unwrap()
    }

    /// Ends it the way a power failure does.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        assert!(!self.ended().await.success());
    }

    /// What it prints after its first line.
    pub(crate) fn output(&mut self) -> Lines<BufReader<ChildStdout>> {
        self.lines.take().unwrap()
    }

    /// What it wrote to stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// A line's words; what stands between single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Hides what differs from run to run: ids, times and tokens, and the room that they take in a table.
pub(crate) fn hidden(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let in_word = |c: char| c.is_ascii_alphanumeric() || "-_:.+".contains(c);
        let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        if length == 0 {
            let first = rest.chars().next().unwrap();
            shown.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        let name = if word.parse::<preorder::kernel::ids::OrderId>().is_ok() {
            "<id>"
        } else if word.contains('T') && word.parse::<preorder::kernel::clock::Timestamp>().is_ok() {
            "<time>"
        } else if word.strip_prefix("sim-").is_some_and(|id| id.parse::<preorder::kernel::ids::OrderId>().is_ok()) {
            "<charge>"
        } else if word.starts_with("eyJ") {
            "<token>"
        } else if word.starts_with("whsec_") {
            "<secret>"
        } else {
            shown.push_str(word);
            rest = after;
            continue;
        };
        shown.push_str(name);
        rest = if after.starts_with("  ") {
            &after[after.len() - after.trim_start_matches(' ').len() - 2..]
        } else {
            after
        };
    }
    shown
}

/// Exit code, stdout and stderr in one text. Whatever goes wrong is told with what to do about it.
#[track_caller]
pub(crate) fn seen(line: &str, output: &Output) -> String {
    let stderr = std::str::from_utf8(&output.stderr).unwrap();
    let last = stderr.lines().next_back().unwrap_or_default();
    assert!(!stderr.contains("error: ") || last.starts_with("hint: "), "'preorder {line}' gives no hint:\n{stderr}");
    let mut text = format!("$ preorder {line}\n");
    text.push_str(std::str::from_utf8(&output.stdout).unwrap());
    for line in stderr.lines() {
        writeln!(text, "! {line}").unwrap();
    }
    writeln!(text, "exit {}", output.status.code().unwrap()).unwrap();
    text
}
