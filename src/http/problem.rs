//! Errors as `application/problem+json` (RFC 9457).
//!
//! A handler does not know the reader's language or the request's id, so [`HttpError`] only leaves the error with the
//! answer, and [`finish`], called once at the door, writes the document. Answers that were refused below any handler
//! (an unknown path, a wrong method) become problem documents there too.

use axum::body::Body;
use axum::http::header::{
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::language::Language;
use super::people::{ErrorPage, Told};
use super::request_id::{self, RequestId};
use super::traffic::Refused;
use crate::kernel::error::{Error, FieldError, Kind, Parts, Text};

/// The media type of every error.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Marks a first answer that is given again.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A problem document with every text in two languages and a dozen fields stays below this.
const DOCUMENT_BYTES_TYPICAL: usize = 512;

/// An error on its way out.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    error: Error,
}

impl HttpError {
    /// An error with a status that no [`Kind`] stands for, such as 415.
    #[must_use]
    pub fn with_status(status: StatusCode, error: Error) -> Self {
        Self { status, error }
    }
}

impl HttpError {
    /// What tells refusals apart: the status and the code.
    pub(super) fn place(&self) -> (StatusCode, &'static str) {
        (self.status, self.error.code())
    }

    /// The error.
    pub(super) fn error(&self) -> &Error {
        &self.error
    }

    /// The document that a client gets, in English.
    pub(super) fn example(&self) -> Value {
        json!(Problem {
            status: self.status,
            parts: self.error.parts(),
            id: "7c6a180b-2f",
            language: Language::English
        })
    }
}

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        Self { status: status_of(error.kind()), error }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self.error);
        response
    }
}

/// The one place that maps what went wrong to HTTP.
fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Declined => StatusCode::PAYMENT_REQUIRED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Ends an answer: gives it its request id, and turns an error into a problem document (or, for a person, into their
/// `page`) and, when the fault is ours, into a line in the log.
pub fn finish(mut response: Response, id: RequestId, language: Language, page: Option<ErrorPage>) -> Response {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let error = response.extensions_mut().remove::<Error>();
        let is_told = response.headers().get(CONTENT_TYPE) == Some(&PROBLEM_JSON)
            || response.extensions().get::<Told>().is_some();
        if error.is_some() || !is_told {
            let error = error.unwrap_or_else(|| error_of(status));
            log(&error, status, &id);
            response.extensions_mut().insert(Refused(error.code()));
            write_headers(response.headers_mut(), error.parts(), language);
            if let Some(page) = page {
                let (shown, body) = page(status, &error, &id).into_parts();
                response.headers_mut().remove(WWW_AUTHENTICATE);
                response.headers_mut().extend(shown.headers);
                *response.body_mut() = body;
            } else {
                *response.body_mut() = document(status, error.parts(), id.as_str(), language);
            }
        }
    }
    response.headers_mut().insert(request_id::HEADER, id.into_header());
    response
}

fn log(error: &Error, status: StatusCode, id: &RequestId) {
    let internal = error.parts().internal.as_deref().unwrap_or_default();
    match error.kind() {
        Kind::Internal => tracing::error!(request_id = id.as_str(), code = error.code(), internal, "a request failed"),
        // Refusing load is the server doing its work; a line for each refusal would be load as well.
        _ if status.is_server_error() => {
            tracing::debug!(request_id = id.as_str(), code = error.code(), internal, "a request was put off");
        }
        _ => {}
    }
}

fn write_headers(headers: &mut HeaderMap, parts: &Parts, language: Language) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    if parts.kind == Kind::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = parts.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if parts.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
}

/// The error of an answer that no handler gave: its code follows from the status alone.
fn error_of(status: StatusCode) -> Error {
    let (kind, code, en, ko) = match status.as_u16() {
        401 => (Kind::Unauthenticated, "unauthenticated", "Log in first.", "먼저 로그인하세요."),
        403 => (Kind::Forbidden, "forbidden", "You may not do this.", "권한이 없습니다."),
        404 => (Kind::NotFound, "not_found", "There is nothing at this path.", "이 경로에는 아무것도 없습니다."),
        405 => (
            Kind::Malformed,
            "method_not_allowed",
            "This path does not take this method; see the Allow header.",
            "이 경로에서 쓸 수 없는 메서드입니다. Allow 헤더를 확인하세요.",
        ),
        408 => (
            Kind::Malformed,
            "timeout",
            "The request took too long to arrive.",
            "요청이 도착하는 데 너무 오래 걸렸습니다.",
        ),
        413 => (Kind::Malformed, "payload_too_large", "The request's body is too large.", "요청 본문이 너무 큽니다."),
        415 => (
            Kind::Malformed,
            "unsupported_media_type",
            "This Content-Type, charset or Content-Encoding is not taken here.",
            "지원하지 않는 Content-Type, 문자 집합 또는 Content-Encoding입니다.",
        ),
        429 => return Error::new(Kind::TooMany, "rate_limited", RATE_LIMITED).retry_after_s(1),
        503 => return Error::busy(1),
        500..=599 => return Error::internal(format!("an answer with status {status} and no error")),
        _ => (Kind::Malformed, "bad_request", "The request can't be understood.", "요청을 이해할 수 없습니다."),
    };
    Error::new(kind, code, Text::fixed(en, ko))
}

/// What is answered when nothing is at a path, or nothing that the asker may know of.
#[must_use]
pub fn nothing_here() -> Error {
    error_of(StatusCode::NOT_FOUND)
}

/// The error of a status that follows from the request's head or from the door.
pub(super) fn of_status(status: StatusCode) -> HttpError {
    HttpError::with_status(status, error_of(status))
}

/// A handler took longer than the settings allow.
#[must_use]
pub fn too_slow() -> Error {
    let detail = Text::fixed(
        "The request took too long. A purchase may have been carried out all the same: look at /purchases, or \
         repeat it with the same Idempotency-Key.",
        "요청 처리 시간이 초과되었습니다. 주문은 처리되었을 수 있으니 /purchases를 확인하거나 같은 \
         Idempotency-Key로 다시 요청하세요.",
    );
    Error::new(Kind::Busy, "timeout", detail).retry_after_s(1)
}

/// What somebody who asks too often is told.
pub const RATE_LIMITED: Text =
    Text::fixed("Too many requests; slow down.", "요청이 너무 많습니다. 잠시 후 다시 시도하세요.");

/// A body that is larger than the server takes.
#[must_use]
pub fn payload_too_large() -> HttpError {
    of_status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// A body of a type that the route does not take.
#[must_use]
pub fn unsupported_media_type() -> HttpError {
    of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn document(status: StatusCode, parts: &Parts, id: &str, language: Language) -> Body {
    let mut json = Vec::with_capacity(DOCUMENT_BYTES_TYPICAL);
    let problem = Problem { status, parts, id, language };
    serde_json::to_writer(&mut json, &problem).expect("texts and numbers can always be written to a Vec");
    json.into()
}

/// The document. `type` is `about:blank`, so `title` is the status's own phrase (RFC 9457, section 4.2.1) and programs
/// look at `code`.
struct Problem<'a> {
    status: StatusCode,
    parts: &'a Parts,
    id: &'a str,
    language: Language,
}

impl Serialize for Problem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "about:blank")?;
        map.serialize_entry("title", self.status.canonical_reason().unwrap_or("Error"))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("code", self.parts.code)?;
        map.serialize_entry("detail", self.language.of_text(&self.parts.detail))?;
        map.serialize_entry("requestId", self.id)?;
        if !self.parts.fields.is_empty() {
            map.serialize_entry("errors", &Faults(&self.parts.fields, self.language))?;
        }
        for (name, value) in &self.parts.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct Faults<'a>(&'a [FieldError], Language);

impl Serialize for Faults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fault<'a> {
            field: &'a str,
            code: &'static str,
            detail: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|fault| Fault {
            field: &fault.field,
            code: fault.code,
            detail: self.1.of_text(&fault.detail),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(response: Response, language: Language) -> Response {
        finish(response, RequestId::of(&HeaderMap::new()), language, None)
    }

    #[test]
    fn a_document_carries_everything_that_the_error_says() {
        let error = Error::invalid_field("limit", "out_of_range", Text::fixed("1 to 100.", "1부터 100까지."))
            .with("orderId", 7)
            .because("never shown");
        let mut json = Vec::new();
        let problem = Problem {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            parts: error.parts(),
            id: "r-1",
            language: Language::Korean,
        };
        serde_json::to_writer(&mut json, &problem).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "about:blank",
                "title": "Unprocessable Entity",
                "status": 422,
                "code": "validation_failed",
                "detail": "허용되지 않는 값이 있습니다. 'errors'를 확인하세요.",
                "requestId": "r-1",
                "errors": [{"field": "limit", "code": "out_of_range", "detail": "1부터 100까지."}],
                "orderId": "7",
            })
        );
    }

    #[test]
    fn headers_follow_from_the_error() {
        let error = Error::busy(3).replayed(true);
        let response = finished(HttpError::from(error).into_response(), Language::English);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(response.headers()[IDEMPOTENT_REPLAYED], "true");
        assert!(response.headers().contains_key(request_id::HEADER));

        let error = Error::new(Kind::Unauthenticated, "unauthenticated", Text::fixed("", ""));
        let response = finished(HttpError::from(error).into_response(), Language::English);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn an_answer_without_an_error_becomes_a_problem_and_keeps_its_headers() {
        let refused = (StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET")], "plain text").into_response();
        let response = finished(refused, Language::English);
        assert_eq!(response.headers()["allow"], "GET");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn a_problem_from_elsewhere_passes_through() {
        let foreign = (StatusCode::CONFLICT, [(CONTENT_TYPE, PROBLEM_JSON)], "{}").into_response();
        assert!(!finished(foreign, Language::English).headers().contains_key(CONTENT_LANGUAGE));
    }
}
