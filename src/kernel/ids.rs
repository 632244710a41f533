//! Ids. Each is a type of its own, so that a buyer is never taken for an order.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// A user, numbered by the database from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// A post, numbered by the database from 1 in the order in which they were written.
    PostId
}
number_id! {
    /// A comment, numbered like posts.
    CommentId
}
number_id! {
    /// Something that somebody did, numbered like posts.
    ActivityId
}

/// The longest product id, in characters.
pub const PRODUCT_ID_CHARS_MAX: usize = 40;

/// A product: a short text chosen by the admin, letters, digits, `-`, `_` and `.` only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(Arc<str>);

impl ProductId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a text that is known to be an id, such as a database row's.
    #[must_use]
    pub fn trusted(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl FromStr for ProductId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=PRODUCT_ID_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && text.bytes().any(|b| b != b'.');
        if fits { Ok(Self(Arc::from(text))) } else { Err("1 to 40 letters, digits, '-', '_' or '.'") }
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id that sorts after those made before it in this process (UUID version 7, RFC 9562).
            #[must_use]
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id in a row, or `None` when the bytes are not 16.
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }

            /// The 16 bytes that a row holds.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// One buyer's claim on units of one product.
    OrderId
}
uuid_id! {
    /// One login on one device; access tokens name it and die with it.
    SessionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_ids_are_short_and_safe_in_a_path() {
        for good in ["100", "mac-book", "a.b_c", &"x".repeat(40)] {
            assert!(good.parse::<ProductId>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "사과", &"x".repeat(41)] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad}");
        }
    }
}
