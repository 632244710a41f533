//! The report's HTML file: whole, or not there.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::page;
use super::report::Report;
use crate::kernel::error::{Error, Kind, Text};

/// The HTML file, claimed before the run so that nobody waits for a run whose report can't be kept.
pub struct ReportFile {
    path: PathBuf,
    draft: NamedTempFile,
}

impl ReportFile {
    /// Makes sure that `path` can be written, and leaves what is there as it is.
    ///
    /// # Errors
    /// `report_unwritable` when it can't.
    pub fn claim(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Err(unwritable(path, "it is a folder"));
        }
        if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            return Err(unwritable(path, "its folder does not exist"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".preorder-report-");
        // A report is for everybody, as far as the user's umask allows; temporary files are not.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let draft = builder.tempfile_in(folder).map_err(|error| unwritable(path, &error.to_string()))?;
        Ok(Self { path: path.to_owned(), draft })
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// `report_unwritten` when the disk does not take it.
    pub fn write(mut self, report: &Report) -> Result<(), Error> {
        let page = page::render(report);
        let written = self.draft.write_all(page.as_bytes()).and_then(|()| self.draft.as_file().sync_all());
        written.map_err(|error| unwritten(&self.path, &error))?;
        self.draft.persist(&self.path).map_err(|error| unwritten(&self.path, &error.error))?;
        Ok(())
    }
}

/// The path is no good: decided before the run.
fn unwritable(path: &Path, why: &str) -> Error {
    Error::new(Kind::Conflict, "report_unwritable", cannot_write(path, why))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Conflict, "report_unwritten", cannot_write(path, &error.to_string()))
}

fn cannot_write(path: &Path, why: &str) -> Text {
    let path = path.display();
    Text::made(format!("The report {path} can't be written: {why}."), format!("보고서 {path}를 쓸 수 없습니다: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::report::tests::sample;

    #[test]
    fn the_report_replaces_a_file_whole_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.html");
        std::fs::write(&path, "old").unwrap();
        let file = ReportFile::claim(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old", "a run that fails keeps the last report");
        file.write(&sample(Vec::new())).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!doctype html>"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_report_that_cannot_be_written_is_refused_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("no/such/folder/r.html")] {
            assert_eq!(ReportFile::claim(&path).err().unwrap().code(), "report_unwritable");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_last_report_and_no_half_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.html");
        std::fs::write(&path, "old").unwrap();
        let mut file = ReportFile::claim(&path).unwrap();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        file.draft = NamedTempFile::from_parts(full, file.draft.into_temp_path());
        let error = file.write(&sample(Vec::new())).unwrap_err();
        assert_eq!(error.code(), "report_unwritten");
        assert!(error.to_string().contains("No space left"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
