//! What is left of a request's body when its answer is there.
//!
//! Whoever refuses early leaves the body on the wire, in front of the next request. hyper then closes the connection after
//! the answer, and a client that was not told so loses what it sends next. So the rooms get a body on loan: what they
//! leave of a small one is read off the wire, and when it does not come, or is long, the answer says that the connection
//! ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::http::header::EXPECT;
use hyper::body::{Frame, Incoming, SizeHint};

/// How long to wait for the rest of a body that is on its way.
const PATIENCE: Duration = Duration::from_millis(50);

/// A request's body, of which somebody else reads as much as they like.
pub(super) struct Lent {
    wire: OnLoan,
    /// The client sends it only when it is asked to (RFC 9110, section 10.1.1).
    waits: bool,
}

/// The body as the rooms see it. Read by one at a time, so nobody ever waits for the lock.
struct OnLoan(Arc<Mutex<Wire>>);

struct Wire {
    body: Incoming,
    is_over: bool,
}

/// The request for the rooms, and what its body was lent from, if there is one.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Body>, Option<Lent>) {
    if request.body().is_end_stream() {
        return (request.map(Body::new), None);
    }
    let waits = request.headers().contains_key(EXPECT);
    let (head, body) = request.into_parts();
    let wire = Arc::new(Mutex::new(Wire { body, is_over: false }));
    let lent = Lent { wire: OnLoan(Arc::clone(&wire)), waits };
    (Request::from_parts(head, Body::new(OnLoan(wire))), Some(lent))
}

impl Lent {
    /// Reads what is left of the body, at most `bytes_max`; tells whether it is off the wire then.
    pub(super) async fn take_rest(mut self, bytes_max: usize) -> bool {
        if self.wire.is_end_stream() {
            return true;
        }
        let left = usize::try_from(self.wire.size_hint().lower()).unwrap_or(usize::MAX);
        if self.waits || left > bytes_max {
            return false;
        }
        tokio::time::timeout(PATIENCE, self.wire.read_rest(bytes_max)).await.unwrap_or(false)
    }
}

impl OnLoan {
    async fn read_rest(&mut self, bytes_max: usize) -> bool {
        let mut read = 0;
        while read <= bytes_max {
            match poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await {
                Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        false
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for OnLoan {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut wire = self.wire();
        let polled = Pin::new(&mut wire.body).poll_frame(cx);
        wire.is_over |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        let wire = self.wire();
        wire.is_over || wire.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.wire().body.size_hint()
    }
}
