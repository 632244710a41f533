//! Sends one notice to one target, whatever that turns out to be.
//!
//! A target may hang, send without end, redirect, or be a name that means this machine. A request has an end in time, from the
//! connection to the answer's head and from there to its end, is never redirected, knows no proxy and no compression, and of its answer no more than a few
//! KiB are read. Names are resolved here, and addresses that are not public are as good as not there: it does not help to
//! change what a name means after it was looked at.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, Url, header, redirect};

use super::addresses::is_public;
use super::model::Notice;
use super::rules::{self, Verdict, verdict};
use crate::config::{Secret, WebhookConfig};
use crate::kernel::clock::Clock;

/// How much of an answer is read; nobody looks at it, but a connection can be used again after it.
const ANSWER_BYTES_MAX: usize = 4_096;
/// How long the rest of an answer may take.
const REST: Duration = Duration::from_secs(1);
/// How long a connection may take, at most, in seconds.
const CONNECT_S_MAX: u64 = 5;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);
/// The longest reason that is kept of a failure, in characters.
const ERROR_CHARS_MAX: usize = 200;

/// Sends notices.
pub(super) struct Sender {
    clock: Arc<dyn Clock>,
    allow_private: bool,
    timeout: Duration,
    /// Made when it is first needed: reading the system's certificates takes longer than most commands do.
    client: OnceLock<Result<Client, String>>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// What it means.
    pub(super) verdict: Verdict,
    /// What the target answered.
    pub(super) status: Option<u16>,
    /// Why that does not count, or why there is no answer.
    pub(super) error: Option<String>,
    /// How long the target wants to be left alone, in seconds.
    pub(super) retry_after_s: Option<i64>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Sent {
    /// A request that got no answer.
    pub(super) fn failed(why: impl Into<String>, took: Duration) -> Self {
        let error = why.into().chars().take(ERROR_CHARS_MAX).collect();
        Self { verdict: Verdict::Refused, status: None, error: Some(error), retry_after_s: None, took }
    }
}

impl Sender {
    /// A sender by the settings; nothing is asked of the system yet.
    pub(super) fn new(config: &WebhookConfig, clock: Arc<dyn Clock>) -> Self {
        let timeout = Duration::from_secs(config.timeout_s);
        Self { clock, allow_private: config.allow_private, timeout, client: OnceLock::new() }
    }

    /// Sends a notice, and says how that went.
    pub(super) async fn send(&self, url: &str, secret: &Secret, notice: &Notice) -> Sent {
        let began = Instant::now();
        let answered = match tokio::time::timeout(self.timeout, self.ask(url, secret, notice)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {} s", self.timeout.as_secs())),
        };
        let took = began.elapsed();
        match answered {
            Ok((status, retry_after_s, response)) => {
                // What it answered is known, whatever comes after it.
                drop(tokio::time::timeout(REST, read_a_little(response)).await);
                let verdict = verdict(status);
                let error = (300..400).contains(&status).then(|| "redirects are not followed".to_owned());
                Sent { verdict, status: Some(status), error, retry_after_s, took }
            }
            Err(why) => Sent::failed(why, took),
        }
    }

    /// The status of the answer, what its `Retry-After` asks for, and the rest of it, which is still to come.
    async fn ask(&self, url: &str, secret: &Secret, notice: &Notice) -> Result<(u16, Option<i64>, Response), String> {
        // Rules and settings may be stricter than when the target was added; and no resolver is asked about an address.
        let url = rules::url(url, self.allow_private).map_err(|fault| fault.detail.en.into_owned())?;
        let now = self.clock.now();
        let request = self
            .client()?
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("preorder-event", notice.kind)
            .header("preorder-event-id", &notice.id)
            .header("preorder-signature", rules::signature(secret, now.as_seconds(), &notice.body))
            .body(notice.body.to_string());
        let response = request.send().await.map_err(told)?;
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|header| rules::retry_after_s(header, now));
        let status = response.status().as_u16();
        Ok((status, retry_after_s, response))
    }

    fn client(&self) -> Result<&Client, String> {
        let made = self.client.get_or_init(|| {
            Client::builder()
                .user_agent(concat!("preorder/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd()
                .http1_only()
                .connect_timeout(self.timeout.min(Duration::from_secs(CONNECT_S_MAX)))
                .pool_idle_timeout(IDLE)
                .dns_resolver(Arc::new(Resolver { allow_private: self.allow_private }))
                .build()
                .map_err(told)
        });
        made.as_ref().map_err(Clone::clone)
    }
}

/// Reads the end of a short answer. Of a long one the connection is given up.
async fn read_a_little(mut response: Response) {
    let mut left = ANSWER_BYTES_MAX;
    while let Ok(Some(piece)) = response.chunk().await {
        let Some(rest) = left.checked_sub(piece.len()) else { return };
        left = rest;
    }
}

/// Resolves names as the system does, and leaves out what may not be reached.
struct Resolver {
    allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = resolve(name.as_str(), allow_private).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name that may be reached.
///
/// # Errors
/// When it has none; when it only has others.
async fn resolve(name: &str, allow_private: bool) -> Result<Vec<SocketAddr>, std::io::Error> {
    let mut found: Vec<_> = tokio::net::lookup_host((name, 0)).await?.collect();
    let any = !found.is_empty();
    found.retain(|address| allow_private || is_public(address.ip()));
    if found.is_empty() && any {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, PRIVATE));
    }
    Ok(found)
}

const PRIVATE: &str = "the name leads to addresses that are not public, and to no others";

/// Whether a URL's name leads to no public address; one that leads nowhere yet may do so later.
pub(super) async fn leads_inside(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default();
    let resolved = tokio::time::timeout(Duration::from_secs(CONNECT_S_MAX), resolve(name, false)).await;
    matches!(resolved, Ok(Err(error)) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// What went wrong, without the URL: it may hold a secret of the receiver's, and who asks knows it.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn told(error: reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    match cause {
        _ if error.is_timeout() => "no connection in time".to_owned(),
        Some(cause) => cause.to_string(),
        None => "the request failed".to_owned(),
    }
}
