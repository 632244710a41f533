//! Where values come from: the file, the environment, the flags.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::load::Fault;

/// The file that is read from the working folder when nobody names another.
pub const FILE_NAME: &str = "preorder.toml";
/// What the names of our environment variables start with.
pub(super) const PREFIX: &str = "PREORDER_";

/// A value that was given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As it was typed, such as `--listen`.
    pub name: &'static str,
    /// The setting that it overrides.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag(&'static str),
}

impl Origin {
    /// The layer, as a word for programs.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(_) => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }
}

/// The file, the variable or the flag by its own name.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Everything that was set, still unread.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file's path and text, when there is one.
    pub file: Option<(PathBuf, String)>,
    /// The environment variables whose name starts with `PREORDER_`.
    pub environment: Vec<(String, OsString)>,
    /// What the command line said.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// Reads the file `named`, or `preorder.toml` when it is there, and the environment.
    ///
    /// # Errors
    /// When the file can't be read, or `named` does not exist.
    pub fn gather(named: Option<&Path>, flags: Vec<Flag>) -> Result<Self, Fault> {
        let (sources, fault) = Self::gather_all(named, flags);
        fault.map_or(Ok(sources), Err)
    }

    /// The same, with what is there when the file can't be read, and why it can't.
    #[must_use]
    pub fn gather_all(named: Option<&Path>, flags: Vec<Flag>) -> (Self, Option<Fault>) {
        let path = named.unwrap_or(Path::new(FILE_NAME));
        let mut fault = None;
        let file = match std::fs::read_to_string(path) {
            Ok(text) => Some((path.to_owned(), text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => None,
            Err(error) => {
                fault = Some(Fault::unreadable(path, named.is_some(), &error));
                None
            }
        };
        (Self { file, environment: environment(), flags }, fault)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn environment() -> Vec<(String, OsString)> {
    let ours = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
    let mut variables: Vec<_> =
        std::env::vars_os().filter_map(ours).filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // The system's order is arbitrary, and faults are told in the order of the variables.
    variables.sort();
    variables
}
