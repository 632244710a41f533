//! Where images are: a folder, or an S3 bucket.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::OnceCell;

use crate::config::{MediaConfig, MediaUrl};
use crate::kernel::error::{Error, Kind, Text};
use crate::store::Bucket;

/// How long the bucket may take to let itself be connected to, and for one request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// An object on its way to a reader.
pub(super) struct Object {
    pub(super) length: u64,
    pub(super) bytes: BoxStream<'static, object_store::Result<bytes::Bytes>>,
}

/// What became of an object that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// It was there, and is gone.
    Done,
    /// There is no such object here.
    NotThere,
    /// There is not even a place for it: the folder is missing.
    NoPlace,
}

/// The objects of one place.
pub(super) struct Objects {
    place: Place,
}

enum Place {
    /// Opened once it is there: a command that never keeps an image leaves no empty folder behind.
    Folder {
        path: PathBuf,
        store: OnceCell<Arc<dyn ObjectStore>>,
    },
    Bucket(Arc<dyn ObjectStore>),
}

impl Objects {
    /// Objects where the settings say. Nothing is connected to yet.
    ///
    /// # Errors
    /// `media_unavailable` when the settings make no sense to the S3 client.
    pub(super) fn open(config: &MediaConfig) -> Result<Self, Error> {
        let place = match &config.url {
            MediaUrl::Folder(path) => Place::Folder { path: path.clone(), store: OnceCell::new() },
            MediaUrl::S3 { bucket, prefix } => Place::Bucket(self::bucket(config, bucket, prefix)?),
        };
        Ok(Self { place })
    }

    /// Keeps an object; it is there as a whole or not at all.
    ///
    /// # Errors
    /// `503 media_unavailable`.
    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let store = match &self.place {
            Place::Bucket(store) => store,
            Place::Folder { path, store } => store.get_or_try_init(|| self::folder(path.clone(), true)).await?,
        };
        store.put(&Path::from(name), bytes.into()).await.map(drop).map_err(unavailable)
    }

    /// An object, if it is there.
    ///
    /// # Errors
    /// `503 media_unavailable`.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Object>, Error> {
        let Some(store) = self.store().await? else { return Ok(None) };
        match store.get(&Path::from(name)).await {
            Ok(found) => Ok(Some(Object { length: found.meta.size, bytes: found.into_stream() })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// `503 media_unavailable`.
    pub(super) async fn delete(&self, name: &str) -> Result<Deletion, Error> {
        let Some(store) = self.store().await? else { return Ok(Deletion::NoPlace) };
        let path = Path::from(name);
        // A bucket says of any name that it is deleted, so it is asked first whether there is such an object.
        let deletion = async {
            store.head(&path).await?;
            store.delete(&path).await
        };
        match deletion.await {
            Ok(()) => Ok(Deletion::Done),
            Err(object_store::Error::NotFound { .. }) => Ok(Deletion::NotThere),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The place, unless it is a folder that nobody has made yet.
    async fn store(&self) -> Result<Option<&Arc<dyn ObjectStore>>, Error> {
        match &self.place {
            Place::Bucket(store) => Ok(Some(store)),
            Place::Folder { path, store } => match store.get_or_try_init(|| self::folder(path.clone(), false)).await {
                Ok(store) => Ok(Some(store)),
                Err(Missing::Folder) => Ok(None),
                Err(Missing::Because(error)) => Err(error),
            },
        }
    }
}

/// Why a folder can't be opened.
enum Missing {
    Folder,
    Because(Error),
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Folder => Self::internal("a folder that was just made is missing"),
            Missing::Because(error) => error,
        }
    }
}

/// Opens a folder, off the async threads.
async fn folder(path: PathBuf, make: bool) -> Result<Arc<dyn ObjectStore>, Missing> {
    let opening = tokio::task::spawn_blocking(move || open_folder(&path, make));
    opening.await.unwrap_or_else(|panic| Err(Missing::Because(Error::internal(format!("opening a folder: {panic}")))))
}

fn open_folder(path: &FilePath, make: bool) -> Result<Arc<dyn ObjectStore>, Missing> {
    if make {
        std::fs::create_dir_all(path).map_err(|error| Missing::Because(unavailable(error)))?;
    } else if !path.is_dir() {
        return Err(Missing::Folder);
    }
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| Missing::Because(unavailable(error)))?;
    // The row that names an image is durable, so the image must be.
    Ok(Arc::new(store.with_fsync(true)))
}

fn bucket(config: &MediaConfig, name: &str, prefix: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let keys = config.s3_access_key.as_deref().zip(config.s3_secret_key.as_deref());
    let bucket = Bucket { name, prefix, endpoint: &config.s3_endpoint, region: &config.s3_region, keys };
    bucket.open(CONNECT_TIMEOUT, REQUEST_TIMEOUT).map_err(unavailable)
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> Error {
    tracing::warn!(%error, "the media store failed");
    media_unavailable().because(error.to_string())
}

/// The place where images are kept does not answer.
pub(in crate::users) fn media_unavailable() -> Error {
    let detail = Text::fixed(
        "Images can't be reached right now; try again in a moment.",
        "지금은 이미지를 사용할 수 없습니다. 잠시 후 다시 시도하세요.",
    );
    Error::new(Kind::Busy, "media_unavailable", detail).retry_after_s(5)
}
