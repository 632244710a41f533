//! Checkpoints off the writer's path.
//!
//! SQLite would copy the write-ahead log into the database within whichever commit finds it long, and everybody would wait
//! for that copy: a hundred milliseconds at a time in a large sale. So a thread of its own copies while the writer goes
//! on (a passive checkpoint stops nobody), and the writer itself copies only the few pages that were added meanwhile. Then
//! the log is empty, and the next commit begins it anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;

use super::StoreError;

/// WAL pages after which the log is copied: 32,768 pages of 4 KiB are 128 MiB. A sale and the filing of likes write the same
/// pages again and again, and a checkpoint copies each of them once; after a crash it takes a second to read that much.
pub(super) const PAGES: u32 = 32_768;

/// How far a checkpoint is.
const NONE: u32 = 0;
const UNDER_WAY: u32 = 1;
const NEARLY_DONE: u32 = 2;

/// The writer's side.
pub(super) struct Checkpoints {
    /// How long the log may become before it is copied, in pages.
    pages: u32,
    /// How long the log was after the last commit, in pages.
    length: Arc<AtomicU32>,
    /// [`NONE`], [`UNDER_WAY`] or [`NEARLY_DONE`].
    progress: Arc<AtomicU32>,
    wanted: flume::Sender<()>,
}

/// The copying thread's side.
pub(super) struct Copier {
    connection: Connection,
    progress: Arc<AtomicU32>,
    wanted: flume::Receiver<()>,
}

/// Takes checkpoints out of `writer`'s commits; `copier` is a connection of its own. Ends with the writer's side.
pub(super) fn apart(
    writer: &mut Connection,
    copier: Connection,
    pages: u32,
) -> Result<(Checkpoints, Copier), StoreError> {
    let (length, progress) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(NONE)));
    let noted = Arc::clone(&length);
    writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        noted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    let (wanted, waiting) = flume::bounded(1);
    let copier = Copier { connection: copier, progress: Arc::clone(&progress), wanted: waiting };
    Ok((Checkpoints { pages, length, progress, wanted }, copier))
}

impl Checkpoints {
    /// Called by the writer between two jobs.
    pub(super) fn after_job(&self, writer: &Connection) {
        match self.progress.load(Ordering::Acquire) {
            NONE if self.length.load(Ordering::Relaxed) >= self.pages => {
                self.progress.store(UNDER_WAY, Ordering::Release);
                let _one_is_enough = self.wanted.try_send(());
            }
            NEARLY_DONE => {
                copy(writer);
                // A reader may still need the log; then it goes on growing until the next time.
                self.length.store(0, Ordering::Relaxed);
                self.progress.store(NONE, Ordering::Release);
            }
            _ => {}
        }
    }
}

impl Copier {
    /// Copies whenever the writer asks for it, until the writer has gone.
    pub(super) fn run(&self) {
        while self.wanted.recv().is_ok() {
            copy(&self.connection);
            self.progress.store(NEARLY_DONE, Ordering::Release);
        }
    }
}

/// Copies what can be copied without waiting for anybody. A failure loses nothing: the log stays, and is copied later.
fn copy(connection: &Connection) {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = copied {
        tracing::warn!(%error, "the write-ahead log could not be copied into the database; trying again later");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_begun_anew_while_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let connection = Connection::open(folder.path().join("shop.db")).unwrap();
            let _mode: String =
                connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).unwrap();
            connection
        };
        let mut writer = open();
        writer.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        let (checkpoints, copier) = apart(&mut writer, open(), 100).unwrap();
        let copying = std::thread::spawn(move || copier.run());
        let (mut longest, mut written) = (0, 0);
        loop {
            writer.execute("INSERT INTO notes VALUES (zeroblob(2000))", []).unwrap();
            written += 1;
            assert!(written < 100_000, "the log is never begun anew");
            let length = checkpoints.length.load(Ordering::Relaxed);
            if length < longest {
                break; // a new log
            }
            longest = length;
            checkpoints.after_job(&writer);
        }
        assert!(longest >= 100, "nothing is copied before the log is long: {longest} pages");
        drop(checkpoints);
        copying.join().unwrap();
        let rows: i64 = writer.query_row("SELECT COUNT(*) FROM notes", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, written);
    }
}
