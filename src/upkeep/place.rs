//! Where scheduled backups are kept: a folder, or an S3 bucket.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};

use super::rules;
use crate::config::{BackupConfig, MediaUrl};
use crate::kernel::error::{Error, Kind, Text};
use crate::store::Bucket;

/// How long the bucket may take to let itself be connected to, and for one part of a backup.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
/// One part; S3 takes 10,000 of them, so 80 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts under way at a time.
const PARTS_MAX: usize = 2;

/// A place for backups.
pub(super) enum Place {
    /// A folder, made when it is missing.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Arc<dyn ObjectStore>),
}

impl Place {
    /// The place that the settings name; `None` when they name none. Nothing is connected to yet.
    ///
    /// # Errors
    /// `backup_unavailable` when the settings make no sense to the S3 client.
    pub(super) fn open(config: &BackupConfig) -> Result<Option<Self>, Error> {
        Ok(match &config.url {
            None => None,
            Some(MediaUrl::Folder(path)) => Some(Self::Folder(path.clone())),
            Some(MediaUrl::S3 { bucket, prefix }) => Some(Self::Bucket(self::bucket(config, bucket, prefix)?)),
        })
    }

    /// Every name in it.
    ///
    /// # Errors
    /// `backup_unavailable`.
    pub(super) async fn names(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Folder(path) => names_in(path).map_err(unavailable),
            Self::Bucket(store) => {
                let listed = store.list_with_delimiter(None).await.map_err(unavailable)?;
                Ok(listed.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
            }
        }
    }

    /// Deletes the file of that name.
    ///
    /// # Errors
    /// `backup_unavailable`.
    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Folder(path) => std::fs::remove_file(path.join(name)).map_err(unavailable),
            Self::Bucket(store) => store.delete(&Key::from(name)).await.map_err(unavailable),
        }
    }
}

/// Brings a file to a bucket; it is there as a whole or not at all.
///
/// # Errors
/// `backup_unavailable`.
pub(super) async fn upload(store: &dyn ObjectStore, name: &str, path: &Path) -> Result<(), Error> {
    let mut file = File::open(path).map_err(unavailable)?;
    let upload = store.put_multipart(&Key::from(name)).await.map_err(unavailable)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    let sent = async {
        loop {
            upload.wait_for_capacity(PARTS_MAX).await.map_err(unavailable)?;
            let (part, rest) = tokio::task::spawn_blocking(move || next_part(file))
                .await
                .map_err(|panic| Error::internal(format!("reading a backup: {panic}")))?
                .map_err(unavailable)?;
            file = rest;
            if part.is_empty() {
                return Ok(());
            }
            upload.put(part.into());
        }
    };
    match sent.await {
        Ok(()) => upload.finish().await.map(drop).map_err(unavailable),
        Err(error) => {
            drop(upload.abort().await);
            Err(error)
        }
    }
}

fn next_part(file: File) -> std::io::Result<(Vec<u8>, File)> {
    let mut part = Vec::with_capacity(PART_BYTES);
    let mut limited = file.take(PART_BYTES as u64);
    limited.read_to_end(&mut part)?;
    Ok((part, limited.into_inner()))
}

/// The names in a folder; what a kill left half done there is deleted.
fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    std::fs::create_dir_all(folder)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if rules::is_draft(&name) {
            std::fs::remove_file(folder.join(name))?;
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

fn bucket(config: &BackupConfig, name: &str, prefix: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let keys = config.s3_access_key.as_deref().zip(config.s3_secret_key.as_deref());
    let bucket = Bucket { name, prefix, endpoint: &config.s3_endpoint, region: &config.s3_region, keys };
    bucket.open(CONNECT_TIMEOUT, REQUEST_TIMEOUT).map_err(unavailable)
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    let error = error.to_string();
    let detail = Text::made(
        format!("The place for backups (backup.url) can't be used: {error}."),
        format!("백업 위치(backup.url)를 사용할 수 없습니다: {error}"),
    );
    Error::new(Kind::Busy, "backup_unavailable", detail).because(error)
}
