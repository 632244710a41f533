//! Who may read the metrics.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest as _, Sha256};

use crate::config::MetricsConfig;
use crate::kernel::error::{Error, Kind, Text};

/// Lets somebody in who comes from an allowed address and has the token, where the settings ask for either.
///
/// # Errors
/// `403 address_not_allowed`; `401 metrics_token_required`, and `metrics_token_wrong`.
pub(super) fn may_read(config: &MetricsConfig, address: IpAddr, token: Option<&str>) -> Result<(), Error> {
    let address = address.to_canonical();
    if !config.addresses.is_empty() && !config.addresses.iter().any(|network| network.contains(&address)) {
        return Err(address_not_allowed());
    }
    let Some(wanted) = &config.token else { return Ok(()) };
    let token = token.ok_or_else(token_required)?;
    // Digests have one length, and comparing them takes one time: neither tells how near a guess was.
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    verify_slices_are_equal(&digest(wanted), &digest(token)).map_err(|_| token_wrong())
}

/// `403`: metrics are for others.
pub(super) fn address_not_allowed() -> Error {
    let detail = Text::fixed(
        "Metrics are not for this address; see the setting metrics.addresses.",
        "이 주소에서는 지표를 볼 수 없습니다. metrics.addresses 설정을 확인하세요.",
    );
    Error::new(Kind::Forbidden, "address_not_allowed", detail)
}

/// `401`: no token.
pub(super) fn token_required() -> Error {
    let detail = Text::fixed(
        "Metrics are for who sends the token of the setting metrics.token as Authorization: Bearer.",
        "metrics.token 설정의 토큰을 Authorization: Bearer로 보내야 지표를 볼 수 있습니다.",
    );
    Error::new(Kind::Unauthenticated, "metrics_token_required", detail)
}

/// `401`: another token.
pub(super) fn token_wrong() -> Error {
    let detail =
        Text::fixed("This is not the token of the setting metrics.token.", "metrics.token 설정의 토큰이 아닙니다.");
    Error::new(Kind::Unauthenticated, "metrics_token_wrong", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const TOKEN: &str = "sixteen-letters!";

    fn code(config: &MetricsConfig, address: &str, token: Option<&str>) -> &'static str {
        may_read(config, address.parse().unwrap(), token).map_or_else(|error| error.code(), |()| "let in")
    }

    #[test]
    fn everybody_may_read_unless_the_settings_say_otherwise() {
        let open = MetricsConfig::default();
        assert_eq!(code(&open, "203.0.113.1", None), "let in");
        assert_eq!(code(&open, "203.0.113.1", Some("anything")), "let in");
    }

    #[test]
    fn both_are_asked_for_where_both_are_set() {
        let config = MetricsConfig {
            token: Some(Secret::new(TOKEN)),
            addresses: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        };
        for address in ["10.9.8.7", "::ffff:10.9.8.7", "::1"] {
            assert_eq!(code(&config, address, Some(TOKEN)), "let in", "{address}");
            assert_eq!(code(&config, address, None), "metrics_token_required");
            for wrong in ["", "sixteen-letters", "sixteen-letters!!", "Sixteen-letters!"] {
                assert_eq!(code(&config, address, Some(wrong)), "metrics_token_wrong", "{wrong}");
            }
        }
        for address in ["11.0.0.1", "127.0.0.1", "::2"] {
            assert_eq!(code(&config, address, Some(TOKEN)), "address_not_allowed", "{address}");
        }
    }
}
