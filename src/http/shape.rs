//! Shapes of values, as JSON Schema (2020-12): what the types of the API's description are made of.
//!
//! Derived schemas know names and types; what a value must look like beyond that is said with these, from the same
//! constants that the rules check against.

use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};

use crate::kernel::ids::PRODUCT_ID_CHARS_MAX;

/// What no text may hold (`kernel::check`): control characters but line feed and tab, and what turns a text's direction.
const HIDDEN: &str = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069";
/// What ends a line, and the characters of tags, as they are: the regular expressions of Python and ECMA write those behind
/// the first 65,536 in different ways.
const ENDS_LINE: &str = "\\t\\n\\u2028\\u2029\u{E0000}-\u{E007F}";
/// White space and what is invisible: a text of these alone is blank.
const BLANK: &str = concat!(
    r"\s\u00ad\u034f\u1160\u115f\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f",
    r"\ufeff\uffa0\ufff0-\ufffb",
    "\u{1BCA0}-\u{1BCA3}\u{1D173}-\u{1D17A}\u{E0000}-\u{E0FFF}"
);

/// A text of lines, `min` to `max` characters.
#[must_use]
pub fn text(min: usize, max: usize) -> Schema {
    worded(min, max, HIDDEN)
}

/// A text of one line.
#[must_use]
pub fn line(min: usize, max: usize) -> Schema {
    worded(min, max, &format!("{HIDDEN}{ENDS_LINE}"))
}

fn worded(min: usize, max: usize, kept_out: &str) -> Schema {
    let some = if min > 0 { format!("[^{kept_out}{BLANK}]") } else { String::new() };
    let pattern = format!("^[^{kept_out}]*{some}[^{kept_out}]*$");
    let pattern = if min > 0 { pattern } else { format!("^[^{kept_out}]*$") };
    of(Type::String).min_length((min > 0).then_some(min)).max_length(Some(max)).pattern(Some(pattern)).into()
}

/// Any text of `min` to `max` characters, blanks and all.
#[must_use]
pub fn chars(min: usize, max: usize) -> Schema {
    of(Type::String).min_length(Some(min)).max_length(Some(max)).into()
}

/// Any text.
#[must_use]
pub fn any_text() -> Schema {
    of(Type::String).into()
}

/// A text that a regular expression describes.
#[must_use]
pub fn like(pattern: &str) -> Schema {
    of(Type::String).pattern(Some(pattern)).into()
}

/// An e-mail address of at most `max` characters.
#[must_use]
pub fn email(max: usize) -> Schema {
    let format = SchemaFormat::Custom("email".to_owned());
    of(Type::String).format(Some(format)).max_length(Some(max)).into()
}

/// A whole number from `min` to `max`.
#[must_use]
pub fn number(min: i64, max: i64) -> Schema {
    whole(min, max).into()
}

/// The same, with what it is when nobody says.
#[must_use]
pub fn number_or(default: i64, min: i64, max: i64) -> Schema {
    whole(min, max).default(Some(default.into())).into()
}

fn whole(min: i64, max: i64) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    of(Type::Integer).format(Some(format)).minimum(Some(min)).maximum(Some(max))
}

/// A number that the database gave to a row.
#[must_use]
pub fn row_id() -> Schema {
    number(1, i64::MAX)
}

/// The id of a product.
#[must_use]
pub fn product_id() -> Schema {
    let pattern = r"^\.*[A-Za-z0-9_-][A-Za-z0-9._-]*$";
    of(Type::String).max_length(Some(PRODUCT_ID_CHARS_MAX)).pattern(Some(pattern)).into()
}

/// A UUID.
#[must_use]
pub fn uuid() -> Schema {
    of(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned()))).into()
}

/// A time: RFC 3339.
#[must_use]
pub fn time() -> Schema {
    of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

/// The code of a currency.
#[must_use]
pub fn currency() -> Schema {
    like("^[A-Z]{3}$")
}

/// One of some words.
#[must_use]
pub fn words(words: &[&str]) -> Schema {
    of(Type::String).enum_values(Some(words.iter().copied())).into()
}

/// The same, with what it is when nobody says: the first.
#[must_use]
pub fn first_of(words: &[&str]) -> Schema {
    of(Type::String).enum_values(Some(words.iter().copied())).default(words.first().map(|word| (*word).into())).into()
}

/// `null`, or what `shape` says.
#[must_use]
pub fn or_null(shape: Schema) -> Schema {
    let Schema::Object(mut object) = shape else { return shape };
    if let SchemaType::Type(one) = object.schema_type {
        object.schema_type = SchemaType::Array(vec![one, Type::Null]);
    }
    if let Some(values) = &mut object.enum_values {
        values.push(serde_json::Value::Null);
    }
    Schema::Object(object)
}

/// `null` alone.
#[must_use]
pub fn null() -> Schema {
    of(Type::Null).into()
}

/// What a file holds.
#[must_use]
pub fn file() -> Schema {
    of(Type::String).content_media_type("application/octet-stream").into()
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::from(Object::with_type(kind))
}
