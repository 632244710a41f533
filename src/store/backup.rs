//! A copy of a database that somebody may be writing to.
//!
//! SQLite offers two ways, and both read one snapshot of a database in WAL mode, which stops no writer:
//! - `VACUUM INTO` builds every table and index anew: one statement that takes a processor for as long as it lasts, several
//!   times as long as a plain copy.
//! - The backup API copies pages, so many at a time. By itself it would begin anew after every commit of another process,
//!   and so never end during a sale; but it does not while its connection keeps a read transaction open, as the pages that
//!   it has copied are then still the snapshot's.
//!
//! So this copies pages within one read transaction, in short turns (`pace.rs`). What was copied is brought to the disk every
//! few megabytes: left to the system, a gigabyte would go there at once, and the purchases' own syncs would wait behind it.
//! The price of a snapshot is that the write-ahead log can't begin anew before the copy is made: it grows by what is written
//! meanwhile.

use std::fs::File;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::header::{of_file, without_log};
use super::inspect::Inspection;
use super::pace::Watch;
use super::restore::folder_of;
use super::{StoreError, open};
use crate::kernel::error::Error;

/// Pages in one step: 256 KiB, a fraction of a millisecond.
const STEP_PAGES: std::ffi::c_int = 64;
/// Steps after which what was copied goes to the disk: 4 MiB.
const STEPS_PER_SYNC: u32 = 16;

/// Copies the snapshot that `source` sees now into the empty file `copy`, and brings it to the disk.
///
/// # Errors
/// `storage_full` when there is no room for it, before anything is written; what SQLite or the file system says.
pub(crate) fn copy(source: &Inspection, copy: &Path, watch: &Watch) -> Result<(), Error> {
    make(source, copy, watch.clone()).map_err(|error| match error {
        StoreError::Full(_) => Error::from(error),
        error => open::cannot_copy(source.shown(), &error),
    })
}

fn make(source: &Inspection, copy: &Path, mut watch: Watch) -> Result<(), StoreError> {
    let told = |error| of_file(copy, &error);
    let snapshot = source.snapshot()?;
    let bytes: i64 =
        snapshot.query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |row| {
            row.get(0)
        })?;
    check_room(copy, bytes.unsigned_abs())?;
    let file = File::options().read(true).write(true).open(copy).map_err(told)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(copy, flags)?;
    // Whatever happens to an unfinished copy, it is thrown away.
    target.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    target.pragma_update(None, "synchronous", "OFF")?;
    let backup = Backup::new(&snapshot, &mut target)?;
    let mut steps: u32 = 0;
    loop {
        match backup.step(STEP_PAGES)? {
            StepResult::Done => break,
            StepResult::More => {}
            other => return Err(StoreError::Locked(format!("a step of the copy: {other:?}"))),
        }
        steps += 1;
        if steps.is_multiple_of(STEPS_PER_SYNC) {
            file.sync_data().map_err(told)?;
        }
        if watch.look() {
            return Err(StoreError::Other("it was stopped".to_owned()));
        }
    }
    drop(backup);
    drop(snapshot);
    target.close().map_err(|(_, error)| error)?;
    without_log(copy)?;
    file.sync_all().map_err(told)
}

/// Refuses what would fill the disk: a sale on the same one could sell nothing more until the copy is gone.
fn check_room(copy: &Path, bytes: u64) -> Result<(), StoreError> {
    let folder = folder_of(copy);
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // What is written beside it meanwhile needs some room as well.
    let needed = bytes + bytes / 16;
    if free >= needed {
        return Ok(());
    }
    Err(StoreError::Full(format!("{} has {free} bytes free, and {needed} are needed", folder.display())))
}

/// Copies a backup's file into the empty file `copy`, byte by byte.
///
/// # Errors
/// `storage_full`; what the file system says.
pub(crate) fn copy_file(from: &Path, copy: &Path) -> Result<(), Error> {
    let made = || {
        let mut source = File::open(from).map_err(|error| of_file(from, &error))?;
        let bytes = source.metadata().map_err(|error| of_file(from, &error))?.len();
        check_room(copy, bytes)?;
        let mut target = File::options().write(true).open(copy).map_err(|error| of_file(copy, &error))?;
        std::io::copy(&mut source, &mut target).map_err(|error| of_file(copy, &error))?;
        drop(target);
        without_log(copy)
    };
    made().map_err(|error| match error {
        StoreError::Full(_) => Error::from(error),
        error => open::cannot_copy(from, &error),
    })
}
