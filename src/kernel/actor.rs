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
