//! The server: rooms behind one door, and an accept loop that keeps to its limits.
//!
//! The loop is hyper's HTTP/1 by hand rather than `axum::serve`, which has no time limit for a request's head, does not
//! set `TCP_NODELAY` and accepts connections without end.

mod people;
mod stall;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::people::People;
use self::stall::StallGuard;
use crate::app::App;
use crate::config::Limits;
use crate::gateway::Door;
use crate::http::{ForPeople, HttpError, Json, Routes};
use crate::kernel::error::{Error, Kind, Text};
use crate::store::Db;
use crate::target::{Target, Targets};
use crate::{activity, newsfeed, pages, payments, products, purchases, stock, users};

/// How long the loop waits when the system has no file descriptor left; trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The longest request head, and what a connection may hold in memory at most; hyper's default is over 400 KiB.
const BUFFER_BYTES_MAX: usize = 65_536;

/// Clients that may wait for the accept loop: a crowd arrives within milliseconds, and whoever finds the queue full tries
/// again only after a second. The system may allow less (`net.core.somaxconn`).
const BACKLOG: u32 = 4_096;

/// Listens on `address`; port 0 takes any free one. Must be called inside a tokio runtime.
///
/// # Errors
/// When the address is taken, or not this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port whose last server has just stopped is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The rooms that this process serves, behind the door.
#[must_use]
pub fn door(app: &App, targets: &Targets) -> Door {
    behind_door(app, rooms(app, targets))
}

/// The rooms that this process serves, and the probes; their list is that of every route.
#[must_use]
pub fn rooms(app: &App, targets: &Targets) -> Routes {
    let rooms = [
        (Target::Users, users::http::routes(Arc::clone(&app.users))),
        (Target::Products, products::http::routes(Arc::clone(&app.products), Arc::clone(&app.clock))),
        (Target::Stock, stock::http::routes(Arc::clone(&app.stock))),
        (Target::Payments, payments::http::routes(Arc::clone(&app.payments))),
        (Target::Purchases, purchases::http::routes(Arc::clone(&app.purchases))),
        (Target::Newsfeed, newsfeed::http::routes(Arc::clone(&app.newsfeed))),
        (Target::Activity, activity::http::routes(Arc::clone(&app.activity))),
        (Target::Pages, pages::routes(people::pages(app))),
    ];
    rooms
        .into_iter()
        .filter(|(target, _)| targets.contains(*target))
        .fold(probes(app.db.clone()), |served, (_, room)| served.merge(room))
}

/// Puts the door in front of `rooms`.
#[must_use]
pub fn behind_door(app: &App, rooms: Routes) -> Door {
    let people = People::of(app, rooms.list()).map(|people| Arc::new(people) as Arc<dyn ForPeople>);
    let meter = app.traffic.meter(rooms.list());
    let payments = Arc::clone(&app.payments);
    let room = move |method: &Method, path: &str| {
        if pages::is_purchase(method, path) {
            payments.has_room()
        } else {
            payments::http::has_room(&payments, method, path)
        }
    };
    Door::new(Arc::clone(&app.users), &app.config.limits, rooms.into_router(), people, Box::new(room), meter)
}

fn probes(db: Db) -> Routes {
    Routes::new().get("/healthz", healthz).get("/readyz", readyz).with_state(db)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Answers while the process is alive, whatever else is the matter.
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Answers while the database does.
async fn readyz(State(db): State<Db>) -> Result<Json<Health>, HttpError> {
    let failed = db.failure().borrow().clone();
    let answered = match failed {
        Some(why) => Err(why),
        None => db.read(|conn| Ok(conn.row("SELECT 1", &[], |row| row.int(0))?)).await,
    };
    answered.map(|_| Json(Health { status: "ok" })).map_err(|error| {
        let why = error.parts().internal.clone().unwrap_or_else(|| error.to_string());
        let detail = Text::fixed("The database does not answer.", "데이터베이스가 응답하지 않습니다.");
        Error::new(Kind::Busy, "not_ready", detail).because(why).retry_after_s(1).into()
    })
}

/// Runs a server with the tasks that keep `app` up to date.
///
/// # Errors
/// When the database can't be read; what [`run`] returns.
pub async fn serve(
    app: &App,
    door: Door,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut followers = JoinSet::new(); // its end aborts them
    followers.spawn(Arc::clone(&app.users).follow());
    followers.spawn(Arc::clone(&app.users).keep_tidy());
    followers.spawn(Arc::clone(&app.backups).keep_making());
    followers.spawn(Arc::clone(&app.webhooks).deliver());
    app.ledger.keep_current();
    app.products.keep_current();
    app.newsfeed.keep_current();
    app.stock.keep_current();
    app.pulse.keep_current();
    if let count @ 1.. = app.payments.resume().await? {
        tracing::info!(count, "asking again about charges that were under way when the last server ended");
    }
    // A stream is in flight until it is ended.
    let stop = async {
        shutdown.await;
        app.newsfeed.close();
        app.stock.close();
        app.pulse.close();
    };
    let ended = run(listener, door, &app.config.limits, stop).await;
    app.webhooks.stop().await;
    ended
}

/// Answers requests until `shutdown` is over, then lets those in flight end.
///
/// # Errors
/// When requests in flight had to be cut off after `shutdown_timeout_s`.
pub async fn run(
    listener: TcpListener,
    door: Door,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut shutdown = pin!(shutdown);
    let connections = Connections::new(door, limits);
    let graceful = GracefulShutdown::new();
    let cut_off = CancellationToken::new();
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = connections.accept(&listener) => accepted,
        };
        let connection = connections.serve(stream, peer, graceful.watcher());
        let cut_off = cut_off.clone();
        tokio::spawn(async move {
            cut_off.run_until_cancelled(connection).await;
            drop(permit);
        });
    }
    // Whoever connects from here on is refused by the system instead of waiting in its queue.
    drop(listener);
    if tokio::time::timeout(Duration::from_secs(limits.shutdown_timeout_s), graceful.shutdown()).await.is_ok() {
        return Ok(());
    }
    cut_off.cancel();
    let detail = Text::fixed(
        "Some requests did not end in time and were cut off; see limits.shutdown_timeout_s.",
        "제시간에 끝나지 않은 요청을 중단했습니다. limits.shutdown_timeout_s를 확인하세요.",
    );
    Err(Error::new(Kind::Conflict, "shutdown_timeout", detail))
}

/// What the accept loop makes connections with.
struct Connections {
    door: Arc<Door>,
    http: http1::Builder,
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Connections {
    fn new(door: Door, limits: &Limits) -> Self {
        let mut http = http1::Builder::new();
        let patience = Duration::from_secs(limits.header_timeout_s);
        // The timer runs while a connection waits for a request's head, so it ends idle connections as well.
        http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(BUFFER_BYTES_MAX);
        let connections = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { door: Arc::new(door), http, free: Arc::new(Semaphore::new(connections)), patience }
    }

    /// Waits until a connection is free, then for a client. Clients over the limit wait in the system's queue.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let free = Arc::clone(&self.free);
        let permit = free.acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, permit),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "accepting a connection failed; check the limit of open files");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Answers one connection's requests.
    fn serve(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) -> impl Future<Output = ()> + use<> {
        // Without it a small answer can wait 40 ms for the acknowledgement of the one before. A failure costs only that.
        drop(stream.set_nodelay(true));
        let door = Arc::clone(&self.door);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let door = Arc::clone(&door);
            async move { Ok::<_, Infallible>(door.answer(request, peer.ip()).await) }
        });
        let stream = TokioIo::new(StallGuard::new(stream, self.patience));
        let connection = watcher.watch(self.http.serve_connection(stream, service));
        async move {
            if let Err(error) = connection.await {
                // Clients that vanish or send no HTTP are their own affair.
                tracing::debug!(%error, %peer, "a connection ended early");
            }
        }
    }
}

/// Whether accepting failed because the client was gone already.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
