//! The `Idempotency-Key` header.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use utoipa::openapi::schema::Schema;

use super::problem::HttpError;
use super::shape;
use crate::kernel::error::{Error, Text};

const HEADER: &str = "Idempotency-Key";
const LENGTH_MAX: usize = 255;

/// What a key looks like. Blanks at its ends would get lost on the way.
pub(super) fn shape() -> Schema {
    let Schema::Object(mut object) = shape::chars(1, LENGTH_MAX) else { return shape::any_text() };
    object.pattern = Some("^[!-~]([ -~]*[!-~])?$".to_owned());
    Schema::Object(object)
}

/// A buyer's own name for one request: sent again, it gives the same answer and does nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

impl IdempotencyKey {
    fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let bytes = value.as_bytes();
        let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
        match std::str::from_utf8(bytes) {
            Ok(key) if printable && (1..=LENGTH_MAX).contains(&key.len()) && values.next().is_none() => {
                Ok(Some(Self(key.to_owned())))
            }
            _ => {
                let detail = Text::fixed(
                    "One key of 1 to 255 printable ASCII characters.",
                    "1~255자의 ASCII 키 하나여야 합니다.",
                );
                Err(Error::invalid_field(HEADER, "not_allowed", detail))
            }
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, HttpError> {
        Ok(Self::of(&parts.headers)?)
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        let missing = || Error::invalid_field(HEADER, "required", Text::fixed("It is required.", "필수 항목입니다."));
        Ok(Self::of(&parts.headers)?.ok_or_else(missing)?)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_is_one_short_printable_word() {
        let mut headers = HeaderMap::new();
        assert_eq!(IdempotencyKey::of(&headers).unwrap(), None);
        for (value, good) in [
            ("k-1 ~", true),
            (&*"x".repeat(255), true),
            ("", false),
            ("\t", false),
            ("키", false),
            (&*"x".repeat(256), false),
        ] {
            headers.insert(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            assert_eq!(IdempotencyKey::of(&headers).is_ok(), good, "{value:?}");
        }
        headers.insert(HEADER, HeaderValue::from_static("a"));
        headers.append(HEADER, HeaderValue::from_static("b"));
        assert!(IdempotencyKey::of(&headers).is_err(), "two keys");
    }
}
