//! Room in memory for images on their way in: so many for everybody, and a few of those for one user.
//!
//! A body may trickle in for as long as a request may take, and its room is taken all the while. So nobody has more than a
//! few: whoever sends slowly, or often, is in the way of nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::UserId;

/// Images that may be in memory at once, as they were sent; more are put off.
pub(super) const UPLOADS_MAX: usize = 32;

/// Those of one user.
const UPLOADS_OF_USER_MAX: usize = 8;

/// All the room that there is.
pub(super) struct Rooms {
    all: Arc<Semaphore>,
    taken: Arc<Taken>,
}

/// How many rooms each user has who has any.
#[derive(Debug, Default)]
struct Taken(Mutex<HashMap<UserId, usize>>);

/// Room for one upload, until it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    _one_of_all: OwnedSemaphorePermit,
    user: UserId,
    taken: Arc<Taken>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(UPLOADS_MAX)), taken: Arc::default() }
    }

    /// Room for one more upload of a user's.
    ///
    /// # Errors
    /// `429 too_many_uploads` when the user has no more, `503 busy` when nobody has.
    pub(super) fn take(&self, user: UserId) -> Result<Room, Error> {
        let mut taken = self.taken.lock();
        let own = taken.entry(user).or_default();
        if *own >= UPLOADS_OF_USER_MAX {
            return Err(too_many_uploads());
        }
        let room = Arc::clone(&self.all).try_acquire_owned();
        if room.is_ok() {
            *own += 1;
        } else if *own == 0 {
            taken.remove(&user);
        }
        drop(taken);
        let one_of_all = room.map_err(|_| Error::busy(1).because("too many images are being uploaded"))?;
        Ok(Room { _one_of_all: one_of_all, user, taken: Arc::clone(&self.taken) })
    }

    /// How much room is free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.all.available_permits()
    }

    /// Waits until all of it is free.
    #[cfg(test)]
    pub(super) async fn emptied(&self) {
        drop(self.all.acquire_many(u32::try_from(UPLOADS_MAX).unwrap()).await.unwrap());
    }
}

impl Taken {
    // Nothing in here can panic halfway through a change, so a poisoned lock still guards what is true.
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        let Some(own) = taken.get_mut(&self.user) else { return };
        *own -= 1;
        if *own == 0 {
            taken.remove(&self.user);
        }
    }
}

pub(in crate::users) fn too_many_uploads() -> Error {
    let detail = Text::made(
        format!("One user may send {UPLOADS_OF_USER_MAX} images at once."),
        format!("한 사용자는 동시에 이미지 {UPLOADS_OF_USER_MAX}개까지 보낼 수 있습니다."),
    );
    Error::new(Kind::TooMany, "too_many_uploads", detail).retry_after_s(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(taken: Result<Room, Error>) -> &'static str {
        taken.err().unwrap().code()
    }

    #[test]
    fn a_user_has_a_few_and_all_have_so_many() {
        let rooms = Rooms::new();
        let mut held = Vec::new();
        for user in 1..=4 {
            held.extend((0..8).map(|_| rooms.take(UserId(user)).unwrap()));
            assert_eq!(refusal(rooms.take(UserId(user))), "too_many_uploads");
        }
        assert_eq!(refusal(rooms.take(UserId(9))), "busy");
        held.pop();
        held.push(rooms.take(UserId(9)).unwrap());
        assert_eq!(refusal(rooms.take(UserId(4))), "busy");
    }

    #[test]
    fn nobody_is_remembered_who_has_none() {
        let rooms = Rooms::new();
        let held: Vec<_> = (0..32).map(|user| rooms.take(UserId(user)).unwrap()).collect();
        assert_eq!(refusal(rooms.take(UserId(99))), "busy");
        drop(held);
        assert!(rooms.taken.lock().is_empty());
        assert_eq!(rooms.free(), UPLOADS_MAX);
    }
}
