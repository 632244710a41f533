//! `preorder loadtest` and `preorder demo`: a rehearsal, drawn and told.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compare;
use super::context::Context;
use super::failure::Failure;
use super::output::Table;
use super::shop::LocalShop;
use crate::kernel::limits::STOCK_MAX;
use crate::loadtest::{
    self, BUYERS_MAX, Community, Fairness, Overrides, PRESETS, Phase, Progress, Report, ReportFile, RunPlan, Scenario,
    Side, Sides, Site, Snapshot,
};

/// How often the progress is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);
/// Over which time a rate and a latency are told.
const PACE_INTERVAL: Duration = Duration::from_secs(1);
/// What is rehearsed when nobody says.
const SCENARIO_DEFAULT: &str = "flash-sale";
/// What journeys and payments are drawn from when nobody says.
const SEED_DEFAULT: u64 = 1;

/// What `loadtest` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help(), disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    afterwards: Option<Afterwards>,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

/// What can be done with runs that are over.
#[derive(Debug, clap::Subcommand)]
enum Afterwards {
    /// Compare two runs' JSON; exit 1 when something got worse.
    Compare(compare::Args),
}

/// What a rehearsal takes.
#[derive(Debug, PartialEq, clap::Args)]
struct Rehearsal {
    /// A preset, or a scenario's file.
    #[arg(default_value = SCENARIO_DEFAULT)]
    scenario: String,
    /// A server on this machine that runs on the database of --db [default: a temporary server of the run's own].
    #[arg(long, value_parser = loadtest::parse_url)]
    url: Option<String>,
    /// How many different buyers come [default: as the scenario says].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=BUYERS_MAX))]
    users: Option<u32>,
    /// So many times the buyers, their rate and the units, from 0.001 to 100.
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    scale: Option<f64>,
    /// How long buyers are let in, such as 45s or 5m [default: as the scenario says].
    #[arg(long, value_name = "TIME", value_parser = loadtest::parse_duration)]
    duration: Option<Duration>,
    /// Write a page about the run, to read offline.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// What journeys, pauses and simulated payments are drawn from.
    #[arg(long, value_name = "N", default_value_t = SEED_DEFAULT)]
    seed: u64,
}

impl Default for Rehearsal {
    fn default() -> Self {
        let scenario = SCENARIO_DEFAULT.to_owned();
        Self { scenario, url: None, users: None, scale: None, duration: None, report: None, seed: SEED_DEFAULT }
    }
}

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// How many different buyers come [default: 10000].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=BUYERS_MAX))]
    buyers: Option<u32>,
    /// How many units there are [default: 100].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=STOCK_MAX))]
    stock: Option<i64>,
    /// Wait for Enter before the crowd comes and after it has gone, to look at the shop's pages meanwhile.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

fn after_help() -> String {
    let mut text = "Presets:\n".to_owned();
    for (name, _) in PRESETS {
        let says = Scenario::load(name).map(|scenario| scenario.description).unwrap_or_default();
        let _ = writeln!(text, "  {name:<12} {says}");
    }
    text
}

/// Runs a rehearsal, or looks at two that are over.
///
/// # Errors
/// When the verdict is 'fail', or there is none.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { afterwards, rehearsal: args } = args;
    if let Some(Afterwards::Compare(compared)) = afterwards {
        // clap would refuse them itself, but the flags that work everywhere as well.
        if args != Rehearsal::default() {
            let what = "'compare' runs nothing, so it takes no scenario and no flags of a run.";
            return Err(Failure::usage(what, "Put nothing between 'loadtest' and 'compare'."));
        }
        return compare::run(&compared, context);
    }
    let buyers = args.users.map(count);
    let overrides = Overrides { scale: args.scale, buyers, stock: None, duration: args.duration };
    let scenario = Scenario::load(&args.scenario)?.with(overrides)?;
    let mut repeat = format!("preorder loadtest {} --seed {}", args.scenario, args.seed);
    for (flag, value) in [
        ("--scale", args.scale.map(|scale| scale.to_string())),
        ("--users", args.users.map(|users| users.to_string())),
        ("--duration", args.duration.map(|duration| format!("{}s", duration.as_secs()))),
        ("--url", args.url.clone()),
    ] {
        let _ = value.map(|value| write!(repeat, " {flag} {value}"));
    }
    let site = args.url.map_or(Site::Temporary, |url| Site::Running { url });
    let plan = RunPlan {
        scenario,
        seed: args.seed,
        site,
        repeat,
        scenario_text: text_of(&args.scenario),
        #[cfg(debug_assertions)]
        planted_fault: context.config().planted_fault,
    };
    rehearse(plan, LocalShop::new(context.config()), args.report, context).await
}

/// Runs the classic: everybody comes at once, and there is not nearly enough.
///
/// # Errors
/// When the verdict is 'fail', or there is none.
pub(super) async fn demo(args: DemoArgs, context: &Context) -> Result<(), Failure> {
    let overrides = Overrides { buyers: args.buyers.map(count), stock: args.stock, ..Overrides::default() };
    let scenario = Scenario::load(SCENARIO_DEFAULT)?.with(overrides)?;
    let output = context.output();
    output.note(format_args!(
        "A sale in a temporary database: {} different buyers want {} units, {} of them at the counter at any moment.",
        scenario.buyers(),
        scenario.product.stock,
        scenario.connections()
    ));
    output.note("Seeding it, starting a server on a free port, sending the crowd over HTTP, auditing the rows …");
    let plan = RunPlan {
        scenario,
        seed: SEED_DEFAULT,
        site: Site::Temporary,
        repeat: "preorder demo".to_owned(),
        scenario_text: text_of(SCENARIO_DEFAULT),
        #[cfg(debug_assertions)]
        planted_fault: context.config().planted_fault,
    };
    let shop = LocalShop::new(context.config());
    let shop = if args.watch { shop.watched(output) } else { shop };
    rehearse(plan, shop, None, context).await
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The text of a scenario that was loaded, for the report.
fn text_of(name_or_path: &str) -> String {
    let preset = PRESETS.iter().find(|(name, _)| *name == name_or_path);
    preset.map_or_else(|| std::fs::read_to_string(name_or_path).unwrap_or_default(), |(_, text)| (*text).to_owned())
}

async fn rehearse(plan: RunPlan, shop: LocalShop<'_>, file: Option<PathBuf>, context: &Context) -> Result<(), Failure> {
    let progress = Arc::new(Progress::default());
    // Before the run: nobody waits for a run whose report can't be kept.
    let claimed = file.as_deref().map(ReportFile::claim).transpose()?;
    let report = {
        let running = loadtest::run(plan, &shop, Arc::clone(&progress));
        let drawing = draw(&progress, context);
        tokio::select! {
            report = running => report?,
            never = drawing => match never {},
        }
    };
    context.output().answer(&report, || people(&report))?;
    // After the answer: a disk that is full now takes only the page away.
    if let Some((claimed, file)) = claimed.zip(file) {
        claimed.write(&report)?;
        context.output().note(format_args!("The report is in {}.", file.display()));
    }
    if report.passed() {
        return Ok(());
    }
    Err(Failure::failed("The verdict is 'fail'; see above.", "loadtest/README.md tells what has to hold, and why."))
}

/// Draws the progress for as long as it is polled; the bar goes with it.
async fn draw(progress: &Progress, context: &Context) -> std::convert::Infallible {
    let bar = context.output().progress("preparing", 0);
    let mut ticks = tokio::time::interval(DRAW_INTERVAL);
    let mut pace = Pace::default();
    loop {
        ticks.tick().await;
        let now = progress.snapshot();
        bar.set_length(now.buyers);
        bar.set_position(now.buyers_done);
        bar.set_message(match now.phase {
            Phase::Preparing => "preparing".to_owned(),
            Phase::Selling => {
                if pace.since.elapsed() >= PACE_INTERVAL {
                    pace = pace.next(now.requests, progress.take_p99_ms());
                }
                status(&now, &pace)
            }
            Phase::Checking => "checking the rows".to_owned(),
        });
    }
}

/// How fast it goes; told anew once a second, so that the numbers can be read.
struct Pace {
    since: Instant,
    requests: u64,
    per_second: f64,
    p99_ms: Option<f64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { since: Instant::now(), requests: 0, per_second: 0.0, p99_ms: None }
    }
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    fn next(&self, requests: u64, p99_ms: Option<f64>) -> Self {
        let per_second = requests.saturating_sub(self.requests) as f64 / self.since.elapsed().as_secs_f64();
        Self { since: Instant::now(), requests, per_second, p99_ms }
    }
}

fn status(now: &Snapshot, pace: &Pace) -> String {
    let p99 = pace.p99_ms.map(|ms| format!("99 % within {ms:.0} ms, ")).unwrap_or_default();
    let left = now.units_left.map(|units| format!("{units} left, ")).unwrap_or_default();
    format!("{:.0}/s, {p99}{} sold, {left}{} errors", pace.per_second, now.purchases, now.errors)
}

fn people(report: &Report) -> String {
    let mut facts = Table::untitled();
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("scenario", format!("{} (seed {})", report.scenario, report.seed));
    fact(
        "requests",
        format!("{} in {:.1} s, {:.0} a second", report.requests, report.elapsed_seconds, report.requests_per_second),
    );
    fact("purchases", format!("{}, {:.0} a second", report.purchases, report.purchases_per_second));
    if let Some(Community { posts, comments, likes, follows }) = report.community {
        fact("community", format!("{posts} posts, {comments} comments, {likes} likes, {follows} follows"));
    }
    if let Some(Sides { people, bots }) = report.sides {
        for (name, side) in [("people", people), ("bots", bots)] {
            let Side { requests, rate_limited } = side;
            let share = side.limited_rate() * 100.0;
            fact(name, format!("{requests} requests, {rate_limited} of them rate limited ({share:.1} %)"));
        }
    }
    for (code, count) in &report.refusals {
        fact(&format!("refused, {code}"), count.to_string());
    }
    fact("errors", report.errors.to_string());
    for (kind, count) in &report.error_kinds {
        fact(&format!("error, {kind}"), count.to_string());
    }
    let latency = report.latency_ms;
    fact(
        "latency",
        format!(
            "half within {:.1} ms, 90 % {:.1} ms, 99 % {:.1} ms, slowest {:.1} ms",
            latency.p50, latency.p90, latency.p99, latency.max
        ),
    );
    let units = report.units;
    fact(
        "units",
        format!(
            "{} = {} sold + {} held + {} available; {} oversold",
            units.total, units.sold, units.held, units.available, units.oversold
        ),
    );
    let audit = match report.audit.ok {
        Some(true) => "every invariant holds",
        Some(false) => "BROKEN",
        None => "not done: the rows are out of reach",
    };
    fact("audit", audit.to_owned());
    for (name, told) in circumstances(report) {
        fact(name, told);
    }
    let verdict = if report.passed() {
        "PASS: every answer is in the database, and nothing was oversold or lost."
    } else {
        "FAIL"
    };
    let mut text = format!("{facts}\n\n{verdict}");
    for failure in &report.failures {
        let _ = write!(text, "\n  - {failure}");
    }
    text
}

/// What the result has to be read with: memory, fairness, and what set the pace.
fn circumstances(report: &Report) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    if let Some(bytes) = report.server_peak_memory_bytes {
        told.push(("server's memory", format!("{} MiB at most", bytes / (1024 * 1024))));
    }
    if let Some(Fairness { share, by_lot, .. }) = report.fairness {
        let (share, by_lot) = (share * 100.0, by_lot * 100.0);
        let text = format!("{share:.0} % of the units went in the order of arrival; by lot it would be {by_lot:.0} %");
        told.push(("fairness", text));
    }
    if let Some(cpu) = report.load.cpu {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let server = cpu.server.map(|share| format!("server {}, ", percent(share))).unwrap_or_default();
        let text = format!("crowd {}, {server}others {} of all cores", percent(cpu.crowd), percent(cpu.others));
        told.push(("processors", text));
    }
    told.push(("pace", report.load.says().to_owned()));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_tells_what_is_known() {
        let progress = Progress::default();
        assert_eq!(status(&progress.snapshot(), &Pace::default()), "0/s, 0 sold, 0 errors");
        let now = Snapshot { units_left: Some(7), purchases: 93, errors: 2, ..progress.snapshot() };
        let pace = Pace { per_second: 12_345.6, p99_ms: Some(17.8), ..Pace::default() };
        assert_eq!(status(&now, &pace), "12346/s, 99 % within 18 ms, 93 sold, 7 left, 2 errors");
    }
}
