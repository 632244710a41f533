//! How a subcommand ends when it does not succeed: what people read, and the exit code.

use crate::config::{Fault, SettingsError};
use crate::kernel::error::{Error, FieldError};
use crate::seed::SeedError;

/// The exit code of a subcommand that failed.
const FAILED: u8 = 1;
/// The exit code of a command line that makes no sense; clap uses the same.
const WRONG_USAGE: u8 = 2;

/// Why a subcommand did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The services or the database refused.
    Refused(Error),
    /// The settings are wrong.
    Settings(SettingsError),
    /// The seed files are wrong.
    Seeds(SeedError),
    /// Something of the command line's own.
    Told {
        /// What went wrong.
        what: String,
        /// What to do about it.
        hint: Option<String>,
        /// [`FAILED`] or [`WRONG_USAGE`].
        exit_code: u8,
    },
    /// Ctrl-C.
    Interrupted,
    /// Nobody reads stdout any more (`| head`), so there is nothing left to do, and nothing to complain about.
    ReaderGone,
}

impl Failure {
    /// A failure without a hint.
    pub(super) fn failed(what: impl Into<String>) -> Self {
        Self::Told { what: what.into(), hint: None, exit_code: FAILED }
    }

    /// A command line that clap lets through and that makes no sense all the same.
    pub(super) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told { what: what.into(), hint: Some(hint.into()), exit_code: WRONG_USAGE }
    }

    /// Adds what to do about it, to a failure of the command line's own.
    #[must_use]
    pub(super) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Told { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What the process ends with.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(error) if error.0.iter().any(|fault| fault.on_command_line) => WRONG_USAGE,
            Self::Refused(_) | Self::Settings(_) | Self::Seeds(_) | Self::Interrupted => FAILED,
            Self::Told { exit_code, .. } => *exit_code,
            Self::ReaderGone => 0,
        }
    }

    /// What people read: each problem, and what to do about it.
    pub(super) fn problems(&self) -> Vec<(String, Option<String>)> {
        match self {
            Self::Refused(error) if !error.parts().fields.is_empty() => {
                error.parts().fields.iter().map(|fault| (fault_in(fault), None)).collect()
            }
            Self::Refused(error) => vec![(error.to_string(), hint_for(error.code()).map(str::to_owned))],
            Self::Settings(error) => {
                error.0.iter().map(|Fault { what, hint, .. }| (what.clone(), Some(hint.clone()))).collect()
            }
            Self::Seeds(error) => error.0.iter().map(|fault| (format!("{fault}."), None)).collect(),
            Self::Told { what, hint, .. } => vec![(what.clone(), hint.clone())],
            Self::Interrupted => vec![("Interrupted.".to_owned(), None)],
            Self::ReaderGone => Vec::new(),
        }
    }
}

/// A field's fault, under the name of the flag that it came from: `opensAt` is `--opens-at` here.
fn fault_in(fault: &FieldError) -> String {
    let mut flag = "--".to_owned();
    match &*fault.field {
        "password" => "password".clone_into(&mut flag),
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

/// What to do about a refusal, where that is more than reading it.
fn hint_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "database_unavailable" => {
            "Check that the path is a preorder database that you may write to, or name another with --db sqlite:PATH."
        }
        "database_linked" => {
            "Find the other name ('find / -samefile FILE') and remove it; a copy is made with 'cp' while no server runs."
        }
        "schema_newer" => "Use the preorder that wrote it, or name another database with --db sqlite:PATH.",
        "busy" | "database_locked" => "Try again in a moment; another process may be at work on this database.",
        "database_served" => "Stop that server first, or name another database with --db sqlite:PATH.",
        "storage_full" => "Free some space and try again.",
        "server_unreachable" => "Start one with 'preorder serve', or leave --url out: a temporary server is used then.",
        "not_preorder" => "'preorder serve' prints the URL to give here.",
        "other_server" => {
            "Name the server's own database with --db, or leave --url out: a temporary server is used then."
        }
        "user_not_found" => "'preorder user list' shows every user.",
        "session_not_found" => "'preorder user sessions EMAIL' lists them.",
        "mail_settings" => "'preorder config show' lists what is set under mail.",
        "product_not_found" => "'preorder product list' shows every product.",
        "order_not_found" => "'preorder order list' shows every order.",
        "internal" => "Run it again with -v to see more.",
        _ => return None,
    })
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
