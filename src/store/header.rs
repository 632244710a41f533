//! The first hundred bytes of a database file (`sqlite.org/fileformat2.html`, 1.3): what can be told of a file before
//! SQLite is let near it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::StoreError;

/// How every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const LENGTH: usize = 100;
/// Where the versions for writing and reading stand: 2 asks for a write-ahead log, 1 for none.
const LOG_VERSIONS_AT: u64 = 18;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) page_bytes: u64,
    /// How many pages there should be.
    pub(super) pages: u64,
    pub(super) schema_version: u32,
    pub(super) application: u32,
}

impl Header {
    /// Reads a file's header; `None` when it is no SQLite database.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; LENGTH];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(Self::of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How long the file must be at least.
    pub(super) fn expected_bytes(self) -> u64 {
        self.page_bytes * self.pages
    }

    fn of(bytes: &[u8; LENGTH]) -> Option<Self> {
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let page_bytes = match u16::from_be_bytes([bytes[16], bytes[17]]) {
            1 => 65_536,
            size if size.is_power_of_two() && size >= 512 => u64::from(size),
            _ => return None,
        };
        let header = Self { page_bytes, pages: number(28).into(), schema_version: number(60), application: number(68) };
        (&bytes[..16] == MAGIC).then_some(header)
    }
}

/// Makes a copy that has no write-ahead log say so, so that it can be read without making one.
pub(super) fn without_log(path: &Path) -> Result<(), StoreError> {
    let told = |error| of_file(path, &error);
    let file = File::options().read(true).write(true).open(path).map_err(told)?;
    if Header::read(&file).map_err(told)?.is_some() {
        file.write_all_at(&[1, 1], LOG_VERSIONS_AT).map_err(told)?;
    }
    Ok(())
}

/// A fault of the file system, as the store tells faults apart.
pub(super) fn of_file(path: &Path, error: &io::Error) -> StoreError {
    let why = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(why),
        _ => StoreError::Other(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_told_from_other_bytes() {
        let mut bytes = [0; LENGTH];
        bytes[..16].copy_from_slice(MAGIC);
        (bytes[16], bytes[31], bytes[63]) = (0x10, 7, 3);
        bytes[68..72].copy_from_slice(&[1, 2, 3, 4]);
        let header = Header { page_bytes: 4_096, pages: 7, schema_version: 3, application: 0x0102_0304 };
        assert_eq!(Header::of(&bytes), Some(header));
        (bytes[16], bytes[17]) = (0, 1);
        assert_eq!(Header::of(&bytes).unwrap().page_bytes, 65_536);
        for size in [[0, 0], [1, 1], [0, 2]] {
            (bytes[16], bytes[17]) = (size[0], size[1]);
            assert_eq!(Header::of(&bytes), None, "{size:?}");
        }
        (bytes[0], bytes[16], bytes[17]) = (b's', 0x10, 0);
        assert_eq!(Header::of(&bytes), None);
    }
}
