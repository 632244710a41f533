//! Which language the reader wants: Korean or English.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

use crate::kernel::error::Text;

/// A language that the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English, when nobody asks for anything that the server speaks.
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// The language that a request's `Accept-Language` prefers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map_or(Self::English, Self::preferred)
    }

    /// The one with the greater quality value (RFC 9110, section 12.5.4); of two equals, the one named first.
    fn preferred(accepted: &str) -> Self {
        let mut best = (0, Self::English);
        for range in accepted.split(',') {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let quality = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1000, permille);
            let primary = tag.split('-').next().unwrap_or_default();
            let language = if primary.eq_ignore_ascii_case("ko") {
                Self::Korean
            } else if primary.eq_ignore_ascii_case("en") {
                Self::English
            } else {
                continue;
            };
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }

    /// The sentence in this language.
    #[must_use]
    pub fn of_text(self, text: &Text) -> &str {
        match self {
            Self::English => &text.en,
            Self::Korean => &text.ko,
        }
    }

    /// The tag for `Content-Language`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }
}

/// A quality value in thousandths; what is no number counts as 0.
fn permille(quality: &str) -> u16 {
    let quality: f32 = quality.trim().parse().unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value lies between 0 and 1000")]
    let permille = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
    permille
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greater_quality_wins() {
        use Language::{English, Korean};
        for (accepted, expected) in [
            ("ko", Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Korean),
            ("en-US,en;q=0.9,ko;q=0.8", English),
            ("en;q=0.5, KO;q=0.9", Korean),
            ("fr, ko;q=0.1", Korean),
            ("ko;q=0", English),
            ("ko;q=0, en;q=0", English),
            ("ko;q=NaN", English),
            ("kok", English),
            ("*", English),
            ("", English),
            (";;,,q=", English),
        ] {
            assert_eq!(Language::preferred(accepted), expected, "{accepted}");
        }
    }
}
