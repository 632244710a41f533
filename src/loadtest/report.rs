//! The result of a run: what `--json` prints word for word, and what the table and the page show.

use std::collections::BTreeMap;

use serde::Serialize;

use super::RunPlan;
use super::bots::Sides;
use super::check::{Counts, Verdict};
use super::fairness::Fairness;
use super::load::Load;
use super::machine::Machine;
use super::scenario::Scenario;
use super::talk::Deed;
use super::tally::Log;
use super::timeline::Point;

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
    /// Different buyers who could come.
    pub buyers: usize,
    /// How the order of arrival and the order of success go together; none when nobody got a unit.
    pub fairness: Option<Fairness>,
    /// What the run itself had to do, and what limited it.
    pub load: Load,
    /// What it was made on.
    pub machine: Machine,
    /// Where the temporary server differs from an ordinary one; none for a server that was running already.
    pub server_settings: Option<BTreeMap<String, String>>,
    /// What only the page tells.
    #[serde(skip)]
    pub(super) story: Story,
}

/// How the run went, and how to repeat it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    /// One sentence about the scenario.
    pub(super) description: String,
    /// The command line that repeats the run.
    pub(super) repeat: String,
    /// The scenario's file.
    pub(super) scenario_text: String,
    /// The answers over time.
    pub(super) points: Vec<Point>,
    /// Where the units were, by seconds after the opening.
    pub(super) units: Vec<(f64, Counts)>,
}

/// How long answers took, in milliseconds, from when a request was due to the answer's last byte.
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
    /// The report of a run; what only a temporary server tells is not in it yet.
    pub(super) fn new(plan: &RunPlan, log: &Log, verdict: Verdict, audit_ok: Option<bool>) -> Self {
        let (scenario, seed, machine) = (&plan.scenario, plan.seed, Machine::here());
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
            buyers: scenario.buyers(),
            fairness: log.fairness(),
            load: Load::of(log, machine.cores),
            machine,
            server_settings: None,
            story: Story::of(plan, log, verdict.counts),
        }
    }

    /// Whether the run passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.verdict == Outcome::Pass
    }
}

impl Story {
    fn of(plan: &RunPlan, log: &Log, end: Counts) -> Self {
        let stock = plan.scenario.product.stock;
        let opening = (0.0, Counts { total: stock, available: stock, held: 0, sold: 0 });
        let seen = log.timeline.looks(log.elapsed).iter();
        let seen = seen.filter_map(|look| Some((look.at.as_secs_f64(), look.units?)));
        let units = std::iter::once(opening).chain(seen).chain([(log.elapsed.as_secs_f64(), end)]);
        Self {
            description: plan.scenario.description.clone(),
            repeat: plan.repeat.clone(),
            scenario_text: plan.scenario_text.clone(),
            points: log.timeline.points(log.elapsed),
            units: units.collect(),
        }
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

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kernel::ids::OrderId;
    use crate::loadtest::answer::{Answer, Ask};
    use crate::loadtest::shop::Site;
    use crate::loadtest::timeline::Look;

    pub(in crate::loadtest) fn plan() -> RunPlan {
        let mut scenario = Scenario::load("flash-sale").unwrap();
        scenario.product.stock = 80;
        RunPlan {
            scenario,
            seed: 7,
            site: Site::Temporary,
            repeat: "preorder loadtest flash-sale --seed 7".to_owned(),
            #[cfg(debug_assertions)]
            planted_fault: None,
            scenario_text: "name = \"flash-sale\"".to_owned(),
        }
    }

    pub(in crate::loadtest) fn sample(failures: Vec<String>) -> Report {
        let ms = Duration::from_millis;
        let mut log = Log::new().unwrap();
        log.requests = 1_000;
        log.elapsed = ms(500);
        log.refusals = BTreeMap::from([("sold_out".to_owned(), 900), ("payment_declined".to_owned(), 20)]);
        log.latency_us.record_n(1_500, 1_000).unwrap();
        for buyer in 0..20_u32 {
            let bought = Answer::Completed(OrderId::fresh());
            let answer = if buyer < 5 { bought } else { Answer::Refused("sold_out".to_owned()) };
            log.timeline.record(ms(25) * buyer, ms(2), &answer);
            log.arrivals.record(buyer as usize, Ask::Purchase, &answer);
        }
        log.timeline.look(Look {
            at: ms(100),
            units: Some(Counts { total: 80, sold: 80, ..Counts::default() }),
            cpu: None,
        });
        let counts = Counts { total: 80, available: 0, held: 0, sold: 80 };
        let verdict = Verdict { counts, oversold: 0, failures };
        Report::new(&plan(), &log, verdict, Some(true))
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
}
