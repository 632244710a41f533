//! Who is asking, as far as a handler needs to know.
//!
//! The door verified the token, if there was one, and left a [`Verified`] with the request. A route that needs nobody
//! takes [`Caller`] or nothing, and a bad token does not matter there; one that needs a user takes [`Buyer`]; one that
//! needs an admin takes [`Admin`].

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::HttpError;
use crate::kernel::actor::{Actor, Role};
use crate::kernel::error::{Error, Kind, Text};

/// What the door found out about a request's token.
#[derive(Debug, Clone)]
pub enum Verified {
    /// A good token of somebody who may act.
    Known(Actor),
    /// A token that is no good, or whose user is locked out.
    Refused(Error),
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

fn actor(parts: &Parts) -> Result<Actor, Error> {
    match parts.extensions.get::<Verified>() {
        Some(Verified::Known(actor)) => Ok(*actor),
        Some(Verified::Refused(error)) => Err(error.clone()),
        None => {
            let detail = Text::fixed("Log in first.", "먼저 로그인하세요.");
            Err(Error::new(Kind::Unauthenticated, "unauthenticated", detail))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(actor(parts).ok()))
    }
}

impl<S: Sync> FromRequestParts<S> for Buyer {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Ok(Self(actor(parts)?))
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        let actor = actor(parts)?;
        if actor.role == Role::Admin {
            return Ok(Self(actor));
        }
        let detail = Text::fixed("Only an admin may do this.", "관리자만 할 수 있습니다.");
        Err(Error::new(Kind::Forbidden, "forbidden", detail).into())
    }
}
