//! When an event is tried again, what an answer means, how a request is signed, and which URLs are allowed.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use reqwest::Url;

use super::addresses::is_public;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{FieldError, Text};

/// How long an event is tried, and a target that takes nothing is kept, in seconds: three days.
pub(super) const RETRIED_FOR_S: i64 = 3 * 86_400;
/// The first pause, in seconds; each further one is twice as long.
const PAUSE_S_MIN: i64 = 5;
/// The longest pause, in seconds.
const PAUSE_S_MAX: i64 = 4 * 3_600;
/// The longest pause that a target may ask for, in seconds.
const RETRY_AFTER_S_MAX: i64 = 3_600;
/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_000;

/// What begins a secret, so that whoever finds one knows what it is.
const SECRET_PREFIX: &str = "whsec_";
/// Random bytes of a secret: as many as the hash has.
pub(super) const SECRET_BYTES: usize = 32;

/// How long to wait after so many failed attempts. `random` is from 0 to 1, and moves the pause by a fifth either way, so that
/// those who failed together do not come together again.
pub(super) fn pause_s(failed: u32, random: f64) -> i64 {
    let doubled = 1_i64.checked_shl(failed.saturating_sub(1)).unwrap_or(i64::MAX);
    let pause = PAUSE_S_MIN.saturating_mul(doubled).clamp(PAUSE_S_MIN, PAUSE_S_MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "four hours have few seconds")]
    let moved = (pause as f64 * (0.8 + 0.4 * random)).round() as i64;
    moved.max(1)
}

/// When an event that has failed so often, first at `since`, is tried again; `None` when its time is over. The last attempt is at
/// the end of it.
pub(super) fn next_attempt(
    since: Timestamp,
    now: Timestamp,
    failed: u32,
    retry_after_s: Option<i64>,
    random: f64,
) -> Option<Timestamp> {
    let ends = since.plus_seconds(RETRIED_FOR_S);
    if now >= ends {
        return None;
    }
    let asked_for = retry_after_s.map_or(0, |seconds| seconds.clamp(0, RETRY_AFTER_S_MAX));
    Some(now.plus_seconds(pause_s(failed, random).max(asked_for)).min(ends))
}

/// The seconds that a `Retry-After` asks for: a number, or a time.
pub(super) fn retry_after_s(header: &str, now: Timestamp) -> Option<i64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(seconds.into());
    }
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(time.as_second() - now.as_seconds())
}

/// What a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It took the event.
    Taken,
    /// It wants no more.
    Gone,
    /// Try again.
    Refused,
}

/// What the target meant by its answer. A redirect is no answer: it could lead anywhere.
pub(super) fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        410 => Verdict::Gone,
        _ => Verdict::Refused,
    }
}

/// The value of `Preorder-Signature`: a time in seconds since 1970, and the HMAC-SHA-256 of that time, a dot and the body.
#[must_use]
pub fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex(tag.as_ref()))
}

/// A secret made of random bytes.
pub(super) fn secret(random: &[u8; SECRET_BYTES]) -> String {
    format!("{SECRET_PREFIX}{}", hex(random))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The URL of a target.
///
/// # Errors
/// What is wrong with it, as a fault of the field `url`.
pub(super) fn url(text: &str, allow_private: bool) -> Result<Url, FieldError> {
    let fault = |code, en, ko| FieldError { field: "url".into(), code, detail: Text::fixed(en, ko) };
    let Some(mut url) = Some(text).filter(|it| it.len() <= URL_BYTES_MAX).and_then(|it| Url::parse(it).ok()) else {
        return Err(fault(
            "bad_url",
            "An http:// or https:// URL of at most 2,000 bytes.",
            "http:// 또는 https:// URL이어야 하며 2,000바이트를 넘을 수 없습니다.",
        ));
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(fault("bad_url", "An http:// or https:// URL.", "http:// 또는 https:// URL이어야 합니다."));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault(
            "url_with_credentials",
            "It holds a user name or a password; requests are proven by their signature.",
            "URL에 사용자 이름이나 비밀번호를 넣을 수 없습니다. 요청은 서명으로 확인합니다.",
        ));
    }
    if !allow_private && literal(&url).is_some_and(|address| !is_public(address)) {
        return Err(private());
    }
    url.set_fragment(None);
    Ok(url)
}

/// The address that a URL names as its host, in whatever form it was written.
pub(super) fn literal(url: &Url) -> Option<std::net::IpAddr> {
    // The parser has turned decimal, octal and hexadecimal forms into the one with four dots.
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The fault of a target that is not public.
pub(super) fn private() -> FieldError {
    FieldError {
        field: "url".into(),
        code: "private_address",
        detail: Text::fixed(
            "It leads to a private, loopback, link-local or reserved address; 'webhooks.allow_private' would allow it.",
            "사설, 루프백, 링크 로컬 또는 예약된 주소입니다. 'webhooks.allow_private' 설정으로 허용할 수 있습니다.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_four_hours_and_vary_by_a_fifth() {
        let pauses: Vec<_> = (1..=14).map(|failed| pause_s(failed, 0.5)).collect();
        assert_eq!(pauses[..5], [5, 10, 20, 40, 80]);
        assert_eq!(pauses[11..], [10_240, 14_400, 14_400]);
        assert_eq!((pause_s(3, 0.0), pause_s(3, 1.0)), (16, 24));
        assert_eq!((pause_s(0, 0.5), pause_s(u32::MAX, 0.5)), (5, 14_400));
    }

    #[test]
    fn an_event_is_tried_for_three_days_and_for_the_last_time_at_their_end() {
        let since = Timestamp(0);
        let (mut now, mut attempts) = (since, 0);
        while let Some(next) = next_attempt(since, now, attempts + 1, None, 0.5) {
            assert!(next > now);
            (now, attempts) = (next, attempts + 1);
        }
        assert_eq!(now, since.plus_seconds(RETRIED_FOR_S));
        assert!((25..40).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_target_may_ask_for_an_hour_and_not_for_less_than_its_pause() {
        let next = |asked| next_attempt(Timestamp(0), Timestamp(0), 1, asked, 0.5).unwrap().as_seconds();
        assert_eq!([None, Some(1), Some(60), Some(86_400), Some(-5)].map(next), [5, 5, 60, 3_600, 5]);
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        assert_eq!(retry_after_s(" 120 ", now), Some(120));
        assert_eq!(retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(7));
        assert_eq!(["", "soon", "-1", "9999999999999"].map(|header| retry_after_s(header, now)), [None; 4]);
    }

    #[test]
    fn a_signature_is_what_others_compute() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "t=1700000000,v1=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789";
        assert_eq!(signature("whsec_test", 1_700_000_000, r#"{"a":1}"#), expected);
    }

    #[test]
    fn urls_are_of_two_schemes_without_credentials_and_lead_nowhere_inside() {
        let code = |text: &str| url(text, false).map(|url| url.to_string()).map_err(|fault| fault.code);
        assert_eq!(code("https://Example.com/hook?a=1#part"), Ok("https://example.com/hook?a=1".to_owned()));
        assert_eq!(code("http://93.184.215.14:8080/"), Ok("http://93.184.215.14:8080/".to_owned()));
        for bad in ["", "example.com", "ftp://example.com/", "file:///etc/passwd", "https://", "data:,x", &long()] {
            assert_eq!(code(bad), Err("bad_url"), "{bad}");
        }
        for bad in ["https://me@example.com/", "https://:secret@example.com/"] {
            assert_eq!(code(bad), Err("url_with_credentials"), "{bad}");
        }
        let inside = [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://１２７.０.０.１/",
        ];
        for inside in inside {
            assert_eq!(code(inside), Err("private_address"), "{inside}");
            assert!(url(inside, true).is_ok(), "{inside}");
        }
    }

    fn long() -> String {
        format!("https://example.com/{}", "x".repeat(URL_BYTES_MAX))
    }
}
