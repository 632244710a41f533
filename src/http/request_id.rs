//! Request ids: one word that a client, an answer and the log agree on.

use std::fmt::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const LENGTH_MAX: usize = 64;

/// Tells this process's ids from another's; a counter tells them from each other.
static PREFIX: LazyLock<u32> = LazyLock::new(rand::random);
static COUNT: AtomicU64 = AtomicU64::new(0);

/// One request's id.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own id when it is short and plain, else a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get(HEADER).filter(|value| is_plain(value.as_bytes())).map_or_else(Self::fresh, |id| Self(id.clone()))
    }

    fn fresh() -> Self {
        let mut id = String::with_capacity(24);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        write!(id, "{:08x}-{count:x}", *PREFIX).expect("writing to a String cannot fail");
        Self(HeaderValue::try_from(id).expect("hexadecimal digits and '-' are allowed in a header"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the answer's header.
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// Whether an id is safe to repeat in an answer and in a log line.
fn is_plain(id: &[u8]) -> bool {
    (1..=LENGTH_MAX).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_ids_are_taken_from_a_client() {
        for good in ["a", "A-1_b.2", &"x".repeat(64)] {
            assert!(is_plain(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"b", "é", &"x".repeat(65)] {
            assert!(!is_plain(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn fresh_ids_differ() {
        assert_ne!(RequestId::fresh().as_str(), RequestId::fresh().as_str());
    }
}
