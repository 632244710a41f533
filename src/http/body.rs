//! Bodies, in and out.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::auth::Asker;
use super::problem::{HttpError, payload_too_large, unsupported_media_type};
use super::refusal;
use crate::kernel::error::{Error, Kind, Text};

/// A JSON body: an object, of a type that denies unknown fields.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A body that is JSON or, from an HTML form, URL-encoded.
#[derive(Debug)]
pub struct JsonOrForm<T>(pub T);

/// The body of an HTML form, URL-encoded.
#[derive(Debug)]
pub struct FormBody(Bytes);

impl FormBody {
    /// One field, as it was typed.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(&self.0).find(|(it, _)| it == name).map(|(_, value)| value.into_owned())
    }

    /// All fields, into a type that may know only some of them.
    ///
    /// # Errors
    /// `422` with the field at fault.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        read_text(&self.0)
    }
}

impl<S: Send + Sync> FromRequest<S> for FormBody {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        if !is_form(request.headers()) || !is_plain(request.headers()) {
            return Err(unsupported_media_type());
        }
        Ok(Self(bytes(request, state).await?))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        if !is_json(request.headers()) || !is_plain(request.headers()) {
            return Err(unsupported_media_type());
        }
        Ok(Self(read_json(&bytes(request, state).await?)?))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonOrForm<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        if !is_plain(request.headers()) {
            return Err(unsupported_media_type());
        }
        if is_json(request.headers()) {
            return Ok(Self(read_json(&bytes(request, state).await?)?));
        }
        if !is_form(request.headers()) {
            return Err(unsupported_media_type());
        }
        Ok(Self(read_text(&bytes(request, state).await?)?))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response(),
            Err(error) => HttpError::from(Error::internal(format!("writing an answer: {error}"))).into_response(),
        }
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, HttpError> {
    let asker = Asker::of(&request);
    asker.after(async { Bytes::from_request(request, state).await.map_err(|rejection| broken(&rejection)) }).await
}

fn broken(rejection: &BytesRejection) -> HttpError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return payload_too_large();
    }
    cut_off().into()
}

/// A body that did not come whole.
pub(super) fn cut_off() -> Error {
    let detail = Text::fixed("The body ended too early.", "본문이 도중에 끊겼습니다.");
    Error::new(Kind::Malformed, "malformed_body", detail)
}

/// A body that is something else than a JSON object.
pub(super) fn not_an_object() -> Error {
    refusal::malformed("The body must be a JSON object.".to_owned(), "본문은 JSON 객체여야 합니다.".to_owned())
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // Serde would read an array into a struct, field by field; no client means that.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(not_an_object());
    }
    serde_json::from_slice(body).map_err(|error| {
        // Only a refused body is read a second time, to find out which value was at fault.
        let mut reader = serde_json::Deserializer::from_slice(body);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Err(tracked) => refusal::of_json(tracked.inner(), &tracked.path().to_string()),
            Ok(_) => refusal::of_json(&error, "."),
        }
    })
}

/// Reads URL-encoded fields, from a query or a form.
pub(super) fn read_text<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, Error> {
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(encoded));
    serde_path_to_error::deserialize(reader)
        .map_err(|error| refusal::of_text(&error.inner().to_string(), &error.path().to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).and_then(|it| it.split_once('/')).is_some_and(|(kind, subtype)| {
        let subtype = subtype.to_ascii_lowercase();
        kind.eq_ignore_ascii_case("application") && (subtype == "json" || subtype.ends_with("+json"))
    })
}

fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|it| it.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Whether the body is text as it stands: in UTF-8, and not compressed.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if !encodings.all(|encoding| encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let parameters = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()?.split_once(';')).map_or("", |it| it.1);
    parameters.split(';').filter_map(|it| it.split_once('=')).all(|(name, value)| {
        let charset = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "utf8"].iter().any(|it| charset.eq_ignore_ascii_case(it))
    })
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}
