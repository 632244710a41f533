//! What a commit concerned, so that memory forgets what it read about that and nothing else.
//!
//! A room names the things that its pages are made of (the posts of an author, whom a reader follows) as [`Subject`]s. A
//! write says in its transaction which of them it concerns ([`Conn::concerns`]); one that says nothing concerns everything.
//! A page that was read is good until a subject of its [`Scope`] is concerned.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Conn;
use crate::kernel::splitmix::SplitMix64;

/// Subjects share this many places; sharing one only costs a read.
const PLACES: usize = 1 << 16;
/// A transaction that concerns more is taken to concern everything.
const SUBJECTS_MAX: usize = 4_096;

/// Something that a write can concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(u16);

impl Subject {
    /// The subject of a kind, by its number there. Kinds are told apart by a room, all rooms' together.
    #[must_use]
    pub fn new(kind: u8, number: i64) -> Self {
        let mixed = SplitMix64(number.cast_unsigned() ^ (u64::from(kind) << 56)).next();
        Self(u16::try_from(mixed >> 48).expect("sixteen bits are left"))
    }
}

/// What a value was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Of(Arc<[Subject]>),
    /// Anything: it is good until the next commit.
    Anything,
}

/// What a transaction concerns, as far as its jobs have said.
#[derive(Debug, Default)]
pub(super) struct Noted {
    said: RefCell<Option<Vec<Subject>>>,
}

impl Noted {
    fn add(&self, subjects: &[Subject]) {
        self.said.borrow_mut().get_or_insert_default().extend_from_slice(subjects);
    }
}

impl Conn<'_> {
    /// Says that this transaction concerns `subjects`, and nothing that nobody says. May be called again for more; nothing
    /// at all (`&[]`) is an answer too.
    pub fn concerns(&self, subjects: &[Subject]) {
        if let Some(noted) = self.noted {
            noted.add(subjects);
        }
    }
}

/// What the jobs of one transaction concern together.
#[derive(Debug)]
pub(super) enum Concern {
    Subjects(Vec<Subject>),
    Everything,
}

impl Concern {
    pub(super) fn nothing() -> Self {
        Self::Subjects(Vec::new())
    }

    /// Adds what one job that has changed something said.
    pub(super) fn add(&mut self, noted: Noted) {
        match (&mut *self, noted.said.into_inner()) {
            (Self::Subjects(all), Some(more)) if all.len() + more.len() <= SUBJECTS_MAX => all.extend(more),
            _ => *self = Self::Everything,
        }
    }
}

/// When each subject was concerned last, as versions of the database.
#[derive(Debug)]
pub(super) struct Concerned {
    places: Box<[AtomicU64]>,
    everything: AtomicU64,
}

impl Concerned {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(), everything: AtomicU64::new(0) }
    }

    /// Notes a commit; to be called by the writer alone, before it moves the version to `version`.
    pub(super) fn note(&self, concern: &Concern, version: u64) {
        match concern {
            Concern::Everything => self.everything.store(version, Ordering::Release),
            Concern::Subjects(subjects) => {
                for subject in subjects {
                    self.places[usize::from(subject.0)].store(version, Ordering::Release);
                }
            }
        }
    }

    /// The version at which one of `subjects` was concerned last.
    pub(super) fn last(&self, subjects: &[Subject]) -> u64 {
        let places = subjects.iter().map(|subject| &self.places[usize::from(subject.0)]);
        places.chain([&self.everything]).map(|place| place.load(Ordering::Acquire)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_and_kinds_have_places_of_their_own() {
        let subjects: std::collections::HashSet<_> =
            (1..=4).flat_map(|kind| (1..=2_000).map(move |number| Subject::new(kind, number))).collect();
        assert!(subjects.len() > 7_000, "{}", subjects.len());
    }

    #[test]
    fn who_says_nothing_concerns_everything_and_so_does_too_much() {
        let said = |subjects: &[Subject]| {
            let noted = Noted::default();
            noted.add(subjects);
            noted
        };
        let mut concern = Concern::nothing();
        concern.add(said(&[]));
        assert!(matches!(&concern, Concern::Subjects(subjects) if subjects.is_empty()));
        concern.add(said(&[Subject(1)]));
        concern.add(said(&[Subject(2)]));
        assert!(matches!(&concern, Concern::Subjects(subjects) if *subjects == [Subject(1), Subject(2)]));
        concern.add(Noted::default());
        assert!(matches!(concern, Concern::Everything));
        concern.add(said(&[]));
        assert!(matches!(concern, Concern::Everything));
        let mut much = Concern::nothing();
        much.add(said(&vec![Subject(1); SUBJECTS_MAX + 1]));
        assert!(matches!(much, Concern::Everything));
    }

    #[test]
    fn the_last_commit_that_concerned_a_subject_counts() {
        let concerned = Concerned::new();
        concerned.note(&Concern::Subjects(vec![Subject(1)]), 3);
        concerned.note(&Concern::Subjects(vec![Subject(2)]), 4);
        assert_eq!(concerned.last(&[Subject(1)]), 3);
        assert_eq!(concerned.last(&[Subject(1), Subject(2)]), 4);
        assert_eq!(concerned.last(&[Subject(3)]), 0);
        concerned.note(&Concern::Everything, 5);
        assert_eq!(concerned.last(&[Subject(3)]), 5);
        assert_eq!(concerned.last(&[]), 5);
    }
}
