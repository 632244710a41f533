//! A real server in this process, on a port of its own with a database of its own, and the people who use it.

mod browser;
pub(crate) mod chromium;
mod community;
pub(crate) mod events;
mod receiver;
mod servers;
mod shell;
mod shop;

use std::sync::Arc;
use std::time::Duration;

use preorder::app::App;
use preorder::config::{Config, MediaUrl, PasswordConfig};
use preorder::http::Routes;
use preorder::kernel::actor::Role;
use preorder::kernel::clock::{Clock, ManualClock, SystemClock, Timestamp};
use preorder::kernel::error::Error;
use preorder::payments::{Payments, Provider};
use preorder::server;
use preorder::store::{Db, Location};
use preorder::target::Targets;
use preorder::users::{NewUser, User};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use self::browser::{Browser, Seen};
pub(crate) use self::community::*;
pub(crate) use self::receiver::Receiver;
pub(crate) use self::servers::{OtherServer, not_tested};
pub(crate) use self::shell::{Serving, Shell, hidden, seen};
pub(crate) use self::shop::*;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// How long anything that must happen may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) address: std::net::SocketAddr,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), Error>>,
    folder: Arc<TempDir>,
}

/// Where a [`ManualClock`] begins: 2030-01-01T00:00:00Z.
const VIRTUAL_START: Timestamp = Timestamp(1_893_456_000_000_000);

impl TestApp {
    /// A server with settings that suit tests: cheap passwords, no rate limits.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server with some settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::serving(change, Routes::new()).await
    }

    /// A server with rooms that only a test has.
    pub(crate) async fn serving(change: impl FnOnce(&mut Config), extra: Routes) -> Self {
        Self::open(change, Setup { extra, ..Setup::default() }).await
    }

    /// A server whose time stands still until the clock is moved; tokens live for a week of it.
    pub(crate) async fn with_clock(change: impl FnOnce(&mut Config)) -> (Self, Arc<ManualClock>) {
        Self::at_a_time(change, true).await
    }

    /// The same without a sweeper, and without anything else that a server does unless it is asked.
    pub(crate) async fn still_with_clock(change: impl FnOnce(&mut Config)) -> (Self, Arc<ManualClock>) {
        Self::at_a_time(change, false).await
    }

    async fn at_a_time(change: impl FnOnce(&mut Config), tasks: bool) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(VIRTUAL_START));
        let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), tasks, ..Setup::default() };
        let settings = |config: &mut Config| {
            tokens_for_a_week(config);
            change(config);
        };
        (Self::open(settings, setup).await, clock)
    }

    /// The same with a provider that answers when a test lets it.
    pub(crate) async fn with_provider() -> (Self, Arc<ManualClock>, Arc<SlowProvider>) {
        let clock = Arc::new(ManualClock::new(VIRTUAL_START));
        let provider = Arc::new(SlowProvider::default());
        let setup = Setup {
            clock: Arc::<ManualClock>::clone(&clock),
            provider: Some(Arc::<SlowProvider>::clone(&provider)),
            ..Setup::default()
        };
        (Self::open(tokens_for_a_week, setup).await, clock, provider)
    }

    /// A server that does nothing unless it is asked: no sweeper, nothing that follows other processes.
    pub(crate) async fn still(change: impl FnOnce(&mut Config)) -> Self {
        Self::open(change, Setup { tasks: false, ..Setup::default() }).await
    }

    /// A server that does not wait for another process's lock.
    pub(crate) async fn impatient(change: impl FnOnce(&mut Config)) -> Self {
        let setup = Setup { tasks: false, busy_timeout: Some(Duration::ZERO), ..Setup::default() };
        Self::open(change, setup).await
    }

    /// Another server on the same database; it must be kept, or it stops.
    pub(crate) async fn beside(&self) -> Self {
        let config = self.app.config.clone();
        Self::open(|other| *other = config, Setup { folder: Arc::clone(&self.folder), ..Setup::default() }).await
    }

    async fn open(change: impl FnOnce(&mut Config), setup: Setup) -> Self {
        let Setup { folder, clock, provider, extra, tasks, busy_timeout } = setup;
        let mut config = Config { db: Location::Sqlite(folder.path().join("shop.db")), ..Config::default() };
        config.password = PasswordConfig { memory_kib: 8, iterations: 1, threads: 2, queue_length: 1000 };
        config.media.url = MediaUrl::Folder(folder.path().join("media"));
        config.limits.address_per_second = 0;
        config.limits.account_per_second = 0;
        change(&mut config);
        let db = match busy_timeout {
            Some(busy_timeout) => Db::open_impatient(&config.db, busy_timeout).await.unwrap(),
            None => Db::open(&config.db).await.unwrap(),
        };
        let mut app = App::on(db, &config, clock).await.unwrap();
        if let Some(provider) = provider {
            app.payments = Payments::new(Arc::clone(&app.ledger), provider);
        }
        let app = Arc::new(app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&app);
        let server = tokio::spawn(async move {
            let rooms = server::rooms(&serving, &Targets::all()).merge(extra);
            let door = server::behind_door(&serving, rooms);
            let stopped = async { drop(stopped.await) };
            if tasks {
                server::serve(&serving, door, listener, stopped).await
            } else {
                server::run(listener, door, &serving.config.limits, stopped).await
            }
        });
        Self { app, address, client: reqwest::Client::new(), stop, server, folder }
    }

    /// Somebody without a token.
    pub(crate) fn anonymous(&self) -> Asker {
        Asker { client: self.client.clone(), base: format!("http://{}", self.address), token: None }
    }

    /// Somebody with a given token.
    pub(crate) fn bearer(&self, token: impl Into<String>) -> Asker {
        Asker { token: Some(token.into()), ..self.anonymous() }
    }

    /// A user `name@example.com` who is signed in.
    pub(crate) async fn user(&self, name: &str) -> Asker {
        self.signed_in(&self.account(name, Role::User).await).await
    }

    /// An admin who is signed in.
    pub(crate) async fn admin(&self) -> Asker {
        self.signed_in(&self.account("admin", Role::Admin).await).await
    }

    /// Somebody with an account of theirs.
    pub(crate) async fn signed_in(&self, user: &User) -> Asker {
        self.bearer(self.app.users.token(user.id, None).await.unwrap())
    }

    /// An account `name@example.com` with [`PASSWORD`].
    pub(crate) async fn account(&self, name: &str, role: Role) -> User {
        let new = NewUser {
            email: Some(format!("{name}@example.com")),
            name: Some(name.to_owned()),
            password: Some(PASSWORD.to_owned()),
            greeting: None,
        };
        self.app.users.add(new, role).await.unwrap()
    }

    /// What another process on the same database sees and does, such as the command line.
    pub(crate) async fn elsewhere(&self) -> App {
        App::open(&self.app.config, Arc::new(SystemClock)).await.unwrap()
    }

    /// Tells the server to stop; what it ends with comes from the handle.
    pub(crate) fn stop(self) -> JoinHandle<Result<(), Error>> {
        self.stop.send(()).unwrap();
        self.server
    }
}

/// What a server is put together from, besides its settings.
struct Setup {
    folder: Arc<TempDir>,
    clock: Arc<dyn Clock>,
    provider: Option<Arc<dyn Provider>>,
    extra: Routes,
    /// Whether holds are swept and other processes are followed.
    tasks: bool,
    /// How long a write waits for another process's lock, when not as long as ever.
    busy_timeout: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self {
            folder,
            clock: Arc::new(SystemClock),
            provider: None,
            extra: Routes::new(),
            tasks: true,
            busy_timeout: None,
        }
    }
}

fn tokens_for_a_week(config: &mut Config) {
    config.jwt.access_minutes = 7 * 24 * 60;
}

/// Somebody who sends requests.
#[derive(Clone)]
pub(crate) struct Asker {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Asker {
    /// The same person at another server.
    pub(crate) fn over_at(&self, app: &TestApp) -> Self {
        Self { token: self.token.clone(), ..app.anonymous() }
    }

    /// Somebody without a token who asks the server at `base`.
    pub(crate) fn at(base: &str) -> Self {
        Self { client: reqwest::Client::new(), base: base.to_owned(), token: None }
    }

    /// Somebody else, over the same connections.
    pub(crate) fn bearer(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Sends to a server that may be gone before it has answered.
    pub(crate) async fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = serde_json::from_str(&response.text().await.ok()?).unwrap_or(Value::Null);
        Some(Answer { status, headers, body })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("the server answers")
    }
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Null when there is none, or when it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer is a success with this status.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        self.body
    }

    /// The answer is a problem document with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["code"], code, "{:?}", self.body);
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["requestId"], self.header("x-request-id"));
        for member in ["type", "title", "detail"] {
            assert!(self.body[member].is_string(), "{member} in {:?}", self.body);
        }
        self
    }

    /// The answer is a `422` about exactly these fields and codes.
    #[track_caller]
    pub(crate) fn faults(self, expected: &[(&str, &str)]) {
        let answer = self.refused(422, "validation_failed");
        let faults: Vec<_> = answer.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| (fault["field"].as_str().unwrap(), fault["code"].as_str().unwrap()))
            .collect();
        assert_eq!(faults, expected);
    }
}

/// Asks again and again until `done` likes the answer: for what another process did.
pub(crate) async fn eventually(asker: &Asker, path: &str, done: impl Fn(&Answer) -> bool) -> Answer {
    in_time(async {
        loop {
            let answer = asker.get(path).await;
            if done(&answer) {
                return answer;
            }
        }
    })
    .await
}

/// Waits for what must happen, with an end.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it should have happened by now")
}
