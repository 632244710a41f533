//! The form of a product: what is typed, and what the catalogue is told.
//!
//! Times are typed without a zone, as browsers ask for them: in Korean time by Korean readers, else in UTC. The form carries
//! which it was.

use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;

use super::super::visit::Visit;
use crate::http::Language;
use crate::kernel::clock::Timestamp;
use crate::products::{Change, Product, ProductDraft};

/// A text is at least so long when it has seconds.
const WITH_SECONDS: usize = "2026-11-22T09:00:00".len();

/// The fields, as they were typed. Their names are those of the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Typed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) price: String,
    pub(super) currency: String,
    pub(super) stock: String,
    pub(super) opens_at: String,
    pub(super) closes_at: String,
    pub(super) per_buyer_limit: String,
    pub(super) hold_seconds: String,
    /// The zone of the times.
    pub(super) offset: String,
    /// The times when the form was shown: one that is still the same is left as it is, to the microsecond.
    pub(super) opened_at: String,
    /// See `opened_at`.
    pub(super) closed_at: String,
}

/// The zone in which a reader types times, as RFC 3339 writes it.
pub(super) fn offset_of(visit: &Visit) -> &'static str {
    match visit.language {
        Language::Korean => "+09:00",
        Language::English => "Z",
    }
}

impl Typed {
    /// A form that nobody has filled in.
    pub(super) fn blank(visit: &Visit) -> Self {
        Self {
            kind: "reservation".to_owned(),
            currency: "KRW".to_owned(),
            offset: offset_of(visit).to_owned(),
            ..Self::default()
        }
    }

    /// A product as it is.
    pub(super) fn of(visit: &Visit, product: &Product) -> Self {
        let (entry, terms) = (&product.entry, &product.live.terms);
        let opens_at = terms.opens_at.map_or(String::new(), |at| local(visit, at));
        let closes_at = terms.closes_at.map_or(String::new(), |at| local(visit, at));
        Self {
            id: entry.id.to_string(),
            name: entry.name.clone(),
            description: entry.description.clone(),
            kind: terms.kind.to_string(),
            price: terms.price.to_string(),
            currency: terms.currency.to_string(),
            stock: String::new(),
            opened_at: opens_at.clone(),
            closed_at: closes_at.clone(),
            opens_at,
            closes_at,
            per_buyer_limit: terms.per_buyer_limit.map_or(String::new(), |limit| limit.to_string()),
            hold_seconds: terms.hold_seconds.to_string(),
            offset: offset_of(visit).to_owned(),
        }
    }

    /// A product to be.
    pub(super) fn draft(&self) -> ProductDraft {
        ProductDraft {
            id: Some(self.id.trim().to_owned()),
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            kind: Some(self.kind.clone()),
            price: number(&self.price),
            currency: Some(self.currency.trim().to_ascii_uppercase()).filter(|currency| !currency.is_empty()),
            stock: number(&self.stock),
            opens_at: self.time(&self.opens_at),
            closes_at: self.time(&self.closes_at),
            per_buyer_limit: number(&self.per_buyer_limit),
            hold_seconds: number(&self.hold_seconds),
        }
    }

    /// What changes of a product.
    pub(super) fn change(&self) -> Change {
        let moved = |now: &str, then: &str| (now != then).then(|| self.time(now));
        Change {
            name: Some(self.name.clone()),
            description: Some(self.description.clone()),
            price: number(&self.price).or(Some(NO_NUMBER)),
            opens_at: moved(&self.opens_at, &self.opened_at),
            closes_at: moved(&self.closes_at, &self.closed_at),
            per_buyer_limit: Some(number(&self.per_buyer_limit)),
            hold_seconds: number(&self.hold_seconds).or(Some(NO_NUMBER)),
        }
    }

    /// A time with its zone; nothing when nothing was typed.
    fn time(&self, typed: &str) -> Option<String> {
        moment(&self.offset, typed)
    }
}

/// A time as a browser's field writes it, with the zone of its form; nothing when nothing was typed.
pub(super) fn moment(offset: &str, typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.is_empty() || typed.parse::<Timestamp>().is_ok() {
        return Some(typed.to_owned()).filter(|typed| !typed.is_empty());
    }
    let seconds = if typed.len() < WITH_SECONDS { ":00" } else { "" };
    let offset = if offset == "+09:00" { "+09:00" } else { "Z" };
    Some(format!("{typed}{seconds}{offset}"))
}

/// What is no whole number is outside every range, so that the room's own refusal tells of it.
const NO_NUMBER: i64 = i64::MIN;

fn number(typed: &str) -> Option<i64> {
    let typed = typed.trim();
    (!typed.is_empty()).then(|| typed.parse().unwrap_or(NO_NUMBER))
}

/// A moment as a browser's field writes it, in the reader's zone, to the second.
fn local(visit: &Visit, at: Timestamp) -> String {
    let zone = match visit.language {
        Language::Korean => TimeZone::fixed(Offset::constant(9)),
        Language::English => TimeZone::UTC,
    };
    jiff::Timestamp::from_microsecond(at.0)
        .map_or_else(|_| at.to_string(), |moment| moment.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_typed_in_the_forms_zone() {
        let typed = |offset: &str| Typed { offset: offset.to_owned(), ..Typed::default() };
        for (offset, text, expected) in [
            ("Z", "2026-11-22T09:00", Some("2026-11-22T09:00:00Z")),
            ("+09:00", "2026-11-22T09:00:30", Some("2026-11-22T09:00:30+09:00")),
            ("+09:00", " ", None),
            // Whoever has no field for times may write one in full.
            ("Z", "2026-11-22T09:00:00+09:00", Some("2026-11-22T09:00:00+09:00")),
            ("<script>", "2026-11-22T09:00", Some("2026-11-22T09:00:00Z")),
            ("Z", "soon", Some("soon:00Z")),
        ] {
            assert_eq!(typed(offset).time(text).as_deref(), expected);
        }
    }

    #[test]
    fn only_a_window_that_was_moved_is_changed() {
        let form = |opens_at: &str, opened_at: &str| Typed {
            opens_at: opens_at.to_owned(),
            opened_at: opened_at.to_owned(),
            offset: "Z".to_owned(),
            price: "x".to_owned(),
            ..Typed::default()
        };
        let at = "2026-11-22T09:00:00";
        assert_eq!(form(at, at).change().opens_at, None);
        assert_eq!(form("", at).change().opens_at, Some(None));
        assert_eq!(form(at, "").change().opens_at, Some(Some(format!("{at}Z"))));
        assert_eq!(form(at, at).change().price, Some(NO_NUMBER));
    }
}
