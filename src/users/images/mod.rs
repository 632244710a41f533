//! Profile images: checked by what they are, written anew, kept under names that nobody chose.
//!
//! An object and the row that names it live in two places. A name is noted as unused before its object is written and until
//! a user shows it, and again from the moment that no user does; so whatever fails between, `Users::tidy` finds the object.

pub(super) mod http;
mod objects;
mod recode;
mod room;
pub(super) mod store;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

pub(super) use self::objects::media_unavailable;
use self::objects::{Deletion, Object, Objects};
use self::recode::Recoded;
pub(super) use self::recode::not_an_image;
pub(super) use self::room::too_many_uploads;
use self::room::{Room, Rooms};
use super::tokens::hex;
use crate::config::MediaConfig;
use crate::kernel::error::{Error, FieldError};
use crate::store::Db;

/// The largest image that is taken, in bytes.
pub(super) const BYTES_MAX: usize = 5 * 1024 * 1024;

/// How long an object may be on its way in before it counts as left behind, in seconds: longer than any request takes. One
/// on its way out counts at once.
const LEFT_BEHIND_S: i64 = 2 * 3600;

/// An image as it was sent, and the room that it takes in memory.
#[derive(Debug)]
pub struct Upload {
    bytes: Bytes,
    room: Room,
}

/// An image that was written anew; it has the room of what was sent until it is kept.
#[derive(Debug)]
pub(super) struct Ready {
    image: Recoded,
    _room: Room,
}

/// Keeps images.
pub(super) struct Images {
    objects: Objects,
    rooms: Rooms,
    /// Images that may be read at once: the largest takes a fraction of a gigabyte.
    decoding: Arc<Semaphore>,
}

impl Images {
    /// Images where the settings say.
    ///
    /// # Errors
    /// When the settings make no sense to the S3 client.
    pub(super) fn open(config: &MediaConfig) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            objects: Objects::open(config)?,
            rooms: Rooms::new(),
            decoding: Arc::new(Semaphore::new((cores / 2).max(1))),
        })
    }

    /// Reads what somebody sent and writes it anew, off the async threads.
    ///
    /// # Errors
    /// `Err` when the server is going down, `Ok(Err)` when the image is refused.
    pub(super) async fn recode(&self, sent: Upload) -> Result<Result<Ready, FieldError>, Error> {
        self.recode_by(recode::recode, sent).await
    }

    /// The memory that this takes is taken for as long as `recode` runs, which is until it has ended and not until the
    /// client hangs up: so the turn and the room go with it.
    async fn recode_by<F>(&self, recode: F, sent: Upload) -> Result<Result<Ready, FieldError>, Error>
    where
        F: FnOnce(&[u8]) -> Result<Recoded, FieldError> + Send + 'static,
    {
        let turn = Arc::clone(&self.decoding).acquire_owned().await.map_err(|_| Error::busy(1))?;
        let recoded = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            recode(&sent.bytes).map(|image| Ready { image, _room: sent.room })
        });
        Ok(recoded.await.unwrap_or_else(|error| {
            // A decoder that panics has met an image that is none.
            tracing::warn!(%error, "an image could not be read");
            Err(recode::not_an_image())
        }))
    }

    /// A name for a new object.
    pub(super) fn fresh_name(ready: &Ready) -> String {
        let random: [u8; 16] = rand::random();
        format!("{}.{}", hex(&random), ready.image.format.extension())
    }

    /// Keeps an image under `name`.
    ///
    /// # Errors
    /// `503 media_unavailable`.
    pub(super) async fn put(&self, name: &str, ready: Ready) -> Result<(), Error> {
        self.objects.put(name, ready.image.bytes).await
    }

    /// All of an image, if it is there.
    ///
    /// # Errors
    /// `503 media_unavailable`.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut object) = self.objects.get(name).await? else { return Ok(None) };
        let mut bytes = Vec::new();
        while let Some(piece) = object.bytes.next().await {
            bytes.extend_from_slice(&piece.map_err(objects::unavailable)?);
        }
        Ok(Some(bytes))
    }

    async fn get(&self, name: &str) -> Result<Option<Object>, Error> {
        self.objects.get(name).await
    }

    /// Deletes an object that no user shows any more. What can't be deleted here and now stays noted, and the server does it:
    /// a command line in another folder may not see the object that the server still serves.
    pub(super) async fn discard(&self, db: &Db, name: String) {
        match self.objects.delete(&name).await {
            Ok(Deletion::Done) => forget(db, name).await,
            Ok(Deletion::NotThere | Deletion::NoPlace) => {
                tracing::info!(name, "an image is not where media.url leads from here; the server deletes it");
            }
            Err(_) => {} // it was logged
        }
    }

    /// Deletes what was left behind, as the server that serves it: what is not there is gone for good. Gives whether there
    /// is any use in going on.
    pub(super) async fn tidy_away(&self, db: &Db, name: String) -> bool {
        match self.objects.delete(&name).await {
            Ok(Deletion::Done | Deletion::NotThere) => forget(db, name).await,
            // A folder that is missing altogether may be a disk that is not mounted.
            Ok(Deletion::NoPlace) | Err(_) => return false,
        }
        true
    }
}

async fn forget(db: &Db, name: String) {
    if let Err(error) = db.write(move |conn| Ok(store::forget_unused(conn, &name)?)).await {
        tracing::warn!(%error, "a deleted image is still noted as unused");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;
    use crate::config::Config;
    use crate::kernel::ids::UserId;

    #[tokio::test]
    async fn whoever_hangs_up_gives_no_memory_back_that_is_still_taken() {
        let images = Images::open(&Config::default().media).unwrap();
        let turns = images.decoding.available_permits();
        let (began, has_begun) = oneshot::channel();
        let (go, wait) = mpsc::channel::<()>();
        let reads = move |_: &[u8]| {
            began.send(()).unwrap();
            let _either_way = wait.recv();
            Err(recode::not_an_image())
        };
        let sent = Upload { bytes: Bytes::new(), room: images.rooms.take(UserId(1)).unwrap() };
        let mut recoding = Box::pin(images.recode_by(reads, sent));
        assert!(poll!(&mut recoding).is_pending());
        has_begun.await.unwrap();
        drop(recoding);
        assert_eq!(images.decoding.available_permits(), turns - 1);
        assert_eq!(images.rooms.free(), room::UPLOADS_MAX - 1);
        go.send(()).unwrap();
        let all = u32::try_from(turns).unwrap();
        drop(images.decoding.acquire_many(all).await.unwrap());
        images.rooms.emptied().await;
    }
}
