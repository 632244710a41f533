//! The database as a whole: backups, by hand and by themselves, restoring one, checks and figures.
//!
//! A backup is a whole database in one file. It is made beside a running sale (`store/backup.rs` says how, and why so),
//! proven on the copy (pages, indexes, foreign keys, and every invariant of `preorder audit`) and only then gets its name.
//! What is restored is proven likewise before the database is touched. The signing secret is in no backup: whoever reads a
//! stolen one can't make tokens with it.

mod place;
pub mod rules;
mod schedule;
mod service;
mod store;

pub use schedule::{Backups, BackupsSoFar};
pub use service::{BackedUp, Checked, Restored, Stats, back_up, check, restore, stats};
