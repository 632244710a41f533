//! The task that tells targets of events.
//!
//! It alone knows where each target stands. It wakes when the ledger has written events, when a request has ended, when the
//! targets were changed, and five times a second for whatever is due; requests and reads run beside it. What became of
//! events is written down together, and seldom: a sale must not wait for a log's fsyncs.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::line::Line;
use super::model::{AttemptOutcome, Notice, Off, WebhookFigures, WebhookId};
use super::sender::Sent;
use super::service::Webhooks;
use super::store::{self, LOG_MAX, Loaded, Progress};
use crate::kernel::error::Error;

/// How often it looks for what is due.
const TICK: Duration = Duration::from_millis(200);
/// How often it writes down what became of events.
const SAVED_EVERY: Duration = Duration::from_millis(500);
/// How long it lets new events pile up: a sale commits a thousand times a second.
const PILED_FOR: Duration = Duration::from_millis(20);

/// How long it waits, when it is stopped, for what is on its way.
const ENDING_FOR: Duration = Duration::from_secs(2);

/// What has ended beside the task.
enum Done {
    Sent { id: WebhookId, revision: i64, number: i64, sent: Sent },
    Read { id: WebhookId, revision: i64, read: Result<(Vec<Notice>, i64), Error> },
}

/// Everything that is told, and to whom.
pub(super) struct Delivery {
    webhooks: Arc<Webhooks>,
    lines: BTreeMap<WebhookId, Line>,
    /// The number of the last event, as far as it is known.
    last: i64,
    beside: JoinSet<Done>,
    /// Whether the targets have to be looked at again.
    stale: bool,
    /// Whether there are events that nobody needs.
    unpurged: bool,
    saved_at: Instant,
    /// Whether the last write or read failed; it is told once.
    failing: bool,
    figures: WebhookFigures,
}

impl Delivery {
    pub(super) fn new(webhooks: Arc<Webhooks>) -> Self {
        Self {
            webhooks,
            lines: BTreeMap::new(),
            last: 0,
            beside: JoinSet::new(),
            stale: true,
            unpurged: true,
            saved_at: Instant::now(),
            failing: false,
            figures: WebhookFigures::default(),
        }
    }

    /// Tells of events until it is stopped.
    pub(super) async fn run(mut self) {
        let webhooks = Arc::clone(&self.webhooks);
        let mut told = webhooks.ledger.told();
        let mut elsewhere = webhooks.db.changed_elsewhere();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet_until = Instant::now();
        loop {
            tokio::select! {
                () = webhooks.stopping.cancelled() => break,
                Some(done) = self.beside.join_next() => self.note(done.ok()),
                last = news(&mut told, quiet_until) => {
                    self.last = self.last.max(last);
                    quiet_until = Instant::now() + PILED_FOR;
                }
                changed = elsewhere.changed() => {
                    self.stale = true;
                    if changed.is_err() {
                        break; // the database is closing
                    }
                }
                () = webhooks.changed.notified() => self.stale = true,
                _ = ticks.tick() => self.save(SAVED_EVERY).await,
            }
            while let Some(done) = self.beside.try_join_next() {
                self.note(done.ok());
            }
            if self.stale {
                self.look_again().await;
            }
            self.go_on();
        }
        // Most of what is on its way ends in a moment, and then need not be told again.
        let ending = async {
            while let Some(done) = self.beside.join_next().await {
                self.note(done.ok());
            }
        };
        drop(tokio::time::timeout(ENDING_FOR, ending).await);
        self.save(Duration::ZERO).await;
    }

    /// Reads which targets there are; what is known of those that nobody has changed stays.
    async fn look_again(&mut self) {
        let known: BTreeMap<_, _> = self.lines.iter().map(|(id, line)| (*id, line.webhook.revision)).collect();
        let loaded = match self.webhooks.db.read(move |conn| Ok(store::load(conn, &known)?)).await {
            Ok(loaded) => loaded,
            Err(error) => return self.trouble(&error), // the next tick tries again
        };
        let Loaded { last, on, changed } = loaded;
        self.stale = false;
        self.last = self.last.max(last);
        self.lines.retain(|id, line| on.get(id) == Some(&line.webhook.revision) && line.off().is_none());
        for (webhook, cursor, health, retries) in changed {
            self.lines.insert(webhook.id, Line::new(webhook, cursor, health, retries));
        }
        self.unpurged = true;
    }

    /// Begins what can be begun.
    fn go_on(&mut self) {
        let now = self.webhooks.clock.now();
        for line in self.lines.values_mut() {
            let (id, revision) = (line.webhook.id, line.webhook.revision);
            while let Some(notice) = line.next(now) {
                let (webhooks, webhook) = (Arc::clone(&self.webhooks), line.webhook.clone());
                self.beside.spawn(async move {
                    let sending = webhooks.sender.send(&webhook.url, &webhook.secret, &notice);
                    let sent = AssertUnwindSafe(sending).catch_unwind().await;
                    let sent = sent.unwrap_or_else(|_| Sent::failed("sending it panicked", Duration::ZERO));
                    Done::Sent { id, revision, number: notice.number, sent }
                });
            }
            if let Some(after) = line.wants_from(self.last, now) {
                let (webhooks, events) = (Arc::clone(&self.webhooks), line.webhook.events);
                self.beside.spawn(async move {
                    let read = webhooks.db.read(move |conn| Ok(store::read(conn, events, after)?)).await;
                    Done::Read { id, revision, read }
                });
            }
        }
    }

    /// Takes what has ended beside; nothing of a target that was changed or deleted meanwhile.
    fn note(&mut self, done: Option<Done>) {
        match done {
            Some(Done::Sent { id, revision, number, sent }) => {
                let Some(line) = self.lines.get_mut(&id).filter(|line| line.webhook.revision == revision) else {
                    return;
                };
                let now = self.webhooks.clock.now();
                let outcome = line.done(number, &sent, now, rand::random());
                let off = line.off();
                match outcome {
                    Some(AttemptOutcome::Delivered) => self.figures.delivered_total += 1,
                    Some(AttemptOutcome::Failed) => self.figures.failed_total += 1,
                    Some(AttemptOutcome::GivenUp) => {
                        self.figures.failed_total += 1;
                        self.figures.given_up_total += 1;
                        tell_of_the_end(id, off);
                    }
                    None => {}
                }
                self.publish();
            }
            Some(Done::Read { id, revision, read }) => {
                let Some(line) = self.lines.get_mut(&id).filter(|line| line.webhook.revision == revision) else {
                    return;
                };
                match read {
                    Ok(read) => line.read(Some(read)),
                    Err(error) => {
                        line.read(None);
                        self.trouble(&error);
                    }
                }
            }
            None => {}
        }
    }

    /// Writes down what became of events, if the last time was `every` ago.
    async fn save(&mut self, every: Duration) {
        self.publish();
        if self.saved_at.elapsed() < every {
            return;
        }
        self.saved_at = Instant::now();
        let mut progress = Vec::new();
        for (id, line) in &mut self.lines {
            if let Some((cursor, health, unsaved)) = line.take_unsaved() {
                let (revision, off) = (line.webhook.revision, line.off());
                progress.push(Progress { id: *id, revision, cursor, health, off, unsaved });
            }
        }
        if progress.is_empty() && !self.unpurged {
            return;
        }
        let switched_off = progress.iter().any(|it| it.off.is_some());
        let now = self.webhooks.clock.now();
        let progress = Arc::new(progress);
        let written = Arc::clone(&progress);
        let write = move |conn: &crate::store::Conn<'_>| Ok(store::save(conn, &written, now)?);
        let saved = if switched_off {
            self.webhooks.ledger.change_listeners(write).await
        } else {
            self.webhooks.db.write(write).await
        };
        match saved {
            Ok(unpurged) => {
                self.failing = false;
                self.unpurged = unpurged;
                self.lines.retain(|_, line| line.off().is_none());
            }
            Err(error) => {
                self.trouble(&error);
                // A write that failed has let go of it.
                for it in Arc::try_unwrap(progress).unwrap_or_default() {
                    if let Some(line) = self.lines.get_mut(&it.id) {
                        line.put_back(it.unsaved, LOG_MAX);
                    }
                }
            }
        }
    }

    fn publish(&mut self) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.figures.targets = count(self.lines.len());
        self.figures.failing = count(self.lines.values().filter(|line| line.is_failing()).count());
        self.figures.retrying = count(self.lines.values().map(Line::aside).sum());
        let waiting = self.lines.values().map(|line| self.last - line.cursor());
        self.figures.waiting = waiting.map(|waiting| u64::try_from(waiting).unwrap_or(0)).sum();
        *self.webhooks.figures.lock().unwrap_or_else(PoisonError::into_inner) = self.figures;
    }

    fn trouble(&mut self, error: &Error) {
        if !self.failing {
            tracing::warn!(%error, "webhooks can't be looked after; trying again until it works");
        }
        self.failing = true;
    }
}

/// Waits until there are new events, but no shorter than until `quiet_until`; gives the number of the last one.
async fn news(told: &mut watch::Receiver<i64>, quiet_until: Instant) -> i64 {
    tokio::time::sleep_until(quiet_until).await;
    if told.changed().await.is_err() {
        std::future::pending::<()>().await; // the ledger has gone, and this goes next
    }
    *told.borrow_and_update()
}

fn tell_of_the_end(id: WebhookId, off: Option<Off>) {
    match off {
        Some(Off::Gone) => tracing::warn!(webhook = %id, "a webhook's target answered 410 and is switched off"),
        Some(Off::Failed) => tracing::warn!(
            webhook = %id,
            "a webhook's target took nothing for three days and is switched off; mend it, then 'preorder webhook enable'"
        ),
        None => {
            tracing::warn!(webhook = %id, "an event was given up after three days; see 'preorder webhook deliveries'");
        }
    }
}
