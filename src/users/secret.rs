//! The secret that signs tokens: the one in the settings, or one made on first start and kept beside the database.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::kernel::error::{Error, Kind, Text};
use crate::store::Location;

/// HS256 wants a key at least as long as its hash (RFC 7518, section 3.2).
const LENGTH_MIN: usize = 32;

/// The secret of this database's tokens. Blocks on files.
///
/// # Errors
/// When the secret is too short, or its file can't be read or made.
pub(super) fn open(set: Option<&str>, db: &Location) -> Result<Vec<u8>, Error> {
    if let Some(secret) = set {
        return long_enough(secret.as_bytes(), "jwt.secret");
    }
    let Location::Sqlite(path) = db;
    let path = beside(path);
    let cannot = |error: std::io::Error| {
        let detail = Text::made(
            format!("The signing secret {} can't be read or made: {error}.", path.display()),
            format!("서명 비밀 {}을 읽거나 만들 수 없습니다: {error}", path.display()),
        );
        Error::new(Kind::Conflict, "jwt_secret_unavailable", detail)
    };
    let secret = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path).map_err(cannot)?,
        read => read.map_err(cannot)?,
    };
    long_enough(secret.trim().as_bytes(), &path.display().to_string())
}

fn beside(db: &Path) -> PathBuf {
    let mut path = OsString::from(db);
    path.push(".jwt-secret");
    path.into()
}

/// Writes a new secret aside and links it into place, so that of two processes that start at once both read the same
/// one, and nobody ever reads half of one. Temporary files have mode 0600.
fn make(path: &Path) -> std::io::Result<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let secret: [u8; LENGTH_MIN] = rand::random();
    writeln!(file, "{}", super::tokens::hex(&secret))?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    std::fs::read_to_string(path)
}

fn long_enough(secret: &[u8], place: &str) -> Result<Vec<u8>, Error> {
    if secret.len() >= LENGTH_MIN {
        return Ok(secret.to_vec());
    }
    let detail = Text::made(
        format!("{place} holds {} bytes; a signing secret needs at least {LENGTH_MIN}.", secret.len()),
        format!("{place}: 서명 비밀은 {LENGTH_MIN}바이트 이상이어야 합니다."),
    );
    Err(Error::new(Kind::Conflict, "jwt_secret_too_short", detail))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn everybody_who_starts_at_once_gets_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let db = Location::Sqlite(folder.path().join("shop.db"));
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| open(None, &db).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(secrets[0].len(), 64);
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        let mode = std::fs::metadata(folder.path().join("shop.db.jwt-secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_short_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let db = Location::Sqlite(folder.path().join("shop.db"));
        assert_eq!(open(Some("too short"), &db).unwrap_err().code(), "jwt_secret_too_short");
        assert_eq!(open(Some(&"x".repeat(32)), &db).unwrap(), vec![b'x'; 32]);
        std::fs::write(folder.path().join("shop.db.jwt-secret"), "cut").unwrap();
        assert_eq!(open(None, &db).unwrap_err().code(), "jwt_secret_too_short");
    }
}
