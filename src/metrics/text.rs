//! Prometheus's text format, version 0.0.4.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use super::model::{Kind, Metric};
use crate::kernel::histogram::Distribution;

/// The media type.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text, as it is written.
#[derive(Default)]
pub(super) struct Text(String);

/// One metric's part of it.
pub(super) struct Family<'a> {
    text: &'a mut String,
    metric: &'static Metric,
}

/// Microseconds, written as seconds.
pub(super) struct Seconds(pub(super) u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Text {
    /// Begins a metric: its help and kind stand there even when it has no values.
    pub(super) fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        let Metric { name, kind, help, .. } = metric;
        self.push(format_args!("# HELP {name} {}\n# TYPE {name} {}\n", Help(help), kind.as_str()));
        Family { text: &mut self.0, metric }
    }

    /// A metric with one value and no labels.
    pub(super) fn value(&mut self, metric: &'static Metric, value: impl Display) {
        self.family(metric).value(&[], value);
    }

    /// A metric with one value, when it is known.
    pub(super) fn known(&mut self, metric: &'static Metric, value: Option<impl Display>) {
        let mut family = self.family(metric);
        if let Some(value) = value {
            family.value(&[], value);
        }
    }

    fn push(&mut self, what: fmt::Arguments<'_>) {
        self.0.write_fmt(what).expect("a String takes everything");
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// A series' value; its labels come in the order in which the metric names them.
    pub(super) fn value(&mut self, labels: &[&str], value: impl Display) {
        debug_assert_ne!(self.metric.kind, Kind::Histogram);
        self.line("", labels, None, &value);
    }

    /// A series of a histogram, with its bounds and its sum as `shown` writes them.
    pub(super) fn histogram<T: Display>(&mut self, labels: &[&str], read: &Distribution, shown: impl Fn(u64) -> T) {
        debug_assert_eq!(self.metric.kind, Kind::Histogram);
        let mut up_to = 0;
        for (bound, count) in read.bounds.iter().zip(&read.counts) {
            up_to += count;
            self.line("_bucket", labels, Some(&shown(*bound)), &up_to);
        }
        // Both are the sum of what was read, whatever is counted meanwhile: they must not differ.
        self.line("_bucket", labels, Some(&"+Inf"), &read.count());
        self.line("_sum", labels, None, &shown(read.sum));
        self.line("_count", labels, None, &read.count());
    }

    fn line(&mut self, end: &str, labels: &[&str], le: Option<&dyn Display>, value: &dyn Display) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        self.push(format_args!("{}{end}", self.metric.name));
        let mut before = '{';
        for (name, label) in self.metric.labels.iter().zip(labels) {
            self.push(format_args!("{before}{name}=\"{}\"", Label(label)));
            before = ',';
        }
        if let Some(le) = le {
            self.push(format_args!("{before}le=\"{le}\""));
            before = ',';
        }
        let after = if before == ',' { "}" } else { "" };
        self.push(format_args!("{after} {value}\n"));
    }

    fn push(&mut self, what: fmt::Arguments<'_>) {
        self.text.write_fmt(what).expect("a String takes everything");
    }
}

/// A label's value: in quotes, so they are escaped, as are backslashes and ends of lines.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(self.0, f, &['\\', '"', '\n'])
    }
}

/// A help text: quotes stand there as they are.
struct Help<'a>(&'a str);

impl Display for Help<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(self.0, f, &['\\', '\n'])
    }
}

fn escaped(text: &str, f: &mut fmt::Formatter<'_>, special: &[char]) -> fmt::Result {
    for part in text.split_inclusive(special) {
        match part.chars().next_back().filter(|last| special.contains(last)) {
            Some(last) => {
                f.write_str(&part[..part.len() - last.len_utf8()])?;
                f.write_str(if last == '\n' { "\\n" } else { "\\" })?;
                if last != '\n' {
                    f.write_char(last)?;
                }
            }
            None => f.write_str(part)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: Metric =
        Metric { name: "odd", kind: Kind::Gauge, labels: &["a", "b"], help: "A \"back\\slash\"\nand more." };
    const SPREAD: Metric = Metric { name: "spread", kind: Kind::Histogram, labels: &["of"], help: "Seconds." };

    #[test]
    fn what_would_break_a_line_is_escaped() {
        let mut text = Text::default();
        text.family(&ODD).value(&["say \"hi\"\\", "two\nlines, 한국어"], -5);
        let expected = "# HELP odd A \"back\\\\slash\"\\nand more.\n# TYPE odd gauge\n\
                        odd{a=\"say \\\"hi\\\"\\\\\",b=\"two\\nlines, 한국어\"} -5\n";
        assert_eq!(text.into_string(), expected);
    }

    #[test]
    fn a_histogram_adds_up() {
        let mut text = Text::default();
        let read = Distribution { bounds: &[500, 1_500_000], counts: vec![2, 0, 1], sum: 3_000_007 };
        text.family(&SPREAD).histogram(&["x"], &read, Seconds);
        let expected = "# HELP spread Seconds.\n# TYPE spread histogram\n\
                        spread_bucket{of=\"x\",le=\"0.000500\"} 2\nspread_bucket{of=\"x\",le=\"1.500000\"} 2\n\
                        spread_bucket{of=\"x\",le=\"+Inf\"} 3\nspread_sum{of=\"x\"} 3.000007\nspread_count{of=\"x\"} 3\n";
        assert_eq!(text.into_string(), expected);
    }
}
