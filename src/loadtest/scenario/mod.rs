//! A scenario: what is on sale, who comes, what they do, and what the run must show. Read from TOML, checked as a whole.

mod faults;
mod file;

use std::path::Path;
use std::time::Duration;

use self::faults::{Faults, Place};
use self::file::File;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::limits::STOCK_MAX;

/// The scenarios that ship with the program, by name.
pub const PRESETS: [(&str, &str); 4] = [
    ("flash-sale", include_str!("../../../loadtest/flash-sale.toml")),
    ("steady", include_str!("../../../loadtest/steady.toml")),
    ("abandoners", include_str!("../../../loadtest/abandoners.toml")),
    ("community", include_str!("../../../loadtest/community.toml")),
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
    /// Who comes, and how many at once.
    pub crowd: CrowdTerms,
    /// What a buyer may do; never empty.
    pub journeys: Vec<Journey>,
    /// What the buyers find to read, in a temporary server.
    pub community: CommunityTerms,
    /// How buyers and their bank behave, in a temporary server.
    pub payment: PaymentRates,
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

/// Who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrowdTerms {
    /// Different buyers; each comes once, with a token of its own.
    pub buyers: usize,
    /// How many of them are served at once, each on a connection of its own.
    pub connections: usize,
    /// When to stop letting buyers in; without it, when everybody had a turn.
    pub duration: Option<Duration>,
    /// The pause between two steps of a buyer, half to one and a half of this.
    pub think: Duration,
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

/// One step of a journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads the product.
    Look,
    /// Reads the live counts.
    Stock,
    /// Buys in one call.
    Buy,
    /// Enters payment and pays.
    EnterConfirm,
    /// Enters payment and is never seen again.
    EnterVanish,
    /// Enters payment and leaves in an orderly way.
    EnterCancel,
    /// Reads a page of the newsfeed; the page after it when the last step was the same.
    Browse,
    /// Reads a post of the last page, and its comments.
    Read,
    /// Writes a post.
    Post,
    /// Likes a post of the last page.
    Like,
    /// Comments on a post of the last page.
    Comment,
    /// Follows the writer of a post of the last page.
    Follow,
}

impl Step {
    /// Every step by the name that scenarios use.
    pub const NAMES: [(&str, Self); 12] = [
        ("look", Self::Look),
        ("stock", Self::Stock),
        ("buy", Self::Buy),
        ("enter-confirm", Self::EnterConfirm),
        ("enter-vanish", Self::EnterVanish),
        ("enter-cancel", Self::EnterCancel),
        ("browse", Self::Browse),
        ("read", Self::Read),
        ("post", Self::Post),
        ("like", Self::Like),
        ("comment", Self::Comment),
        ("follow", Self::Follow),
    ];

    /// Whether it is about what people write, not about the sale.
    #[must_use]
    pub fn is_social(self) -> bool {
        match self {
            Self::Look | Self::Stock | Self::Buy | Self::EnterConfirm | Self::EnterVanish | Self::EnterCancel => false,
            Self::Browse | Self::Read | Self::Post | Self::Like | Self::Comment | Self::Follow => true,
        }
    }
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The largest share of requests that may fail, 0 to 1.
    pub error_rate_max: f64,
    /// The slowest that 99 of 100 answers may be, in milliseconds.
    pub p99_ms_max: Option<f64>,
}

/// What the command line changes in a scenario.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    /// Instead of `crowd.buyers`; never more connections than buyers.
    pub buyers: Option<usize>,
    /// Instead of `product.stock`.
    pub stock: Option<i64>,
    /// Instead of `crowd.duration_seconds`.
    pub duration: Option<Duration>,
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

    /// The scenario with the command line's changes.
    ///
    /// # Errors
    /// When a change is out of the range that scenarios allow.
    pub fn with(mut self, overrides: Overrides) -> Result<Self, Error> {
        let mut faults = Faults::new("command line", "");
        if let Some(buyers) = overrides.buyers {
            let buyers = i64::try_from(buyers).unwrap_or(i64::MAX);
            self.crowd.buyers = count(faults.number(Place::flag("--users"), buyers, 1, BUYERS_MAX));
        }
        if let Some(stock) = overrides.stock {
            self.product.stock = faults.number(Place::flag("--stock"), stock, 1, STOCK_MAX);
        }
        if let Some(duration) = overrides.duration {
            let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
            faults.number(Place::flag("--duration"), seconds, 1, DURATION_SECONDS_MAX);
            self.crowd.duration = Some(duration);
        }
        self.crowd.connections = self.crowd.connections.min(self.crowd.buyers);
        faults.done().map(|()| self)
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
