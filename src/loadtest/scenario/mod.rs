//! A scenario: what is on sale, who comes, what they do, and what the run must show. Read from TOML, checked as a whole.

mod arrivals;
mod change;
mod faults;
mod file;
mod phases;
mod step;
mod tables;

use std::path::Path;
use std::time::Duration;

pub use self::arrivals::{Arrivals, Rate};
pub use self::change::Overrides;
use self::faults::Faults;
use self::file::File;
pub use self::step::Step;
use crate::kernel::error::{Error, Kind, Text};

/// The scenarios that ship with the program, by name.
pub const PRESETS: [(&str, &str); 7] = [
    ("flash-sale", include_str!("../../../loadtest/flash-sale.toml")),
    ("steady", include_str!("../../../loadtest/steady.toml")),
    ("abandoners", include_str!("../../../loadtest/abandoners.toml")),
    ("community", include_str!("../../../loadtest/community.toml")),
    ("stampede", include_str!("../../../loadtest/stampede.toml")),
    ("login-storm", include_str!("../../../loadtest/login-storm.toml")),
    ("bots", include_str!("../../../loadtest/bots.toml")),
];

/// The most buyers of a run: each is a user row, a session and a token in memory.
pub const BUYERS_MAX: i64 = 1_000_000;
/// The longest run, a day.
const DURATION_SECONDS_MAX: i64 = 86_400;

/// A scenario, valid as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// What is on sale.
    pub product: ProductTerms,
    /// Who comes, and when; never empty. One phase follows the other.
    pub phases: Vec<PhaseTerms>,
    /// When to stop letting buyers in, whatever the phases say.
    pub duration: Option<Duration>,
    /// Who among them is a program.
    pub bots: Option<BotTerms>,
    /// What a buyer may do; never empty.
    pub journeys: Vec<Journey>,
    /// What the buyers find to read, in a temporary server.
    pub community: CommunityTerms,
    /// How buyers and their bank behave, in a temporary server.
    pub payment: PaymentRates,
    /// What a temporary server lets through.
    pub server: ServerTerms,
    /// What the run must show to pass.
    pub verdict: Limits,
}

/// What is on sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductTerms {
    /// Units on sale.
    pub stock: i64,
    /// The price of one, in minor units.
    pub price: i64,
    /// The most that one buyer may have; unlimited when not set.
    pub per_buyer_limit: Option<i64>,
    /// How long an entered payment holds a unit, in seconds.
    pub hold_seconds: i64,
}

/// Some of the buyers, and how they come.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseTerms {
    /// What it is called.
    pub name: String,
    /// How they come.
    pub arrivals: Arrivals,
    /// Different buyers; each comes once, with a token of its own.
    pub buyers: usize,
    /// How many of them are served at once, each on a connection of its own. Others wait.
    pub connections: usize,
    /// When to stop letting closed arrivals in; without it, when everybody had a turn. Open ones have all come by then.
    pub duration: Option<Duration>,
    /// The pause between two steps of a buyer, half to one and a half of this.
    pub think: Duration,
}

/// Buyers that are programs, all of them at one address.
#[derive(Debug, Clone, PartialEq)]
pub struct BotTerms {
    /// Their share of the buyers, 0 to 1.
    pub share: f64,
    /// What each of them does, without a pause; never empty.
    pub steps: Vec<Step>,
    /// The addresses that the others share among them.
    pub addresses: usize,
}

/// What a temporary server lets through; a rate of 0 is no limit. The keys are settings of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTerms {
    /// `limits.address_per_second`.
    pub address_per_second: i64,
    /// `limits.address_burst`.
    pub address_burst: i64,
    /// `limits.account_per_second`.
    pub account_per_second: i64,
    /// `limits.account_burst`.
    pub account_burst: i64,
    /// `limits.queue_length`, when it is not the server's own.
    pub queue_length: Option<i64>,
    /// `password.threads`, when it is not the server's own.
    pub password_threads: Option<i64>,
    /// `password.queue_length`, when it is not the server's own.
    pub password_queue_length: Option<i64>,
}

/// What there is to read before anybody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommunityTerms {
    /// Generated posts by the buyers, with comments, likes and follows; none without a community.
    pub posts: u32,
}

/// What a buyer does, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// How often this journey is taken, relative to the others.
    pub weight: u64,
    /// The steps in order; never empty.
    pub steps: Vec<Step>,
}

/// How simulated buyers and their bank behave, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaymentRates {
    /// The share of one-call buyers who leave before paying.
    pub abandon_rate: f64,
    /// The share of the others whose payment is declined.
    pub decline_rate: f64,
}

/// What the run must show to pass, besides that nothing was oversold or lost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// The largest share of requests that may fail, 0 to 1.
    pub error_rate_max: f64,
    /// The largest share of requests that may be put off, answered 429 or 503, 0 to 1.
    pub put_off_rate_max: f64,
    /// The slowest that 99 of 100 answers may be, in milliseconds.
    pub p99_ms_max: Option<f64>,
    /// The fewest answers a second, over the whole run.
    pub requests_per_second_min: Option<f64>,
    /// The fewest completed purchases a second, over the whole run.
    pub purchases_per_second_min: Option<f64>,
    /// How well those who came first must be served, 0 to 1.
    pub fairness_min: Option<f64>,
    /// The largest share of people's requests that the rate limits may send away, 0 to 1, when there are bots.
    pub people_limited_rate_max: Option<f64>,
    /// The smallest share of bots' requests that they must send away, 0 to 1, when there are bots.
    pub bots_limited_rate_min: Option<f64>,
}

impl Scenario {
    /// A preset by name, or the file at that path.
    ///
    /// # Errors
    /// When it is neither, the file can't be read, or the scenario is not valid; the text names file, line and key.
    pub fn load(name_or_path: &str) -> Result<Self, Error> {
        if let Some((name, text)) = PRESETS.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(name, text);
        }
        let text = std::fs::read_to_string(Path::new(name_or_path)).map_err(|error| {
            let detail = Text::made(
                format!("There is no scenario '{name_or_path}': {error}."),
                format!("시나리오 '{name_or_path}'이(가) 없습니다: {error}"),
            );
            Error::new(Kind::NotFound, "scenario_not_found", detail)
        })?;
        Self::parse(name_or_path, &text)
    }

    /// Reads a scenario; `origin` names it in errors.
    ///
    /// # Errors
    /// `scenario_invalid` with every fault, each with its line, its key and what is allowed.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Error> {
        let mut faults = Faults::new(origin, text);
        match toml::from_str::<File>(text) {
            Ok(file) => {
                let scenario = file.check(&mut faults);
                faults.done().map(|()| scenario)
            }
            Err(error) => Err(faults.unreadable(&error)),
        }
    }

    /// How many different buyers come.
    #[must_use]
    pub fn buyers(&self) -> usize {
        self.phases.iter().map(|phase| phase.buyers).sum()
    }

    /// How many of them are served at once, at most.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.phases.iter().map(|phase| phase.connections).max().unwrap_or_default()
    }

    /// Every step that somebody may take.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let journeys = self.journeys.iter().map(|journey| &journey.steps);
        journeys.chain(self.bots.iter().map(|bots| &bots.steps)).flatten().copied()
    }
}

/// Reads a duration as the command line takes it: `45s`, `5m`, `1h`, or seconds without a unit; at most a day.
///
/// # Errors
/// What is allowed, for anything else.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let (digits, seconds) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        _ => (text, 1),
    };
    let allowed = "a whole number of seconds, minutes or hours, such as 45s, 5m or 1h; at least 1s, at most 24h";
    let count: u32 = digits.parse().map_err(|_| allowed)?;
    let duration = Duration::from_secs(u64::from(count) * seconds);
    let fits = (1..=DURATION_SECONDS_MAX.unsigned_abs()).contains(&duration.as_secs());
    if fits { Ok(duration) } else { Err(allowed) }
}

/// A checked number as a count.
fn count(checked: i64) -> usize {
    usize::try_from(checked).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
