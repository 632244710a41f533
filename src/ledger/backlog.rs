//! How many purchases may wait for their answer: as many as are answered within [`TARGET_US`].
//!
//! A server that lets everybody in while more come than it can serve answers everybody late. So the queue is bounded by
//! time: once purchases are seen to wait, no more may wait than were lately answered within the target; whoever comes on
//! top is told `busy` at the door, before anything is done for them. Waiting is judged by what is seen and never by a
//! count alone, so that a burst goes through that is digested in time.
//!
//! Time waited counts from a purchase's way into the queue until its own task goes on with the answer: on a busy machine
//! much of it is spent behind the commit, until a processor is free to write the answer. What comes before the door, and a
//! provider's time, do not count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::engine::BATCH_MAX;
use crate::kernel::clock::{Clock, Timestamp};

/// How long a purchase may wait, in microseconds. What it waits before the door comes on top.
const TARGET_US: i64 = 200_000;
/// How long answers are counted before they are judged: long enough for several batches.
const SLICE_US: i64 = TARGET_US / 2;
/// What part of the best pace is forgotten with every slice: half of it in about two seconds. A hiccup of the disk is
/// no reason to refuse. Nor is a pace that falls because refusals take the processors: fewer and fewer would get in.
const FORGOTTEN: i64 = 32;
/// So many may always wait: the batch that is being written and the next one. A disk so slow that they take longer is not
/// helped by smaller ones.
const ROOM_MIN: usize = 2 * BATCH_MAX;

/// Who waits, and how fast they are answered. Pure: it is told what happens, and when.
#[derive(Debug)]
struct Backlog {
    waiting: usize,
    /// When the answers that are being counted began.
    since: Timestamp,
    answered: i64,
    /// How long those who were answered had waited, in all.
    waited_us: i64,
    /// How many are answered within the target's time: the best that was lately seen while purchases waited.
    pace: i64,
    /// Whether purchases wait too long, or would soon.
    crowded: bool,
}

impl Backlog {
    /// Nobody waits, and nothing is known.
    fn empty(now: Timestamp) -> Self {
        Self { waiting: 0, since: now, answered: 0, waited_us: 0, pace: 0, crowded: false }
    }

    /// Whether whoever comes now would wait too long.
    fn is_full(&mut self, now: Timestamp) -> bool {
        self.judge(now);
        self.crowded && self.waiting >= self.room()
    }

    /// How many may wait when it is crowded.
    fn room(&self) -> usize {
        usize::try_from(self.pace).unwrap_or_default().max(ROOM_MIN)
    }

    fn enter(&mut self, now: Timestamp) {
        if self.waiting == 0 {
            *self = Self::empty(now); // what came before a pause says nothing
        }
        self.waiting += 1;
    }

    /// One who came at `came_at` has their answer.
    fn answer(&mut self, came_at: Timestamp, now: Timestamp) {
        if self.answered == 0 && now.0 - self.since.0 > SLICE_US {
            self.since = now; // how long nobody was answered says nothing of how fast they are from here on
        }
        self.answered += 1;
        self.waited_us += (now.0 - came_at.0).max(0);
        self.leave();
        self.judge(now);
    }

    /// One goes, with an answer or without.
    fn leave(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Ends the slice when it is over: are purchases waiting, and how many are answered meanwhile?
    fn judge(&mut self, now: Timestamp) {
        let length = now.0 - self.since.0;
        if length < 0 {
            *self = Self { waiting: self.waiting, ..Self::empty(now) }; // somebody has set the clock back
        }
        if length < SLICE_US {
            return;
        }
        if self.answered == 0 {
            // The slice goes on until somebody is answered.
            self.crowded |= self.waiting > 0;
            return;
        }
        self.crowded = self.waited_us / self.answered > TARGET_US / 2;
        if self.crowded {
            self.pace = (self.pace - self.pace / FORGOTTEN).max(self.answered * TARGET_US / length);
        }
        (self.since, self.answered, self.waited_us) = (now, 0, 0);
    }
}

/// The backlog that requests share, and the clock it goes by.
pub(super) struct Waiters {
    backlog: Mutex<Backlog>,
    clock: Arc<dyn Clock>,
}

impl Waiters {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { backlog: Mutex::new(Backlog::empty(clock.now())), clock })
    }

    /// Whether whoever comes now would wait too long.
    pub(super) fn is_full(&self) -> bool {
        self.lock().is_full(self.clock.now())
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Counts one who waits from now on, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Waiting {
        let came_at = self.clock.now();
        self.lock().enter(came_at);
        Waiting { waiters: Arc::clone(self), came_at, answered: false }
    }

    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits. Who is dropped without an answer has left.
pub(super) struct Waiting {
    waiters: Arc<Waiters>,
    came_at: Timestamp,
    answered: bool,
}

impl Waiting {
    /// The answer is there.
    pub(super) fn end(mut self) {
        self.answered = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut backlog = self.waiters.lock();
        if self.answered {
            backlog.answer(self.came_at, self.waiters.clock.now());
        } else {
            backlog.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SECOND_US: i64 = 1_000_000;

    /// What came of a simulated while.
    #[derive(Debug, Default)]
    struct Seen {
        refused: usize,
        waits_us: Vec<i64>,
    }

    /// A server that answers in order, at a steady pace unless it stalls, behind a door that goes by the backlog.
    struct Simulation {
        now_us: i64,
        backlog: Backlog,
        queue: VecDeque<i64>,
        free_at_us: i64,
    }

    impl Simulation {
        fn new() -> Self {
            Self { now_us: 0, backlog: Backlog::empty(Timestamp(0)), queue: VecDeque::new(), free_at_us: 0 }
        }

        /// Lets `per_second` come for a while, and answers `pace` of them a second.
        fn run(&mut self, per_second: i64, pace: i64, duration_us: i64) -> Seen {
            let (mut seen, began) = (Seen::default(), self.now_us);
            for number in 0..per_second * duration_us / SECOND_US {
                self.serve_until(began + number * SECOND_US / per_second, pace, &mut seen);
                if self.backlog.is_full(Timestamp(self.now_us)) {
                    seen.refused += 1;
                } else {
                    self.backlog.enter(Timestamp(self.now_us));
                    self.queue.push_back(self.now_us);
                }
            }
            self.serve_until(began + duration_us, pace, &mut seen);
            seen
        }

        fn serve_until(&mut self, until_us: i64, pace: i64, seen: &mut Seen) {
            while let Some(came_at) = self.queue.front().copied() {
                let done = self.free_at_us.max(came_at) + SECOND_US / pace;
                if done > until_us {
                    break;
                }
                self.free_at_us = done;
                self.queue.pop_front();
                self.backlog.answer(Timestamp(came_at), Timestamp(done));
                seen.waits_us.push(done - came_at);
            }
            self.now_us = until_us;
        }

        fn stall(&mut self, duration_us: i64) {
            self.free_at_us = self.free_at_us.max(self.now_us) + duration_us;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whoever_is_let_in_waits_no_longer_than_planned_and_the_server_never_idles(
            pace in 8_000_i64..40_000,
            tenths in 13_i64..50,
        ) {
            let mut shop = Simulation::new();
            let opening = shop.run(pace * tenths / 10, pace, SECOND_US);
            prop_assert!(opening.refused > 0);
            let seen = shop.run(pace * tenths / 10, pace, 2 * SECOND_US);
            let longest = seen.waits_us.iter().max().unwrap();
            let planned = TARGET_US.max(i64::try_from(ROOM_MIN).unwrap() * SECOND_US / pace);
            prop_assert!(*longest < planned * 3 / 2, "{longest} of {planned}");
            let done = i64::try_from(seen.waits_us.len()).unwrap();
            prop_assert!(done > pace * 2 * 98 / 100, "{done} of {}", pace * 2);
            let after = shop.run(pace * 8 / 10, pace, SECOND_US);
            let calm = shop.run(pace * 8 / 10, pace, SECOND_US);
            prop_assert!(after.refused < usize::try_from(pace).unwrap() / 4 && calm.refused == 0, "{}", after.refused);
        }

        #[test]
        fn nobody_is_refused_when_all_are_answered_in_time(
            pace in 8_000_i64..40_000,
            hundredths in 1_i64..95,
            burst_hundredths in 1_i64..90,
        ) {
            let mut shop = Simulation::new();
            for _ in 0..3 {
                prop_assert_eq!(shop.run(pace * hundredths / 100, pace, SECOND_US).refused, 0);
                // Everybody within a millisecond, and no more than are answered within the target.
                let burst = pace * TARGET_US / SECOND_US * burst_hundredths / 100;
                prop_assert_eq!(shop.run(burst * 1_000, pace, 1_000).refused, 0, "{}", burst);
                shop.run(1, pace, SECOND_US);
            }
        }

        #[test]
        fn a_batch_may_always_wait(
            steps in prop::collection::vec((0_u8..4, 0_i64..200_000), 1..400),
        ) {
            let (mut backlog, mut now, mut came) = (Backlog::empty(Timestamp(0)), 0, VecDeque::new());
            for (what, pause) in steps {
                now += pause;
                if what == 0 && let Some(came_at) = came.pop_front() {
                    backlog.answer(Timestamp(came_at), Timestamp(now));
                } else if what > 0 {
                    let full = backlog.is_full(Timestamp(now));
                    prop_assert!(!full || backlog.waiting >= ROOM_MIN);
                    backlog.enter(Timestamp(now));
                    came.push_back(now);
                }
                prop_assert_eq!(backlog.waiting, came.len());
            }
        }
    }

    #[test]
    fn a_stall_bounds_the_queue_and_leaves_no_trace() {
        let mut shop = Simulation::new();
        assert_eq!(shop.run(20_000, 40_000, SECOND_US).refused, 0);
        shop.stall(SECOND_US);
        let stalled = shop.run(20_000, 40_000, SECOND_US);
        assert!(stalled.refused > 15_000, "{}", stalled.refused);
        assert!(shop.backlog.waiting < 20_000 * 160 / 1_000, "{}", shop.backlog.waiting);
        shop.run(20_000, 40_000, SECOND_US / 2);
        assert_eq!(shop.run(20_000, 40_000, SECOND_US).refused, 0);
    }

    #[test]
    fn what_came_before_a_pause_says_nothing() {
        let mut shop = Simulation::new();
        assert!(shop.run(60_000, 20_000, SECOND_US).refused > 0);
        shop.run(1, 20_000, SECOND_US);
        assert_eq!(shop.run(1_500_000, 20_000, 1_000).refused, 0);
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_reason_to_refuse() {
        let mut backlog = Backlog::empty(Timestamp(SECOND_US));
        for _ in 0..2 * ROOM_MIN {
            backlog.enter(Timestamp(SECOND_US));
        }
        assert!(backlog.is_full(Timestamp(2 * SECOND_US)));
        assert!(!backlog.is_full(Timestamp(0)));
        backlog.answer(Timestamp(SECOND_US), Timestamp(1));
        assert!(!backlog.is_full(Timestamp(SLICE_US + 1)));
    }

    #[test]
    fn who_leaves_without_an_answer_makes_room() {
        let clock = Arc::new(crate::kernel::clock::ManualClock::new(Timestamp(0)));
        let waiters = Waiters::new(Arc::<crate::kernel::clock::ManualClock>::clone(&clock));
        let mut all: Vec<_> = (0..ROOM_MIN).map(|_| waiters.enter()).collect();
        clock.advance_seconds(1);
        assert!(waiters.is_full());
        drop(all.pop());
        assert!(!waiters.is_full());
        all.push(waiters.enter());
        assert!(waiters.is_full());
        all.into_iter().for_each(Waiting::end);
        assert!(!waiters.is_full());
    }
}
