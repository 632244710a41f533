//! What the door must know of pages for people: which requests are theirs, who sends them, and how an error is shown.
//!
//! Programs are told of errors by problem documents; somebody in front of a browser is shown a page that says what to do. The
//! pages themselves are a room like any other, so the door knows them by [`ForPeople`] alone.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::COOKIE;
use axum::response::Response;

use super::request_id::RequestId;
use crate::kernel::actor::Actor;
use crate::kernel::error::Error;

/// The cookie that says whose browser it is.
pub const SESSION_COOKIE: &str = "session";

/// Shows an error to whoever sent the request that it was made for.
pub type ErrorPage = Box<dyn FnOnce(StatusCode, &Error, &RequestId) -> Response + Send>;

/// The pages, as the door sees them.
pub trait ForPeople: Send + Sync {
    /// Whether a person sends a request, so that their cookie counts and errors are shown as pages.
    fn are_asked(&self, request: &Request) -> bool;

    /// How an error is shown to whoever sends `request`.
    fn error_page(&self, request: &Request) -> ErrorPage;
}

/// Who sends a page's request: the door checked the cookie, if there was one, and left this with the request.
#[derive(Debug, Clone)]
pub struct Visitor(pub Result<Actor, Error>);

/// Marks an answer that tells of its error by itself, such as a form with the faults beside its fields.
#[derive(Debug, Clone, Copy)]
pub struct Told;

/// A cookie's value.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("session2=a; xsession=b; session=c=d"));
        headers.append(COOKIE, HeaderValue::from_static("lang=ko;theme=dark"));
        assert_eq!(cookie(&headers, "session"), Some("c=d"));
        assert_eq!(cookie(&headers, "theme"), Some("dark"));
        assert_eq!(cookie(&headers, "sess"), None);
    }
}
