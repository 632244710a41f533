//! The log: to stderr, filtered by the setting `log.filter`, which `-v` and `-q` raise and lower.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::failure::Failure;

/// Starts logging for the rest of the process.
///
/// # Errors
/// When the filter can't be read or a log was started before.
pub(super) fn start(filter: &str, verbose: u8, quiet: u8) -> Result<(), Failure> {
    let cannot = |why: String| {
        Failure::failed(format!("The log can't be started: {why}."), "'preorder config show' tells what log.filter is.")
    };
    let filter = EnvFilter::try_new(directives(filter, verbose, quiet)).map_err(|error| cannot(error.to_string()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| cannot(error.to_string()))
}

/// A later directive for the same target covers an earlier one.
fn directives(filter: &str, verbose: u8, quiet: u8) -> String {
    match (verbose, quiet) {
        (0, 0) => filter.to_owned(),
        (1, _) => format!("{filter},preorder=debug"),
        (_, 0) => format!("{filter},debug,preorder=trace"),
        (_, 1) => "error".to_owned(),
        (_, _) => "off".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn flags_raise_and_lower_the_setting() {
        assert_eq!(directives("warn", 0, 0), "warn");
        assert_eq!(directives("warn", 1, 0), "warn,preorder=debug");
        assert_eq!(directives("warn", 2, 0), "warn,debug,preorder=trace");
        assert_eq!(directives("warn", 0, 1), "error");
        assert_eq!(directives("warn", 0, 2), "off");
    }
}
