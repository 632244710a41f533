//! The server: rooms behind one door, and connections that keep to their limits, over TLS or not.

mod connections;
mod doc;
mod docs;
mod people;
mod places;
mod quiet;
mod stall;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;
use utoipa::ToSchema;

pub use self::connections::Connections;
use self::connections::OpenConnections;
pub use self::doc::document;
use self::people::People;
pub use self::tls::{Prepared, Tls, TlsFault};
use crate::app::App;
use crate::gateway::Door;
use crate::http::{ForPeople, HttpError, Json, Routes};
use crate::kernel::error::{Error, Kind, Text};
use crate::store::Db;
use crate::target::{Target, Targets};
use crate::{activity, metrics, newsfeed, pages, payments, products, purchases, stock, trail, users};

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

/// The rooms that this process serves, the probes and the metrics; their list is that of every route.
#[must_use]
pub fn rooms(app: &App, targets: &Targets) -> Routes {
    let rooms = [
        (Target::Users, users::http::routes(Arc::clone(&app.users)).merge(trail::http::routes(Arc::clone(&app.trail)))),
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
        .fold(watched(app).merge(doc::routes(targets)).merge(docs::routes()), |served, (_, room)| served.merge(room))
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
    Door::new(Arc::clone(&app.users), &app.config, rooms.into_router(), people, Box::new(room), meter)
}

/// What whoever runs the server looks at, whichever rooms it serves.
fn watched(app: &App) -> Routes {
    let probes = Routes::new().get("/healthz", healthz).get("/readyz", readyz).with_state(app.db.clone());
    probes.merge(metrics::http::routes(Arc::clone(&app.metrics)))
}

/// That all is well.
#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(schema_with = doc::ok)]
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
        not_ready().because(why).into()
    })
}

fn not_ready() -> Error {
    let detail = Text::fixed("The database does not answer.", "데이터베이스가 응답하지 않습니다.");
    Error::new(Kind::Busy, "not_ready", detail).retry_after_s(1)
}

/// Runs a server with the tasks that keep `app` up to date.
///
/// # Errors
/// When the database can't be read; what [`run`] returns.
pub async fn serve(
    app: &App,
    connections: Arc<Connections>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut followers = JoinSet::new(); // its end aborts them
    followers.spawn(Arc::clone(&app.users).follow());
    followers.spawn(Arc::clone(&app.users).keep_tidy());
    followers.spawn(Arc::clone(&app.backups).keep_making());
    if let Some(tls) = connections.tls() {
        followers.spawn(Arc::clone(tls).follow());
    }
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
    let ended = run(listener, connections, stop).await;
    app.webhooks.stop().await;
    ended
}

/// Answers requests until `shutdown` is over, then lets those in flight end.
///
/// # Errors
/// When requests in flight had to be cut off after `shutdown_timeout_s`.
pub async fn run(
    listener: TcpListener,
    connections: Arc<Connections>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let open = OpenConnections::default();
    connections.accept_until(&listener, shutdown, &open).await;
    // Whoever connects from here on is refused by the system instead of waiting in its queue.
    drop(listener);
    if open.ended_within(connections.shutdown_timeout()).await {
        return Ok(());
    }
    let detail = Text::fixed(
        "Some requests did not end in time and were cut off; see limits.shutdown_timeout_s.",
        "제시간에 끝나지 않은 요청을 중단했습니다. limits.shutdown_timeout_s를 확인하세요.",
    );
    Err(Error::new(Kind::Conflict, "shutdown_timeout", detail))
}
