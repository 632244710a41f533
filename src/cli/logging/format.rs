//! How one event becomes one line. Whatever a value holds, it ends no line and begins none.

use std::error::Error;
use std::fmt::{self, Debug, Write};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Names that every object has already.
const TAKEN: [&str; 4] = ["time", "level", "target", "message"];

/// Text, or JSON with one object a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) json: bool,
    /// Whether text may be coloured.
    pub(super) ansi: bool,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::new(self.json);
        event.record(&mut fields);
        fields.add_missing(event);
        let metadata = event.metadata();
        writer.write_str(&self.line(*metadata.level(), metadata.target(), &fields))
    }
}

impl Format {
    /// A line that tells how many others are missing.
    pub(super) fn line_of_lost(self, count: u64) -> String {
        let mut fields = Fields::new(self.json);
        fields.message.push_str("lines of the log were lost: they came faster than they were taken");
        fields.add("count", count);
        self.line(Level::WARN, "preorder::log", &fields)
    }

    fn line(self, level: Level, target: &str, fields: &Fields) -> String {
        let mut line = String::with_capacity(160 + fields.message.len() + fields.others.len());
        let mut time = String::new();
        if SystemTime.format_time(&mut Writer::new(&mut time)).is_err() {
            time.clear();
        }
        if self.json {
            let (target, message) = (json(target), json(&fields.message));
            line.push_str("{\"time\":");
            line.push_str(&json(&time));
            line.push_str(",\"level\":\"");
            line.push_str(level.as_str());
            line.push_str("\",\"target\":");
            line.push_str(&target);
            line.push_str(",\"message\":");
            line.push_str(&message);
            line.push_str(&fields.others);
            line.push_str("}\n");
        } else {
            let (dim, colour, plain) = match (self.ansi, level) {
                (false, _) => ("", "", ""),
                (true, Level::ERROR) => ("\x1b[2m", "\x1b[31m", "\x1b[0m"),
                (true, Level::WARN) => ("\x1b[2m", "\x1b[33m", "\x1b[0m"),
                (true, _) => ("\x1b[2m", "\x1b[32m", "\x1b[0m"),
            };
            line.push_str(dim);
            line.push_str(&time);
            line.push_str(plain);
            for part in [" ", colour, &" ".repeat(5 - level.as_str().len().min(5)), level.as_str(), plain, " ", dim] {
                line.push_str(part);
            }
            push_on_one_line(&mut line, target);
            for part in [":", plain, " "] {
                line.push_str(part);
            }
            push_on_one_line(&mut line, &fields.message);
            line.push_str(&fields.others);
            line.push('\n');
        }
        line
    }
}

/// What an event holds.
struct Fields {
    json: bool,
    message: String,
    /// All but the message, as they are written behind it.
    others: String,
    names: Vec<&'static str>,
}

impl Fields {
    fn new(json: bool) -> Self {
        Self { json, message: String::new(), others: String::new(), names: Vec::new() }
    }

    /// Adds what an event could hold and does not: programs find every field in every line of a kind.
    fn add_missing(&mut self, event: &Event<'_>) {
        if self.json {
            for field in event.fields().filter(|field| field.name() != "message") {
                if !self.names.contains(&field.name()) {
                    self.add_json(field.name(), "null");
                }
            }
        }
    }

    /// Adds a number or a switch.
    fn add(&mut self, name: &'static str, value: impl Serialize + fmt::Display) {
        if self.json {
            self.add_json(name, &json(&value));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(self.others, " {name}={value}");
        }
    }

    /// Adds a text; `quoted` is how it is written for people.
    fn add_text(&mut self, name: &'static str, text: &str, quoted: &str) {
        if name == "message" {
            text.clone_into(&mut self.message);
        } else if self.json {
            self.add_json(name, &json(text));
        } else {
            let _ = write!(self.others, " {name}=");
            push_on_one_line(&mut self.others, quoted);
        }
    }

    fn add_json(&mut self, name: &'static str, value: &str) {
        self.names.push(name);
        let mark = if TAKEN.contains(&name) { "_" } else { "" };
        let _ = write!(self.others, ",{}:{value}", json(&format!("{name}{mark}")));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field.name(), value, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let text = value.to_string();
        self.add_text(field.name(), &text, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.add_text(field.name(), &text, &text);
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// Adds a text in which nothing ends a line or moves a terminal's cursor.
fn push_on_one_line(line: &mut String, text: &str) {
    for letter in text.chars() {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of an event.
    fn logged(format: Format, event: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(format).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), event);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const HOSTILE: &str = "a\nERROR forged\r\x1b[2J\u{2028}\"b\"";

    #[test]
    fn nothing_ends_a_line_but_its_end() {
        for json in [false, true] {
            for ansi in [false, true] {
                let text = logged(Format { json, ansi }, || {
                    tracing::warn!(quoted = HOSTILE, shown = %HOSTILE, debug = ?HOSTILE, "{HOSTILE}");
                });
                let inner = text.strip_suffix('\n').unwrap();
                assert!(!inner.contains(['\n', '\r', '\u{2028}']) || json, "{text}");
                assert!(!inner.contains(['\n', '\r']), "{text}");
                assert!(!inner.contains("\x1b[2J"), "{text}");
            }
        }
    }

    #[test]
    fn json_keeps_types_and_values() {
        let text = logged(Format { json: true, ansi: false }, || {
            let nobody: Option<i64> = None;
            tracing::info!(target: "shop", count = 3, share = 0.5, on = true, nobody, level = "own", words = HOSTILE, "said");
        });
        let mut object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(object["time"].as_str().unwrap().ends_with('Z'));
        object.as_object_mut().unwrap().remove("time");
        assert_eq!(
            object,
            serde_json::json!({
                "level": "INFO", "target": "shop", "message": "said", "count": 3, "share": 0.5, "on": true,
                "nobody": null, "level_": "own", "words": HOSTILE,
            })
        );
    }

    #[test]
    fn text_reads_as_it_always_did() {
        let text = logged(Format { json: false, ansi: false }, || {
            tracing::info!(target: "shop", count = 3, name = "a b", why = %"no \"reason\"", "said");
        });
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, " INFO shop: said count=3 name=\"a b\" why=no \"reason\"\n");
    }
}
