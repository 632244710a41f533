//! Money: whole minor units of a currency, never a fraction, never a silent overflow.

use std::fmt;
use std::str::FromStr;

/// The highest price of one unit. Times [`1,000 units`] it stays below 2^53, so that any JSON
/// reader keeps the sum exact.
pub const PRICE_MAX: i64 = 1_000_000_000_000;

/// An ISO 4217 code, such as `KRW`: three upper-case letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The won, the default.
    pub const KRW: Self = Self(*b"KRW");

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the constructor lets only ASCII letters in")
    }
}

impl FromStr for Currency {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err("three upper-case letters, such as KRW"),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
