//! How a feed of many people's things is put together from each one's own. Pure, over a [`Source`].

use std::collections::BinaryHeap;

use crate::kernel::ids::UserId;
use crate::store::StoreError;

/// Up to this many members are merged at once.
const MERGED_AT_ONCE_MAX: usize = 32;
/// For more, this many of everybody's newest rows are looked through first for each member …
const SCANNED_PER_MEMBER: usize = 2;
/// … but no more than this: whoever follows half the world finds a page among them anyway.
const SCANNED_MAX: usize = 4_096;
/// Rows that are read at a time.
const CHUNK: usize = 64;

/// Rows by key, of everybody and of each one, and the members whose rows are wanted.
pub(super) trait Source {
    /// Orders the rows; the largest comes first.
    type Key: Ord + Copy;
    /// A row as it is shown.
    type Item;

    /// Everybody's rows below `before`, with whose they are.
    fn newest(&self, before: Self::Key, limit: usize) -> Result<Vec<(Self::Key, UserId)>, StoreError>;

    /// Whether `user`'s rows are wanted.
    fn is_member(&self, user: UserId) -> Result<bool, StoreError>;

    /// Each member's first row below `before`.
    fn heads(&self, before: Self::Key) -> Result<Vec<(Self::Key, UserId)>, StoreError>;

    /// The first row below `before` of one member.
    fn next(&self, member: UserId, before: Self::Key) -> Result<Option<Self::Key>, StoreError>;

    /// The row itself; `None` when it is not to be shown.
    fn show(&self, key: Self::Key) -> Result<Option<Self::Item>, StoreError>;
}

/// What is wanted: at most `limit` rows below `before` and above `after`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<K> {
    pub(super) before: K,
    pub(super) after: Option<K>,
    pub(super) limit: usize,
}

/// The members' rows, the first in order first.
///
/// Merging costs a seek for each member, however few rows are wanted, so with many members everybody's newest rows are
/// looked through first: where many are followed, many of the newest rows are theirs. Neither depends on how many rows
/// there are.
pub(super) fn collect<S: Source>(
    source: &S,
    members: usize,
    wanted: Wanted<S::Key>,
) -> Result<Vec<S::Item>, StoreError> {
    let mut items = Vec::new();
    if members == 0 || wanted.limit == 0 {
        return Ok(items);
    }
    let mut before = wanted.before;
    if members > MERGED_AT_ONCE_MAX {
        let rows = members.saturating_mul(SCANNED_PER_MEMBER).min(SCANNED_MAX);
        match scan(source, rows, wanted, &mut items)? {
            Some(reached) => before = reached,
            None => return Ok(items),
        }
    }
    merge(source, Wanted { before, ..wanted }, &mut items)?;
    Ok(items)
}

/// Looks through at most `rows` of everybody's rows; gives how far it came, or `None` when nothing more is wanted.
fn scan<S: Source>(
    source: &S,
    mut rows: usize,
    wanted: Wanted<S::Key>,
    items: &mut Vec<S::Item>,
) -> Result<Option<S::Key>, StoreError> {
    let mut before = wanted.before;
    while rows > 0 {
        let chunk = source.newest(before, CHUNK.min(rows))?;
        for (key, user) in &chunk {
            if wanted.after.is_some_and(|after| *key <= after) {
                return Ok(None);
            }
            before = *key;
            if source.is_member(*user)? {
                items.extend(source.show(*key)?);
                if items.len() == wanted.limit {
                    return Ok(None);
                }
            }
        }
        if chunk.len() < CHUNK.min(rows) {
            return Ok(None);
        }
        rows -= chunk.len();
    }
    Ok(Some(before))
}

/// Takes the largest of the members' first rows, puts that member's next row in its place, and so on.
fn merge<S: Source>(source: &S, wanted: Wanted<S::Key>, items: &mut Vec<S::Item>) -> Result<(), StoreError> {
    let mut heap: BinaryHeap<(S::Key, UserId)> = source.heads(wanted.before)?.into();
    while let Some((key, member)) = heap.pop() {
        if wanted.after.is_some_and(|after| key <= after) {
            return Ok(());
        }
        items.extend(source.show(key)?);
        if items.len() == wanted.limit {
            return Ok(());
        }
        heap.extend(source.next(member, key)?.map(|key| (key, member)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows 1, 2, 3, …, each somebody's; every seventh is not shown.
    struct Rows {
        owners: Vec<i64>,
        members: Vec<i64>,
    }

    impl Rows {
        fn rows(&self) -> impl DoubleEndedIterator<Item = (usize, UserId)> + '_ {
            self.owners.iter().enumerate().map(|(index, owner)| (index + 1, UserId(*owner)))
        }
    }

    impl Source for Rows {
        type Key = usize;
        type Item = usize;

        fn newest(&self, before: usize, limit: usize) -> Result<Vec<(usize, UserId)>, StoreError> {
            Ok(self.rows().rev().filter(|(key, _)| *key < before).take(limit).collect())
        }

        fn is_member(&self, user: UserId) -> Result<bool, StoreError> {
            Ok(self.members.contains(&user.0))
        }

        fn heads(&self, before: usize) -> Result<Vec<(usize, UserId)>, StoreError> {
            let head = |member: &i64| Ok(self.next(UserId(*member), before)?.map(|key| (key, UserId(*member))));
            self.members.iter().filter_map(|member| head(member).transpose()).collect()
        }

        fn next(&self, member: UserId, before: usize) -> Result<Option<usize>, StoreError> {
            Ok(self.rows().rev().find(|(key, owner)| *key < before && *owner == member).map(|(key, _)| key))
        }

        fn show(&self, key: usize) -> Result<Option<usize>, StoreError> {
            Ok((!key.is_multiple_of(7)).then_some(key))
        }
    }

    proptest! {
        #[test]
        fn scanned_or_merged_it_is_what_sorting_gives(
            owners in proptest::collection::vec(0_i64..60, 0..400),
            members in 0_i64..60,
            before in 0_usize..450,
            after in proptest::option::of(0_usize..400),
            limit in 0_usize..30,
        ) {
            let source = Rows { owners, members: (0..members).collect() };
            let expected: Vec<_> = source
                .rows()
                .rev()
                .filter(|(key, owner)| {
                    *key < before && after.is_none_or(|after| *key > after) && owner.0 < members && !key.is_multiple_of(7)
                })
                .map(|(key, _)| key)
                .take(limit)
                .collect();
            let wanted = Wanted { before, after, limit };
            prop_assert_eq!(collect(&source, source.members.len(), wanted).unwrap(), expected);
        }
    }
}
