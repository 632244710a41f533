//! `preorder loadtest compare`: two runs, figure by figure.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::context::Context;
use super::failure::Failure;
use super::output::Table;
use crate::kernel::error::Error;
use crate::loadtest::{Comparison, Recorded, Worse, compare};

/// The largest threshold, in percent: ten times as bad.
const THRESHOLD_PERCENT_MAX: f64 = 1_000.0;

/// What `loadtest compare` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What 'preorder loadtest --json' printed before.
    #[arg(value_name = "A.json")]
    before: PathBuf,
    /// What it printed after.
    #[arg(value_name = "B.json")]
    after: PathBuf,
    /// By how much a figure may get worse, such as 10% or 2.5%.
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    threshold: f64,
}

/// Compares two runs.
///
/// # Errors
/// When something got worse by more than the threshold; as wrong usage, when there is nothing to compare.
pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let hint = "Keep what 'preorder loadtest SCENARIO --json' prints, once for each of two runs.";
    let unusable = |error: Error| Failure::usage(error.to_string(), hint);
    let (before, after) = (Recorded::read(&args.before), Recorded::read(&args.after));
    let comparison =
        compare(&before.map_err(unusable)?, &after.map_err(unusable)?, args.threshold).map_err(unusable)?;
    context.output().answer(&comparison, || people(&comparison))?;
    match comparison.regressions.len() {
        0 => Ok(()),
        count => Err(Failure::failed(
            format!("Worse by more than {} %: {count}; see above.", args.threshold),
            "Compare more than one run of each; --threshold allows more.",
        )),
    }
}

fn people(comparison: &Comparison) -> String {
    let mut table = Table::new(&["figure", "a", "b", "change", "worse when", ""]).numbers([1, 2, 3]);
    for figure in &comparison.figures {
        let worse = match figure.worse {
            Worse::Lower => "lower",
            Worse::Higher => "higher",
            Worse::Neither => "",
        };
        let change = figure.change_percent.map_or_else(|| "new".to_owned(), |change| format!("{change:+.1} %"));
        let mark = if figure.regression { "WORSE" } else { "" };
        let (a, b) = (figure.a.to_string(), figure.b.to_string());
        table.row([figure.name.clone(), a, b, change, worse.to_owned(), mark.to_owned()]);
    }
    let mut text = format!("scenario {}\n\n{table}\n", comparison.scenario);
    for note in &comparison.notes {
        let _ = write!(text, "\n{note}");
    }
    if !comparison.notes.is_empty() {
        text.push('\n');
    }
    let threshold = comparison.threshold_percent;
    if comparison.regressions.is_empty() {
        let _ = write!(text, "\nPASS: nothing got worse by more than {threshold} %.");
    } else {
        let _ = write!(text, "\nFAIL: {}", comparison.regressions.join(", "));
    }
    text
}

fn percent(text: &str) -> Result<f64, &'static str> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let percent = number.parse().ok().filter(|percent| (0.0..=THRESHOLD_PERCENT_MAX).contains(percent));
    percent.ok_or("a percentage from 0 to 1000, such as 10% or 2.5%")
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_are_read_as_people_write_them() {
        for (text, value) in [("10%", 10.0), ("2.5", 2.5), ("0 %", 0.0)] {
            assert_eq!(percent(text), Ok(value), "{text}");
        }
        for bad in ["", "%", "-1%", "1001", "nan", "ten"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
