//! What the API's description says of the metrics.

use super::rules;
use super::text::MEDIA_TYPE;
use crate::http::{Operation, shape};

/// The one route.
#[must_use]
pub fn read() -> Operation {
    Operation::get("/metrics", "readMetrics", "Gives every metric, for Prometheus")
        .says(
            "In Prometheus's text format. For everybody, unless the settings `metrics.token` (sent as `Authorization: Bearer`) \
             and `metrics.addresses` say otherwise.",
        )
        .probe()
        .gives_as(200, "Every metric as it is now.", &[MEDIA_TYPE], &shape::any_text())
        .refuses(rules::token_required())
        .refuses(rules::token_wrong())
        .refuses(rules::address_not_allowed())
}
