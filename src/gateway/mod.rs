//! The door: every request passes here once on its way in, and its answer once on its way out.
//!
//! On the way in: is there room for one more purchase, how often may this address ask, whose token is it, how often may this
//! account ask. On the way out: the request id, errors as problem documents in the reader's language, and a stroke for each
//! answer on the `http::Traffic`. A handler that panics or takes too long is
//! answered here too. A page's request is somebody's whose cookie says so, never whose header does, and its errors are shown
//! as pages. Rooms see only the result (`http::Verified`); the client's own `X-USER-ID` is never looked at. With it
//! goes the way to ask again, for whoever has to wait for the body (`http::Asker`).

mod leftover;
mod rates;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{AUTHORIZATION, CONNECTION};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::body::Incoming;
use tower::Service;

use self::rates::Rates;
use crate::config::Limits;
use crate::http::{
    ForPeople, HttpError, Judge, Known, Language, Meter, RequestId, SESSION_COOKIE, Verified, Visitor, cookie, problem,
};
use crate::kernel::error::{Error, Kind};
use crate::kernel::ids::UserId;
use crate::users::Users;

/// The older header that carries an access token.
const ACCESS: &str = "access";

/// The probes of whoever runs the server; they must answer when everything else is refused.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Tells whether there is room for a request with this method and path, or the error that turns it away.
pub type HasRoom = Box<dyn Fn(&Method, &str) -> Result<(), Error> + Send + Sync>;

/// The door, and the rooms behind it. It is no layer of axum's, because each of those costs every request a box or two.
pub struct Door {
    rooms: Router,
    body_limit: DefaultBodyLimit,
    body_bytes: usize,
    users: Arc<Users>,
    people: Option<Arc<dyn ForPeople>>,
    /// Asked again by whoever waits for a body.
    judge: Judge,
    addresses: Rates<IpAddr>,
    accounts: Rates<UserId>,
    /// Asked before anything is looked at but the method and the path.
    room: HasRoom,
    request_timeout: Duration,
    meter: Meter,
}

impl Door {
    /// A door in front of `rooms` that lets in what `limits` allow and counts with `meter`; `people` is who shows pages, if
    /// they are among the rooms.
    #[must_use]
    pub fn new(
        users: Arc<Users>,
        limits: &Limits,
        rooms: Router,
        people: Option<Arc<dyn ForPeople>>,
        room: HasRoom,
        meter: Meter,
    ) -> Self {
        let later = Arc::clone(&users);
        Self {
            rooms,
            body_limit: DefaultBodyLimit::max(limits.body_bytes),
            body_bytes: limits.body_bytes,
            users,
            people,
            judge: Arc::new(move |actor| later.judge(actor)),
            addresses: Rates::new(limits.address_per_second, limits.address_burst),
            accounts: Rates::new(limits.account_per_second, limits.account_burst),
            room,
            request_timeout: Duration::from_secs(limits.request_timeout_s),
            meter,
        }
    }

    /// Answers a request that came from `address`.
    pub async fn answer(&self, request: Request<Incoming>, address: IpAddr) -> Response {
        let begun = Instant::now();
        let place = self.meter.place(request.method(), request.uri().path());
        let (mut request, lent) = leftover::lend(request);
        let id = RequestId::of(request.headers());
        let language = Language::of(request.headers());
        let people = self.people.as_deref().filter(|people| people.are_asked(&request));
        let admitted = self.admit(&mut request, address, people.is_some());
        let page = people.map(|people| people.error_page(&request));
        let response = match admitted {
            Ok(()) => self.pass_on(request).await,
            Err(error) => HttpError::from(error).into_response(),
        };
        let mut response = problem::finish(response, id, language, page);
        self.meter.count(place, &response, begun.elapsed());
        if let Some(lent) = lent
            && !lent.take_rest(self.body_bytes).await
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Decides whether a request comes in, and says who sent it.
    fn admit(&self, request: &mut Request, address: IpAddr, is_for_page: bool) -> Result<(), Error> {
        self.body_limit.apply(request);
        if PROBES.contains(&request.uri().path()) {
            return Ok(());
        }
        (self.room)(request.method(), request.uri().path())?;
        self.addresses.check(&rates::network_of(address)).map_err(rate_limited)?;
        if is_for_page {
            return self.admit_visitor(request);
        }
        let Some(token) = token_of(request.headers()) else { return Ok(()) };
        let verified = match self.users.authenticate(token) {
            Ok(actor) => {
                self.accounts.check(&actor.user).map_err(rate_limited)?;
                Verified::Known(Known::new(actor, Arc::clone(&self.judge)))
            }
            Err(error) => Verified::Refused(error),
        };
        request.extensions_mut().insert(verified);
        Ok(())
    }

    /// Says whose browser asks for a page.
    fn admit_visitor(&self, request: &mut Request) -> Result<(), Error> {
        let Some(token) = cookie(request.headers(), SESSION_COOKIE) else { return Ok(()) };
        let visitor = self.users.authenticate_page(token);
        if let Ok(actor) = &visitor {
            self.accounts.check(&actor.user).map_err(rate_limited)?;
        }
        request.extensions_mut().insert(Visitor(visitor));
        Ok(())
    }

    /// Lets the rooms answer; a panic or a timeout becomes an error.
    async fn pass_on(&self, request: Request) -> Response {
        let answer = AssertUnwindSafe(self.rooms.clone().call(request)).catch_unwind();
        let error = match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(Ok(Ok(response))) => return response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => Error::internal("a handler panicked; see the panic's own message"),
            Err(_) => problem::too_slow(),
        };
        HttpError::from(error).into_response()
    }
}

/// The access token, from `Authorization: Bearer` or else from the older header.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    });
    bearer.or_else(|| headers.get(ACCESS).and_then(|value| value.to_str().ok()))
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
