//! The temporary server: this very program in a process of its own, so that it has its own file descriptors and memory.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::files::SOCKETS_PER_CONNECTION;
use super::scenario::{PaymentRates, ServerTerms};
use crate::kernel::error::{Error, Kind, Text};

/// How long the server may take until it prints its URL.
const START_MAX: Duration = Duration::from_mins(1);
/// How long the server may take to end once its input is closed; longer than it waits for requests in flight.
const STOP_MAX: Duration = Duration::from_secs(30);
/// The last lines of the server's log that an error carries.
const TAIL_LINES: usize = 20;
/// Connections beyond the crowd's that the server takes: the run's own look at the stock, and those being closed.
const SPARE_CONNECTIONS: usize = 64;

/// How many connections the server must take so that none of the crowd's ever waits for a free one.
fn most_connections(crowd: usize) -> usize {
    crowd * SOCKETS_PER_CONNECTION + SPARE_CONNECTIONS
}

/// How the temporary server differs from an ordinary one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerSettings {
    pub(super) payment: PaymentRates,
    pub(super) limits: ServerTerms,
    pub(super) connections: usize,
    pub(super) seed: u64,
    #[cfg(debug_assertions)]
    pub(super) planted_fault: Option<crate::kernel::planted::PlantedFault>,
}

impl ServerSettings {
    /// What is set, as environment variables and their values; the rest is as in any server.
    pub(super) fn changed(&self) -> BTreeMap<String, String> {
        let variables = [
            ("PREORDER_LIMITS_CONNECTIONS", most_connections(self.connections).to_string()),
            ("PREORDER_JWT_ACCESS_MINUTES", "60".to_owned()),
            ("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", self.payment.abandon_rate.to_string()),
            ("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", self.payment.decline_rate.to_string()),
            ("PREORDER_PAYMENT_SIMULATED_SEED", self.seed.to_string()),
        ];
        let changed = variables.into_iter().chain(self.limits.environment());
        let changed = changed.map(|(name, value)| (name.to_owned(), value));
        #[cfg(debug_assertions)]
        let changed = changed
            .chain(self.planted_fault.map(|fault| (crate::kernel::planted::VARIABLE.to_owned(), fault.to_string())));
        changed.collect()
    }
}

impl ServerTerms {
    /// The same as the server's settings.
    fn environment(self) -> impl Iterator<Item = (&'static str, String)> {
        let settings = [
            ("PREORDER_LIMITS_ADDRESS_PER_SECOND", Some(self.address_per_second)),
            ("PREORDER_LIMITS_ADDRESS_BURST", Some(self.address_burst)),
            ("PREORDER_LIMITS_ACCOUNT_PER_SECOND", Some(self.account_per_second)),
            ("PREORDER_LIMITS_ACCOUNT_BURST", Some(self.account_burst)),
            ("PREORDER_LIMITS_QUEUE_LENGTH", self.queue_length),
            ("PREORDER_PASSWORD_THREADS", self.password_threads),
            ("PREORDER_PASSWORD_QUEUE_LENGTH", self.password_queue_length),
        ];
        settings.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())))
    }
}

/// A running server. Dropping it kills the process.
pub(super) struct ServerProcess {
    child: Child,
    /// The server ends when this closes, so it never outlives the run, whatever happens to the run.
    input: Option<ChildStdin>,
    tail: Tail,
    /// Where it listens.
    pub(super) url: String,
}

impl ServerProcess {
    /// Starts a server on a free port over the SQLite file `database`, with `folder` as its working folder.
    ///
    /// # Errors
    /// `server_failed` with its last lines when it ends before it is ready, or is not ready within a minute.
    pub(super) async fn start(folder: &Path, database: &Path, settings: ServerSettings) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|error| cannot_start(&error))?;
        Self::spawn(command(&program, folder, database, settings)).await
    }

    async fn spawn(mut command: Command) -> Result<Self, Error> {
        let mut child = command.spawn().map_err(|error| cannot_start(&error))?;
        let input = child.stdin.take();
        let tail = Tail::default();
        if let Some(errors) = child.stderr.take() {
            let lines = BufReader::new(errors).lines();
            tokio::spawn(tail.clone().keep(lines));
        }
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        let mut server = Self { child, input, tail, url: String::new() };
        match tokio::time::timeout(START_MAX, ready(output)).await {
            Ok(Some((url, rest))) => {
                server.url = url;
                // Read on, so that the server never waits for room in the pipe.
                tokio::spawn(Tail::default().keep(rest));
                Ok(server)
            }
            Ok(None) => Err(server.died().await),
            Err(_) => {
                let what = format!("was not ready within {} seconds", START_MAX.as_secs());
                Err(server.failure(&what))
            }
        }
    }

    /// Its process.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the server's end, which comes too early: gives the error that says so.
    pub(super) async fn died(&mut self) -> Error {
        let status = self.child.wait().await;
        // The last lines may still be in the pipe.
        tokio::time::sleep(Duration::from_millis(50)).await;
        match status {
            Ok(status) => self.failure(&format!("ended early ({status})")),
            Err(error) => self.failure(&format!("can't be waited for ({error})")),
        }
    }

    /// Stops the server in an orderly way; gives the most memory that it ever had, in bytes, where the system tells.
    ///
    /// # Errors
    /// `server_failed` when it has ended before, ends with an error, or does not end in time and has to be killed.
    pub(super) async fn stop(mut self) -> Result<Option<u64>, Error> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.failure(&format!("ended early ({status})")));
        }
        let memory = self.child.id().and_then(peak_memory_bytes);
        drop(self.input.take());
        match tokio::time::timeout(STOP_MAX, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(memory),
            Ok(Ok(status)) => Err(self.failure(&format!("ended with an error ({status})"))),
            Ok(Err(error)) => Err(self.failure(&format!("can't be waited for ({error})"))),
            Err(_) => {
                let failure = self.failure(&format!("did not stop within {} seconds", STOP_MAX.as_secs()));
                drop(self.child.kill().await);
                Err(failure)
            }
        }
    }

    fn failure(&self, what: &str) -> Error {
        let lines = self.tail.text();
        let lines = if lines.is_empty() { "It wrote nothing.".to_owned() } else { format!("Its last lines:\n{lines}") };
        let detail = Text::made(
            format!("The temporary server {what}. {lines}"),
            format!("임시 서버에 문제가 생겼습니다 ({what}). {lines}"),
        );
        Error::new(Kind::Conflict, "server_failed", detail)
    }
}

fn command(program: &Path, folder: &Path, database: &Path, settings: ServerSettings) -> Command {
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--until-stdin-closes", "--db"])
        .arg(format!("sqlite:{}", database.display()))
        // Neither the user's settings nor a preorder.toml nearby may change what is measured.
        .env_clear()
        .current_dir(folder)
        .envs(settings.changed())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Ctrl-C goes to a whole process group; the server is to outlive the crowd's way home.
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// The URL in the server's one line, and the lines that follow; none when the server ends without one.
async fn ready(lines: Option<Lines<BufReader<ChildStdout>>>) -> Option<(String, Lines<BufReader<ChildStdout>>)> {
    let mut lines = lines?;
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) {
            return Some((url.trim_end_matches(['/', '.', ',']).to_owned(), lines));
        }
    }
    None
}

/// The last lines that somebody wrote.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    async fn keep(self, mut lines: Lines<BufReader<impl AsyncRead + Unpin>>) {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == TAIL_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The high-water mark of a process's resident memory (`proc_pid_status(5)`).
fn peak_memory_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cannot_start(error: &std::io::Error) -> Error {
    let detail = Text::made(
        format!("The temporary server can't be started: {error}."),
        format!("임시 서버를 시작할 수 없습니다: {error}"),
    );
    Error::new(Kind::Conflict, "server_failed", detail)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::loadtest::scenario::Scenario;

    /// A shell script in the place of the server.
    async fn script(text: &str) -> Result<ServerProcess, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        ServerProcess::spawn(command).await
    }

    #[tokio::test]
    async fn a_server_that_says_where_it_listens_is_used_until_its_input_closes() {
        let server = script("echo 'preorder listens on http://127.0.0.1:4711/.'; cat").await.unwrap();
        assert_eq!(server.url, "http://127.0.0.1:4711");
        let memory = server.stop().await.unwrap();
        assert!(memory.is_none_or(|bytes| bytes > 0));
    }

    #[tokio::test]
    async fn a_server_that_ends_early_is_quoted() {
        let error = script("echo 'the port is taken' >&2; exit 1").await.err().unwrap();
        assert_eq!(error.code(), "server_failed");
        assert!(error.to_string().contains("the port is taken"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_dies_midway_is_noticed() {
        let mut server = script("echo http://127.0.0.1:1; echo 'disk on fire' >&2; exit 3").await.unwrap();
        let error = server.died().await.to_string();
        assert!(error.contains("disk on fire") && error.contains('3'), "{error}");
    }

    #[test]
    fn the_users_environment_does_not_reach_the_server() {
        let payment = PaymentRates { abandon_rate: 0.5, decline_rate: 0.25 };
        let settings = ServerSettings {
            payment,
            limits: Scenario::load("bots").unwrap().server,
            connections: 10,
            seed: 7,
            #[cfg(debug_assertions)]
            planted_fault: None,
        };
        let command = command(Path::new("preorder"), Path::new("/tmp"), Path::new("/tmp/sale.db"), settings);
        let names: Vec<_> = command.as_std().get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        assert!(names.iter().all(|name| name.starts_with("PREORDER_")), "{names:?}");
        let value = |wanted: &str| {
            let mut values = command.as_std().get_envs().filter(|(name, _)| *name == wanted);
            values.next().and_then(|(_, value)| value).map(|value| value.to_string_lossy().into_owned())
        };
        assert_eq!(value("PREORDER_LIMITS_ADDRESS_PER_SECOND").as_deref(), Some("20"));
        assert_eq!(value("PREORDER_PASSWORD_THREADS"), None, "the server's own default");
        assert!(command.as_std().get_args().any(|argument| argument == "sqlite:/tmp/sale.db"));
    }
}
