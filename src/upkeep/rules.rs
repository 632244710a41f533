//! Names of backups, when the next one is due, and which ones have had their time.

use std::time::Duration;

use crate::kernel::clock::Timestamp;

const PREFIX: &str = "preorder-";
const SUFFIX: &str = ".db";

/// A time as a file's name can have it, such as `20261125T023000Z`.
#[must_use]
pub fn stamp(time: Timestamp) -> String {
    Timestamp(time.as_seconds() * 1_000_000).to_string().replace(['-', ':'], "")
}

/// The name of a backup that is made at `time`.
#[must_use]
pub fn name(time: Timestamp) -> String {
    format!("{PREFIX}{}{SUFFIX}", stamp(time))
}

/// When the backup of this name was made; `None` for a file that is not one of ours.
#[must_use]
pub fn made_at(name: &str) -> Option<Timestamp> {
    let stamp = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    if stamp.len() != 16 || !stamp.is_ascii() {
        return None;
    }
    let (date, time) = stamp.split_once('T')?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    let made: Timestamp = format!("{year}-{month}-{day}T{hour}:{minute}:{second}").parse().ok()?;
    (self::name(made) == name).then_some(made)
}

/// The name that a backup's unfinished copies begin with, in the folder where it will be.
#[must_use]
pub fn draft_prefix(name: &str) -> String {
    format!(".{name}.")
}

/// How an unfinished copy's name ends.
pub const DRAFT_SUFFIX: &str = ".partial";

/// Whether a file is an unfinished copy of one of our backups: what a kill left.
#[must_use]
pub fn is_draft(name: &str) -> bool {
    let Some(name) = name.strip_prefix('.').and_then(|name| name.strip_suffix(DRAFT_SUFFIX)) else { return false };
    name.rsplit_once('.').is_some_and(|(name, _)| made_at(name).is_some())
}

/// How long to wait until the next backup: not at all without one, or when the newest is from the future.
#[must_use]
pub fn due_in(newest: Option<Timestamp>, now: Timestamp, every: Duration) -> Duration {
    let Some(newest) = newest.filter(|newest| *newest <= now) else { return Duration::ZERO };
    let age = Duration::from_micros((now.0 - newest.0).unsigned_abs());
    every.saturating_sub(age)
}

/// Of these files the backups beyond the newest `keep`, oldest first. Files with other names are nobody's to delete.
#[must_use]
pub fn outlived(names: impl IntoIterator<Item = String>, keep: usize) -> Vec<String> {
    let mut ours: Vec<_> = names.into_iter().filter(|name| made_at(name).is_some()).collect();
    ours.sort();
    ours.truncate(ours.len().saturating_sub(keep));
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_893_499_200_123_456);

    #[test]
    fn a_name_tells_when_the_backup_was_made() {
        assert_eq!(name(NOON), "preorder-20300101T120000Z.db");
        assert_eq!(made_at(&name(NOON)), Some(Timestamp(1_893_499_200_000_000)));
        for other in [
            "preorder.db",
            "preorder-20300101T120000Z.db.gz",
            "preorder-2030-01-01T12:00Z.db",
            "preorder-20301301T120000Z.db",
            "preorder-20300101T126000Z.db",
            "my-preorder-20300101T120000Z.db",
            "preorder-20300101T12000éZ.db",
            "preorder-+0300101T120000Z.db",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
        assert!(is_draft(&format!("{}aBc{DRAFT_SUFFIX}", draft_prefix(&name(NOON)))));
        for other in
            [".preorder-20300101T120000Z.db", ".notes.db.aBc.partial", "preorder-20300101T120000Z.db.a.partial"]
        {
            assert!(!is_draft(other), "{other}");
        }
    }

    #[test]
    fn the_next_one_is_due_after_the_interval() {
        let hour = Duration::from_hours(1);
        assert_eq!(due_in(None, NOON, hour), Duration::ZERO);
        assert_eq!(due_in(Some(NOON), NOON, hour), hour);
        assert_eq!(due_in(Some(NOON.plus_seconds(-3_000)), NOON, hour), Duration::from_mins(10));
        assert_eq!(due_in(Some(NOON.plus_seconds(-9_000)), NOON, hour), Duration::ZERO);
        assert_eq!(due_in(Some(NOON.plus_seconds(9_000)), NOON, hour), Duration::ZERO);
    }

    #[test]
    fn only_our_own_oldest_are_outlived() {
        let made = |hours: i64| name(NOON.plus_seconds(hours * 3_600));
        let names = || [made(2), made(0), "notes.txt".to_owned(), "preorder.db".to_owned(), made(1)];
        assert_eq!(outlived(names(), 1), [made(0), made(1)]);
        assert_eq!(outlived(names(), 3), Vec::<String>::new());
    }
}
