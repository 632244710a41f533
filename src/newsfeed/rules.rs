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
/// After this many rows that are not to be shown a page ends early: what was done on a post with thousands of likes is all
/// hidden once that post is deleted, and nobody's page may cost as much as all of it.
const HIDDEN_MAX: usize = 500;

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

/// What was found.
#[derive(Debug)]
pub(super) struct Found<K, T> {
    /// The rows, the first in order first.
    pub(super) items: Vec<T>,
    /// Where it was given up to look on, when too many rows are not to be shown; there may be more below.
    pub(super) given_up: Option<K>,
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
) -> Result<Found<S::Key, S::Item>, StoreError> {
    let mut collector = Collector { source, wanted, items: Vec::new(), hidden: 0, given_up: None };
    if members > 0 && wanted.limit > 0 {
        let rows = members.saturating_mul(SCANNED_PER_MEMBER).min(SCANNED_MAX);
        let reached = if members > MERGED_AT_ONCE_MAX { collector.scan(rows)? } else { Some(wanted.before) };
        if let Some(before) = reached {
            collector.merge(before)?;
        }
    }
    Ok(Found { items: collector.items, given_up: collector.given_up })
}

struct Collector<'a, S: Source> {
    source: &'a S,
    wanted: Wanted<S::Key>,
    items: Vec<S::Item>,
    hidden: usize,
    given_up: Option<S::Key>,
}

impl<S: Source> Collector<'_, S> {
    /// Looks through at most `rows` of everybody's rows; gives how far it came, or `None` when nothing more is wanted.
    fn scan(&mut self, mut rows: usize) -> Result<Option<S::Key>, StoreError> {
        let mut before = self.wanted.before;
        while rows > 0 {
            let chunk = self.source.newest(before, CHUNK.min(rows))?;
            for (key, user) in &chunk {
                before = *key;
                if self.is_past(*key) || (self.source.is_member(*user)? && !self.take(*key)?) {
                    return Ok(None);
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
    fn merge(&mut self, before: S::Key) -> Result<(), StoreError> {
        let mut heap: BinaryHeap<(S::Key, UserId)> = self.source.heads(before)?.into();
        while let Some((key, member)) = heap.pop() {
            if self.is_past(key) || !self.take(key)? {
                return Ok(());
            }
            heap.extend(self.source.next(member, key)?.map(|key| (key, member)));
        }
        Ok(())
    }

    fn is_past(&self, key: S::Key) -> bool {
        self.wanted.after.is_some_and(|after| key <= after)
    }

    /// Takes a row if it is to be shown; gives whether more are wanted.
    fn take(&mut self, key: S::Key) -> Result<bool, StoreError> {
        match self.source.show(key)? {
            Some(item) => self.items.push(item),
            None => self.hidden += 1,
        }
        if self.hidden == HIDDEN_MAX {
            self.given_up = Some(key);
        }
        Ok(self.items.len() < self.wanted.limit && self.given_up.is_none())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows 1, 2, 3, …, each somebody's; one of so many is shown or hidden.
    struct Rows {
        owners: Vec<i64>,
        members: Vec<i64>,
        shown: fn(usize) -> bool,
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
            Ok((self.shown)(key).then_some(key))
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
            let shown = |key: usize| !key.is_multiple_of(7);
            let source = Rows { owners, members: (0..members).collect(), shown };
            let expected: Vec<_> = source
                .rows()
                .rev()
                .filter(|(key, owner)| {
                    *key < before && after.is_none_or(|after| *key > after) && owner.0 < members && shown(*key)
                })
                .map(|(key, _)| key)
                .take(limit)
                .collect();
            let wanted = Wanted { before, after, limit };
            let found = collect(&source, source.members.len(), wanted).unwrap();
            prop_assert_eq!(found.items, expected);
            prop_assert_eq!(found.given_up, None);
        }
    }

    #[test]
    fn rows_that_are_not_shown_end_a_page_early_and_none_is_lost() {
        for members in [1, 40] {
            let owners = (0..2_000).map(|row| row % members).collect();
            let source = Rows { owners, members: (0..members).collect(), shown: |key| key.is_multiple_of(700) };
            let (mut before, mut seen, mut pages) = (usize::MAX, Vec::new(), 0);
            loop {
                let wanted = Wanted { before, after: None, limit: 10 };
                let found = collect(&source, source.members.len(), wanted).unwrap();
                seen.extend(found.items);
                pages += 1;
                let Some(reached) = found.given_up else { break };
                assert!(before.min(2_001) - reached <= HIDDEN_MAX + 1, "{before} to {reached}");
                before = reached;
            }
            assert_eq!(seen, [1_400, 700], "{members} members");
            assert_eq!(pages, 4);
        }
    }
}
