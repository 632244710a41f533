//! The result of a run: what `--json` prints word for word, what the table shows, and the HTML file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use super::bots::Sides;
use super::check::Verdict;
use super::page;
use super::scenario::Scenario;
use super::talk::Deed;
use super::tally::Log;
use crate::kernel::error::{Error, Kind, Text};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What the run was drawn from.
    pub seed: u64,
    /// Requests, answered or not.
    pub requests: u64,
    /// The same, a second.
    pub requests_per_second: f64,
    /// Purchases that were answered completed.
    pub purchases: u64,
    /// The same, a second.
    pub purchases_per_second: f64,
    /// Orderly refusals by code.
    pub refusals: BTreeMap<String, u64>,
    /// Requests that failed in any other way.
    pub errors: u64,
    /// How long answers took.
    pub latency_ms: Latency,
    /// Where the units are at the end.
    pub units: Units,
    /// What the audit says.
    pub audit: Audit,
    /// Whether the run passed.
    pub verdict: Outcome,
    /// Why it did not pass; empty when it did.
    pub failures: Vec<String>,
    /// What was written, liked and followed; none when the scenario is about the sale alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<Community>,
    /// Whom the rate limits sent away; none when there are no bots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sides: Option<Sides>,
    /// The errors by kind.
    pub error_kinds: BTreeMap<String, u64>,
    /// From the opening of the door to the last answer.
    pub elapsed_seconds: f64,
    /// The most memory that the temporary server had; none for a server that was running already.
    pub server_peak_memory_bytes: Option<u64>,
}

/// How long answers took, in milliseconds, from the request's first byte to the answer's last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the answers were faster.
    pub p50: f64,
    /// 9 of 10.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// A product's units at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Units {
    /// All of them.
    pub total: i64,
    /// Sold.
    pub sold: i64,
    /// Held.
    pub held: i64,
    /// On sale.
    pub available: i64,
    /// Given away without being there.
    pub oversold: i64,
}

/// What people did beside the sale, as they were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Community {
    /// Posts that were written.
    pub posts: usize,
    /// Comments that were written.
    pub comments: usize,
    /// Posts that were liked.
    pub likes: usize,
    /// Writers who were followed.
    pub follows: usize,
}

impl Community {
    fn of(scenario: &Scenario, log: &Log) -> Option<Self> {
        let count = |deed| log.talk.told(deed).len();
        scenario.journeys.iter().flat_map(|journey| &journey.steps).any(|step| step.is_social()).then(|| Self {
            posts: count(Deed::Post),
            comments: count(Deed::Comment),
            likes: count(Deed::Like),
            follows: count(Deed::Follow),
        })
    }
}

/// What the audit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether every invariant holds; none when the rows could not be reached.
    pub ok: Option<bool>,
}

/// Whether a run passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It did.
    Pass,
    /// It did not.
    Fail,
}

impl Report {
    pub(super) fn new(scenario: &Scenario, seed: u64, log: &Log, verdict: Verdict, audit_ok: Option<bool>) -> Self {
        let elapsed = log.elapsed.as_secs_f64();
        let purchases = log.completed.len() as u64;
        Self {
            scenario: scenario.name.clone(),
            seed,
            requests: log.requests,
            requests_per_second: per_second(log.requests, elapsed),
            purchases,
            purchases_per_second: per_second(purchases, elapsed),
            refusals: log.refusals.clone(),
            errors: log.errors_total(),
            latency_ms: Latency {
                p50: milliseconds(log.latency_us.value_at_quantile(0.50)),
                p90: milliseconds(log.latency_us.value_at_quantile(0.90)),
                p99: milliseconds(log.latency_us.value_at_quantile(0.99)),
                max: milliseconds(log.latency_us.max()),
            },
            units: Units {
                total: verdict.counts.total,
                sold: verdict.counts.sold,
                held: verdict.counts.held,
                available: verdict.counts.available,
                oversold: verdict.oversold,
            },
            audit: Audit { ok: audit_ok },
            verdict: if verdict.failures.is_empty() { Outcome::Pass } else { Outcome::Fail },
            failures: verdict.failures,
            community: Community::of(scenario, log),
            sides: None,
            error_kinds: log.errors.clone(),
            elapsed_seconds: rounded(elapsed, 1_000.0),
            server_peak_memory_bytes: None,
        }
    }

    /// Whether the run passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == Outcome::Pass
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn per_second(count: u64, elapsed: f64) -> f64 {
    if elapsed > 0.0 { rounded(count as f64 / elapsed, 10.0) } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "latencies are at most two minutes")]
fn milliseconds(us: u64) -> f64 {
    us as f64 / 1_000.0
}

/// Cut to as many digits as mean something: `scale` 10 keeps one after the point.
fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

/// The HTML file, claimed before the run so that nobody waits for a run whose report can't be kept.
pub(super) struct ReportFile {
    path: PathBuf,
    draft: NamedTempFile,
}

impl ReportFile {
    /// Makes sure that `path` can be written, and leaves what is there as it is.
    ///
    /// # Errors
    /// `report_unwritable` when it can't.
    pub(super) fn claim(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Err(unwritable(path, "it is a folder"));
        }
        if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            return Err(unwritable(path, "its folder does not exist"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".preorder-report-");
        // A report is for everybody, as far as the user's umask allows; temporary files are not.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let draft = builder.tempfile_in(folder).map_err(|error| unwritable(path, &error.to_string()))?;
        Ok(Self { path: path.to_owned(), draft })
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// `report_unwritten` when the disk does not take it.
    pub(super) fn write(mut self, report: &Report, scenario: &Scenario, repeat: &str) -> Result<(), Error> {
        let page = page::render(report, scenario, repeat);
        let written = self.draft.write_all(page.as_bytes()).and_then(|()| self.draft.as_file().sync_all());
        written.map_err(|error| unwritten(&self.path, &error))?;
        self.draft.persist(&self.path).map_err(|error| unwritten(&self.path, &error.error))?;
        Ok(())
    }
}

/// The path is no good: decided before the run.
fn unwritable(path: &Path, why: &str) -> Error {
    Error::new(Kind::Conflict, "report_unwritable", cannot_write(path, why))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Conflict, "report_unwritten", cannot_write(path, &error.to_string()))
}

fn cannot_write(path: &Path, why: &str) -> Text {
    let path = path.display();
    Text::made(format!("The report {path} can't be written: {why}."), format!("보고서 {path}를 쓸 수 없습니다: {why}"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::loadtest::check::Counts;

    pub(in crate::loadtest) fn sample(failures: Vec<String>) -> Report {
        let mut log = Log::new().unwrap();
        log.requests = 1_000;
        log.elapsed = Duration::from_millis(500);
        log.refusals = BTreeMap::from([("sold_out".to_owned(), 900), ("payment_declined".to_owned(), 20)]);
        log.latency_us.record_n(1_500, 1_000).unwrap();
        let counts = Counts { total: 80, available: 0, held: 0, sold: 80 };
        let verdict = Verdict { counts, oversold: 0, failures };
        Report::new(&Scenario::load("flash-sale").unwrap(), 7, &log, verdict, Some(true))
    }

    #[test]
    fn the_json_has_the_contracts_members_in_their_order() {
        let report = sample(Vec::new());
        let json = serde_json::to_string(&report).unwrap();
        let contract = [
            "scenario",
            "seed",
            "requests",
            "requestsPerSecond",
            "purchases",
            "purchasesPerSecond",
            "refusals",
            "errors",
            "latencyMs",
            "units",
            "audit",
            "verdict",
        ];
        let places: Vec<_> = contract.iter().map(|name| json.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{json}");
        assert!(json.contains(r#""units":{"total":80,"sold":80,"held":0,"available":0,"oversold":0}"#), "{json}");
        assert!(json.contains(r#""audit":{"ok":true},"verdict":"pass""#), "{json}");
        assert!(json.contains(r#""requestsPerSecond":2000.0"#), "{json}");
        assert!(sample(vec!["lost".to_owned()]).verdict == Outcome::Fail);
    }

    #[test]
    fn the_report_replaces_a_file_whole_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.html");
        std::fs::write(&path, "old").unwrap();
        let file = ReportFile::claim(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old", "a run that fails keeps the last report");
        file.write(&sample(Vec::new()), &Scenario::load("flash-sale").unwrap(), "preorder loadtest").unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!doctype html>"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_report_that_cannot_be_written_is_refused_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("no/such/folder/r.html")] {
            assert_eq!(ReportFile::claim(&path).err().unwrap().code(), "report_unwritable");
        }
    }
}
