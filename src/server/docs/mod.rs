//! `/docs`: the API's description as a page on which requests can be tried.
//!
//! It is Swagger UI, out of the archive that a crate brings: developers know it, and it reads all of OpenAPI 3.1. All of it
//! is in the binary and nothing is loaded from anywhere else, so it works without a network; and as its page has no script and
//! no style of its own in it, the browser is told to run and to load nothing but what comes from here.

mod archive;

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};

use self::archive::Packed;
use crate::http::{HttpError, Routes, problem, takes_gzip};

/// Nothing but this server's own files, and requests to this server. The pictures in the style are written in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("page.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file of Swagger UI, as the archive has it.
type Held = LazyLock<Option<Packed>>;

static BUNDLE: Held = LazyLock::new(|| archive::find("/dist/swagger-ui-bundle.js"));
static BUNDLE_STYLE: Held = LazyLock::new(|| archive::find("/dist/swagger-ui.css"));

/// The routes of the page and its files.
pub(super) fn routes() -> Routes {
    Routes::new().get("/docs", page).get("/docs/{file}", file)
}

/// The page.
async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE)
}

/// One of its files.
async fn file(Path(name): Path<String>, asked: HeaderMap) -> Result<Response, HttpError> {
    let (media_type, held) = match name.as_str() {
        "docs.js" => return Ok((headers(SCRIPT), include_str!("docs.js")).into_response()),
        "docs.css" => return Ok((headers(STYLE), include_str!("docs.css")).into_response()),
        "swagger-ui-bundle.js" => (SCRIPT, &BUNDLE),
        "swagger-ui.css" => (STYLE, &BUNDLE_STYLE),
        _ => return Err(problem::nothing_here().into()),
    };
    let packed = held.as_ref().ok_or_else(problem::nothing_here)?;
    if takes_gzip(&asked) {
        return Ok((headers(media_type), [(CONTENT_ENCODING, "gzip")], packed.gzip.clone()).into_response());
    }
    Ok((headers(media_type), packed.unpacked()).into_response())
}

fn headers(media_type: &'static str) -> [(HeaderName, &'static str); 4] {
    [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "public, max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VARY, "accept-encoding"),
    ]
}
