//! Reads the entries of a seed file field by field, and remembers every fault with its file, entry and field.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use toml::{Table, Value};

/// Every fault of a seed file, at least one; each names the file, the entry and the field.
#[derive(Debug)]
pub struct SeedError(pub Vec<String>);

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for SeedError {}

/// A file's text; `None` when it is not there.
///
/// # Errors
/// Why it can't be read.
pub(super) fn text_of(path: &Path) -> Result<Option<String>, SeedError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SeedError(vec![format!("{}: {error}", path.display())])),
    }
}

/// What TOML's reader has to say, with the line that it is about.
pub(super) fn with_line(file: &str, text: &str, error: &toml::de::Error) -> SeedError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    SeedError(vec![format!("{file}, line {}: {}", before.matches('\n').count() + 1, error.message())])
}

/// Reads every `[[noun]]` of a file with `read`; a field that `read` did not ask for is a fault.
///
/// # Errors
/// Every fault of the file.
pub(super) fn read_entries<T>(
    file: &str,
    text: &str,
    noun: &'static str,
    mut read: impl FnMut(&mut Entry) -> Option<T>,
) -> Result<Vec<T>, SeedError> {
    let mut table: Table = text.parse().map_err(|error| with_line(file, text, &error))?;
    let mut faults = Vec::new();
    let entries = match table.remove(noun) {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            faults.push(format!("{file}: entries are written [[{noun}]]"));
            Vec::new()
        }
    };
    faults.extend(table.keys().map(|key| format!("{file}: unknown key {key}; entries are written [[{noun}]]")));

    let mut values = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let Value::Table(fields) = entry else {
            faults.push(format!("{file}: entries are written [[{noun}]]"));
            continue;
        };
        let mut entry = Entry { place: format!("{file}, {noun} {}", index + 1), fields, faults: Vec::new() };
        let value = read(&mut entry);
        let place = &entry.place;
        faults.extend(entry.faults);
        faults.extend(entry.fields.keys().map(|field| format!("{place}, {field}: there is no such field")));
        values.extend(value);
    }
    if faults.is_empty() { Ok(values) } else { Err(SeedError(faults)) }
}

/// One entry; each field is taken out as it is read.
pub(super) struct Entry {
    place: String,
    fields: Table,
    faults: Vec<String>,
}

impl Entry {
    /// Adds the entry's own id to its place, for the faults that follow.
    pub(super) fn named(&mut self, name: &str) {
        self.place = format!("{} ({name})", self.place);
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, field: &str, what: impl fmt::Display) {
        self.faults.push(format!("{}, {field}: {what}", self.place));
    }

    /// A field that must be there: a text of `min` to `max` characters.
    pub(super) fn text(&mut self, field: &'static str, min: usize, max: usize) -> Option<String> {
        let text = self.text_if_any(field, min, max);
        if text.is_none() && !self.is_at_fault(field) {
            self.fault(field, "it is missing");
        }
        text
    }

    /// A field that may be missing: a text of `min` to `max` characters.
    pub(super) fn text_if_any(&mut self, field: &'static str, min: usize, max: usize) -> Option<String> {
        let text = match self.fields.remove(field)? {
            Value::String(text) => text.trim().to_owned(),
            other => {
                self.fault(field, format!("{other} is not a text in double quotes"));
                return None;
            }
        };
        if (min..=max).contains(&text.chars().count()) {
            return Some(text);
        }
        self.fault(field, format!("it takes {min} to {max} characters"));
        None
    }

    /// A field that may be missing: a text (or a TOML time) that becomes a `T`.
    pub(super) fn parsed_if_any<T>(&mut self, field: &'static str) -> Option<T>
    where
        T: FromStr<Err = &'static str>,
    {
        let value = self.fields.remove(field)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.parse().map_err(|allowed| self.fault(field, format!("{value} is not allowed; allowed is {allowed}"))).ok()
    }

    /// A field that must be there: a whole number from `min` to `max`.
    pub(super) fn whole(&mut self, field: &'static str, min: i64, max: i64) -> Option<i64> {
        let number = self.whole_if_any(field, min, max);
        if number.is_none() && !self.is_at_fault(field) {
            self.fault(field, "it is missing");
        }
        number
    }

    /// A field that may be missing: a whole number from `min` to `max`.
    pub(super) fn whole_if_any(&mut self, field: &'static str, min: i64, max: i64) -> Option<i64> {
        let value = self.fields.remove(field)?;
        let number = value.as_integer().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.fault(field, format!("{value} is not allowed; allowed is a whole number from {min} to {max}"));
        }
        number
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn is_at_fault(&self, field: &str) -> bool {
        let start = format!("{}, {field}: ", self.place);
        self.faults.iter().any(|fault| fault.starts_with(&start))
    }
}
