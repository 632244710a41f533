//! `preorder loadtest` and `preorder demo`: a rehearsal, drawn and told.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::output::Table;
use super::shop::LocalShop;
use crate::kernel::limits::STOCK_MAX;
use crate::loadtest::{
    self, BUYERS_MAX, Community, Overrides, PRESETS, Phase, Progress, Report, ReportFile, RunPlan, Scenario, Site,
};

/// How often the progress is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);
/// What journeys and payments are drawn from when nobody says.
const SEED_DEFAULT: u64 = 1;

/// What `loadtest` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// A preset, or a scenario's file.
    #[arg(default_value = "flash-sale")]
    scenario: String,
    /// A server on this machine that runs on the database of --db [default: a temporary server of the run's own].
    #[arg(long)]
    url: Option<String>,
    /// How many different buyers come [default: as the scenario says].
    #[arg(long, value_name = "N")]
    users: Option<usize>,
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

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// How many different buyers come [default: 10000].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=BUYERS_MAX))]
    buyers: Option<u32>,
    /// How many units there are [default: 100].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(1..=STOCK_MAX))]
    stock: Option<i64>,
}

fn after_help() -> String {
    let mut text = "Presets:\n".to_owned();
    for (name, _) in PRESETS {
        let says = Scenario::load(name).map(|scenario| scenario.description).unwrap_or_default();
        let _ = writeln!(text, "  {name:<12} {says}");
    }
    text
}

/// Runs a rehearsal.
///
/// # Errors
/// When the verdict is 'fail', or there is none.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let overrides = Overrides { buyers: args.users, stock: None, duration: args.duration };
    let scenario = Scenario::load(&args.scenario)?.with(overrides)?;
    let mut repeat = format!("preorder loadtest {} --seed {}", args.scenario, args.seed);
    for (flag, value) in [
        ("--users", args.users.map(|users| users.to_string())),
        ("--duration", args.duration.map(|duration| format!("{}s", duration.as_secs()))),
        ("--url", args.url.clone()),
    ] {
        let _ = value.map(|value| write!(repeat, " {flag} {value}"));
    }
    let site = args.url.map_or(Site::Temporary, |url| Site::Running { url });
    let scenario_text = text_of(&args.scenario);
    rehearse(RunPlan { scenario, seed: args.seed, site, repeat, scenario_text }, args.report, context).await
}

/// Runs the classic: everybody comes at once, and there is not nearly enough.
///
/// # Errors
/// When the verdict is 'fail', or there is none.
pub(super) async fn demo(args: DemoArgs, context: &Context) -> Result<(), Failure> {
    let buyers = args.buyers.map(|buyers| usize::try_from(buyers).unwrap_or(usize::MAX));
    let overrides = Overrides { buyers, stock: args.stock, duration: None };
    let scenario = Scenario::load("flash-sale")?.with(overrides)?;
    let output = context.output();
    output.note(format_args!(
        "A sale in a temporary database: {} different buyers want {} units, {} of them at the counter at any moment.",
        scenario.crowd.buyers, scenario.product.stock, scenario.crowd.connections
    ));
    output.note("Seeding it, starting a server on a free port, sending the crowd over HTTP, auditing the rows …");
    let (seed, site, scenario_text) = (SEED_DEFAULT, Site::Temporary, text_of("flash-sale"));
    rehearse(RunPlan { scenario, seed, site, repeat: "preorder demo".to_owned(), scenario_text }, None, context).await
}

/// The text of a scenario that was loaded, for the report.
fn text_of(name_or_path: &str) -> String {
    let preset = PRESETS.iter().find(|(name, _)| *name == name_or_path);
    preset.map_or_else(|| std::fs::read_to_string(name_or_path).unwrap_or_default(), |(_, text)| (*text).to_owned())
}

async fn rehearse(plan: RunPlan, file: Option<PathBuf>, context: &Context) -> Result<(), Failure> {
    let progress = Arc::new(Progress::default());
    let shop = LocalShop::new(context.config());
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
    if report.passed() { Ok(()) } else { Err(Failure::failed("The verdict is 'fail'; see above.")) }
}

/// Draws the progress for as long as it is polled; the bar goes with it.
async fn draw(progress: &Progress, context: &Context) -> std::convert::Infallible {
    let bar = context.output().progress("preparing", 0);
    let mut ticks = tokio::time::interval(DRAW_INTERVAL);
    loop {
        ticks.tick().await;
        let now = progress.snapshot();
        bar.set_length(now.buyers);
        bar.set_position(now.buyers_done);
        bar.set_message(match now.phase {
            Phase::Preparing => "preparing".to_owned(),
            Phase::Selling => format!("{} sold, {} refused, {} errors", now.purchases, now.refusals, now.errors),
            Phase::Checking => "checking the rows".to_owned(),
        });
    }
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
    if let Some(bytes) = report.server_peak_memory_bytes {
        fact("server's memory", format!("{} MiB at most", bytes / (1024 * 1024)));
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
