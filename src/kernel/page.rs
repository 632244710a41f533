//! Lists in pages: at most [`LIMIT_MAX`] items, and a cursor that names the last one given.

use super::error::{Error, Text};

/// The most items in a page.
pub const LIMIT_MAX: u32 = 100;
/// The items in a page when nobody says.
pub const LIMIT_DEFAULT: u32 = 20;

/// What part of a list is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// How many items, 1 to [`LIMIT_MAX`].
    pub limit: u32,
    /// The key of the last item of the page before.
    pub after: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What to ask for next; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Makes cursors for one list and takes only those back: `list~key`.
#[derive(Debug, Clone, Copy)]
pub struct Cursors(pub &'static str);

impl Cursors {
    /// The key inside a cursor.
    ///
    /// # Errors
    /// `422` on the field `cursor` when it was not made by this list.
    pub fn open<K: std::str::FromStr>(self, cursor: Option<&str>) -> Result<Option<K>, Error> {
        let Some(cursor) = cursor else { return Ok(None) };
        cursor
            .strip_prefix(self.0)
            .and_then(|rest| rest.strip_prefix('~'))
            .and_then(|key| key.parse().ok())
            .map(Some)
            .ok_or_else(|| {
                let detail = Text::fixed(
                    "This cursor is not one of this list's; start again without it.",
                    "이 목록의 커서가 아닙니다. 커서 없이 다시 시작하세요.",
                );
                Error::invalid_field("cursor", "cursor_invalid", detail)
            })
    }

    /// Cuts `items`, which were read with one more than `limit`, into a page; `key` names an item.
    pub fn page<T, K: std::fmt::Display>(self, mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Page<T> {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|item| format!("{}~{}", self.0, key(item)));
        Page { items, next_cursor }
    }
}
