//! What the command line and the server call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::model::{Attempt, AttemptOutcome, Kinds, Webhook, WebhookDraft, WebhookFigures, WebhookId};
use super::rules::{self, Verdict};
use super::sender::{Sender, leads_inside};
use super::{body, store};
use crate::config::{Secret, WebhookConfig};
use crate::kernel::check::Check;
use crate::kernel::clock::Clock;
use crate::kernel::error::{Error, Kind, Text};
use crate::ledger::Ledger;
use crate::store::proof::{self, Check as Proven};
use crate::store::{Conn, Db};

/// How many targets there may be: with a few requests at once for each, that bounds all of them.
const TARGETS_MAX: i64 = 200;
/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// How long a server that stops waits for what was delivered to be written down.
const STOPPING: Duration = Duration::from_secs(5);

/// The targets of one database.
pub struct Webhooks {
    pub(super) db: Db,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sender: Sender,
    allow_private: bool,
    /// Told when somebody in this process has changed the targets.
    pub(super) changed: Notify,
    pub(super) figures: Mutex<WebhookFigures>,
    pub(super) stopping: CancellationToken,
    /// Held by the task that delivers.
    delivering: tokio::sync::Mutex<()>,
}

/// How trying a target went.
#[derive(Debug, Clone)]
pub struct Tested {
    /// Whether it took the ping.
    pub delivered: bool,
    /// What it answered.
    pub status: Option<u16>,
    /// Why there is no answer, or none that counts.
    pub error: Option<String>,
    /// How long that took.
    pub took: Duration,
    /// The ping's id.
    pub event_id: String,
}

impl Webhooks {
    /// The targets of a database. Nothing is sent yet.
    #[must_use]
    pub fn new(db: Db, ledger: Arc<Ledger>, clock: Arc<dyn Clock>, config: &WebhookConfig) -> Arc<Self> {
        Arc::new(Self {
            db,
            ledger,
            sender: Sender::new(config, Arc::clone(&clock)),
            clock,
            allow_private: config.allow_private,
            changed: Notify::new(),
            figures: Mutex::default(),
            stopping: CancellationToken::new(),
            delivering: tokio::sync::Mutex::default(),
        })
    }

    /// Adds a target and makes its secret. It is told of what happens from now on.
    ///
    /// # Errors
    /// `422` for values that are not allowed, such as a URL that leads inside; `409 too_many_webhooks`.
    pub async fn add(&self, draft: WebhookDraft) -> Result<Webhook, Error> {
        let mut check = Check::new();
        let url = rules::url(&draft.url, self.allow_private).map_err(|fault| check.noted(fault)).ok();
        let events = match draft.events.as_deref() {
            Some(text) => check.parse("events", Some(text)),
            None => Some(Kinds::all()),
        };
        let description = check.line("description", draft.description.as_deref(), 0, DESCRIPTION_CHARS_MAX);
        if let Some(url) = &url
            && !self.allow_private
            && leads_inside(url).await
        {
            check.noted(rules::private());
        }
        check.done()?;
        let (Some(url), Some(events)) = (url, events) else { return Err(Error::invalid(Vec::new())) };
        let secret = Secret::new(rules::secret(&rand::random()));
        let now = self.clock.now();
        let added = self.ledger.change_listeners(move |conn| {
            if store::count(conn)? >= TARGETS_MAX {
                return Err(too_many());
            }
            let id = store::insert(conn, (url.as_str(), events, &description, &secret), now)?;
            store::one(conn, id)?.ok_or_else(|| Error::internal("a new webhook is not there"))
        });
        let added = added.await?;
        self.changed.notify_one();
        Ok(added)
    }

    /// Every target, in the order in which they were added.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn list(&self) -> Result<Vec<Webhook>, Error> {
        self.db.read(|conn| Ok(store::all(conn)?)).await
    }

    /// One target.
    ///
    /// # Errors
    /// `404 webhook_not_found`.
    pub async fn get(&self, id: WebhookId) -> Result<Webhook, Error> {
        self.db.read(move |conn| store::one(conn, id)?.ok_or_else(unknown)).await
    }

    /// Deletes a target with its log. What is on its way to it may still arrive.
    ///
    /// # Errors
    /// `404 webhook_not_found`.
    pub async fn delete(&self, id: WebhookId) -> Result<(), Error> {
        let deleted = self.ledger.change_listeners(move |conn| Ok(store::delete(conn, id)?)).await?;
        self.changed.notify_one();
        if deleted { Ok(()) } else { Err(unknown()) }
    }

    /// Switches a target on again that was switched off. It is told of what happens from now on.
    ///
    /// # Errors
    /// `404 webhook_not_found`.
    pub async fn enable(&self, id: WebhookId) -> Result<Webhook, Error> {
        let enabled = self.ledger.change_listeners(move |conn| {
            if store::one(conn, id)?.ok_or_else(unknown)?.off.is_some() {
                store::begin_anew(conn, id)?;
            }
            store::one(conn, id)?.ok_or_else(unknown)
        });
        let enabled = enabled.await?;
        self.changed.notify_one();
        Ok(enabled)
    }

    /// Sends a target a ping now, on or off, and waits for how it goes.
    ///
    /// # Errors
    /// `404 webhook_not_found`.
    pub async fn test(&self, id: WebhookId) -> Result<Tested, Error> {
        let webhook = self.get(id).await?;
        let notice = body::ping(id, self.clock.now(), &rand::random());
        let sent = self.sender.send(&webhook.url, &webhook.secret, &notice).await;
        let delivered = sent.verdict == Verdict::Taken;
        let attempt = Attempt {
            webhook: id,
            event_id: notice.id.clone(),
            kind: notice.kind.to_owned(),
            subject: notice.subject,
            attempt: 1,
            at: self.clock.now(),
            took_ms: i64::try_from(sent.took.as_millis()).unwrap_or(i64::MAX),
            // A ping is not tried again.
            outcome: if delivered { AttemptOutcome::Delivered } else { AttemptOutcome::GivenUp },
            status: sent.status.map(i64::from),
            error: sent.error.clone(),
        };
        let logged = self.db.write(move |conn| {
            conn.concerns(&[]);
            store::one(conn, id)?.ok_or_else(unknown)?;
            Ok(store::log(conn, id, &[attempt])?)
        });
        logged.await?;
        Ok(Tested { delivered, status: sent.status, error: sent.error, took: sent.took, event_id: notice.id })
    }

    /// The last attempts at one target or at all, the newest first.
    ///
    /// # Errors
    /// `404 webhook_not_found`.
    pub async fn deliveries(&self, id: Option<WebhookId>, failed: bool, limit: u32) -> Result<Vec<Attempt>, Error> {
        let read = self.db.read(move |conn| {
            if let Some(id) = id {
                store::one(conn, id)?.ok_or_else(unknown)?;
            }
            Ok(store::attempts(conn, id, failed, limit.into())?)
        });
        read.await
    }

    /// Tells targets of events until [`Self::stop`]. The server that has the database runs this, and nobody else.
    pub async fn deliver(self: Arc<Self>) {
        let _delivering = self.delivering.lock().await;
        Delivery::new(Arc::clone(&self)).run().await;
    }

    /// Begins no more deliveries, and waits until those that have ended are written down. What is on its way for longer than
    /// a moment is told again by the next server.
    pub async fn stop(&self) {
        self.stopping.cancel();
        if tokio::time::timeout(STOPPING, self.delivering.lock()).await.is_err() {
            tracing::warn!("what webhooks were told last is not written down; the next server tells them again");
        }
    }

    /// How deliveries go, from memory.
    #[must_use]
    pub fn figures(&self) -> WebhookFigures {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Proves this room's invariants from the rows.
    ///
    /// # Errors
    /// When they can't be read.
    pub(crate) fn prove(conn: &Conn<'_>) -> Result<Vec<Proven>, Error> {
        Ok(proof::prove(conn, store::INVARIANTS)?)
    }
}

fn unknown() -> Error {
    Error::not_found("webhook_not_found", Text::fixed("There is no such webhook.", "그런 웹훅이 없습니다."))
}

fn too_many() -> Error {
    let detail = Text::made(
        format!("There are {TARGETS_MAX} webhooks already; more are not allowed."),
        format!("웹훅은 {TARGETS_MAX}개까지만 등록할 수 있습니다."),
    );
    Error::new(Kind::Conflict, "too_many_webhooks", detail)
}
