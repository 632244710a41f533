//! Pages on their way out, with the headers that every page has.

use askama::Template;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use flate2::Compression;

use super::assets::gzip;
use super::visit::Visit;
use crate::http::{HttpError, Refused, Told};
use crate::kernel::error::{Error, Kind};

/// What a page may load and where its forms may go: its own site. No script may stand in the page itself, and no style but
/// the server's own.
const POLICY: &str = "default-src 'none'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; style-src 'self'";

/// What a page answers when it does not answer with itself.
#[derive(Debug)]
pub(super) enum NotNow {
    /// Somebody must sign in, and comes back then.
    SignInFirst(Box<Visit>),
    /// An error, which the door has shown by `trouble`.
    Failed(HttpError),
}

impl From<Error> for NotNow {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<HttpError> for NotNow {
    fn from(error: HttpError) -> Self {
        Self::Failed(error)
    }
}

impl IntoResponse for NotNow {
    fn into_response(self) -> Response {
        match self {
            Self::SignInFirst(visit) => see_other(&sign_in_path(&visit)),
            Self::Failed(error) => error.into_response(),
        }
    }
}

/// What a page's handler gives.
pub(super) type Answer = Result<Response, NotNow>;

/// A page.
pub(super) fn page(visit: &Visit, template: &impl Template) -> Answer {
    Ok(rendered(visit, StatusCode::OK, template)?)
}

/// A page that tells of an error by itself, such as a form with the faults beside its fields. What is no fault of whoever
/// typed is left to the door, which logs it.
pub(super) fn told(visit: &Visit, error: Error, template: &impl Template) -> Answer {
    if matches!(error.kind(), Kind::Busy | Kind::Internal) {
        return Err(error.into());
    }
    let (code, retry_after_s) = (error.code(), error.parts().retry_after_s);
    let status = HttpError::from(error).into_response().status();
    let mut response = rendered(visit, status, template)?;
    response.extensions_mut().insert(Refused(code));
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// A page with any status.
///
/// # Errors
/// When it can't be written.
pub(super) fn rendered(visit: &Visit, status: StatusCode, template: &impl Template) -> Result<Response, Error> {
    let html = template.render().map_err(|error| Error::internal(format!("a page: {error}")))?;
    let is_compressed = visit.inline_style().is_some();
    let body = if is_compressed { gzip(html.as_bytes(), Compression::fast()) } else { html.into() };
    let mut response = (status, Body::from(body)).into_response();
    write_headers(visit, response.headers_mut());
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response.extensions_mut().insert(Told);
    Ok(response)
}

fn write_headers(visit: &Visit, headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(visit.language.tag()));
    let policy = match visit.inline_style() {
        Some((mark, _)) => HeaderValue::try_from(format!("{POLICY} 'nonce-{mark}'")),
        None => Ok(HeaderValue::from_static(POLICY)),
    };
    headers.insert(CONTENT_SECURITY_POLICY, policy.expect("a mark is hexadecimal digits"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    // A page is one visitor's, and stale as soon as it is shown: the back button asks again.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = visit.fresh_cookie() {
        headers.append(SET_COOKIE, cookie.clone());
    }
}

/// Sends the browser to a page of this site, with a `GET`.
pub(super) fn see_other(path: &str) -> Response {
    let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// The same for somebody who was refused something, and finds out there.
pub(super) fn turned_away(path: &str, error: &Error) -> Response {
    let mut response = see_other(path);
    response.extensions_mut().insert(Refused(error.code()));
    response
}

/// Where somebody signs in who wants to come back here.
pub(super) fn sign_in_path(visit: &Visit) -> String {
    let next: String = form_urlencoded::byte_serialize(visit.here.as_bytes()).collect();
    let said = if visit.is_lost() { "&said=signed_out" } else { "" };
    format!("/signin?next={next}{said}")
}

/// A path of this site and nothing else, whoever wrote it: what a browser would take for another site is the front page.
pub(super) fn local(path: Option<&str>) -> &str {
    let is_local = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    path.filter(is_local).unwrap_or("/")
}

/// A cookie that no script can read. `Lax`, as somebody who follows a link from a letter or a chat should find themselves
/// signed in; nothing is ever done by a `GET`, and forms are sealed.
pub(super) fn cookie_of(name: &str, value: &str, max_age_s: Option<u32>, secure: bool) -> HeaderValue {
    let max_age = max_age_s.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/{max_age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).expect("cookies here hold tokens and words in ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_gone_to() {
        for good in ["/", "/shop/100?said=sold_out", "/orders/1#top", "/a//b", "/%2F%2Fevil.example"] {
            assert_eq!(local(Some(good)), good);
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "\\\\evil",
            "evil",
            "/\t/evil.example",
            "/a b",
            "/\r\nx: y",
        ] {
            assert_eq!(local(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(local(None), "/");
    }

    #[test]
    fn cookies_are_kept_from_scripts() {
        assert_eq!(
            cookie_of("session", "t", Some(60), true),
            "session=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(cookie_of("visit", "v", None, false), "visit=v; Path=/; HttpOnly; SameSite=Lax");
    }
}
