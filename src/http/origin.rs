//! Whether a browser sends a request for another site.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;

use super::problem::HttpError;
use crate::kernel::error::{Error, Kind, Text};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request that no other site's page made: for routes that set or read cookies.
///
/// A browser says where a request comes from, and pages can't change what it says; programs say nothing, and carry no
/// cookies but their own.
#[derive(Debug, Clone, Copy)]
pub struct OwnSite;

impl<S: Sync> FromRequestParts<S> for OwnSite {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Ok(Self::of(&parts.headers)?)
    }
}

impl OwnSite {
    /// Looks at a request's headers.
    ///
    /// # Errors
    /// `403 cross_site`.
    pub fn of(headers: &HeaderMap) -> Result<Self, Error> {
        if is_own(headers) {
            return Ok(Self);
        }
        Err(Self::refusal())
    }

    /// Another site's page is asking.
    #[must_use]
    pub fn refusal() -> Error {
        let detail =
            Text::fixed("Another site's page may not ask for this.", "다른 사이트에서 보낸 요청은 받지 않습니다.");
        Error::new(Kind::Forbidden, "cross_site", detail)
    }
}

/// `Sec-Fetch-Site` when the browser sends it, which a proxy leaves as it is; else `Origin` must name the `Host` that was
/// asked. `null` is the origin of a page in a sandbox, and nobody's.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_this_sites_pages_and_programs_may_ask() {
        for (headers, own) in [
            (&[("host", "shop.example")][..], true),
            (&[("host", "shop.example"), ("origin", "https://shop.example")], true),
            (&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")], true),
            (&[("host", "shop.example"), ("origin", "https://SHOP.example")], true),
            (&[("host", "shop.example"), ("origin", "https://evil.example")], false),
            (&[("host", "shop.example"), ("origin", "https://shop.example.evil.example")], false),
            (&[("host", "shop.example"), ("origin", "https://shop.example:444")], false),
            (&[("host", "shop.example"), ("origin", "null")], false),
            (&[("host", "shop.example"), ("origin", "")], false),
            (&[("origin", "https://shop.example")], false),
            (&[("host", "10.0.0.1"), ("origin", "https://shop.example"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "shop.example"), ("sec-fetch-site", "none")], true),
            (&[("host", "shop.example"), ("origin", "https://a.shop.example"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "shop.example"), ("sec-fetch-site", "cross-site")], false),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(is_own(&map), own, "{headers:?}");
        }
    }
}
