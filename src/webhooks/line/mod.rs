//! One target's way through the outbox: pure, so that three days pass in a test.
//!
//! New events are sent in their order, a few at once. One that fails steps aside and is tried again by itself, so that it
//! does not hold up those behind it. When several new ones in a row fail, it is the target that is down: then all others stay
//! in the outbox, and from time to time one more is tried. So a target that is down costs some dozens of rows in three days,
//! however much is sold. Events of one order (or product) never overtake each other: behind one that is under way or has
//! stepped aside, the next one steps aside too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::model::{Attempt, AttemptOutcome, Notice, Off, Webhook};
use super::rules::{self, RETRIED_FOR_S, Verdict};
use super::sender::Sent;
use crate::kernel::clock::Timestamp;

/// New events that are on their way at once, and those tried again beside them.
const NEW_AT_ONCE: usize = 4;
const RETRIES_AT_ONCE: usize = 2;
/// How many new events in a row fail before the target is taken to be down.
const DOWN_AFTER: u32 = 8;
/// How many events may have stepped aside.
pub(super) const ASIDE_MAX: usize = 200;

/// An event that has stepped aside.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pub(super) notice: Arc<Notice>,
    pub(super) when: When,
}

/// When an event is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    /// How often it was.
    pub(super) attempts: u32,
    /// When it stepped aside.
    pub(super) since: Timestamp,
    pub(super) next_at: Timestamp,
}

/// What is kept of how a target does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// New events in a row that failed.
    pub(super) failures: u32,
    /// Since when nothing was taken.
    pub(super) failing_since: Option<Timestamp>,
    /// When the next new event is tried, once the target is down.
    pub(super) probe_at: Option<Timestamp>,
}

/// What is to be written down.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Anything at all.
    any: bool,
    /// Events that stepped aside or are done; those that are done have no time.
    pub(super) retries: BTreeMap<i64, Option<When>>,
    pub(super) attempts: Vec<Attempt>,
}

/// A target and where it stands.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) webhook: Webhook,
    /// Everything up to this event was read.
    read_to: i64,
    /// Whether more is being read.
    reading: bool,
    ready: VecDeque<Arc<Notice>>,
    /// What is on its way, and whether it was new.
    under_way: BTreeMap<i64, (Arc<Notice>, bool)>,
    aside: BTreeMap<i64, Retry>,
    health: Health,
    off: Option<Off>,
    unsaved: Unsaved,
}

impl Line {
    /// A target as it was written down.
    pub(super) fn new(webhook: Webhook, cursor: i64, health: Health, aside: Vec<Retry>) -> Self {
        Self {
            webhook,
            read_to: cursor,
            reading: false,
            ready: VecDeque::new(),
            under_way: BTreeMap::new(),
            aside: aside.into_iter().map(|retry| (retry.notice.number, retry)).collect(),
            health,
            off: None,
            unsaved: Unsaved::default(),
        }
    }

    fn is_down(&self) -> bool {
        self.health.failures >= DOWN_AFTER
    }

    fn is_fine(&self) -> bool {
        self.health.failures == 0
    }

    /// Whether the last attempts failed.
    pub(super) fn is_failing(&self) -> bool {
        self.health.failing_since.is_some()
    }

    /// Why it is told nothing any more.
    pub(super) fn off(&self) -> Option<Off> {
        self.off
    }

    /// Every event up to this one is done, or has stepped aside.
    pub(super) fn cursor(&self) -> i64 {
        let new = self.under_way.iter().filter(|(_, (_, new))| *new).map(|(number, _)| *number).min();
        let ready = self.ready.front().map(|notice| notice.number);
        new.into_iter().chain(ready).min().map_or(self.read_to, |first| first - 1)
    }

    /// How many events have stepped aside.
    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    fn may_take_new(&self, now: Timestamp) -> bool {
        let new = self.under_way.values().filter(|(_, new)| *new).count();
        let room = if self.is_down() {
            self.health.probe_at.is_none_or(|at| at <= now) && new == 0
        } else {
            new < if self.is_fine() { NEW_AT_ONCE } else { 1 }
        };
        self.off.is_none() && room && self.aside.len() + new < ASIDE_MAX
    }

    /// Where to read on, when more events are wanted and there are some before `head`.
    pub(super) fn wants_from(&mut self, head: i64, now: Timestamp) -> Option<i64> {
        let wants = !self.reading && self.ready.is_empty() && self.read_to < head && self.may_take_new(now);
        self.reading |= wants;
        wants.then_some(self.read_to)
    }

    /// Takes what was read: the events that it is told of, and how far that goes. `None`: nothing could be read.
    pub(super) fn read(&mut self, read: Option<(Vec<Notice>, i64)>) {
        self.reading = false;
        let Some((notices, to)) = read else { return };
        self.ready.extend(notices.into_iter().map(Arc::new));
        self.unsaved.any |= to > self.read_to;
        self.read_to = self.read_to.max(to);
    }

    /// What is to be sent now; to be asked until there is nothing more.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Arc<Notice>> {
        if self.off.is_some() {
            return None;
        }
        let notice = self.due(now);
        let new = notice.is_none();
        let notice = notice.or_else(|| self.new_one(now))?;
        self.under_way.insert(notice.number, (Arc::clone(&notice), new));
        Some(notice)
    }

    fn due(&self, now: Timestamp) -> Option<Arc<Notice>> {
        let at_once = if self.is_fine() { RETRIES_AT_ONCE } else { 1 };
        if self.under_way.values().filter(|(_, new)| !new).count() >= at_once {
            return None;
        }
        let due = |retry: &&Retry| {
            let number = retry.notice.number;
            retry.when.next_at <= now && !self.under_way.contains_key(&number) && !self.is_behind(&retry.notice)
        };
        self.aside.values().find(due).map(|retry| Arc::clone(&retry.notice))
    }

    fn new_one(&mut self, now: Timestamp) -> Option<Arc<Notice>> {
        while self.may_take_new(now) {
            let notice = self.ready.pop_front()?;
            if !self.is_behind(&notice) {
                return Some(notice);
            }
            self.put_aside(notice, When { attempts: 0, since: now, next_at: now });
        }
        None
    }

    /// Whether an earlier event of the same order or product is not done yet.
    fn is_behind(&self, notice: &Notice) -> bool {
        let aside = self.aside.range(..notice.number).map(|(_, retry)| &retry.notice);
        let under_way = self.under_way.range(..notice.number).map(|(_, (notice, _))| notice);
        aside.chain(under_way).any(|earlier| earlier.subject == notice.subject)
    }

    fn put_aside(&mut self, notice: Arc<Notice>, when: When) {
        self.unsaved.any = true;
        self.unsaved.retries.insert(notice.number, Some(when));
        self.aside.insert(notice.number, Retry { notice, when });
    }

    /// Takes what became of an event that was sent; gives how its attempt counts, if it is known here. `random` is from 0 to 1.
    pub(super) fn done(&mut self, number: i64, sent: &Sent, now: Timestamp, random: f64) -> Option<AttemptOutcome> {
        let (notice, new) = self.under_way.remove(&number)?;
        self.unsaved.any = true;
        let before = self.aside.get(&number).map(|retry| retry.when);
        let attempts = before.map_or(0, |when| when.attempts) + 1;
        let outcome = match sent.verdict {
            Verdict::Taken => {
                self.forget(number);
                self.recover(now);
                AttemptOutcome::Delivered
            }
            Verdict::Gone => {
                self.switch_off(Off::Gone);
                AttemptOutcome::GivenUp
            }
            Verdict::Refused => self.failed(&notice, new, before, attempts, sent, now, random),
        };
        self.unsaved.attempts.push(Attempt {
            webhook: self.webhook.id,
            event_id: notice.id.clone(),
            kind: notice.kind.to_owned(),
            subject: notice.subject.clone(),
            attempt: attempts.into(),
            at: now,
            took_ms: i64::try_from(sent.took.as_millis()).unwrap_or(i64::MAX),
            outcome,
            status: sent.status.map(i64::from),
            error: sent.error.clone(),
        });
        Some(outcome)
    }

    #[expect(clippy::too_many_arguments, reason = "an attempt's facts, each once")]
    fn failed(
        &mut self,
        notice: &Arc<Notice>,
        new: bool,
        before: Option<When>,
        attempts: u32,
        sent: &Sent,
        now: Timestamp,
        random: f64,
    ) -> AttemptOutcome {
        let failing_since = *self.health.failing_since.get_or_insert(now);
        if new {
            self.health.failures += 1;
            let probes = (self.health.failures + 1).saturating_sub(DOWN_AFTER);
            self.health.probe_at = self.is_down().then(|| now.plus_seconds(rules::pause_s(probes, random)));
        }
        let since = before.map_or(now, |when| when.since);
        let next = rules::next_attempt(since, now, attempts, sent.retry_after_s, random);
        if self.is_down() && failing_since.plus_seconds(RETRIED_FOR_S) <= now {
            self.switch_off(Off::Failed);
            return AttemptOutcome::GivenUp;
        }
        if let Some(next_at) = next {
            self.put_aside(Arc::clone(notice), When { attempts, since, next_at });
            return AttemptOutcome::Failed;
        }
        self.forget(notice.number);
        AttemptOutcome::GivenUp
    }

    fn forget(&mut self, number: i64) {
        if self.aside.remove(&number).is_some() {
            self.unsaved.retries.insert(number, None);
        }
    }

    /// The target took something. What has waited while it was down need not wait longer.
    fn recover(&mut self, now: Timestamp) {
        if self.is_down() {
            for (number, retry) in &mut self.aside {
                retry.when.next_at = retry.when.next_at.min(now);
                self.unsaved.retries.insert(*number, Some(retry.when));
            }
        }
        self.health = Health::default();
    }

    fn switch_off(&mut self, why: Off) {
        self.off = Some(why);
        self.ready.clear();
        self.unsaved.retries.extend(std::mem::take(&mut self.aside).into_keys().map(|number| (number, None)));
    }

    /// Where it stands, and what is to be written down, if anything is.
    pub(super) fn take_unsaved(&mut self) -> Option<(i64, Health, Unsaved)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved.any.then(|| (self.cursor(), self.health, unsaved))
    }

    /// Takes back what could not be written down.
    pub(super) fn put_back(&mut self, old: Unsaved, attempts_max: usize) {
        self.unsaved.any = true;
        for (number, when) in old.retries {
            self.unsaved.retries.entry(number).or_insert(when);
        }
        let mut attempts = old.attempts;
        attempts.append(&mut self.unsaved.attempts);
        attempts.drain(..attempts.len().saturating_sub(attempts_max));
        self.unsaved.attempts = attempts;
    }
}

#[cfg(test)]
mod tests;
