//! Settings of the metrics.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Secret;
use super::keys::{Form, Setting};

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

const METRICS_ADDRESSES: &str =
    "addresses or networks between commas, such as 127.0.0.1, 10.0.0.0/8, fd00::/8, or nothing";

pub(super) const ADDRESSES: Setting = Setting {
    key: "metrics.addresses",
    doc: "The addresses and networks that may read /metrics; all when it is empty.",
    secret: false,
    form: Form::Text {
        allowed: METRICS_ADDRESSES,
        set: |config, text| {
            let networks = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()).map(network);
            config.metrics.addresses = networks.collect::<Option<_>>().ok_or(METRICS_ADDRESSES)?;
            Ok(())
        },
        get: |config| Some(config.metrics.addresses.iter().map(written).collect::<Vec<_>>().join(", ")),
    },
};

/// An address, or a network in CIDR.
fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    text.parse().ok().or_else(address)
}

/// As people write it: an address alone has no length.
fn written(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}
