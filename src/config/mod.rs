//! The settings: what they mean, what they default to, and what is allowed.
//!
//! [`SETTINGS`] is the one table of keys; parsing, `preorder config show` and the documentation all read it.
//! [`Settings::load`] puts the layers on top of each other (defaults, file, environment, flags), checks every value, and
//! remembers where each came from. [`Sources::gather`] is the only place in the program that reads the environment.

mod accounts;
mod backups;
mod joint;
mod keys;
mod load;
mod metrics;
mod networks;
mod operations;
mod sources;
mod template;
#[cfg(test)]
mod tests;
mod webhooks;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;

pub use keys::{SETTINGS, Setting};
pub use load::{Entry, Examined, Fault, Settings, SettingsError};
pub use metrics::MetricsConfig;
pub use operations::{Changes, LogConfig, LogFormat, ProxyConfig, REQUESTS, TlsConfig};
pub use sources::{FILE_NAME, Flag, Origin, Sources};
pub use template::template;
pub use webhooks::WebhookConfig;

#[cfg(debug_assertions)]
use crate::kernel::planted::PlantedFault;
use crate::store::Location;
use crate::target::Targets;

/// Everything that can be set, valid as a whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the data is.
    pub db: Location,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// TLS.
    pub tls: TlsConfig,
    /// Proxies in front.
    pub proxy: ProxyConfig,
    /// Which rooms this process serves.
    pub target: Targets,
    /// What holds the values that are read often.
    pub cache: CacheKind,
    /// Tokens.
    pub jwt: JwtConfig,
    /// Whether only those may sign up who proved that they read the address's mail.
    pub signup_verified_email: bool,
    /// Mail.
    pub mail: MailConfig,
    /// Profile images.
    pub media: MediaConfig,
    /// Backups that the server makes by itself.
    pub backup: BackupConfig,
    /// Who may read the metrics.
    pub metrics: MetricsConfig,
    /// Webhooks.
    pub webhooks: WebhookConfig,
    /// The payment provider.
    pub payment: PaymentConfig,
    /// What a password hash costs.
    pub password: PasswordConfig,
    /// How much anybody may ask of the server.
    pub limits: Limits,
    /// The log.
    pub log: LogConfig,
    /// What the ledger does wrong on purpose.
    #[cfg(debug_assertions)]
    pub planted_fault: Option<PlantedFault>,
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

/// Mail.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// Where it goes.
    pub mode: MailMode,
    /// Who it is from, as a mailbox of RFC 5322.
    pub from: String,
    /// The mail server.
    pub smtp: SmtpConfig,
}

/// Where mail goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailMode {
    /// To the log: anybody who reads it can prove to be anybody.
    Log,
    /// To a mail server.
    Smtp,
}

/// The mail server.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it must speak TLS.
    pub starttls: StartTls,
    /// Certificates to trust it by, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whom to log in as; nobody when it is empty.
    pub user: String,
    /// That user's password.
    pub password: Option<Secret>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// How long sending one mail may take, in seconds.
    pub timeout_s: u64,
}

/// Whether a mail server must speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// No mail goes without it.
    Required,
    /// It is used when the server offers it.
    WhenOffered,
    /// It is never used.
    Off,
}

/// Profile images.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Where they are.
    pub url: MediaUrl,
    /// The server that speaks S3; Amazon's own when it is empty.
    pub s3_endpoint: String,
    /// The bucket's region.
    pub s3_region: String,
    /// Who asks.
    pub s3_access_key: Option<Secret>,
    /// How that is proven.
    pub s3_secret_key: Option<Secret>,
}

/// Backups that the server makes by itself.
#[derive(Debug, Clone)]
pub struct BackupConfig {
    /// Where they are kept; none are made without it.
    pub url: Option<MediaUrl>,
    /// How much time is between two of them, in minutes.
    pub every_minutes: u32,
    /// How many are kept.
    pub keep: usize,
    /// The server that speaks S3; Amazon's own when it is empty.
    pub s3_endpoint: String,
    /// The bucket's region.
    pub s3_region: String,
    /// Who asks.
    pub s3_access_key: Option<Secret>,
    /// How that is proven.
    pub s3_secret_key: Option<Secret>,
}

/// Where profile images or backups are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaUrl {
    /// In a folder, made when it is missing.
    Folder(PathBuf),
    /// In a bucket, under names that begin with `prefix/`.
    S3 {
        /// The bucket.
        bucket: String,
        /// What names begin with; may be empty.
        prefix: String,
    },
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
    /// How long a stopping server waits for requests in flight, and then for charges and mail, in seconds.
    pub shutdown_timeout_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            db: Location::Sqlite(PathBuf::from("data/preorder.db")),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            target: Targets::all(),
            cache: CacheKind::Moka,
            jwt: JwtConfig { secret: None, access_minutes: 10, refresh_hours: 24, secure_cookies: false },
            signup_verified_email: false,
            mail: MailConfig::default(),
            media: MediaConfig::default(),
            backup: BackupConfig::default(),
            metrics: MetricsConfig::default(),
            webhooks: WebhookConfig::default(),
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
            log: LogConfig::default(),
            #[cfg(debug_assertions)]
            planted_fault: None,
        }
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            mode: MailMode::Log,
            from: "preorder <no-reply@preorder.example>".to_owned(),
            smtp: SmtpConfig {
                host: "localhost".to_owned(),
                port: 587,
                starttls: StartTls::Required,
                ca_file: None,
                user: String::new(),
                password: None,
                password_file: None,
                timeout_s: 10,
            },
        }
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            url: MediaUrl::Folder(PathBuf::from("data/media")),
            s3_endpoint: String::new(),
            s3_region: "us-east-1".to_owned(),
            s3_access_key: None,
            s3_secret_key: None,
        }
    }
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            url: None,
            every_minutes: 60,
            keep: 24,
            s3_endpoint: String::new(),
            s3_region: "us-east-1".to_owned(),
            s3_access_key: None,
            s3_secret_key: None,
        }
    }
}
