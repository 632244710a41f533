//! What streams of server-sent events share.

use std::time::Duration;

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::kernel::error::{Error, Text};

/// How often a stream on which nothing happens says that it is alive.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a client that was cut off comes back.
pub const COME_BACK: Duration = Duration::from_secs(1);
/// A proxy that collects an answer before it passes it on would keep a stream for ever.
pub const UNBUFFERED: [(HeaderName, HeaderValue); 1] =
    [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];

/// The last event that a client which comes back says it has seen, as `read` reads it.
///
/// # Errors
/// `422` on `Last-Event-ID` when `read` gives `None`.
pub fn last_event<T>(headers: &HeaderMap, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    value.to_str().ok().and_then(read).map(Some).ok_or_else(|| {
        let detail = Text::fixed("The number of an event.", "이벤트 번호여야 합니다.");
        Error::invalid_field("Last-Event-ID", "not_allowed", detail)
    })
}
