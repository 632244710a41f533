//! How many connections may be open, while that number can change.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for connections.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// How many there are.
    count: Mutex<usize>,
    /// Those that are to go, and are taken still.
    to_go: AtomicUsize,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        let count = clamped(count);
        Self { free: Arc::new(Semaphore::new(count)), count: Mutex::new(count), to_go: AtomicUsize::new(0) }
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Gives a place back.
    pub(super) fn give_back(&self, place: OwnedSemaphorePermit) {
        let less = |to_go: usize| to_go.checked_sub(1);
        if self.to_go.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok() {
            place.forget();
        }
    }

    /// Makes it so many. Connections that are open stay open.
    pub(super) fn set(&self, wanted: usize) {
        let wanted = clamped(wanted);
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted > *count {
            let mut more = wanted - *count;
            // Those that were to go stay first.
            let kept =
                self.to_go.fetch_update(Ordering::AcqRel, Ordering::Acquire, |to_go| Some(to_go.saturating_sub(more)));
            more -= kept.unwrap_or_default().min(more);
            self.free.add_permits(more);
        } else {
            let less = *count - wanted;
            let gone = self.free.forget_permits(less);
            self.to_go.fetch_add(less - gone, Ordering::AcqRel);
        }
        *count = wanted;
    }
}

fn clamped(count: usize) -> usize {
    count.clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn fewer_places_wait_for_those_that_are_taken() {
        let places = Places::new(3);
        let taken = [places.take().await, places.take().await, places.take().await];
        places.set(1);
        let [first, second, third] = taken;
        places.give_back(first);
        places.give_back(second);
        assert!(places.take().now_or_never().is_none(), "one is open, and one is all there is");
        places.give_back(third);
        let only = places.take().await;
        assert!(places.take().now_or_never().is_none());
        places.set(2);
        let another = places.take().await;
        places.set(1);
        places.set(3);
        let third = places.take().await;
        assert!(places.take().now_or_never().is_none());
        for place in [only, another, third] {
            places.give_back(place);
        }
        assert_eq!(places.free.available_permits(), 3);
    }
}
