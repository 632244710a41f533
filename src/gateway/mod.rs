//! The door: every request passes here once on its way in, and its answer once on its way out.
//!
//! On the way in: how often may this address ask, whose token is it, how often may this account ask. On the way out:
//! the request id, and errors as problem documents in the reader's language. A handler that panics or takes too long is
//! answered here too. Rooms see only the result (`http::Verified`); the client's own `X-USER-ID` is never looked at.

mod rates;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use self::rates::Rates;
use crate::config::Limits;
use crate::http::{HttpError, Language, RequestId, Verified, problem};
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::UserId;
use crate::users::Users;

/// The older header that carries an access token.
const ACCESS: &str = "access";

/// The probes of whoever runs the server; they must answer when everything else is refused.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Who sent a request; the accept loop leaves it with each one.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// What the door knows.
pub struct Gateway {
    users: Arc<Users>,
    addresses: Rates<IpAddr>,
    accounts: Rates<UserId>,
    request_timeout: Duration,
}

impl Gateway {
    /// A door that lets in what `limits` allow.
    #[must_use]
    pub fn new(users: Arc<Users>, limits: &Limits) -> Self {
        Self {
            users,
            addresses: Rates::new(limits.address_per_second, limits.address_burst),
            accounts: Rates::new(limits.account_per_second, limits.account_burst),
            request_timeout: Duration::from_secs(limits.request_timeout_s),
        }
    }

    /// Decides whether a request comes in, and says who sent it.
    fn admit(&self, request: &mut Request) -> Result<(), Error> {
        if PROBES.contains(&request.uri().path()) {
            return Ok(());
        }
        if let Some(PeerAddress(address)) = request.extensions().get() {
            self.addresses.check(&rates::network_of(*address)).map_err(rate_limited)?;
        }
        let Some(token) = token_of(request.headers()) else { return Ok(()) };
        let verified = match self.users.authenticate(token) {
            Ok(actor) => {
                self.accounts.check(&actor.user).map_err(rate_limited)?;
                Verified::Known(actor)
            }
            Err(error) => Verified::Refused(error),
        };
        request.extensions_mut().insert(verified);
        Ok(())
    }

    /// Lets the rooms answer; a panic or a timeout becomes an error.
    async fn answer(&self, request: Request, next: Next) -> Response {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        let error = match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(Ok(response)) => return response,
            Ok(Err(_)) => Error::internal("a handler panicked; see the panic's own message"),
            Err(_) => {
                let detail = Text::fixed("The request took too long.", "요청 처리 시간이 초과되었습니다.");
                Error::new(Kind::Busy, "timeout", detail).retry_after_s(1)
            }
        };
        HttpError::from(error).into_response()
    }
}

/// The door as a middleware; it must be the outermost.
pub async fn door(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let language = Language::of(request.headers());
    let response = match gateway.admit(&mut request) {
        Ok(()) => gateway.answer(request, next).await,
        Err(error) => HttpError::from(error).into_response(),
    };
    problem::finish(response, id, language)
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
    use axum::http::{HeaderName, HeaderValue};

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
