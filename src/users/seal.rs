//! Seals: what only this server can have made, told by HMAC-SHA-256 under the signing secret.

use aws_lc_rs::hmac;

/// What a seal is for, so that one made for one thing is of no use for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A refresh token.
    Refresh,
    /// A code that was sent by mail.
    EmailCode,
    /// An address that got mail.
    Address,
    /// A form on a page.
    Form,
}

impl Purpose {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Refresh => b"refresh",
            Self::EmailCode => b"email-code",
            Self::Address => b"address",
            Self::Form => b"form",
        }
    }
}

/// Makes seals and checks them.
pub(super) struct Seals(hmac::Key);

impl Seals {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The seal of `text`, 32 bytes.
    pub(super) fn of(&self, purpose: Purpose, text: &str) -> Vec<u8> {
        hmac::sign(&self.0, &message(purpose, text)).as_ref().to_vec()
    }

    /// Whether `seal` is the seal of `text`, found out in a time that does not depend on how much of it is right.
    pub(super) fn fits(&self, purpose: Purpose, text: &str, seal: &[u8]) -> bool {
        hmac::verify(&self.0, &message(purpose, text), seal).is_ok()
    }
}

fn message(purpose: Purpose, text: &str) -> Vec<u8> {
    [purpose.word(), b"\0", text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_one_text_for_one_purpose_by_one_server() {
        let (ours, others) = (Seals::new(b"a secret"), Seals::new(b"another"));
        let seal = ours.of(Purpose::EmailCode, "123456");
        assert_eq!(seal.len(), 32);
        assert!(ours.fits(Purpose::EmailCode, "123456", &seal));
        assert!(!ours.fits(Purpose::EmailCode, "123457", &seal));
        assert!(!ours.fits(Purpose::Refresh, "123456", &seal));
        assert!(!others.fits(Purpose::EmailCode, "123456", &seal));
        assert!(!ours.fits(Purpose::EmailCode, "123456", &seal[..31]));
    }
}
