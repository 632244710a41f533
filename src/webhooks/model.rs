//! Targets, what they are told, and how that went.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::config::Secret;
use crate::kernel::clock::Timestamp;
use crate::ledger::EventKind;

/// A target, numbered by the database from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub i64);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WebhookId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().filter(|number| *number > 0).map(Self).ok_or("a target's number")
    }
}

/// Which kinds of events a target is told; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(i64);

impl Kinds {
    /// Every kind.
    #[must_use]
    pub fn all() -> Self {
        Self(EventKind::ALL.iter().fold(0, |bits, kind| bits | 1 << kind.number()))
    }

    /// Whether a kind is among them.
    #[must_use]
    pub fn contains(self, kind: EventKind) -> bool {
        self.0 & 1 << kind.number() != 0
    }

    /// Those of a row.
    pub(super) fn of_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// Their bits in a row.
    pub(super) fn bits(self) -> i64 {
        self.0
    }

    /// Their words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        EventKind::ALL.iter().filter(move |kind| self.contains(**kind)).map(|kind| kind.as_str())
    }
}

impl FromStr for Kinds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = text.split(',').try_fold(0, |bits, word| {
            let kind: EventKind = word.trim().parse().map_err(|_| ())?;
            Ok::<_, ()>(bits | 1 << kind.number())
        });
        bits.map(Self)
            .map_err(|()| "names between commas: order.completed, order.cancelled, order.refunded, product.sold_out")
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(","))
    }
}

/// Why a target is told nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// It answered 410.
    Gone,
    /// It took nothing for three days.
    Failed,
}

impl Off {
    /// The word in rows and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Off {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "gone" => Ok(Self::Gone),
            "failed" => Ok(Self::Failed),
            _ => Err(()),
        }
    }
}

/// A target that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct WebhookDraft {
    /// Where it is.
    pub url: String,
    /// What it is told; everything when nothing is said.
    pub events: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// A target.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its number.
    pub id: WebhookId,
    /// Where it is.
    pub url: String,
    /// What it is told.
    pub events: Kinds,
    /// What it is for.
    pub description: String,
    /// Signs what it is sent.
    pub secret: Secret,
    /// When it was added.
    pub created_at: Timestamp,
    /// Moves when somebody changes it.
    pub(super) revision: i64,
    /// Why and since when it is told nothing.
    pub off: Option<(Off, Timestamp)>,
    /// Since when nothing could be told.
    pub failing_since: Option<Timestamp>,
    /// Events that are further than it has come, of any kind.
    pub waiting: i64,
    /// Events that are tried again.
    pub retrying: i64,
}

/// An event as it is sent: the same for every target, and at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// Its place in the outbox.
    pub(super) number: i64,
    /// By which receivers know it again.
    pub(super) id: String,
    /// What happened.
    pub(super) kind: &'static str,
    /// The order's or the product's id.
    pub(super) subject: String,
    /// The request's body.
    pub(super) body: Arc<str>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The target took it.
    Delivered,
    /// It will be tried again.
    Failed,
    /// It will not be tried again.
    GivenUp,
}

impl AttemptOutcome {
    /// The word in rows and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

impl FromStr for AttemptOutcome {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Delivered, Self::Failed, Self::GivenUp].into_iter().find(|it| it.as_str() == text).ok_or(())
    }
}

/// A line of the log of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// To whom.
    pub webhook: WebhookId,
    /// Which event.
    pub event_id: String,
    /// What happened.
    pub kind: String,
    /// To which order or product.
    pub subject: String,
    /// Which attempt at this event, from 1.
    pub attempt: i64,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: i64,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What the target answered.
    pub status: Option<i64>,
    /// Why there is no answer, or none that counts.
    pub error: Option<String>,
}

/// How deliveries go, since the server began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookFigures {
    /// Targets that are told of events.
    pub targets: u64,
    /// Those of them of which the last attempts failed.
    pub failing: u64,
    /// Events that targets have before them, added up.
    pub waiting: u64,
    /// Events that are tried again, added up.
    pub retrying: u64,
    /// Attempts that targets took.
    pub delivered_total: u64,
    /// Attempts that failed.
    pub failed_total: u64,
    /// Events that were given up.
    pub given_up_total: u64,
}
