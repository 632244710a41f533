//! What a product must be, checked once for every face: HTTP, command line and seeds.

use super::model::{Change, Entry, NewProduct, ProductDraft};
use crate::kernel::check::Check;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind as ErrorKind, Text};
use crate::kernel::ids::ProductId;
use crate::kernel::limits::{HOLD_SECONDS_DEFAULT, HOLD_SECONDS_MAX, STOCK_MAX};
use crate::kernel::money::{Currency, PRICE_MAX};
use crate::ledger::{Kind, Terms};

pub(super) const NAME_CHARS_MAX: usize = 100;
pub(super) const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// Checks a draft.
///
/// # Errors
/// `422` with every fault.
pub(super) fn draft(draft: &ProductDraft) -> Result<NewProduct, Error> {
    let mut check = Check::new();
    let id = check.parse::<ProductId>("id", draft.id.as_deref());
    let name = check.line("name", draft.name.as_deref(), 1, NAME_CHARS_MAX);
    let description = check.text("description", draft.description.as_deref(), 0, DESCRIPTION_CHARS_MAX);
    let kind = check.parse::<Kind>("type", draft.kind.as_deref());
    let price = check.number("price", draft.price, 0, PRICE_MAX);
    let currency = check.parse::<Currency>("currency", Some(draft.currency.as_deref().unwrap_or("KRW")));
    let stock = check.number("stock", Some(draft.stock.unwrap_or(0)), 0, STOCK_MAX);
    let opens_at = time(&mut check, "opensAt", draft.opens_at.as_deref());
    let closes_at = time(&mut check, "closesAt", draft.closes_at.as_deref());
    let per_buyer_limit = limit(&mut check, draft.per_buyer_limit);
    let hold_seconds = hold(&mut check, draft.hold_seconds.unwrap_or(HOLD_SECONDS_DEFAULT));
    let kind_or_any = kind.unwrap_or(Kind::Reservation);
    window(&mut check, kind_or_any, opens_at, closes_at);
    check.done()?;
    let (Some(id), Some(currency)) = (id, currency) else {
        return Err(Error::internal("a checked draft without id or currency"));
    };
    let terms = Terms { kind: kind_or_any, price, currency, opens_at, closes_at, per_buyer_limit, hold_seconds };
    Ok(NewProduct { id, name, description, terms, stock })
}

/// Applies a change to a product and its terms.
///
/// # Errors
/// `422` with every fault.
pub(super) fn change(entry: &Entry, terms: &Terms, change: &Change) -> Result<(Entry, Terms), Error> {
    let mut check = Check::new();
    let mut entry = entry.clone();
    let mut terms = terms.clone();
    if let Some(name) = &change.name {
        entry.name = check.line("name", Some(name), 1, NAME_CHARS_MAX);
    }
    if let Some(description) = &change.description {
        entry.description = check.text("description", Some(description), 0, DESCRIPTION_CHARS_MAX);
    }
    if let Some(price) = change.price {
        terms.price = check.number("price", Some(price), 0, PRICE_MAX);
    }
    if let Some(opens_at) = &change.opens_at {
        terms.opens_at = time(&mut check, "opensAt", opens_at.as_deref());
    }
    if let Some(closes_at) = &change.closes_at {
        terms.closes_at = time(&mut check, "closesAt", closes_at.as_deref());
    }
    if let Some(per_buyer_limit) = change.per_buyer_limit {
        terms.per_buyer_limit = limit(&mut check, per_buyer_limit);
    }
    if let Some(hold_seconds) = change.hold_seconds {
        terms.hold_seconds = hold(&mut check, hold_seconds);
    }
    window(&mut check, terms.kind, terms.opens_at, terms.closes_at);
    check.done()?;
    Ok((entry, terms))
}

/// What opens a sale at `now`: nothing when it is open. An end that has passed goes.
pub(super) fn opening(terms: &Terms, now: Timestamp) -> Change {
    let is_open = terms.opens_at.is_none_or(|at| at <= now) && terms.closes_at.is_none_or(|at| at > now);
    if is_open && terms.kind == Kind::Reservation {
        return Change::default();
    }
    let is_over = terms.closes_at.is_some_and(|at| at <= now);
    Change {
        opens_at: Some(Some(now.to_string())),
        closes_at: if is_over { Some(None) } else { None },
        ..Change::default()
    }
}

/// What closes a sale at `now`: nothing when it is closed. One that has not opened can't be closed.
pub(super) fn closing(terms: &Terms, now: Timestamp) -> Change {
    if terms.closes_at.is_some_and(|at| at <= now) {
        return Change::default();
    }
    Change { closes_at: Some(Some(now.to_string())), ..Change::default() }
}

/// Somebody has given this id to a product already.
pub(super) fn product_exists() -> Error {
    let detail = Text::fixed(
        "There is, or was, a product with this id; choose another.",
        "이미 쓰였던 상품 id입니다. 다른 id를 고르세요.",
    );
    Error::new(ErrorKind::Conflict, "product_exists", detail)
}

/// Checks a draft before there is a database to put it into.
///
/// # Errors
/// `422` with every fault.
pub fn check_draft(draft: &ProductDraft) -> Result<(), Error> {
    self::draft(draft).map(drop)
}

/// Checks what can be told of a change without the product.
///
/// # Errors
/// `422` with every fault.
pub fn check_change(change: &Change) -> Result<(), Error> {
    let (id, created_at) = (ProductId::trusted("any"), Timestamp(0));
    let (name, description, kind) = (String::new(), String::new(), Kind::Reservation);
    let entry = Entry { id, name, description, kind, created_at };
    let terms = Terms {
        kind,
        price: 0,
        currency: Currency::KRW,
        opens_at: None,
        closes_at: None,
        per_buyer_limit: None,
        hold_seconds: HOLD_SECONDS_DEFAULT,
    };
    self::change(&entry, &terms, change).map(drop)
}

fn time(check: &mut Check, field: &'static str, text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| check.parse(field, Some(text)))
}

fn limit(check: &mut Check, limit: Option<i64>) -> Option<i64> {
    limit.map(|limit| check.number("perBuyerLimit", Some(limit), 1, STOCK_MAX))
}

fn hold(check: &mut Check, seconds: i64) -> i64 {
    check.number("holdSeconds", Some(seconds), 1, HOLD_SECONDS_MAX)
}

/// A general product has no window; a window closes after it opens.
fn window(check: &mut Check, kind: Kind, opens_at: Option<Timestamp>, closes_at: Option<Timestamp>) {
    if kind == Kind::General && (opens_at.is_some() || closes_at.is_some()) {
        let detail = Text::fixed(
            "A general product is always on sale; it has no window.",
            "일반 상품은 상시 판매하므로 판매 기간을 둘 수 없습니다.",
        );
        check.fault(if opens_at.is_some() { "opensAt" } else { "closesAt" }, "no_window", detail);
    } else if let (Some(opens_at), Some(closes_at)) = (opens_at, closes_at)
        && closes_at <= opens_at
    {
        let detail = Text::fixed("The sale must close after it opens.", "판매 종료는 시작보다 늦어야 합니다.");
        check.fault("closesAt", "before_opening", detail);
    }
}
