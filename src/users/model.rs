//! The words of this room.

use std::fmt;
use std::str::FromStr;

use crate::kernel::actor::Role;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{SessionId, UserId};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub id: UserId,
    /// Where it logs in from; `None` once the user has withdrawn.
    pub email: Option<Email>,
    /// The name that others see; empty once the user has withdrawn.
    pub name: String,
    /// A line about the user; may be empty.
    pub greeting: String,
    /// The name of the profile image in the media store.
    pub profile_image: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// Whether the user may do anything.
    pub state: UserState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether a user may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserState {
    /// May act.
    Active,
    /// Put to rest; may not log in.
    Inactive,
    /// Locked out by an admin.
    Blocked,
    /// Has withdrawn; the personal data is gone.
    Deleted,
}

impl UserState {
    /// The word in rows and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Blocked => "blocked",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for UserState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Active, Self::Inactive, Self::Blocked, Self::Deleted]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or("'active', 'inactive', 'blocked' or 'deleted'")
    }
}

impl fmt::Display for UserState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An e-mail address in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The longest address (RFC 5321, as erratum 1690 of RFC 3696 counts it).
pub(super) const EMAIL_LENGTH_MAX: usize = 254;

impl Email {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = &'static str;

    /// Takes what could be an address: RFC 5321's dot-string before the `@` and a host name with a dot behind it.
    /// Whether it is one, only a mail can tell.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').unwrap_or_default();
        let is_local = (1..=64).contains(&local.len())
            && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte));
        let is_domain = domain.contains('.') && domain.split('.').all(is_label);
        if is_local && is_domain && text.len() <= EMAIL_LENGTH_MAX {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("an e-mail address, such as ann@example.com")
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of RFC 5322's `atext`.
fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// One part of a host name (RFC 1123).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A user to be, as somebody typed it. Not `Debug`: it holds a password.
#[derive(Clone, Default)]
pub struct NewUser {
    /// The e-mail address.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A line about the user.
    pub greeting: Option<String>,
}

/// A user of the seed data; its password's hash is made once for all of them.
#[derive(Debug, Clone)]
pub struct SeedUser {
    /// The e-mail address.
    pub email: Email,
    /// The name.
    pub name: String,
    /// A line about the user.
    pub greeting: String,
    /// What the user may do.
    pub role: Role,
}

/// Which users a list shows; every `None` shows all.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserFilter {
    /// Only these.
    pub role: Option<Role>,
    /// Only these.
    pub state: Option<UserState>,
}

/// Which users somebody looks for.
#[derive(Debug, Clone, Default)]
pub struct UserSearch {
    /// How their names begin; nothing means all. Capitals of the Latin alphabet make no difference.
    pub name: String,
    /// Which of them.
    pub filter: UserFilter,
}

/// What the community sees of a user in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Posts written.
    pub posts: i64,
    /// Users who follow this one.
    pub followers: i64,
    /// Users whom this one follows.
    pub following: i64,
}

/// One login on one device, or one token made on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of its access tokens.
    pub id: SessionId,
    /// Whether it can be refreshed: a program's login can; a browser's at the pages and a token made on the command line
    /// can't.
    pub refreshable: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_when_a_mail_could_reach_them() {
        for (typed, kept) in [
            ("Ann@Example.COM", "ann@example.com"),
            (" a.b+tag@mail.example.co.kr ", "a.b+tag@mail.example.co.kr"),
            ("o'hara_1@x-y.io", "o'hara_1@x-y.io"),
        ] {
            assert_eq!(typed.parse::<Email>().unwrap().as_str(), kept);
        }
        let long = format!("{}@{}.com", "a".repeat(64), "b".repeat(63).repeat(3));
        for bad in [
            "",
            "@",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "a b@example.com",
            "a@b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a@-x.com",
            "a@x..com",
            "a@x.com.",
            "홍@example.com",
            "a\n@example.com",
            "a\"@x.com",
            &long,
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }
}
