//! Whom a request is from, when proxies pass it on.
//!
//! Each proxy adds the address that it was asked from to the end of `X-Forwarded-For`. Only what a trusted one added is
//! known; whatever stands before it may be the client's own invention.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who sent a request, and how it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of whoever connected.
    pub address: IpAddr,
    /// Whether they speak TLS.
    pub tls: bool,
}

/// The client of whoever connected: their own word counts when they are one of the `trusted` proxies.
pub(super) fn client(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Peer {
    if !is_trusted(peer.address, trusted) {
        return peer;
    }
    Peer { address: client_address(peer.address, headers, trusted), tls: proto(headers).unwrap_or(peer.tls) }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// The last address that no trusted proxy has; where there is none, or what stands there is no address, that of the proxy
/// that has said so.
fn client_address(proxy: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut nearest = proxy;
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        let Ok(line) = line.to_str() else { break };
        for one in line.rsplit(',') {
            let Some(address) = address(one.trim()) else { return nearest };
            nearest = address;
            if !is_trusted(nearest, trusted) {
                return nearest;
            }
        }
    }
    nearest
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// What the nearest proxy says: whether it was asked over TLS.
fn proto(headers: &HeaderMap) -> Option<bool> {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    Some(last.eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The client that a server believes in which was asked from `peer` with these `X-Forwarded-For` lines.
    fn client_of(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].iter().map(|one| one.parse().unwrap()).collect();
        let headers =
            lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect();
        client(Peer { address: peer.parse().unwrap(), tls: false }, &headers, &trusted).address.to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        for (peer, lines, expected) in [
            ("198.51.100.7", &["203.0.113.9"][..], "198.51.100.7"),
            ("198.51.100.7", &["127.0.0.1"], "198.51.100.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // What the client made up stands before what the proxy added.
            ("127.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["nonsense, 203.0.113.9"], "203.0.113.9"),
            // A chain of proxies, in one line or in several.
            ("127.0.0.1", &["1.1.1.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
            ("127.0.0.1", &["1.1.1.1", "203.0.113.9", "10.1.2.3 , 10.9.9.9"], "203.0.113.9"),
            ("127.0.0.1", &["10.0.0.5, 10.0.0.4"], "10.0.0.5"),
            // Where no address stands, the proxy that says so answers for it.
            ("127.0.0.1", &["203.0.113.9, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9, unknown, 10.0.0.4"], "10.0.0.4"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9,"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9", "\u{e9}"], "127.0.0.1"),
            ("127.0.0.1", &["999.1.1.1"], "127.0.0.1"),
            // IPv6, ports, and IPv4 in IPv6's clothes.
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]:4711, fd00::2"], "2001:db8::7"),
            ("::ffff:127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("127.0.0.1", &["203.0.113.9, ::ffff:10.0.0.4"], "203.0.113.9"),
            ("2001:db8::1", &["203.0.113.9"], "2001:db8::1"),
        ] {
            assert_eq!(client_of(peer, lines), expected, "{peer}: {lines:?}");
        }
    }

    #[test]
    fn the_way_to_a_proxy_is_known_from_the_proxy_alone() {
        let trusted: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap()];
        for (peer, tls, lines, expected) in [
            ("127.0.0.1", false, &["https"][..], true),
            ("127.0.0.1", false, &["HTTPS"], true),
            ("127.0.0.1", false, &["http, https"], true),
            ("127.0.0.1", false, &["https", "http"], false),
            ("127.0.0.1", false, &["httpsx"], false),
            ("127.0.0.1", true, &["http"], false),
            ("127.0.0.1", true, &[], true),
            ("192.0.2.1", false, &["https"], false),
            ("192.0.2.1", true, &["http"], true),
        ] {
            let headers = lines.iter().map(|line| (FORWARDED_PROTO, HeaderValue::from_static(line))).collect();
            let peer = Peer { address: peer.parse().unwrap(), tls };
            assert_eq!(client(peer, &headers, &trusted).tls, expected, "{peer:?}: {lines:?}");
        }
    }
}
