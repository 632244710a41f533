//! SQLite's errors as the store tells them apart, with the details that whoever reads the log needs.

use rusqlite::{ErrorCode, ffi};

use super::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(text),
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::SystemIoFailure) => Self::Failed(format!("{text}: {}", io_failure(&error))),
            Some(ErrorCode::ConstraintViolation) => match text.strip_prefix("UNIQUE constraint failed: ") {
                Some(columns) => Self::Duplicate(columns.to_owned()),
                None => Self::Other(text),
            },
            _ => Self::Other(text),
        }
    }
}

/// What failed, in SQLite's own word (`sqlite.org/rescode.html`): all of them have the same text.
fn io_failure(error: &rusqlite::Error) -> String {
    const NAMES: [(std::ffi::c_int, &str); 20] = [
        (ffi::SQLITE_IOERR_READ, "SQLITE_IOERR_READ"),
        (ffi::SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ"),
        (ffi::SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE"),
        (ffi::SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"),
        (ffi::SQLITE_IOERR_DIR_FSYNC, "SQLITE_IOERR_DIR_FSYNC"),
        (ffi::SQLITE_IOERR_TRUNCATE, "SQLITE_IOERR_TRUNCATE"),
        (ffi::SQLITE_IOERR_FSTAT, "SQLITE_IOERR_FSTAT"),
        (ffi::SQLITE_IOERR_UNLOCK, "SQLITE_IOERR_UNLOCK"),
        (ffi::SQLITE_IOERR_RDLOCK, "SQLITE_IOERR_RDLOCK"),
        (ffi::SQLITE_IOERR_DELETE, "SQLITE_IOERR_DELETE"),
        (ffi::SQLITE_IOERR_NOMEM, "SQLITE_IOERR_NOMEM"),
        (ffi::SQLITE_IOERR_ACCESS, "SQLITE_IOERR_ACCESS"),
        (ffi::SQLITE_IOERR_LOCK, "SQLITE_IOERR_LOCK"),
        (ffi::SQLITE_IOERR_CLOSE, "SQLITE_IOERR_CLOSE"),
        (ffi::SQLITE_IOERR_SHMOPEN, "SQLITE_IOERR_SHMOPEN"),
        (ffi::SQLITE_IOERR_SHMSIZE, "SQLITE_IOERR_SHMSIZE"),
        (ffi::SQLITE_IOERR_SHMLOCK, "SQLITE_IOERR_SHMLOCK"),
        (ffi::SQLITE_IOERR_SHMMAP, "SQLITE_IOERR_SHMMAP"),
        (ffi::SQLITE_IOERR_SEEK, "SQLITE_IOERR_SEEK"),
        (ffi::SQLITE_IOERR_MMAP, "SQLITE_IOERR_MMAP"),
    ];
    let code = error.sqlite_extended_error_code().unwrap_or_default();
    NAMES
        .iter()
        .find(|(named, _)| *named == code)
        .map_or_else(|| format!("code {code}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_failure_says_which_one_it_is() {
        for (code, told) in [(778, "SQLITE_IOERR_WRITE"), (4_874, "SQLITE_IOERR_SHMSIZE"), (10, "code 10")] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("disk I/O error".to_owned()));
            let StoreError::Failed(why) = StoreError::from(error) else { panic!("{code} is no failure of the disk") };
            assert_eq!(why, format!("disk I/O error: {told}"));
        }
    }
}
