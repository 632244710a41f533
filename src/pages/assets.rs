//! Styles, the script and the icon: in the binary, named by what they hold, and so kept for ever.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::Pages;
use crate::http::{HttpError, Routes, takes_gzip};
use crate::kernel::error::{Error, Text};

/// How much of the hash stands in a name: enough that no two versions share one.
const HASH_BYTES: usize = 8;

/// One file.
pub(super) struct Asset {
    /// Its name: `NAME.HASH.EXTENSION`.
    name: String,
    media_type: &'static str,
    text: &'static str,
    gzip: Bytes,
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, text: &'static str) -> Self {
        let hash = Sha256::digest(text).iter().take(HASH_BYTES).fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        });
        let gzip = gzip(text.as_bytes(), Compression::best()).into();
        Self { name: format!("{name}.{hash}.{extension}"), media_type, text, gzip }
    }

    /// Where it is.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }

    /// What it says.
    pub(super) fn text(&self) -> &'static str {
        self.text
    }
}

/// The tokens of the design and the components.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("shop", "css", "text/css; charset=utf-8", include_str!("assets/shop.css")));
/// What is live on a page.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("shop", "js", "text/javascript; charset=utf-8", include_str!("assets/shop.js")));
/// The icon of the tab.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

/// What only the admin's pages need of the design.
pub(super) static ADMIN_STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("admin", "css", "text/css; charset=utf-8", include_str!("assets/admin.css")));
/// What is live on the admin's board.
pub(super) static ADMIN_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("admin", "js", "text/javascript; charset=utf-8", include_str!("assets/admin.js")));

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/assets/{name}", asset)
}

/// One asset. Its name is its alone, so it may be kept for as long as anybody likes.
async fn asset(Path(name): Path<String>, asked: HeaderMap) -> Result<Response, HttpError> {
    let all: [&Asset; 5] = [&STYLE, &SCRIPT, &ICON, &ADMIN_STYLE, &ADMIN_SCRIPT];
    let asset = all.into_iter().find(|asset| asset.name == name).ok_or_else(|| {
        let detail = Text::fixed("There is no such file.", "파일을 찾을 수 없습니다.");
        Error::not_found("asset_not_found", detail)
    })?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if takes_gzip(&asked) {
        return Ok((headers, [(CONTENT_ENCODING, "gzip")], asset.gzip.clone()).into_response());
    }
    Ok((headers, asset.text).into_response())
}

/// Bytes, compressed.
pub(super) fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to a Vec cannot fail")
}
