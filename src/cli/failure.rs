//! How a subcommand ends when it does not succeed: what people read, and the exit code.

use super::hints;
use crate::config::{Fault, SettingsError};
use crate::kernel::error::{Error, FieldError};
use crate::seed::SeedError;

/// The exit code of a subcommand that failed.
const FAILED: u8 = 1;
/// The exit code of a command line that makes no sense; clap uses the same.
const WRONG_USAGE: u8 = 2;

/// Refusals of what an argument names, decided without a look at the database.
const OF_ARGUMENTS: [&str; 2] = ["scenario_not_found", "report_unwritable"];

/// Why a subcommand did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The services or the database refused.
    Refused(Error),
    /// Values on the command line are not allowed, whatever is in the database.
    Values(Error),
    /// The settings are wrong.
    Settings(SettingsError),
    /// The seed files are wrong.
    Seeds(SeedError),
    /// Something of the command line's own.
    Told {
        /// What went wrong.
        what: String,
        /// What to do about it.
        hint: String,
        /// [`FAILED`] or [`WRONG_USAGE`].
        exit_code: u8,
    },
    /// Ctrl-C.
    Interrupted,
    /// Nobody reads stdout any more (`| head`), so there is nothing left to do, and nothing to complain about.
    ReaderGone,
}

impl Failure {
    /// Something did not work out.
    pub(super) fn failed(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told { what: what.into(), hint: hint.into(), exit_code: FAILED }
    }

    /// A command line that clap lets through and that makes no sense all the same.
    pub(super) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told { what: what.into(), hint: hint.into(), exit_code: WRONG_USAGE }
    }

    /// What a service says that was given values from the command line as they are: fields at fault are those values.
    pub(super) fn of_values(error: Error) -> Self {
        if error.parts().fields.is_empty() { Self::Refused(error) } else { Self::Values(error) }
    }

    /// What the process ends with.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Values(_) => WRONG_USAGE,
            Self::Refused(error) if OF_ARGUMENTS.contains(&error.code()) => WRONG_USAGE,
            Self::Settings(error) if error.0.iter().any(|fault| fault.on_command_line) => WRONG_USAGE,
            Self::Refused(_) | Self::Settings(_) | Self::Seeds(_) | Self::Interrupted => FAILED,
            Self::Told { exit_code, .. } => *exit_code,
            Self::ReaderGone => 0,
        }
    }

    /// What people read who typed `command`: each problem, and what to do about it.
    pub(super) fn problems(&self, command: &str) -> Vec<(String, String)> {
        let with = |hint: &str, what: Vec<String>| what.into_iter().map(|what| (what, hint.to_owned())).collect();
        match self {
            Self::Refused(error) => with(&hints::of(error, command), told(error)),
            Self::Values(error) => with(&hints::of_values(command), told(error)),
            Self::Settings(error) => {
                error.0.iter().map(|Fault { what, hint, .. }| (what.clone(), hint.clone())).collect()
            }
            Self::Seeds(error) => with(hints::OF_SEEDS, error.0.iter().map(|fault| format!("{fault}.")).collect()),
            Self::Told { what, hint, .. } => vec![(what.clone(), hint.clone())],
            Self::Interrupted => with(hints::OF_INTERRUPTION, vec!["Interrupted.".to_owned()]),
            Self::ReaderGone => Vec::new(),
        }
    }
}

/// Each fault by itself, where there are several.
fn told(error: &Error) -> Vec<String> {
    if !error.parts().fields.is_empty() {
        return error.parts().fields.iter().map(fault_in).collect();
    }
    let text = error.to_string();
    if error.code() == "scenario_invalid" { text.lines().map(str::to_owned).collect() } else { vec![text] }
}

/// A field's fault, under the name of the flag that it came from: `opensAt` is `--opens-at` here.
fn fault_in(fault: &FieldError) -> String {
    let mut flag = "--".to_owned();
    match &*fault.field {
        "password" => "password".clone_into(&mut flag),
        "url" => "URL".clone_into(&mut flag),
        "delta" => flag.push_str("by"),
        field => {
            for letter in field.chars() {
                if letter.is_ascii_uppercase() {
                    flag.push('-');
                }
                flag.push(letter.to_ascii_lowercase());
            }
        }
    }
    format!("{flag}: {}", fault.detail.en)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<SeedError> for Failure {
    fn from(error: SeedError) -> Self {
        Self::Seeds(error)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Settings(fault.into())
    }
}
