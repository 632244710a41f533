//! Settings of the metrics.

use ipnet::IpNet;

use super::Secret;
use super::keys::{Form, Setting};
use super::networks::{NETWORKS, networks, written};

/// Who may read the metrics.
#[derive(Debug, Clone, Default)]
pub struct MetricsConfig {
    /// What they must send; nothing when there is none.
    pub token: Option<Secret>,
    /// Where they may come from; from anywhere when there are none.
    pub addresses: Vec<IpNet>,
}

/// The fewest characters of a token: whoever guesses has no limit of requests.
const TOKEN_CHARS_MIN: usize = 16;

const METRICS_TOKEN: &str = "at least 16 characters of ASCII without blanks, or nothing";

pub(super) const TOKEN: Setting = Setting {
    key: "metrics.token",
    doc: "What whoever reads /metrics must send as Authorization: Bearer; nothing when it is empty.",
    secret: true,
    form: Form::Text {
        allowed: METRICS_TOKEN,
        set: |config, text| {
            let fits = text.len() >= TOKEN_CHARS_MIN && text.bytes().all(|byte| byte.is_ascii_graphic());
            if !text.is_empty() && !fits {
                return Err(METRICS_TOKEN);
            }
            config.metrics.token = (!text.is_empty()).then(|| Secret::new(text));
            Ok(())
        },
        get: |config| config.metrics.token.as_deref().map(str::to_owned),
    },
};

pub(super) const ADDRESSES: Setting = Setting {
    key: "metrics.addresses",
    doc: "The addresses and networks that may read /metrics; all when it is empty.",
    secret: false,
    form: Form::Text {
        allowed: NETWORKS,
        set: |config, text| {
            config.metrics.addresses = networks(text).ok_or(NETWORKS)?;
            Ok(())
        },
        get: |config| Some(written(&config.metrics.addresses)),
    },
};
