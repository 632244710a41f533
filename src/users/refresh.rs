//! Refresh tokens. A session is the family of all that were ever made for it; one at a time is good.
//!
//! The database keeps the good one's hash and nothing else: who reads the rows can't refresh anything. What was good once is
//! told from what never was by the seal that each token carries, so spent tokens need no rows.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::seal::{Purpose, Seals};
use super::tokens::{hex, unhex};
use crate::kernel::ids::SessionId;

/// One refresh token that this server made.
pub(super) struct RefreshToken {
    /// The session that it refreshes, by which it is found.
    pub(super) session: SessionId,
    secret: [u8; 32],
}

impl RefreshToken {
    /// A new one, from the operating system's seeded generator.
    pub(super) fn fresh(session: SessionId) -> Self {
        Self { session, secret: rand::random() }
    }

    /// The token that a client sent; `None` for one that this server did not make.
    pub(super) fn read(text: &str, seals: &Seals) -> Option<Self> {
        let (sealed, seal) = text.rsplit_once('.')?;
        let (session, secret) = sealed.split_once('.')?;
        let token = Self { session: session.parse().ok()?, secret: unhex(secret)? };
        seals.fits(Purpose::Refresh, sealed, &unhex::<32>(seal)?).then_some(token)
    }

    /// What the client keeps.
    pub(super) fn to_text(&self, seals: &Seals) -> String {
        let mut text = format!("{}.{}", self.session, hex(&self.secret));
        let seal = seals.of(Purpose::Refresh, &text);
        write!(text, ".{}", hex(&seal)).expect("writing to a String cannot fail");
        text
    }

    /// What the database keeps. The secret is random, so one round of a fast hash is enough.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_never_sees_a_refresh_token() {
        let seals = Seals::new(b"a secret");
        let token = RefreshToken::fresh(SessionId::fresh());
        assert!(!token.to_text(&seals).contains(&hex(&token.hash())));
        assert_ne!(token.to_text(&seals), RefreshToken::fresh(token.session).to_text(&seals));
    }

    #[test]
    fn only_what_this_server_made_is_read() {
        let seals = Seals::new(b"a secret");
        let token = RefreshToken::fresh(SessionId::fresh());
        let text = token.to_text(&seals);
        let read = RefreshToken::read(&text, &seals).unwrap();
        assert_eq!((read.session, read.hash()), (token.session, token.hash()));
        assert!(RefreshToken::read(&text, &Seals::new(b"another")).is_none());
        let other = RefreshToken::fresh(token.session).to_text(&seals);
        let (sealed, _) = text.rsplit_once('.').unwrap();
        let (_, seal) = other.rsplit_once('.').unwrap();
        for bad in ["", ".", "..", "a.b.c", sealed, &format!("{sealed}."), &format!("{sealed}.{seal}"), &text[1..]] {
            assert!(RefreshToken::read(bad, &seals).is_none(), "{bad}");
        }
    }
}
