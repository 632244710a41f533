//! Two runs of one scenario, figure by figure: what changed, and what got worse. Works on the documents that `--json`
//! prints, also those of an older program, which may lack a figure.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::kernel::error::{Error, Kind, Text};

/// The longest document that is read: a report has a few thousand bytes.
const DOCUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What is compared, and when it is worse. The slowest answer is one alone, and counts follow from the scenario: these are
/// only told.
const FIGURES: [(&str, Worse); 14] = [
    ("requestsPerSecond", Worse::Lower),
    ("purchasesPerSecond", Worse::Lower),
    ("latencyMs.p50", Worse::Higher),
    ("latencyMs.p90", Worse::Higher),
    ("latencyMs.p99", Worse::Higher),
    ("latencyMs.max", Worse::Neither),
    ("errors", Worse::Higher),
    ("units.oversold", Worse::Higher),
    ("fairness.share", Worse::Lower),
    ("serverPeakMemoryBytes", Worse::Higher),
    ("requests", Worse::Neither),
    ("purchases", Worse::Neither),
    ("elapsedSeconds", Worse::Neither),
    ("load.lateMsP99", Worse::Neither),
];

/// What should be the same in both runs.
const CIRCUMSTANCES: [&str; 8] = [
    "seed",
    "buyers",
    "units.total",
    "machine.version",
    "machine.optimised",
    "machine.system",
    "machine.cpu",
    "machine.cores",
];

/// What changed from one run to another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The scenario of both.
    pub scenario: String,
    /// By how much a figure may get worse, in percent.
    pub threshold_percent: f64,
    /// The figures that both documents have.
    pub figures: Vec<Figure>,
    /// What makes the runs hard to compare; empty when nothing does.
    pub notes: Vec<String>,
    /// What got worse by more than the threshold; empty when nothing did.
    pub regressions: Vec<String>,
}

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// Its place in the document.
    pub name: String,
    /// In the first run.
    pub a: f64,
    /// In the second.
    pub b: f64,
    /// From the first to the second, in percent of the first; none when that is 0 and the second is not.
    pub change_percent: Option<f64>,
    /// When it is worse.
    pub worse: Worse,
    /// Whether it got worse by more than the threshold.
    pub regression: bool,
}

/// When a figure is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Worse {
    /// When it is lower.
    Lower,
    /// When it is higher.
    Higher,
    /// It says nothing by itself.
    Neither,
}

/// The document of a run.
#[derive(Debug, Clone)]
pub struct Recorded(Value);

impl Recorded {
    /// Reads what `loadtest --json` printed.
    ///
    /// # Errors
    /// `not_a_report` when the file can't be read, or is something else.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        let file = File::open(path).map_err(|error| no_report(path, &error.to_string()))?;
        file.take(DOCUMENT_BYTES_MAX).read_to_string(&mut text).map_err(|error| no_report(path, &error.to_string()))?;
        let document = serde_json::from_str(&text).map_err(|error| no_report(path, &format!("no JSON: {error}")))?;
        Self::of(document).map_err(|missing| no_report(path, &format!("it has no '{missing}'")))
    }

    /// # Errors
    /// The member that every report has, and this does not.
    fn of(document: Value) -> Result<Self, &'static str> {
        let recorded = Self(document);
        for text in ["scenario", "verdict"] {
            recorded.member(text).and_then(Value::as_str).ok_or(text)?;
        }
        for number in ["requests", "requestsPerSecond", "purchases", "errors", "latencyMs.p99", "units.sold"] {
            recorded.number(number).ok_or(number)?;
        }
        Ok(recorded)
    }

    fn member(&self, name: &str) -> Option<&Value> {
        name.split('.').try_fold(&self.0, |value, name| value.get(name)).filter(|value| !value.is_null())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.member(name)?.as_f64()
    }

    fn text(&self, name: &str) -> String {
        self.member(name)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .unwrap_or_default()
    }
}

/// Compares two runs; a figure may get worse by `threshold_percent`.
///
/// # Errors
/// `other_scenario` when they are not of the same scenario.
pub fn compare(a: &Recorded, b: &Recorded, threshold_percent: f64) -> Result<Comparison, Error> {
    let scenario = a.text("scenario");
    if scenario != b.text("scenario") {
        let other = b.text("scenario");
        let detail = Text::made(
            format!("The reports are of different scenarios: '{scenario}' and '{other}'."),
            format!("서로 다른 시나리오의 보고서입니다: '{scenario}', '{other}'"),
        );
        return Err(Error::new(Kind::Conflict, "other_scenario", detail));
    }
    let mut figures = Vec::new();
    for (name, worse) in FIGURES {
        if let Some((a, b)) = a.number(name).zip(b.number(name)) {
            figures.push(Figure::new(name.to_owned(), (a, b), worse, threshold_percent));
        }
    }
    figures.extend(refusals(a, b));
    let mut regressions: Vec<_> =
        figures.iter().filter(|figure| figure.regression).map(|figure| figure.name.clone()).collect();
    if a.text("verdict") == "pass" && b.text("verdict") != "pass" {
        regressions.insert(0, "verdict".to_owned());
    }
    Ok(Comparison { scenario, threshold_percent, figures, notes: notes(a, b), regressions })
}

/// Every code that either run had; they say nothing by themselves.
fn refusals(a: &Recorded, b: &Recorded) -> Vec<Figure> {
    let codes = |run: &Recorded| -> Vec<String> {
        run.member("refusals").and_then(Value::as_object).into_iter().flat_map(|codes| codes.keys().cloned()).collect()
    };
    let mut all = codes(a);
    all.extend(codes(b));
    all.sort();
    all.dedup();
    let count = |run: &Recorded, code: &str| run.0["refusals"][code].as_f64().unwrap_or(0.0);
    let figure = |code: String| {
        let counts = (count(a, &code), count(b, &code));
        Figure::new(format!("refusals.{code}"), counts, Worse::Neither, 0.0)
    };
    all.into_iter().map(figure).collect()
}

fn notes(a: &Recorded, b: &Recorded) -> Vec<String> {
    let mut notes = Vec::new();
    for name in CIRCUMSTANCES {
        let (a, b) = (a.text(name), b.text(name));
        if a != b && !a.is_empty() && !b.is_empty() {
            notes.push(format!("The runs differ in {name}: {a} and {b}."));
        }
    }
    for (run, name) in [(a, "first"), (b, "second")] {
        let blame = match run.text("load.bottleneck").as_str() {
            "crowd" => "the crowd, not the server, was the bottleneck",
            "others" => "other programs on the machine were the bottleneck",
            _ => continue,
        };
        notes.push(format!("In the {name} run {blame}."));
    }
    notes
}

impl Figure {
    fn new(name: String, (a, b): (f64, f64), worse: Worse, threshold_percent: f64) -> Self {
        let change_percent = match (a.abs() > 0.0, b.abs() > 0.0) {
            (true, _) => Some((b - a) / a * 100.0),
            (false, false) => Some(0.0),
            (false, true) => None,
        };
        let regression = match worse {
            Worse::Lower => change_percent.is_some_and(|change| -change > threshold_percent),
            // What was not there at all got worse by more than any share.
            Worse::Higher => change_percent.is_none_or(|change| change > threshold_percent),
            Worse::Neither => false,
        };
        let change_percent = change_percent.map(|change| (change * 10.0).round() / 10.0);
        Self { name, a, b, change_percent, worse, regression }
    }
}

fn no_report(path: &Path, why: &str) -> Error {
    let path = path.display();
    let detail = Text::made(
        format!("{path} is not the report of a rehearsal: {why}."),
        format!("{path}은(는) 시험 보고서가 아닙니다: {why}"),
    );
    Error::new(Kind::Conflict, "not_a_report", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::report::tests::sample;

    fn recorded(change: impl FnOnce(&mut Value)) -> Recorded {
        let mut document = serde_json::to_value(sample(Vec::new())).unwrap();
        change(&mut document);
        Recorded::of(document).unwrap()
    }

    fn compared(change: impl FnOnce(&mut Value)) -> Comparison {
        compare(&recorded(|_| {}), &recorded(change), 10.0).unwrap()
    }

    #[test]
    fn a_run_is_as_good_as_itself() {
        let same = compared(|_| {});
        assert!(same.regressions.is_empty() && same.notes.is_empty(), "{same:?}");
        assert!(same.figures.iter().all(|figure| figure.change_percent == Some(0.0)));
    }

    #[test]
    fn every_figure_has_its_place_in_the_document() {
        let run = recorded(|document| document["serverPeakMemoryBytes"] = 1.into());
        for name in FIGURES.map(|(name, _)| name).iter().chain(&CIRCUMSTANCES) {
            assert!(run.member(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_worse_depends_on_the_figure() {
        let slower = compared(|document| document["requestsPerSecond"] = 1_799.into());
        assert_eq!(slower.regressions, ["requestsPerSecond"], "10.05 % fewer than 2,000");
        assert_eq!(slower.figures[0].change_percent, Some(-10.1));
        assert!(compared(|document| document["requestsPerSecond"] = 1_800.into()).regressions.is_empty());
        assert!(compared(|document| document["requestsPerSecond"] = 9_000.into()).regressions.is_empty());
        assert_eq!(compared(|document| document["latencyMs"]["p99"] = 1.7.into()).regressions, ["latencyMs.p99"]);
        assert!(compared(|document| document["latencyMs"]["p99"] = 0.1.into()).regressions.is_empty());
        assert!(compared(|document| document["latencyMs"]["max"] = 900.into()).regressions.is_empty());
    }

    #[test]
    fn the_first_error_and_a_failed_verdict_are_regressions() {
        let worse = compared(|document| {
            document["errors"] = 1.into();
            document["verdict"] = "fail".into();
            document["refusals"]["busy"] = 5.into();
        });
        assert_eq!(worse.regressions, ["verdict", "errors"]);
        let busy = worse.figures.iter().find(|figure| figure.name == "refusals.busy").unwrap();
        assert_eq!((busy.a, busy.b, busy.change_percent, busy.regression), (0.0, 5.0, None, false));
    }

    #[test]
    fn circumstances_that_differ_are_told() {
        let other = compared(|document| {
            document["seed"] = 8.into();
            document["machine"]["cores"] = 1_000.into();
            document["load"]["bottleneck"] = "crowd".into();
        });
        assert_eq!(other.notes.len(), 3, "{:?}", other.notes);
        assert_eq!(other.notes[0], "The runs differ in seed: 7 and 8.");
        assert_eq!(other.notes[2], "In the second run the crowd, not the server, was the bottleneck.");
    }

    #[test]
    fn other_scenarios_and_other_documents_are_refused() {
        let other = recorded(|document| document["scenario"] = "steady".into());
        assert_eq!(compare(&recorded(|_| {}), &other, 10.0).unwrap_err().code(), "other_scenario");
        assert_eq!(Recorded::of(serde_json::json!({"scenario": "s", "verdict": "pass"})).unwrap_err(), "requests");
        assert_eq!(Recorded::of(serde_json::json!([1])).unwrap_err(), "scenario");
    }
}
