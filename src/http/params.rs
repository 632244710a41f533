//! What stands in a request's target: path values, queries, pages.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::body::read_text;
use super::problem::HttpError;
use crate::kernel::error::{Error, Text};
use crate::kernel::page::{LIMIT_DEFAULT, LIMIT_MAX, PageRequest};

/// A query; a bad value is refused with its name.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Ok(Self(read_text(parts.uri.query().unwrap_or_default().as_bytes())?))
    }
}

/// A value that names something in a path.
pub trait InPath: Sized {
    /// The value, or `None` when the text can't name anything of the kind.
    fn from_path(text: &str) -> Option<Self>;

    /// The room's own 404.
    fn unknown() -> Error;
}

/// A number as paths write it: digits, and no way to write the same one twice.
#[must_use]
pub fn number(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    is_plain.then(|| text.parse().ok())?
}

/// The path's one value; a text that can't be one is as unknown as one that nobody has.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: InPath, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let values = RawPathParams::from_request_parts(parts, state).await.map_err(|_| T::unknown())?;
        let value = values.iter().next().and_then(|(_, text)| T::from_path(text));
        Ok(Self(value.ok_or_else(T::unknown)?))
    }
}

/// `?limit=1..100&cursor=`; other parameters belong to the route's own [`Query`].
#[derive(Debug)]
pub struct PageQuery(pub PageRequest);

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Ok(Self(page(parts.uri.query().unwrap_or_default())?))
    }
}

fn page(query: &str) -> Result<PageRequest, Error> {
    #[derive(Deserialize)]
    struct Fields {
        limit: Option<String>,
        cursor: Option<String>,
    }
    let Fields { limit, cursor } = read_text(query.as_bytes())?;
    let limit = limit.map_or(Some(LIMIT_DEFAULT), |text| text.parse().ok()).filter(|n| (1..=LIMIT_MAX).contains(n));
    let limit = limit.ok_or_else(|| {
        let detail = Text::made(
            format!("A whole number from 1 to {LIMIT_MAX}."),
            format!("1부터 {LIMIT_MAX}까지의 정수여야 합니다."),
        );
        Error::invalid_field("limit", "out_of_range", detail)
    })?;
    Ok(PageRequest { limit, after: cursor.filter(|cursor| !cursor.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_from_1_to_100_items() {
        assert_eq!(page("").unwrap().limit, LIMIT_DEFAULT);
        assert_eq!(page("limit=1&type=all").unwrap().limit, 1);
        assert_eq!(page("limit=100&cursor=orders~7").unwrap().after.as_deref(), Some("orders~7"));
        assert_eq!(page("cursor=").unwrap().after, None);
        for (bad, code) in [
            ("limit=0", "out_of_range"),
            ("limit=101", "out_of_range"),
            ("limit=-1", "out_of_range"),
            ("limit=ten", "out_of_range"),
            ("limit=", "out_of_range"),
            ("limit=1&limit=2", "duplicate_field"),
        ] {
            let error = page(bad).unwrap_err();
            let fault = &error.parts().fields[0];
            assert_eq!((fault.field.as_ref(), fault.code), ("limit", code), "{bad}");
        }
    }

    #[test]
    fn a_number_in_a_path_is_written_in_one_way() {
        assert_eq!(["0", "7", "10", "9223372036854775807"].map(number), [Some(0), Some(7), Some(10), Some(i64::MAX)]);
        for bad in ["", "+1", "-1", "01", "00", " 1", "1 ", "1.0", "0x1", "１", "9223372036854775808"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_query_value_of_the_wrong_type_is_named() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only reading it matters")]
        struct Filter {
            user: Option<i64>,
        }
        let error = read_text::<Filter>(b"user=ann").unwrap_err();
        let fault = &error.parts().fields[0];
        assert_eq!((fault.field.as_ref(), fault.code), ("user", "not_allowed"));
    }
}
