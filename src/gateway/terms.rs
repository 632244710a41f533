//! What the door keeps to, exchanged as a whole when the settings are read anew.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::rates::Rates;
use crate::config::{Limits, ProxyConfig};
use crate::kernel::ids::UserId;

/// Rates, bounds and trust.
pub(super) struct Terms {
    pub(super) addresses: Arc<Rates<IpAddr>>,
    pub(super) accounts: Arc<Rates<UserId>>,
    pub(super) bounds: Bounds,
    pub(super) trusted: Vec<IpNet>,
}

/// What one request is held to on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) body_bytes: usize,
    pub(super) request_timeout: Duration,
}

impl Terms {
    /// The terms that settings give. Rates that `known` has, too, keep what they have counted.
    pub(super) fn new(limits: &Limits, proxy: &ProxyConfig, known: Option<&Self>) -> Self {
        let of_addresses = (limits.address_per_second, limits.address_burst);
        let of_accounts = (limits.account_per_second, limits.account_burst);
        Self {
            addresses: kept_or_new(known.map(|known| &known.addresses), of_addresses),
            accounts: kept_or_new(known.map(|known| &known.accounts), of_accounts),
            bounds: Bounds {
                body_bytes: limits.body_bytes,
                request_timeout: Duration::from_secs(limits.request_timeout_s),
            },
            trusted: proxy.trusted.clone(),
        }
    }
}

fn kept_or_new<K: std::hash::Hash + Eq + Clone>(
    known: Option<&Arc<Rates<K>>>,
    (per_second, burst): (u32, u32),
) -> Arc<Rates<K>> {
    match known {
        Some(rates) if rates.is_of(per_second, burst) => Arc::clone(rates),
        _ => Arc::new(Rates::new(per_second, burst)),
    }
}
