//! One server for one database: a lock on a file beside it, which the system takes back when the process ends.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use super::Location;
use crate::kernel::error::{Error, Kind, Text};

/// Held while a server runs. Command lines work beside it; a second server does not.
#[derive(Debug)]
pub struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock of the database at `location`.
    ///
    /// # Errors
    /// `database_served` when another server has it; `database_unavailable` when the file can't be made.
    pub fn take(location: &Location) -> Result<Self, Error> {
        let Location::Sqlite(database) = location;
        // The same file by another name is the same database.
        let mut path = database.canonicalize().unwrap_or_else(|_| database.clone()).into_os_string();
        path.push(".server-lock");
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| unavailable(&path, &error))?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| unavailable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let database = database.display();
                let detail = Text::made(
                    format!("Another server is running on the database {database}."),
                    format!("데이터베이스 {database}를 쓰는 서버가 이미 실행 중입니다."),
                );
                Err(Error::new(Kind::Conflict, "database_served", detail))
            }
            Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
        }
    }
}

fn unavailable(path: &std::path::Path, error: &std::io::Error) -> Error {
    let path = path.display();
    let detail = Text::made(format!("{path} can't be made: {error}."), format!("{path}를 만들 수 없습니다: {error}"));
    Error::new(Kind::Conflict, "database_unavailable", detail)
}
