//! A target that takes, refuses and comes back, in virtual time.

use std::time::Duration;

use super::*;
use crate::config::Secret;
use crate::webhooks::model::{Kinds, WebhookId};

const START: Timestamp = Timestamp(0);
/// Longer than any pause.
const LONG_S: i64 = 20_000;

fn line() -> Line {
    let webhook = Webhook {
        id: WebhookId(1),
        url: "https://example.com/".to_owned(),
        events: Kinds::all(),
        description: String::new(),
        secret: Secret::new("whsec_"),
        created_at: START,
        revision: 1,
        off: None,
        failing_since: None,
        waiting: 0,
        retrying: 0,
    };
    Line::new(webhook, 0, Health::default(), Vec::new())
}

fn notice(number: i64, subject: &str) -> Notice {
    Notice {
        number,
        id: format!("evt_{number}"),
        kind: "order.completed",
        subject: subject.to_owned(),
        body: "{}".into(),
    }
}

/// The line with events of orders of their own, numbered from 1.
fn with_events(count: i64) -> Line {
    let mut line = line();
    assert_eq!(line.wants_from(count, START), Some(0));
    assert_eq!(line.wants_from(count, START), None, "it is being read already");
    line.read(Some(((1..=count).map(|number| notice(number, &number.to_string())).collect(), count)));
    line
}

fn sent(status: u16) -> Sent {
    let verdict = rules::verdict(status);
    Sent { verdict, status: Some(status), error: None, retry_after_s: None, took: Duration::ZERO }
}

/// What is sent now, all of it.
fn all(line: &mut Line, now: Timestamp) -> Vec<i64> {
    std::iter::from_fn(|| line.next(now)).map(|notice| notice.number).collect()
}

fn at(seconds: i64) -> Timestamp {
    START.plus_seconds(seconds)
}

#[test]
fn a_few_are_sent_at_once_and_the_cursor_waits_for_the_first() {
    let mut line = with_events(6);
    assert_eq!(all(&mut line, START), [1, 2, 3, 4]);
    line.done(2, &sent(200), START, 0.5);
    line.done(3, &sent(204), START, 0.5);
    assert_eq!((line.cursor(), all(&mut line, START)), (0, vec![5, 6]));
    line.done(1, &sent(200), START, 0.5);
    assert_eq!(line.cursor(), 3);
    assert_eq!(line.done(1, &sent(200), START, 0.5), None, "it is done already");
    for number in [4, 5, 6] {
        line.done(number, &sent(200), START, 0.5);
    }
    assert_eq!((line.cursor(), line.wants_from(6, START), line.wants_from(7, START)), (6, None, Some(6)));
    line.read(None);
    assert_eq!(line.wants_from(7, START), Some(6), "it could not be read");
}

#[test]
fn what_fails_steps_aside_and_what_belongs_to_it_waits_behind_it() {
    let mut line = line();
    line.read(Some((vec![notice(1, "a"), notice(2, "b"), notice(3, "a"), notice(4, "c")], 4)));
    assert_eq!(all(&mut line, START), [1, 2, 4], "the third is the first's order");
    assert_eq!(line.done(1, &sent(500), START, 0.5), Some(AttemptOutcome::Failed));
    line.done(2, &sent(200), START, 0.5);
    line.done(4, &sent(200), START, 0.5);
    assert_eq!((line.cursor(), line.aside()), (4, 2));
    assert_eq!(all(&mut line, at(4)), Vec::<i64>::new());
    assert_eq!(all(&mut line, at(5)), [1]);
    line.done(1, &sent(500), at(5), 0.5);
    assert_eq!(all(&mut line, at(14)), Vec::<i64>::new());
    assert_eq!(all(&mut line, at(15)), [1]);
    line.done(1, &sent(200), at(15), 0.5);
    assert_eq!(all(&mut line, at(15)), [3]);
    line.done(3, &sent(200), at(15), 0.5);
    assert_eq!((line.aside(), line.is_failing()), (0, false));
}

#[test]
fn one_that_always_fails_does_not_make_a_target_look_down() {
    let mut line = with_events(1);
    let mut now = START;
    all(&mut line, now);
    line.done(1, &sent(500), now, 0.5);
    let mut failed = 1;
    while line.aside() > 0 {
        now = now.plus_seconds(LONG_S);
        assert_eq!(all(&mut line, now), [1]);
        failed += i32::from(line.done(1, &sent(500), now, 0.5) == Some(AttemptOutcome::Failed));
    }
    assert!(failed > 8 && !line.is_down() && line.off().is_none(), "{failed}");
}

#[test]
fn a_target_that_is_down_is_asked_seldom_and_gets_everything_when_it_is_back() {
    let mut line = with_events(300);
    let mut now = START;
    while !line.is_down() {
        for number in all(&mut line, now) {
            line.done(number, &sent(503), now, 0.5);
        }
    }
    let aside = line.aside();
    assert!((8..=11).contains(&aside), "{aside}");
    // A day of it.
    let mut asked = 0;
    for _ in 0..24 * 60 {
        now = now.plus_seconds(60);
        for number in all(&mut line, now) {
            line.done(number, &sent(503), now, 0.5);
            asked += 1;
        }
    }
    assert!(asked < 400 && line.aside() < 40, "{asked} {}", line.aside());
    // One is taken: the others need not wait for their time.
    now = now.plus_seconds(LONG_S);
    let first = all(&mut line, now);
    assert!(first.len() <= 2);
    let mut taken = first.len();
    for number in first {
        line.done(number, &sent(200), now, 0.5);
    }
    loop {
        let more = all(&mut line, now);
        let Some(number) = more.first() else { break };
        assert!(more.len() <= NEW_AT_ONCE + RETRIES_AT_ONCE, "{number}");
        for number in more {
            line.done(number, &sent(200), now, 0.5);
            taken += 1;
        }
    }
    assert_eq!((taken, line.cursor(), line.aside()), (300, 300, 0));
}

#[test]
fn who_takes_nothing_for_three_days_or_says_gone_is_switched_off() {
    let mut line = with_events(20);
    let mut now = START;
    while line.off().is_none() {
        for number in all(&mut line, now) {
            line.done(number, &sent(503), now, 0.5);
        }
        now = now.plus_seconds(3_600);
    }
    let days = now.as_seconds() / 86_400;
    assert_eq!((line.off(), days, line.aside(), line.next(now)), (Some(Off::Failed), 3, 0, None));

    let mut line = with_events(9);
    all(&mut line, START);
    line.done(2, &sent(500), START, 0.5);
    assert_eq!(line.done(1, &sent(410), START, 0.5), Some(AttemptOutcome::GivenUp));
    line.done(3, &sent(200), START, 0.5);
    assert_eq!((line.off(), line.aside(), all(&mut line, at(LONG_S))), (Some(Off::Gone), 0, Vec::new()));
    let (_, _, unsaved) = line.take_unsaved().unwrap();
    assert_eq!(unsaved.retries, BTreeMap::from([(2, None)]));
}

#[test]
fn what_could_not_be_written_down_is_written_later() {
    let mut line = with_events(3);
    all(&mut line, START);
    line.done(1, &sent(500), START, 0.5);
    let (cursor, health, unsaved) = line.take_unsaved().unwrap();
    assert_eq!((cursor, health.failures, unsaved.attempts.len()), (1, 1, 1));
    assert!(line.take_unsaved().is_none());
    line.done(2, &sent(200), START, 0.5);
    all(&mut line, at(5));
    line.done(1, &sent(200), at(5), 0.5);
    line.put_back(unsaved, 2);
    let (cursor, health, unsaved) = line.take_unsaved().unwrap();
    assert_eq!((cursor, health.failures), (2, 0));
    assert_eq!(unsaved.retries, BTreeMap::from([(1, None)]), "what is newer stays");
    let log: Vec<_> = unsaved.attempts.iter().map(|it| (it.event_id.as_str(), it.outcome.as_str())).collect();
    assert_eq!(log, [("evt_2", "delivered"), ("evt_1", "delivered")], "the last two");
}
