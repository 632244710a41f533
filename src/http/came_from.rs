//! Which address a request came from, for the few handlers that ask.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::HttpError;
use crate::kernel::error::Error;

/// The address that the door goes by. It is left only with requests for routes that ask.
#[derive(Debug, Clone, Copy)]
pub struct CameFrom(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for CameFrom {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get().copied();
        known.ok_or_else(|| Error::internal("the door left no address with a request that asks for it").into())
    }
}
