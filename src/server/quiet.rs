//! HTTP/2 connections on which nothing happens.
//!
//! HTTP/1 ends an idle connection by the time that a request's head may take. HTTP/2 knows no such time, and a client that
//! answers pings could keep a connection, and the answers that it does not take, for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// What happens on one connection.
#[derive(Default)]
pub(super) struct Activity {
    /// Grows with everything that happens.
    steps: AtomicU64,
    /// Requests whose answers have not been handed over in full.
    open: AtomicUsize,
    /// Those of them of which a piece was handed over and the next was not asked for.
    owed: AtomicUsize,
}

/// How a connection is, by two looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Something happened, or the server is to blame that nothing did.
    Busy,
    /// Nobody asked for anything.
    Idle,
    /// The client does not take what it asked for, or never asked.
    Deaf,
}

impl Activity {
    /// Notes a request; it is over when what this gives is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open { activity: Arc::clone(self), is_owed: false }
    }

    /// How it is since the look that gave `seen`; gives what is seen now.
    pub(super) fn look(&self, seen: u64) -> (Mood, u64) {
        let steps = self.steps.load(Ordering::Relaxed);
        let (open, owed) = (self.open.load(Ordering::Relaxed), self.owed.load(Ordering::Relaxed));
        let mood = match (open, owed) {
            _ if steps != seen => Mood::Busy,
            (0, _) if steps > 0 => Mood::Idle,
            (1.., 0) => Mood::Busy,
            _ => Mood::Deaf,
        };
        (mood, steps)
    }
}

/// A request that is not over.
pub(super) struct Open {
    activity: Arc<Activity>,
    is_owed: bool,
}

impl Open {
    fn set_owed(&mut self, is_owed: bool) {
        self.activity.steps.fetch_add(1, Ordering::Relaxed);
        match (self.is_owed, is_owed) {
            (false, true) => drop(self.activity.owed.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.activity.owed.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        self.is_owed = is_owed;
    }

    /// The answer's body, watched until it is over.
    pub(super) fn watch(self, body: Body) -> Body {
        if body.is_end_stream() { body } else { Body::new(Watched { body, open: self }) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.set_owed(false);
        self.activity.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that tells how it is taken.
struct Watched {
    body: Body,
    open: Open,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.open.set_owed(matches!(polled, Poll::Ready(Some(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_is_waited_for_is_deaf() {
        let activity = Arc::new(Activity::default());
        assert_eq!(activity.look(0), (Mood::Deaf, 0), "it never asked");
        let mut first = activity.begin();
        let (mood, seen) = activity.look(0);
        assert_eq!(mood, Mood::Busy);
        assert_eq!(activity.look(seen).0, Mood::Busy, "the server is at work");
        first.set_owed(true);
        let (_, seen) = activity.look(seen);
        assert_eq!(activity.look(seen).0, Mood::Deaf);
        first.set_owed(false);
        let (_, seen) = activity.look(seen);
        assert_eq!(activity.look(seen).0, Mood::Busy, "it waits for events");
        drop(first);
        let (_, seen) = activity.look(seen);
        assert_eq!(activity.look(seen).0, Mood::Idle);
    }
}
