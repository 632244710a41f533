//! Addresses and networks in a setting.

use std::net::IpAddr;

use ipnet::IpNet;

pub(super) const NETWORKS: &str =
    "addresses and networks between commas, such as 127.0.0.1, 10.0.0.0/8, fd00::/8, or nothing";

/// Reads addresses and networks in CIDR. An address is a network of its own.
pub(super) fn networks(text: &str) -> Option<Vec<IpNet>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let network = |one: &str| {
        let address = || one.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
        one.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(address)
    };
    text.split(',').map(|one| network(one.trim())).collect()
}

/// As people write them: an address alone has no length.
pub(super) fn written(networks: &[IpNet]) -> String {
    let one = |network: &IpNet| {
        if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
    };
    networks.iter().map(one).collect::<Vec<_>>().join(", ")
}
