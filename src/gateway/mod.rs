//! The door: every request passes here once on its way in, and its answer once on its way out.
//!
//! On the way in: is there room for one more purchase, how often may this address ask, whose token is it, how often may this
//! account ask. On the way out: the request id, errors as problem documents in the reader's language, and a stroke for each
//! answer on the `http::Traffic`. A handler that panics or takes too long is
//! answered here too. A page's request is somebody's whose cookie says so, never whose header does, and its errors are shown
//! as pages. Rooms see only the result (`http::Verified`); the client's own `X-USER-ID` is never looked at. With it
//! goes the way to ask again, for whoever has to wait for the body (`http::Asker`). What a proxy says about its clients counts
//! when the proxy is trusted. Each answer is a line in the log, for those who want it, without anything personal but the user's
//! number.

mod leftover;
mod proxies;
mod rates;
mod terms;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderValue, Method, Version};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::body::Incoming;
use tower::Service;

pub use self::proxies::Peer;
use self::terms::{Bounds, Terms};
use crate::config::{Config, REQUESTS};
use crate::http::{
    CameFrom, Connected, Counted, ForPeople, HttpError, Judge, Known, Language, Meter, OverTls, RequestId,
    SESSION_COOKIE, Verified, Visitor, bearer, cookie, problem,
};
use crate::kernel::actor::{Actor, Role};
use crate::kernel::error::{Error, Kind};
use crate::kernel::ids::UserId;
use crate::users::Users;

/// The older header that carries an access token.
const ACCESS: &str = "access";

/// What whoever runs the server looks at; it must answer when everything else is refused. The metrics look for themselves who
/// asks.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Tells whether there is room for a request with this method and path, or the error that turns it away.
pub type HasRoom = Box<dyn Fn(&Method, &str) -> Result<(), Error> + Send + Sync>;

/// A request at the door.
struct Arrival<'a> {
    peer: Peer,
    is_for_page: bool,
    id: &'a RequestId,
    /// Who sent it, once that is known.
    user: Option<UserId>,
}

impl Arrival<'_> {
    /// Notes who sent it. The id stays with an admin's request: what is done in it is noted under it.
    fn is_of(&mut self, actor: &Actor, request: &mut Request) {
        self.user = Some(actor.user);
        if actor.role == Role::Admin {
            request.extensions_mut().insert(self.id.clone());
        }
    }
}

/// The door, and the rooms behind it. It is no layer of axum's, because each of those costs every request a box or two.
pub struct Door {
    rooms: Router,
    terms: ArcSwap<Terms>,
    users: Arc<Users>,
    people: Option<Arc<dyn ForPeople>>,
    /// Asked again by whoever waits for a body.
    judge: Judge,
    /// Asked before anything is looked at but the method and the path.
    room: HasRoom,
    meter: Meter,
}

impl Door {
    /// A door in front of `rooms` that lets in what `config` allows and counts with `meter`; `people` is who shows pages, if
    /// they are among the rooms.
    #[must_use]
    pub fn new(
        users: Arc<Users>,
        config: &Config,
        rooms: Router,
        people: Option<Arc<dyn ForPeople>>,
        room: HasRoom,
        meter: Meter,
    ) -> Self {
        let later = Arc::clone(&users);
        Self {
            rooms,
            terms: ArcSwap::from_pointee(Terms::new(&config.limits, &config.proxy, None)),
            users,
            people,
            judge: Arc::new(move |actor| later.judge(actor)),
            room,
            meter,
        }
    }

    /// Keeps to other limits and trusts other proxies from now on. A rate that stays the same goes on counting.
    pub fn keep_to(&self, config: &Config) {
        let known = self.terms.load_full();
        self.terms.store(Arc::new(Terms::new(&config.limits, &config.proxy, Some(&known))));
    }

    /// Counts a connection, until what this gives is dropped.
    #[must_use]
    pub fn connection(&self) -> Connected {
        self.meter.connection()
    }

    /// Answers a request of whoever connected.
    pub async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response {
        let begun = Instant::now();
        let place = self.meter.place(request.method(), request.uri().path());
        let version = request.version();
        let (mut request, lent) = leftover::lend(request);
        let id = RequestId::of(request.headers());
        let language = Language::of(request.headers());
        let people = self.people.as_deref().filter(|people| people.are_asked(&request));
        let mut arrival = Arrival { peer, is_for_page: people.is_some(), id: &id, user: None };
        let (admitted, bounds) = self.admit(&mut request, &mut arrival);
        let user = arrival.user;
        let page = people.map(|people| people.error_page(&request));
        let told = tells_of_requests().then(|| (request.method().clone(), id.clone()));
        let response = match admitted {
            Ok(()) => self.pass_on(request, bounds.request_timeout).await,
            Err(error) => HttpError::from(error).into_response(),
        };
        let mut response = problem::finish(response, id, language, page);
        let took = begun.elapsed();
        self.meter.count(place, &response, took);
        if let Some((method, id)) = told {
            self.tell(&id, user, &method, place, &response, took);
        }
        // HTTP/2 ends one stream and keeps the connection.
        if let Some(lent) = lent.filter(|_| version < Version::HTTP_2)
            && !lent.take_rest(bounds.body_bytes).await
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Writes the line of a request. Of its path there is the route alone: what stands in it, and behind it, may be anything.
    fn tell(
        &self,
        id: &RequestId,
        user: Option<UserId>,
        method: &Method,
        place: Counted,
        response: &Response,
        took: Duration,
    ) {
        let route = self.meter.route(place).map(|route| route.path);
        // Methods are a client's own words, too.
        let method = if route.is_some() { method.as_str() } else { "other" };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(
            target: REQUESTS,
            request_id = id.as_str(),
            user = user.map(|user| user.0),
            method,
            route = route.unwrap_or("none"),
            status = response.status().as_u16(),
            micros,
            bytes = response.body().size_hint().exact(),
            "answered"
        );
    }

    /// Decides whether a request comes in, and says who sent it.
    fn admit(&self, request: &mut Request, arrival: &mut Arrival<'_>) -> (Result<(), Error>, Bounds) {
        let terms = self.terms.load();
        DefaultBodyLimit::max(terms.bounds.body_bytes).apply(request);
        let admitted = self.admit_by(&terms, request, arrival);
        (admitted, terms.bounds)
    }

    fn admit_by(&self, terms: &Terms, request: &mut Request, arrival: &mut Arrival<'_>) -> Result<(), Error> {
        if PROBES.contains(&request.uri().path()) {
            let client = proxies::client(arrival.peer, request.headers(), &terms.trusted);
            request.extensions_mut().insert(CameFrom(client.address));
            return Ok(());
        }
        (self.room)(request.method(), request.uri().path())?;
        let client = proxies::client(arrival.peer, request.headers(), &terms.trusted);
        if client.tls {
            request.extensions_mut().insert(OverTls(true));
        }
        terms.addresses.check(&rates::network_of(client.address)).map_err(rate_limited)?;
        if arrival.is_for_page {
            return self.admit_visitor(terms, request, arrival);
        }
        let Some(token) = token_of(request.headers()) else { return Ok(()) };
        let verified = match self.users.authenticate(token) {
            Ok(actor) => {
                arrival.is_of(&actor, request);
                terms.accounts.check(&actor.user).map_err(rate_limited)?;
                Verified::Known(Known::new(actor, Arc::clone(&self.judge)))
            }
            Err(error) => Verified::Refused(error),
        };
        request.extensions_mut().insert(verified);
        Ok(())
    }

    /// Says whose browser asks for a page.
    fn admit_visitor(&self, terms: &Terms, request: &mut Request, arrival: &mut Arrival<'_>) -> Result<(), Error> {
        let Some(token) = cookie(request.headers(), SESSION_COOKIE) else { return Ok(()) };
        let visitor = self.users.authenticate_page(token);
        if let Ok(actor) = &visitor {
            arrival.is_of(actor, request);
            terms.accounts.check(&actor.user).map_err(rate_limited)?;
        }
        request.extensions_mut().insert(Visitor(visitor));
        Ok(())
    }

    /// Lets the rooms answer; a panic or a timeout becomes an error.
    async fn pass_on(&self, request: Request, request_timeout: Duration) -> Response {
        let answer = AssertUnwindSafe(self.rooms.clone().call(request)).catch_unwind();
        let error = match tokio::time::timeout(request_timeout, answer).await {
            Ok(Ok(Ok(response))) => return response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => Error::internal("a handler panicked; see the panic's own message"),
            Err(_) => problem::too_slow(),
        };
        HttpError::from(error).into_response()
    }
}

/// Whether anybody wants a line for each request.
fn tells_of_requests() -> bool {
    tracing::enabled!(target: REQUESTS, tracing::Level::DEBUG)
}

/// The access token, from `Authorization: Bearer` or else from the older header.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get(ACCESS).and_then(|value| value.to_str().ok()))
}

fn rate_limited(retry_after_s: u32) -> Error {
    Error::new(Kind::TooMany, "rate_limited", problem::RATE_LIMITED).retry_after_s(retry_after_s)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn a_token_comes_in_either_header() {
        for (headers, expected) in [
            (&[("authorization", "Bearer a.b.c")][..], Some("a.b.c")),
            (&[("authorization", "bearer  a.b.c")], Some("a.b.c")),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "Bearer")], None),
            (&[("access", "a.b.c")], Some("a.b.c")),
            (&[("authorization", "Bearer a.b.c"), ("access", "d.e.f")], Some("a.b.c")),
            (&[("authorization", "Basic abc"), ("access", "d.e.f")], Some("d.e.f")),
            (&[("x-user-id", "1")], None),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(token_of(&map), expected, "{headers:?}");
        }
    }
}
