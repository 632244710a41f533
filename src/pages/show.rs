//! How numbers, money and times are written.

use jiff::tz::{Offset, TimeZone};

use super::assets::{ICON, SCRIPT, STYLE};
use super::visit::Visit;
use crate::http::Language;
use crate::kernel::clock::Timestamp;
use crate::kernel::money::Currency;

/// Currencies without minor units, and those with three digits of them; all others have two (ISO 4217).
const NO_DIGITS: [&str; 8] = ["CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF"];
/// See [`NO_DIGITS`].
const THREE_DIGITS: [&str; 6] = ["BHD", "IQD", "JOD", "KWD", "OMR", "TND"];

/// A value that a template hands over, behind as many references as it happens to have.
pub(super) trait Given<T> {
    /// The value.
    fn given(self) -> T;
}

macro_rules! given {
    ($($value:ty),*) => {$(
        impl Given<$value> for $value {
            fn given(self) -> $value {
                self
            }
        }
        impl Given<$value> for &$value {
            fn given(self) -> $value {
                *self
            }
        }
        impl Given<$value> for &&$value {
            fn given(self) -> $value {
                **self
            }
        }
    )*};
}

given!(i64, Timestamp, Currency);

impl Visit {
    /// A number with its thousands apart.
    #[expect(clippy::unused_self, reason = "templates call it beside the texts")]
    pub(super) fn number(&self, number: impl Given<i64>) -> String {
        grouped(number.given())
    }

    /// A sum in minor units.
    pub(super) fn money(&self, amount: impl Given<i64>, currency: impl Given<Currency>) -> String {
        let (amount, currency) = (amount.given(), currency.given());
        let digits = digits_of(currency.as_str());
        let unit = 10_i64.pow(digits);
        let (whole, rest) = (amount / unit, (amount % unit).abs());
        let number = match usize::try_from(digits) {
            Ok(width @ 1..) => format!("{}.{rest:0width$}", grouped(whole)),
            _ => grouped(whole),
        };
        match (currency.as_str(), self.language) {
            ("KRW", Language::Korean) => format!("{number}원"),
            ("KRW", Language::English) => format!("₩{number}"),
            (code, _) => format!("{code} {number}"),
        }
    }

    /// A moment, to the minute: Korean time for Korean readers, else UTC. The script puts the reader's own zone in its place.
    pub(super) fn time(&self, at: impl Given<Timestamp>) -> String {
        self.written(at.given(), "%Y년 %-m월 %-d일 %H:%M (한국 시간)", "%-d %b %Y, %H:%M UTC")
    }

    /// A moment, to the second.
    pub(super) fn time_exact(&self, at: impl Given<Timestamp>) -> String {
        self.written(at.given(), "%-m월 %-d일 %H:%M:%S (한국 시간)", "%-d %b, %H:%M:%S UTC")
    }

    fn written(&self, at: Timestamp, korean: &str, english: &str) -> String {
        let Ok(moment) = jiff::Timestamp::from_microsecond(at.0) else { return at.to_string() };
        match self.language {
            Language::Korean => {
                let zone = TimeZone::fixed(Offset::constant(9));
                moment.to_zoned(zone).strftime(korean).to_string()
            }
            Language::English => moment.to_zoned(TimeZone::UTC).strftime(english).to_string(),
        }
    }

    /// A length of time: a span without what is nothing.
    pub(super) fn length(&self, seconds: impl Given<i64>) -> String {
        let span = self.span(seconds);
        match span.split_once(' ') {
            Some((whole, rest)) if rest.starts_with('0') && !whole.starts_with('0') => whole.to_owned(),
            Some((whole, rest)) if whole.starts_with('0') => rest.to_owned(),
            _ => span,
        }
    }

    /// A span of time in words of minutes and seconds, or of days and hours.
    pub(super) fn span(&self, seconds: impl Given<i64>) -> String {
        let seconds = seconds.given().max(0);
        let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let t = &self.t.time;
        let parts = match (days, hours) {
            (1.., _) => [(days, t.days), (hours, t.hours)],
            (0, 1..) => [(hours, t.hours), (minutes, t.minutes)],
            _ => [(minutes, t.minutes), (rest, t.seconds)],
        };
        parts.map(|(number, unit)| format!("{number}{unit}")).join(" ")
    }

    /// What stands for somebody who has no image.
    #[expect(clippy::unused_self, reason = "templates call it")]
    pub(super) fn initial(&self, name: &str) -> String {
        initial(name)
    }

    /// Where the style is.
    #[expect(clippy::unused_self, reason = "templates call it")]
    pub(super) fn style(&self) -> String {
        STYLE.path()
    }

    /// Where the script is.
    #[expect(clippy::unused_self, reason = "templates call it")]
    pub(super) fn script(&self) -> String {
        SCRIPT.path()
    }

    /// Where the icon is.
    #[expect(clippy::unused_self, reason = "templates call it")]
    pub(super) fn icon(&self) -> String {
        ICON.path()
    }
}

/// Which of the pictures stands for a thing that has none of its own: the same one every time.
pub(super) fn picture_of(id: &str) -> u32 {
    const PICTURES: u32 = 6;
    id.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % PICTURES
}

/// The first letter of a name, for whoever has no image.
pub(super) fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "·".to_owned(), |c| c.to_uppercase().collect())
}

fn digits_of(currency: &str) -> u32 {
    if NO_DIGITS.contains(&currency) {
        0
    } else if THREE_DIGITS.contains(&currency) {
        3
    } else {
        2
    }
}

fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-1_234_567, "-1,234,567"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_currency_has_its_digits() {
        assert_eq!(["KRW", "USD", "KWD"].map(digits_of), [0, 2, 3]);
    }

    #[test]
    fn a_name_without_letters_has_a_dot() {
        assert_eq!(["ann", "김하나", "(•_•)", ""].map(initial), ["A", "김", "·", "·"]);
    }
}
