//! Reading a file out of a ZIP archive without unpacking it.
//!
//! What a ZIP archive holds of a file is what gzip holds, with other words around it (both are DEFLATE, RFC 1951, and the
//! same checksum). So a browser, which reads gzip, gets the archive's own bytes.

use std::io::Read as _;

use axum::body::Bytes;
use flate2::read::GzDecoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// The archive of Swagger UI.
static ARCHIVE: &[u8] = SWAGGER_UI_VENDORED;

/// How the records of an archive begin (APPNOTE 4.3), and how long their fixed parts are.
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// DEFLATE, as archives number ways to compress.
const DEFLATE: usize = 8;

/// A file of the archive.
pub(super) struct Packed {
    /// As gzip.
    pub(super) gzip: Bytes,
}

impl Packed {
    /// As it was before.
    pub(super) fn unpacked(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // The archive is a part of the program; a test unpacks what is served.
        let _whole = GzDecoder::new(&*self.gzip).read_to_end(&mut text);
        text
    }
}

/// The file whose path ends with `end`; `None` when the archive has none, or it is no archive.
pub(super) fn find(end: &str) -> Option<Packed> {
    find_in(ARCHIVE, end)
}

fn find_in(archive: &[u8], end: &str) -> Option<Packed> {
    let last = archive.windows(END.len()).rposition(|bytes| bytes == END)?;
    let (count, mut at) = (number(archive, last + 10, 2)?, number(archive, last + 16, 4)?);
    for _ in 0..count {
        let entry = archive.get(at..)?;
        if !entry.starts_with(ENTRY) {
            return None;
        }
        let name_bytes = number(entry, 28, 2)?;
        let name = entry.get(ENTRY_BYTES..ENTRY_BYTES + name_bytes)?;
        if name.ends_with(end.as_bytes()) {
            return packed(archive, entry);
        }
        at += ENTRY_BYTES + name_bytes + number(entry, 30, 2)? + number(entry, 32, 2)?;
    }
    None
}

/// What an entry of the archive's directory leads to, as gzip (RFC 1952).
fn packed(archive: &[u8], entry: &[u8]) -> Option<Packed> {
    if number(entry, 10, 2)? != DEFLATE {
        return None;
    }
    let local = archive.get(number(entry, 42, 4)?..)?;
    let begin = LOCAL_BYTES + number(local, 26, 2)? + number(local, 28, 2)?;
    let data = local.get(begin..begin + number(entry, 20, 4)?)?;
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
    let (checksum, size) = (entry.get(16..20)?, entry.get(24..28)?);
    Some(Packed { gzip: [&head, data, checksum, size].concat().into() })
}

/// A number of `length` bytes, the lowest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_there_and_whole() {
        for (end, says) in [("/dist/swagger-ui-bundle.js", "SwaggerUIBundle"), ("/dist/swagger-ui.css", ".swagger-ui")]
        {
            let packed = find(end).unwrap();
            let mut text = String::new();
            GzDecoder::new(&*packed.gzip).read_to_string(&mut text).unwrap();
            assert!(text.contains(says), "{end}");
            assert_eq!(packed.unpacked(), text.into_bytes());
        }
        assert!(find("/dist/nothing.js").is_none());
    }

    #[test]
    fn what_is_no_archive_has_no_files() {
        for bytes in [&b""[..], b"PK", b"PK\x05\x06", &ARCHIVE[..1_000], &ARCHIVE[1_000..]] {
            assert!(find_in(bytes, "/dist/swagger-ui.css").is_none());
        }
    }
}
