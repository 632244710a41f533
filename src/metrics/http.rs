//! The route of the metrics.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};

use super::service::Metrics;
use super::text::MEDIA_TYPE;
use crate::http::{CameFrom, HttpError, Routes, bearer};

/// The route.
pub fn routes(metrics: Arc<Metrics>) -> Routes {
    Routes::new().get("/metrics", read).with_state(metrics)
}

/// Every metric, for whom the settings let read them.
async fn read(
    State(metrics): State<Arc<Metrics>>,
    CameFrom(address): CameFrom,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 2], Bytes), HttpError> {
    metrics.may_read(address, bearer(&headers))?;
    let text = metrics.text().await?;
    Ok(([(CONTENT_TYPE, MEDIA_TYPE), (CACHE_CONTROL, "no-store")], text))
}
