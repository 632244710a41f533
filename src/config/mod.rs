//! The settings: what they mean, what they default to, and what is allowed.
//!
//! [`SETTINGS`] is the one table of keys; parsing, `preorder config show` and the documentation all read it.
//! [`Settings::load`] puts the layers on top of each other (defaults, file, environment, flags), checks every value, and
//! remembers where each came from. [`Sources::gather`] is the only place in the program that reads the environment.

mod keys;
mod load;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;

pub use keys::{SETTINGS, Setting};
pub use load::{Entry, Fault, Settings, SettingsError};
pub use sources::{FILE_NAME, Flag, Origin, Sources};

use crate::store::Location;
use crate::target::Targets;

/// Everything that can be set, valid as a whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the data is.
    pub db: Location,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Which rooms this process serves.
    pub target: Targets,
    /// What holds the values that are read often.
    pub cache: CacheKind,
    /// Tokens.
    pub jwt: JwtConfig,
    /// The payment provider.
    pub payment: PaymentConfig,
    /// What a password hash costs.
    pub password: PasswordConfig,
    /// How much anybody may ask of the server.
    pub limits: Limits,
    /// What is logged, as `tracing`'s filter directives.
    pub log: String,
}

/// What holds the values that are read often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// The process's own memory.
    Moka,
}

/// A text that is never shown: not by `{:?}`, not in an error, not by `config show`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Tokens.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The signing secret; made on first start when it is not set.
    pub secret: Option<Secret>,
    /// How long an access token lives, in minutes.
    pub access_minutes: u32,
    /// How long a session can be refreshed, in hours.
    pub refresh_hours: u32,
    /// Whether cookies are only sent over TLS.
    pub secure_cookies: bool,
}

/// The payment provider.
#[derive(Debug, Clone, Copy)]
pub struct PaymentConfig {
    /// Who takes the money.
    pub provider: ProviderKind,
    /// The simulated provider's behaviour.
    pub simulated: SimulatedConfig,
}

/// Who takes the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Nobody: outcomes are drawn from a seed.
    Simulated,
}

/// How simulated buyers and their bank behave.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedConfig {
    /// The share of one-call buyers who leave before paying, 0 to 1.
    pub abandon_rate: f64,
    /// The share of the others whose payment is declined, 0 to 1.
    pub decline_rate: f64,
    /// How long a charge takes, in milliseconds; 0 answers on the spot.
    pub latency_ms: u64,
    /// The same seed gives the same order the same outcome.
    pub seed: u64,
}

/// What a password hash costs (argon2id), and how many may wait.
#[derive(Debug, Clone, Copy)]
pub struct PasswordConfig {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Threads that do nothing but hash.
    pub threads: usize,
    /// Hashes that may wait; more are answered 429.
    pub queue_length: usize,
}

/// How much anybody may ask of the server. A rate of 0 means no limit.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests a second from one address.
    pub address_per_second: u32,
    /// Requests at once from one address, after a pause.
    pub address_burst: u32,
    /// Requests a second from one account.
    pub account_per_second: u32,
    /// Requests at once from one account, after a pause.
    pub account_burst: u32,
    /// The largest request body, in bytes.
    pub body_bytes: usize,
    /// Open connections.
    pub connections: usize,
    /// Purchases that may wait for the ledger; more are answered 503.
    pub queue_length: usize,
    /// How long a request's head may take, a kept connection may be idle, and an answer may wait for its reader, in seconds.
    pub header_timeout_s: u64,
    /// How long a request may take in all, in seconds.
    pub request_timeout_s: u64,
    /// How long a stopping server waits for requests in flight, in seconds.
    pub shutdown_timeout_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            db: Location::Sqlite(PathBuf::from("data/preorder.db")),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            target: Targets::all(),
            cache: CacheKind::Moka,
            jwt: JwtConfig { secret: None, access_minutes: 10, refresh_hours: 24, secure_cookies: false },
            payment: PaymentConfig {
                provider: ProviderKind::Simulated,
                simulated: SimulatedConfig { abandon_rate: 0.2, decline_rate: 0.2, latency_ms: 0, seed: 1 },
            },
            // OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
            password: PasswordConfig { memory_kib: 19_456, iterations: 2, threads: 1, queue_length: 64 },
            limits: Limits {
                address_per_second: 1_000,
                address_burst: 10_000,
                account_per_second: 50,
                account_burst: 100,
                body_bytes: 65_536,
                connections: 10_000,
                queue_length: 10_000,
                header_timeout_s: 30,
                request_timeout_s: 30,
                shutdown_timeout_s: 20,
            },
            log: "warn,preorder=info".to_owned(),
        }
    }
}
