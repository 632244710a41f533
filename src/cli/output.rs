//! The only printer of the program.
//!
//! stdout gets what was asked for: a table for people, or one JSON document for programs. stderr gets everything else:
//! notes, progress, and errors as `error: what` and `hint: what to do`. A reader of stdout that goes away (`| head`) ends
//! the program quietly, where `println!` would panic.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use comfy_table::presets;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;
use crate::kernel::error::Error;

/// Where a subcommand's words go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether a program reads it.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints the answer: `document` for programs, or the text that `people` makes.
    ///
    /// # Errors
    /// [`Failure::ReaderGone`], or when stdout can't be written.
    pub(super) fn answer<T: Display>(
        self,
        document: &impl Serialize,
        people: impl FnOnce() -> T,
    ) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string_pretty(document)
                .map_err(|error| Error::internal(format!("writing the answer as JSON: {error}")))?;
            line(json)
        } else {
            line(people())
        }
    }

    /// Tells people something beside the answer; programs and `-q` do not see it.
    pub(super) fn note(self, text: impl Display) {
        if !self.json && !self.quiet {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// A bar that counts to `length`; it is only seen on a terminal.
    pub(super) fn progress(self, what: &'static str, length: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar(ProgressBar::new(length), style, what)
    }

    fn bar(self, bar: ProgressBar, style: ProgressStyle, what: &'static str) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        bar.with_style(style).with_message(what)
    }
}

/// A list, as programs see it; HTTP's lists have the same shape.
#[derive(Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// Prints one line on stdout, whatever the format: for answers that are plain text by nature.
///
/// # Errors
/// [`Failure::ReaderGone`], or when stdout can't be written.
pub(super) fn line(text: impl Display) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints bytes on stdout as they are.
///
/// # Errors
/// [`Failure::ReaderGone`], or when stdout can't be written.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::failed(
            format!("The answer can't be written: {error}."),
            "Look at where standard output goes: a disk may be full.",
        ),
    })
}

/// Tells whoever typed `command` what went wrong, and gives the exit code. What is the matter with several things is told
/// of each, and what to do about all of them once.
pub(super) fn failure(failure: &Failure, command: &str) -> ExitCode {
    let problems = failure.problems(command);
    for (index, (what, hint)) in problems.iter().enumerate() {
        to_stderr(&format!("error: {what}\n"));
        if problems.get(index + 1).is_none_or(|(_, next)| next != hint) {
            to_stderr(&format!("hint: {hint}\n"));
        }
    }
    ExitCode::from(failure.exit_code())
}

/// Prints what clap has to say: help and version on stdout, wrong usage on stderr with hints like everybody else's.
pub(super) fn usage(message: &clap::Error) -> ExitCode {
    match message.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Nobody is left to hear that printing failed.
            drop(message.print());
        }
        _ => to_stderr(&with_our_hints(&message.render().to_string())),
    }
    ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(u8::MAX))
}

/// Turns clap's `tip:` lines and its last line into `hint:` lines, and words for programmers into a user's.
fn with_our_hints(text: &str) -> String {
    text.replace("\n  tip: ", "\nhint: ")
        .replace("\nFor more information, try '--help'.", "\nhint: try '--help'")
        .replace("invalid digit found in string", "it must be a whole number")
        .replace("failed to parse a UUID", "it must be an id as the lists show them")
}

/// There is no better place to complain when stderr is gone.
fn to_stderr(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// A table for people: a line of titles and a line for each row, in columns two spaces apart.
pub(super) struct Table(comfy_table::Table);

impl Table {
    pub(super) fn new(titles: &[&str]) -> Self {
        let mut table = Self::untitled();
        table.0.set_header(titles.iter().map(|title| title.to_uppercase()));
        table
    }

    /// A table that needs no titles, such as names and values.
    pub(super) fn untitled() -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        Self(table)
    }

    /// Adds a row with as many cells as there are titles.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells);
    }

    /// Puts numbers, such as prices and counts, to the right of their columns.
    #[must_use]
    pub(super) fn numbers(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        for column in columns {
            if let Some(column) = self.0.column_mut(column) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        self
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = self.0.clone();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        f.write_str(&table.trim_fmt())
    }
}
/// A document's fields as a table of names and values; what is not set is left out.
pub(super) fn fields(document: &impl Serialize) -> Table {
    let mut table = Table::untitled();
    add_fields(&mut table, "", &serde_json::to_value(document).unwrap_or_default());
    table
}

fn add_fields(table: &mut Table, prefix: &str, value: &serde_json::Value) {
    let serde_json::Value::Object(members) = value else { return };
    for (name, value) in members {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::String(text) if text.is_empty() => {}
            serde_json::Value::Object(_) => add_fields(table, &format!("{prefix}{name}."), value),
            serde_json::Value::String(text) => table.row([format!("{prefix}{name}"), text.clone()]),
            other => table.row([format!("{prefix}{name}"), other.to_string()]),
        }
    }
}
