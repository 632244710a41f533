//! The way in during one phase: who is next, and when they are due.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::scenario::{Arrivals, PhaseTerms};

/// A phase while it is under way.
pub(super) struct Gate {
    arrivals: Arrivals,
    /// The phase's buyers by number: the first, and the one after the last.
    buyers: (usize, usize),
    /// How many connections serve them.
    connections: usize,
    duration: Option<Duration>,
    next: AtomicUsize,
    /// Connections that have found nobody left.
    left: AtomicUsize,
    starts_at: OnceLock<Instant>,
    opened: CancellationToken,
    closing: CancellationToken,
}

impl Gate {
    /// The gates of all phases, none of them open. Buyers are numbered through; all gates close when `door` does.
    pub(super) fn all(phases: &[PhaseTerms], door: &CancellationToken) -> Vec<Self> {
        let mut first = 0;
        let gates = phases.iter().map(|phase| {
            let buyers = (first, first + phase.buyers);
            first = buyers.1;
            Self {
                arrivals: phase.arrivals,
                buyers,
                connections: phase.connections,
                duration: phase.duration,
                next: AtomicUsize::new(buyers.0),
                left: AtomicUsize::new(0),
                starts_at: OnceLock::new(),
                opened: CancellationToken::new(),
                closing: door.child_token(),
            }
        });
        gates.collect()
    }

    /// Whether the connection with this number, from 0, serves here.
    pub(super) fn has(&self, connection: usize) -> bool {
        connection < self.connections
    }

    /// Sets the time at which the first buyer may come in; gives the one at which the phase after it begins, when that is
    /// known beforehand.
    pub(super) fn open(&self, starts_at: Instant) -> Option<Instant> {
        self.starts_at.get_or_init(|| starts_at);
        self.opened.cancel();
        match self.arrivals {
            Arrivals::Closed => None,
            Arrivals::Open(_) => Some(starts_at + self.duration.unwrap_or_default()),
        }
    }

    /// Waits until the gate is open.
    pub(super) async fn opened(&self) {
        self.opened.cancelled().await;
        if let Some(starts_at) = self.starts_at.get() {
            self.until(*starts_at).await;
        }
    }

    /// Waits for the next buyer: their number, and when they came, if that was at a time of their own.
    pub(super) async fn next(&self) -> Option<(usize, Option<Instant>)> {
        if self.closing.is_cancelled() {
            return None;
        }
        let (first, end) = self.buyers;
        let buyer = self.next.fetch_add(1, Ordering::Relaxed);
        if buyer >= end {
            return None;
        }
        let (Arrivals::Open(rate), Some(starts_at)) = (self.arrivals, self.starts_at.get()) else {
            return Some((buyer, None));
        };
        let due = *starts_at + rate.due(buyer - first, self.duration.unwrap_or_default());
        self.until(due).await;
        (!self.closing.is_cancelled()).then_some((buyer, Some(due)))
    }

    async fn until(&self, at: Instant) {
        if Instant::now() < at {
            tokio::select! {
                () = tokio::time::sleep_until(at.into()) => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Notes that a connection found nobody left; true for the last one.
    pub(super) fn leave(&self) -> bool {
        self.left.fetch_add(1, Ordering::AcqRel) + 1 == self.connections
    }

    /// Whether the phase after this one begins when the last connection has left.
    pub(super) fn is_followed_when_empty(&self) -> bool {
        self.arrivals == Arrivals::Closed
    }

    /// Closes the gate when its time is over. Whoever comes at a time of their own has come by then.
    pub(super) fn close_in_time(&self) {
        if let (Arrivals::Closed, Some(duration), Some(starts_at)) =
            (self.arrivals, self.duration, self.starts_at.get())
            && starts_at.elapsed() >= duration
        {
            self.closing.cancel();
        }
    }

    /// Done once nobody is let in any more.
    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;
    use crate::loadtest::scenario::Rate;

    fn phase(arrivals: Arrivals, buyers: usize, seconds: Option<u64>) -> PhaseTerms {
        PhaseTerms {
            name: "p".to_owned(),
            arrivals,
            buyers,
            connections: 2,
            duration: seconds.map(Duration::from_secs),
            think: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn buyers_are_numbered_through_all_phases() {
        let door = CancellationToken::new();
        let gates = Gate::all(&[phase(Arrivals::Closed, 2, None), phase(Arrivals::Closed, 1, None)], &door);
        assert_eq!(gates[0].open(Instant::now()), None, "nobody knows yet when the last one leaves");
        gates[1].open(Instant::now());
        let mut numbers = Vec::new();
        for gate in &gates {
            gate.opened().await;
            while let Some((buyer, due)) = gate.next().await {
                assert_eq!(due, None);
                numbers.push(buyer);
            }
        }
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!([gates[0].leave(), gates[0].leave()], [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_at_a_time_of_their_own_is_due_then_however_late_they_are_served() {
        let open = Arrivals::Open(Rate { burst: 1, per_second: 1.0, ramp_to: 1.0 });
        let door = CancellationToken::new();
        let gates = Gate::all(&[phase(open, 3, Some(2)), phase(Arrivals::Closed, 1, None)], &door);
        // The clock that is paused is tokio's; this one has been open for a second.
        let started = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(gates[0].open(started), Some(started + Duration::from_secs(2)));
        assert_eq!(gates[0].next().await, Some((0, Some(started))));
        assert_eq!(gates[0].next().await, Some((1, Some(started))));
        assert_eq!(gates[0].next().await, Some((2, Some(started + Duration::from_secs(1)))));
        assert_eq!(gates[0].next().await, None);
    }

    #[tokio::test]
    async fn a_closed_door_lets_nobody_in_who_was_to_come_later() {
        let open = Arrivals::Open(Rate { burst: 0, per_second: 0.001, ramp_to: 0.001 });
        let door = CancellationToken::new();
        let gate = &Gate::all(&[phase(open, 2, Some(2_000))], &door)[0];
        gate.open(Instant::now());
        assert!(gate.next().await.is_some());
        let mut second = pin!(gate.next());
        assert!(poll!(&mut second).is_pending());
        door.cancel();
        assert_eq!(second.await, None);
    }
}
