//! What is wrong with a scenario, every fault at once, each with its place in the file.

use toml::Spanned;

use crate::kernel::error::{Error, Kind, Text};

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    key: &'static str,
    /// The offset in bytes; none for a flag.
    offset: Option<usize>,
}

impl Place {
    /// The place of a value in the file.
    pub(super) fn of<T>(key: &'static str, value: &Spanned<T>) -> Self {
        Self { key, offset: Some(value.span().start) }
    }

    /// The file as a whole: what is missing from it.
    pub(super) fn whole(key: &'static str) -> Self {
        Self { key, offset: Some(0) }
    }

    /// A flag of the command line.
    pub(super) fn flag(name: &'static str) -> Self {
        Self { key: name, offset: None }
    }
}

/// Collects the faults of one file.
pub(super) struct Faults<'a> {
    origin: &'a str,
    text: &'a str,
    /// Each with its place in the file, 0 for a flag.
    found: Vec<(usize, String)>,
}

impl<'a> Faults<'a> {
    /// No faults so far in `text`, which is called `origin`.
    pub(super) fn new(origin: &'a str, text: &'a str) -> Self {
        Self { origin, text, found: Vec::new() }
    }

    /// Notes a fault.
    pub(super) fn add(&mut self, place: Place, what: &str) {
        let Place { key, offset } = place;
        let fault = match offset {
            Some(offset) => format!("{}:{}: {key}: {what}", self.origin, self.line(offset)),
            None => format!("{key}: {what}"),
        };
        self.found.push((offset.unwrap_or_default(), fault));
    }

    /// Passes `value` through and notes a fault when it is not from `min` to `max`.
    pub(super) fn number(&mut self, place: Place, value: i64, min: i64, max: i64) -> i64 {
        if !(min..=max).contains(&value) {
            self.add(place, &format!("{value} is not allowed; allowed: {min} to {max}"));
        }
        value
    }

    /// The end of the checks.
    ///
    /// # Errors
    /// `scenario_invalid` with every fault, a line each, in the order of the file.
    pub(super) fn done(mut self) -> Result<(), Error> {
        self.found.sort_by_key(|(offset, _)| *offset);
        let lines: Vec<_> = self.found.into_iter().map(|(_, fault)| fault).collect();
        if lines.is_empty() { Ok(()) } else { Err(invalid(&lines.join("\n"))) }
    }

    /// A file that is no TOML, or has a key or a type that no scenario has: `toml` says which and what is allowed.
    pub(super) fn unreadable(&self, error: &toml::de::Error) -> Error {
        let line = error.span().map_or(1, |span| self.line(span.start));
        let source = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        invalid(&format!("{}:{line}: {} (in '{source}')", self.origin, error.message()))
    }

    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

fn invalid(faults: &str) -> Error {
    Error::new(
        Kind::Invalid,
        "scenario_invalid",
        Text::made(faults, format!("시나리오에 허용되지 않는 값이 있습니다.\n{faults}")),
    )
}
