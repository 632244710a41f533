//! Who is asking.

use std::fmt;
use std::str::FromStr;

use super::clock::Timestamp;
use super::ids::{SessionId, UserId};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Buys and talks.
    User,
    /// Runs the sale.
    Admin,
}

impl Role {
    /// The word in tokens, rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            _ => Err("'user' or 'admin'"),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody whose token was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The user.
    pub user: UserId,
    /// What the user may do.
    pub role: Role,
    /// The login that the token belongs to.
    pub session: SessionId,
    /// When the token ends, to the second.
    pub token_ends_at: Timestamp,
}

/// The longest request id, in bytes.
pub const REQUEST_WORD_BYTES_MAX: usize = 64;

/// A request's id, as what is done in the request is noted under: short and plain. It is copied, not shared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestWord {
    length: u8,
    bytes: [u8; REQUEST_WORD_BYTES_MAX],
}

impl RequestWord {
    /// The word that `text` is; of a text that is too long, its beginning. What is no ASCII is left out.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (mut length, mut bytes) = (0, [0; REQUEST_WORD_BYTES_MAX]);
        for (place, byte) in bytes.iter_mut().zip(text.bytes().filter(u8::is_ascii)) {
            *place = byte;
            length += 1;
        }
        Self { length, bytes }
    }

    /// The word as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for RequestWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Who does something that only whoever runs the shop may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An admin, in a request.
    Admin(UserId, Option<RequestWord>),
    /// Somebody at the command line of this machine.
    Console,
}

/// Somebody who may be doing something to what is theirs, or, as an admin, to what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doer {
    /// Who.
    pub actor: Actor,
    /// In which request; known of an admin's.
    pub request: Option<RequestWord>,
}

impl Doer {
    /// Who it is to be noted under when it is an admin's doing.
    #[must_use]
    pub fn by(&self) -> By {
        By::Admin(self.actor.user, self.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_word_keeps_a_short_text_and_the_beginning_of_a_long_one() {
        let long = "x".repeat(70);
        for (text, kept) in [("", ""), ("a-1", "a-1"), ("é1", "1"), (&long, &long[..64])] {
            assert_eq!(RequestWord::new(text).as_str(), kept);
        }
    }
}
