//! Settings of whoever runs the server: TLS, proxies, the log.

use std::path::PathBuf;

use ipnet::IpNet;

use super::Config;
use super::accounts::file;
use super::keys::{Form, SETTINGS, Setting};
use super::networks::{NETWORKS, networks, written};

/// What a running server reads anew on SIGHUP; the rest waits for its next start. Files of certificates can change, TLS as such
/// can't come or go.
const LIVE: [&str; 15] = [
    "tls.cert_file",
    "tls.key_file",
    "tls.hsts_seconds",
    "proxy.trusted",
    "limits.address_per_second",
    "limits.address_burst",
    "limits.account_per_second",
    "limits.account_burst",
    "limits.body_bytes",
    "limits.connections",
    "limits.queue_length",
    "limits.header_timeout_s",
    "limits.request_timeout_s",
    "limits.shutdown_timeout_s",
    "log.filter",
];

/// What differs between the settings of a running server and those that were read anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What can be applied, each with its value.
    pub live: Vec<String>,
    /// The names of what needs a restart.
    pub at_restart: Vec<&'static str>,
}

impl Setting {
    /// Whether a running server can take another value.
    #[must_use]
    pub fn is_live(&self) -> bool {
        LIVE.contains(&self.key)
    }
}

impl Config {
    /// Takes from `new` what can change in a running server, and tells what that is.
    pub fn take_live(&mut self, new: &Self) -> Changes {
        let mut changes = Changes::default();
        let has_tls = self.tls.cert_file.is_some();
        let tls_stays = has_tls == new.tls.cert_file.is_some();
        for setting in SETTINGS {
            let value = setting.value(new);
            if setting.value(self) == value {
                continue;
            }
            if setting.is_live() && (tls_stays || !setting.key.starts_with("tls.")) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                changes.live.push(format!("{} = {value}", setting.key));
            } else {
                changes.at_restart.push(setting.key);
            }
        }
        if tls_stays {
            self.tls = new.tls.clone();
        }
        self.proxy = new.proxy.clone();
        self.limits = new.limits;
        self.log.filter.clone_from(&new.log.filter);
        changes
    }
}

/// The target of the log's lines that tell of requests.
pub const REQUESTS: &str = "preorder::requests";

/// TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The server's certificate and those above it, as PEM; without it the server speaks plain HTTP.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    pub key_file: Option<PathBuf>,
    /// How long browsers shall come over TLS only, in seconds; 0 does not ask for it.
    pub hsts_seconds: u32,
}

/// Proxies in front.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyConfig {
    /// Whose word about their clients is believed.
    pub trusted: Vec<IpNet>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// What is logged, as `tracing`'s filter directives.
    pub filter: String,
    /// How it is written.
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self { cert_file: None, key_file: None, hsts_seconds: 31_536_000 } // a year
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "warn,preorder=info".to_owned(), format: LogFormat::Text }
    }
}

pub(super) const TLS_CERT_FILE: Setting = file!(
    "tls.cert_file",
    tls.cert_file,
    "The server's certificate and those between it and its authority (PEM); with it and its key the server speaks TLS."
);
pub(super) const TLS_KEY_FILE: Setting =
    file!("tls.key_file", tls.key_file, "The private key of that certificate (PEM).");

pub(super) const PROXY_TRUSTED: Setting = Setting {
    key: "proxy.trusted",
    doc: "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; from anybody else both are ignored.",
    secret: false,
    form: Form::Text {
        allowed: NETWORKS,
        set: |config, text| {
            config.proxy.trusted = networks(text).ok_or(NETWORKS)?;
            Ok(())
        },
        get: |config| Some(written(&config.proxy.trusted)),
    },
};

const FORMATS: &str = "'text' or 'json'";

pub(super) const LOG_FORMAT: Setting = Setting {
    key: "log.format",
    doc: "How the log is written: for people, or one JSON object a line, with a line for each request.",
    secret: false,
    form: Form::Text {
        allowed: FORMATS,
        set: |config, text| {
            config.log.format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err(FORMATS),
            };
            Ok(())
        },
        get: |config| {
            Some(match config.log.format {
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            })
        },
    },
};
