//! The table of settings: each key, what it means, what is allowed, and the field of [`Config`] that it fills.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::{CacheKind, Config, ProviderKind, Secret, accounts, backups, webhooks};
use crate::store::Location;
use crate::target::TARGETS_ALLOWED;

/// The fewest characters of a signing secret: HS256 asks for a key as long as its 256-bit hash (RFC 7518, 3.2).
const SECRET_CHARS_MIN: usize = 32;

/// One documented setting.
pub struct Setting {
    /// Its name in `preorder.toml`, such as `jwt.access_minutes`.
    pub key: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
    pub(super) form: Form,
}

/// What a setting's value looks like, and how it gets into and out of [`Config`].
pub(super) enum Form {
    /// A text; `set` refuses with what is allowed.
    Text {
        allowed: &'static str,
        set: fn(&mut Config, &str) -> Result<(), &'static str>,
        get: fn(&Config) -> Option<String>,
    },
    /// A whole number from `min` to `max`.
    Whole { min: u64, max: u64, set: fn(&mut Config, u64), get: fn(&Config) -> u64 },
    /// A number from 0 to 1.
    Share { set: fn(&mut Config, f64), get: fn(&Config) -> f64 },
    /// Yes or no.
    Switch { set: fn(&mut Config, bool), get: fn(&Config) -> bool },
}

impl Setting {
    /// The setting named `key`.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Its environment variable, such as `PREORDER_JWT_ACCESS_MINUTES`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("PREORDER_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.form {
            Form::Text { allowed, .. } => allowed.to_owned(),
            Form::Whole { min, max, .. } => format!("a whole number from {min} to {max}"),
            Form::Share { .. } => "a number from 0 to 1".to_owned(),
            Form::Switch { .. } => "true or false".to_owned(),
        }
    }

    /// Its value in `config`, secret or not; `null` when it has none.
    pub(super) fn value(&self, config: &Config) -> Json {
        match self.form {
            Form::Text { get, .. } => get(config).into(),
            Form::Whole { get, .. } => get(config).into(),
            Form::Share { get, .. } => get(config).into(),
            Form::Switch { get, .. } => get(config).into(),
        }
    }

    /// Puts the value written as `text` into `config`.
    ///
    /// # Errors
    /// What is allowed instead; `config` is unchanged.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        let refused = || self.allowed();
        match self.form {
            Form::Text { set, .. } => return set(config, text).map_err(str::to_owned),
            Form::Whole { min, max, set, .. } => {
                let value = text.parse().ok().filter(|value| (min..=max).contains(value)).ok_or_else(refused)?;
                set(config, value);
            }
            Form::Share { set, .. } => {
                let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(refused)?;
                set(config, value);
            }
            Form::Switch { set, .. } => set(config, text.parse().map_err(|_| refused())?),
        }
        Ok(())
    }

    /// The text of a TOML value of this setting's own type; `None` for another type.
    pub(super) fn text_of(&self, value: &toml::Value) -> Option<String> {
        match (&self.form, value) {
            (Form::Text { .. }, toml::Value::String(text)) => Some(text.clone()),
            (Form::Whole { .. } | Form::Share { .. }, toml::Value::Integer(number)) => Some(number.to_string()),
            (Form::Share { .. }, toml::Value::Float(number)) => Some(number.to_string()),
            (Form::Switch { .. }, toml::Value::Boolean(on)) => Some(on.to_string()),
            _ => None,
        }
    }
}

macro_rules! whole {
    ($key:literal, $min:literal..=$max:literal, $($field:ident).+, $doc:literal) => {
        Setting { key: $key, doc: $doc, secret: false, form: Form::Whole {
            min: $min,
            max: $max,
            set: |config, value| config.$($field).+ = value.try_into().expect("the range fits the field"),
            get: |config| config.$($field).+.try_into().expect("settings are not negative"),
        } }
    };
}

macro_rules! share {
    ($key:literal, $($field:ident).+, $doc:literal) => {
        Setting { key: $key, doc: $doc, secret: false, form: Form::Share {
            set: |config, value| config.$($field).+ = value,
            get: |config| config.$($field).+,
        } }
    };
}

/// Every setting, in the order in which they are shown.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "db",
        doc: "Where the data is. A relative path starts from the working folder; a missing file is made.",
        secret: false,
        form: Form::Text {
            allowed: SQLITE_PATH,
            set: |config, text| location(text).map(|db| config.db = db),
            get: |config| {
                let Location::Sqlite(path) = &config.db;
                Some(format!("sqlite:{}", path.display()))
            },
        },
    },
    Setting {
        key: "listen",
        doc: "Where the server listens. Port 0 takes a free one.",
        secret: false,
        form: Form::Text {
            allowed: ADDRESS,
            set: |config, text| text.parse().map(|listen| config.listen = listen).map_err(|_| ADDRESS),
            get: |config| Some(config.listen.to_string()),
        },
    },
    Setting {
        key: "target",
        doc: "Which rooms this process serves.",
        secret: false,
        form: Form::Text {
            allowed: TARGETS_ALLOWED,
            set: |config, text| text.parse().map(|target| config.target = target),
            get: |config| Some(config.target.to_string()),
        },
    },
    Setting {
        key: "cache",
        doc: "What holds the values that are read often; moka is the process's own memory.",
        secret: false,
        form: Form::Text {
            allowed: "'moka'",
            set: |config, text| match text {
                "moka" => {
                    config.cache = CacheKind::Moka;
                    Ok(())
                }
                _ if is_url(text, &["redis", "rediss"]) => Err("'moka' (Redis is not in this build yet)"),
                _ => Err("'moka'"),
            },
            get: |config| match config.cache {
                CacheKind::Moka => Some("moka".to_owned()),
            },
        },
    },
    Setting {
        key: "jwt.secret",
        doc: "Signs the tokens. Made on first start and kept beside the database when it is not set.",
        secret: true,
        form: Form::Text {
            allowed: SECRET,
            set: |config, text| {
                if text.chars().count() < SECRET_CHARS_MIN {
                    return Err(SECRET);
                }
                config.jwt.secret = Some(Secret::new(text));
                Ok(())
            },
            get: |config| config.jwt.secret.as_deref().map(str::to_owned),
        },
    },
    whole!("jwt.access_minutes", 1..=1_440, jwt.access_minutes, "How long an access token lives, in minutes."),
    whole!("jwt.refresh_hours", 1..=8_760, jwt.refresh_hours, "How long a session can be refreshed, in hours."),
    Setting {
        key: "jwt.secure_cookies",
        doc: "Whether cookies are only sent over TLS; set it behind a proxy that speaks TLS.",
        secret: false,
        form: Form::Switch {
            set: |config, on| config.jwt.secure_cookies = on,
            get: |config| config.jwt.secure_cookies,
        },
    },
    accounts::SIGNUP_VERIFIED_EMAIL,
    accounts::MAIL_MODE,
    accounts::MAIL_FROM,
    accounts::SMTP_HOST,
    whole!("mail.smtp.port", 1..=65_535, mail.smtp.port, "The mail server's port."),
    accounts::SMTP_STARTTLS,
    accounts::SMTP_CA_FILE,
    accounts::SMTP_USER,
    accounts::SMTP_PASSWORD,
    accounts::SMTP_PASSWORD_FILE,
    whole!("mail.smtp.timeout_s", 1..=600, mail.smtp.timeout_s, "How long sending one mail may take, in seconds."),
    accounts::MEDIA,
    accounts::S3_ENDPOINT,
    accounts::S3_REGION,
    accounts::S3_ACCESS_KEY,
    accounts::S3_SECRET_KEY,
    backups::URL,
    whole!(
        "backup.every_minutes",
        1..=525_600,
        backup.every_minutes,
        "How much time is between two of these backups, in minutes."
    ),
    whole!("backup.keep", 1..=100_000, backup.keep, "How many of these backups are kept; older ones are deleted."),
    backups::S3_ENDPOINT,
    backups::S3_REGION,
    backups::S3_ACCESS_KEY,
    backups::S3_SECRET_KEY,
    webhooks::ALLOW_PRIVATE,
    webhooks::TIMEOUT,
    Setting {
        key: "payment.provider",
        doc: "Who takes the money; simulated takes none and draws outcomes from a seed.",
        secret: false,
        form: Form::Text {
            allowed: "'simulated'",
            set: |config, text| match text {
                "simulated" => {
                    config.payment.provider = ProviderKind::Simulated;
                    Ok(())
                }
                _ => Err("'simulated'"),
            },
            get: |config| match config.payment.provider {
                ProviderKind::Simulated => Some("simulated".to_owned()),
            },
        },
    },
    share!(
        "payment.simulated.abandon_rate",
        payment.simulated.abandon_rate,
        "The share of one-call buyers who leave before paying."
    ),
    share!(
        "payment.simulated.decline_rate",
        payment.simulated.decline_rate,
        "The share of the others whose payment is declined."
    ),
    whole!(
        "payment.simulated.latency_ms",
        0..=600_000,
        payment.simulated.latency_ms,
        "How long a charge takes, in milliseconds; 0 answers on the spot."
    ),
    whole!(
        "payment.simulated.seed",
        0..=9_223_372_036_854_775_807, // the largest integer that TOML can hold
        payment.simulated.seed,
        "The same seed gives the same order the same outcome."
    ),
    whole!("password.memory_kib", 8..=1_048_576, password.memory_kib, "Memory of one password hash, in KiB."),
    whole!(
        "password.iterations",
        1..=100,
        password.iterations,
        "How many times one password hash passes over its memory."
    ),
    whole!("password.threads", 1..=256, password.threads, "Threads that do nothing but hash passwords."),
    whole!(
        "password.queue_length",
        1..=100_000,
        password.queue_length,
        "Password hashes that may wait; more are answered 429."
    ),
    whole!(
        "limits.address_per_second",
        0..=1_000_000,
        limits.address_per_second,
        "Requests a second from one address; 0 means no limit."
    ),
    whole!(
        "limits.address_burst",
        0..=1_000_000,
        limits.address_burst,
        "Requests at once from one address, after a pause."
    ),
    whole!(
        "limits.account_per_second",
        0..=1_000_000,
        limits.account_per_second,
        "Requests a second from one account; 0 means no limit."
    ),
    whole!(
        "limits.account_burst",
        0..=1_000_000,
        limits.account_burst,
        "Requests at once from one account, after a pause."
    ),
    whole!("limits.body_bytes", 1_024..=67_108_864, limits.body_bytes, "The largest request body, in bytes."),
    whole!("limits.connections", 1..=1_000_000, limits.connections, "Open connections."),
    whole!(
        "limits.queue_length",
        1..=1_000_000,
        limits.queue_length,
        "Purchases that may wait for the ledger; more are answered 503."
    ),
    whole!(
        "limits.header_timeout_s",
        1..=3_600,
        limits.header_timeout_s,
        "How long a request's head may take, and a kept connection may be idle, in seconds."
    ),
    whole!(
        "limits.request_timeout_s",
        1..=3_600,
        limits.request_timeout_s,
        "How long a request may take in all, in seconds."
    ),
    whole!(
        "limits.shutdown_timeout_s",
        0..=3_600,
        limits.shutdown_timeout_s,
        "How long a stopping server waits for requests in flight, and then for charges and mail, in seconds."
    ),
    Setting {
        key: "log.filter",
        doc: "What is logged to stderr, as directives of tracing's EnvFilter.",
        secret: false,
        form: Form::Text {
            allowed: LOG_FILTER,
            set: |config, text| {
                tracing_subscriber::EnvFilter::try_new(text).map_err(|_| LOG_FILTER)?;
                text.clone_into(&mut config.log);
                Ok(())
            },
            get: |config| Some(config.log.clone()),
        },
    },
];

const SQLITE_PATH: &str = "sqlite:PATH, such as sqlite:data/preorder.db";
const ADDRESS: &str = "ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080";
const SECRET: &str = "a text of at least 32 characters";
const LOG_FILTER: &str = "directives such as warn,preorder=debug";

/// Reads `sqlite:PATH`, and `sqlite://PATH` as other tools write it.
fn location(text: &str) -> Result<Location, &'static str> {
    if is_url(text, &["postgres", "postgresql"]) {
        return Err("sqlite:PATH (PostgreSQL is not in this build yet)");
    }
    let path = text.strip_prefix("sqlite:").ok_or(SQLITE_PATH)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" => Err(SQLITE_PATH),
        // Every connection would open an empty database of its own.
        ":memory:" => Err("sqlite:PATH of a file (a database in memory can't be shared)"),
        _ => Ok(Location::Sqlite(PathBuf::from(path))),
    }
}

pub(super) fn is_url(text: &str, schemes: &[&str]) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| schemes.contains(&scheme))
}
