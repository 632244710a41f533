//! Who is asking, as far as a handler needs to know.
//!
//! The door verified the token, if there was one, and left a [`Verified`] with the request. A route that needs nobody
//! takes [`Caller`] or nothing, and a bad token does not matter there; one that needs a user takes [`Buyer`]; one that
//! needs an admin takes [`Admin`], or [`Keeper`] when it changes something: that is noted under their number and the
//! request's id. [`Asking`] is for what users do to what is theirs, and admins to what is not.
//!
//! The door saw the request's head, and a body can take half a minute more. So whoever reads a body reads it through
//! [`Asker`], which asks again once it is there: the only place where that is done, and it needs no rows.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use super::problem::HttpError;
use super::request_id::RequestId;
use crate::kernel::actor::{Actor, By, Doer, RequestWord, Role};
use crate::kernel::error::{Error, Kind, Text};

/// The token of an `Authorization: Bearer` header.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// Tells, from memory, what an actor may do now: it gives the actor with today's role, or why it may not act.
pub type Judge = Arc<dyn Fn(Actor) -> Result<Actor, Error> + Send + Sync>;

/// What the door found out about a request's token.
#[derive(Clone)]
pub enum Verified {
    /// A good token of somebody who may act.
    Known(Known),
    /// A token that is no good, or whose user is locked out.
    Refused(Error),
}

/// Somebody who might act when the request's head was there.
#[derive(Clone)]
pub struct Known {
    actor: Actor,
    judge: Judge,
    /// Whether the route needs somebody; elsewhere it does not matter what becomes of the token.
    needed: bool,
}

impl Known {
    /// An actor, and who knows about them later.
    #[must_use]
    pub fn new(actor: Actor, judge: Judge) -> Self {
        Self { actor, judge, needed: false }
    }

    /// Asks again.
    fn judge_again(&self) -> Result<(), Error> {
        // What the handler was given is the role from before; with another one the request begins anew.
        if (self.judge)(self.actor)?.role == self.actor.role {
            Ok(())
        } else {
            Err(Error::busy(1).because("the asker's role changed before the body was there"))
        }
    }
}

/// Whoever sent a request whose body is not read yet.
pub struct Asker(Option<Known>);

impl Asker {
    /// The sender of `request`.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        match request.extensions().get::<Verified>() {
            Some(Verified::Known(known)) if known.needed => Self(Some(known.clone())),
            _ => Self(None),
        }
    }

    /// Gives what `reading` reads of the body. When that had to be waited for, the asker must still be allowed to act; a
    /// body that came with its head costs nothing more.
    ///
    /// # Errors
    /// Those of `reading`; then why the asker may not act any more, or `503 busy` when their role is another one now.
    pub async fn after<T>(self, reading: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        let (mut reading, mut has_waited) = (pin!(reading), false);
        let read = poll_fn(|context| {
            let polled = reading.as_mut().poll(context);
            has_waited |= polled.is_pending();
            polled
        });
        let read = read.await?;
        if has_waited && let Some(known) = self.0 {
            known.judge_again()?;
        }
        Ok(read)
    }
}

/// Whoever is asking, signed in or not.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Option<Actor>);

/// A signed-in user.
#[derive(Debug, Clone, Copy)]
pub struct Buyer(pub Actor);

/// A signed-in admin.
#[derive(Debug, Clone, Copy)]
pub struct Admin(pub Actor);

/// A signed-in admin who is about to change something.
#[derive(Debug, Clone, Copy)]
pub struct Keeper(pub By);

/// A signed-in user, or an admin, who is about to change something that may not be theirs.
#[derive(Debug, Clone, Copy)]
pub struct Asking(pub Doer);

/// The request's id, which the door leaves with an admin's request.
#[must_use]
pub fn request_word(extensions: &Extensions) -> Option<RequestWord> {
    extensions.get::<RequestId>().map(|id| RequestWord::new(id.as_str()))
}

/// The actor that a route needs.
fn needed(parts: &mut Parts) -> Result<Actor, Error> {
    match parts.extensions.get_mut::<Verified>() {
        Some(Verified::Known(known)) => {
            known.needed = true;
            Ok(known.actor)
        }
        Some(Verified::Refused(error)) => Err(error.clone()),
        None => Err(unauthenticated()),
    }
}

/// Nobody is asking.
pub(super) fn unauthenticated() -> Error {
    Error::new(Kind::Unauthenticated, "unauthenticated", Text::fixed("Log in first.", "먼저 로그인하세요."))
}

/// Somebody who is no admin is asking.
pub(super) fn not_an_admin() -> Error {
    Error::new(Kind::Forbidden, "forbidden", Text::fixed("Only an admin may do this.", "관리자만 할 수 있습니다."))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(match parts.extensions.get::<Verified>() {
            Some(Verified::Known(known)) => Some(known.actor),
            _ => None,
        }))
    }
}

impl<S: Sync> FromRequestParts<S> for Buyer {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Ok(Self(needed(parts)?))
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        let actor = needed(parts)?;
        if actor.role == Role::Admin {
            return Ok(Self(actor));
        }
        Err(not_an_admin().into())
    }
}

impl<S: Sync> FromRequestParts<S> for Keeper {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let Admin(admin) = Admin::from_request_parts(parts, state).await?;
        Ok(Self(By::Admin(admin.user, request_word(&parts.extensions))))
    }
}

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Ok(Self(Doer { actor: needed(parts)?, request: request_word(&parts.extensions) }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::RequestExt as _;
    use axum::body::{Body, Bytes};
    use axum::response::IntoResponse as _;
    use futures_util::{StreamExt as _, stream};
    use serde::de::IgnoredAny;

    use super::*;
    use crate::http::Json;
    use crate::kernel::clock::Timestamp;
    use crate::kernel::ids::{SessionId, UserId};

    /// A request of an actor who is judged by `answer`, and how often that was.
    fn request(body: Body, answer: fn(Actor) -> Result<Actor, Error>) -> (Request, Arc<AtomicUsize>) {
        let token_ends_at = Timestamp(1);
        let actor = Actor { user: UserId(1), role: Role::User, session: SessionId::fresh(), token_ends_at };
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let judge = move |actor| {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(actor)
        };
        let mut request = Request::new(body);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request.extensions_mut().insert(Verified::Known(Known::new(actor, Arc::new(judge))));
        (request, asked)
    }

    /// A body that does not come with the head.
    fn late(body: &'static str) -> Body {
        let pause = stream::once(tokio::task::yield_now()).map(|()| Bytes::new());
        Body::from_stream(pause.chain(stream::iter([Bytes::from(body)])).map(Ok::<_, Infallible>))
    }

    async fn code(mut request: Request, needs_a_user: bool) -> &'static str {
        if needs_a_user {
            request.extract_parts::<Buyer>().await.unwrap();
        }
        let read: Result<Json<IgnoredAny>, _> = request.extract().await;
        read.map_or_else(|error| error.into_response().extensions().get::<Error>().unwrap().code(), |_| "read")
    }

    #[tokio::test]
    async fn who_asks_is_asked_again_for_a_late_body_and_only_then() {
        let refuse: fn(Actor) -> _ = |_| Err(Error::not_found("gone", Text::fixed("", "")));
        for (body, needs_a_user, expected, count) in
            [(Body::from("{}"), true, "read", 0), (late("{}"), true, "gone", 1), (late("{}"), false, "read", 0)]
        {
            let (request, asked) = request(body, refuse);
            assert_eq!(code(request, needs_a_user).await, expected);
            assert_eq!(asked.load(Ordering::SeqCst), count);
        }
    }

    #[tokio::test]
    async fn another_role_is_for_another_request() {
        let (same, _) = request(late("{}"), Ok);
        assert_eq!(code(same, true).await, "read");
        let (other, _) = request(late("{}"), |actor| Ok(Actor { role: Role::Admin, ..actor }));
        assert_eq!(code(other, true).await, "busy");
    }
}
