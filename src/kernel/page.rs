//! Lists in pages: at most [`LIMIT_MAX`] items, and a cursor that names the last one given.

use std::fmt::Display;
use std::str::FromStr;

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

/// Makes cursors for one list and takes only those back: `list~key~check`.
///
/// The check refuses what was mistyped, edited, or taken from another list. It is no signature: whoever computes it can
/// begin a list anywhere, which a list allows anyway.
#[derive(Debug, Clone, Copy)]
pub struct Cursors(pub &'static str);

impl Cursors {
    /// The key inside a cursor.
    ///
    /// # Errors
    /// `422` on the field `cursor` when it was not made by this list.
    pub fn open<K: FromStr>(self, cursor: Option<&str>) -> Result<Option<K>, Error> {
        self.open_within(0, cursor)
    }

    /// The same for a list that there is one of for each `owner`: another owner's cursor is not this list's.
    ///
    /// # Errors
    /// `422` on the field `cursor` when it was not made by this list.
    pub fn open_within<K: FromStr>(self, owner: i64, cursor: Option<&str>) -> Result<Option<K>, Error> {
        let Some(cursor) = cursor else { return Ok(None) };
        let key = cursor.rsplit_once('~').filter(|(rest, end)| check(owner, rest) == *end).and_then(|(rest, _)| {
            let key = rest.strip_prefix(self.0)?.strip_prefix('~')?;
            key.parse().ok()
        });
        key.map(Some).ok_or_else(|| {
            let detail = Text::fixed(
                "This cursor is not one of this list's; start again without it.",
                "이 목록의 커서가 아닙니다. 커서 없이 다시 시작하세요.",
            );
            Error::invalid_field("cursor", "cursor_invalid", detail)
        })
    }

    /// Cuts `items`, which were read with one more than `limit`, into a page; `key` names an item.
    pub fn page<T, K: Display>(self, items: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Page<T> {
        self.page_within(0, items, limit, key)
    }

    /// The same for a list that there is one of for each `owner`.
    pub fn page_within<T, K: Display>(
        self,
        owner: i64,
        mut items: Vec<T>,
        limit: u32,
        key: impl Fn(&T) -> K,
    ) -> Page<T> {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|item| self.cursor_within(owner, key(item)));
        Page { items, next_cursor }
    }

    /// The cursor of what comes behind `key` in the list that there is one of for each `owner`.
    pub fn cursor_within<K: Display>(self, owner: i64, key: K) -> String {
        let rest = format!("{}~{key}", self.0);
        format!("{rest}~{}", check(owner, &rest))
    }
}

/// FNV-1a over the owner and the rest of the cursor, in 8 digits.
fn check(owner: i64, rest: &str) -> String {
    let bytes = owner.to_le_bytes().into_iter().chain(rest.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: Cursors = Cursors("notes");

    fn cursor(list: Cursors, owner: i64) -> String {
        list.page_within(owner, vec![5, 7, 9], 2, |key| *key).next_cursor.unwrap()
    }

    #[test]
    fn a_list_takes_its_own_cursors_only() {
        let own = cursor(NOTES, 1);
        assert_eq!(NOTES.open_within::<i64>(1, Some(&own)).unwrap(), Some(7));
        assert_eq!(NOTES.open::<i64>(None).unwrap(), None);
        let (rest, check) = own.rsplit_once('~').unwrap();
        let edited = format!("notes~8~{check}");
        for (owner, bad) in [
            (2, &*own),
            (1, &cursor(Cursors("other"), 1)),
            (1, &edited),
            (1, rest),
            (1, ""),
            (1, "~"),
            (1, "notes~7~"),
            (1, "notes~7~한국"),
        ] {
            let error = NOTES.open_within::<i64>(owner, Some(bad)).unwrap_err();
            assert_eq!(error.parts().fields[0].code, "cursor_invalid", "{bad}");
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        assert!(NOTES.page(vec![1, 2], 2, |key| *key).next_cursor.is_none());
    }
}
