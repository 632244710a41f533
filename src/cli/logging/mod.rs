//! The log: to stderr, filtered by the setting `log.filter`, which `-v` and `-q` raise and lower, as text or as JSON.
//!
//! With JSON, the line of each request is on unless the filter says otherwise: who reads such a log wants to count in it. What
//! is logged never holds a secret, a body, a query or anything personal but a user's number; the mail of `mail.mode = log` is
//! the exception, as it has no other way to its reader.

mod format;
mod lines;

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::format::Format;
use self::lines::Lines;
use super::failure::Failure;
use crate::config::{LogConfig, LogFormat, REQUESTS};

/// The log of this process.
pub(super) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: Lines,
    format: LogFormat,
    verbose: u8,
    quiet: u8,
}

impl Log {
    /// Starts logging for the rest of the process.
    ///
    /// # Errors
    /// When the filter can't be read or a log was started before.
    pub(super) fn start(config: &LogConfig, verbose: u8, quiet: u8) -> Result<Self, Failure> {
        let cannot = |why: String| {
            Failure::failed(
                format!("The log can't be started: {why}."),
                "'preorder config show' tells what log.filter is.",
            )
        };
        let filter =
            EnvFilter::try_new(directives(config, verbose, quiet)).map_err(|error| cannot(error.to_string()))?;
        let (filter, handle) = reload::Layer::new(filter);
        let format = Format { json: config.format == LogFormat::Json, ansi: io::stderr().is_terminal() };
        let lines = Lines::start(format).map_err(|error| cannot(error.to_string()))?;
        let layer = tracing_subscriber::fmt::layer().event_format(format).with_writer(lines.clone());
        let started = tracing_subscriber::registry().with(filter).with(layer).try_init();
        started.map_err(|error| cannot(error.to_string()))?;
        std::panic::set_hook(Box::new(tell_of_panic));
        Ok(Self { filter: handle, lines, format: config.format, verbose, quiet })
    }

    /// Logs by another filter from now on. The format stays.
    ///
    /// # Errors
    /// When the filter can't be read.
    pub(super) fn filter_by(&self, config: &LogConfig) -> Result<(), String> {
        let config = LogConfig { format: self.format, ..config.clone() };
        let filter =
            EnvFilter::try_new(directives(&config, self.verbose, self.quiet)).map_err(|error| error.to_string())?;
        self.filter.reload(filter).map_err(|error| error.to_string())
    }

    /// Waits a moment until what was logged is written.
    pub(super) fn finish(&self) {
        self.lines.flush();
    }
}

/// A panic is a line like any other: in the log's format, and by a thread that does not wait for its reader.
fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload_as_str().unwrap_or("without words");
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(place, %trace, "panicked: {words}");
    } else {
        tracing::error!(place, "panicked: {words}");
    }
}

/// A later directive for the same target covers an earlier one, and one for a part of the program covers one for all of it.
fn directives(config: &LogConfig, verbose: u8, quiet: u8) -> String {
    let filter = match config.format {
        LogFormat::Json if config.filter.trim() != "off" => format!("{REQUESTS}=debug,{}", config.filter),
        _ => config.filter.clone(),
    };
    match (verbose, quiet) {
        (0, 0) => filter,
        (1, _) => format!("{filter},preorder=debug"),
        (_, 0) => format!("{filter},debug,preorder=trace"),
        (_, 1) => "error".to_owned(),
        (_, _) => "off".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_raise_and_lower_the_setting() {
        let text = LogConfig { filter: "warn".to_owned(), format: LogFormat::Text };
        let json = LogConfig { format: LogFormat::Json, ..text.clone() };
        assert_eq!(directives(&text, 0, 0), "warn");
        assert_eq!(directives(&text, 1, 0), "warn,preorder=debug");
        assert_eq!(directives(&text, 2, 0), "warn,debug,preorder=trace");
        assert_eq!(directives(&text, 0, 1), "error");
        assert_eq!(directives(&text, 0, 2), "off");
        assert_eq!(directives(&json, 0, 0), "preorder::requests=debug,warn");
        assert_eq!(directives(&json, 0, 1), "error");
        let off = LogConfig { filter: "off".to_owned(), ..json };
        assert_eq!(directives(&off, 0, 0), "off");
    }
}
