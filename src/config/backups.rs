//! Settings of the backups that the server makes by itself.

use super::Secret;
use super::accounts::{ENDPOINT, endpoint, media_url, secret, text, written};
use super::keys::{Form, Setting, is_url};

const BACKUP_URL: &str =
    "file:FOLDER, such as file:data/backups, s3://BUCKET or s3://BUCKET/PREFIX, or nothing for none";

pub(super) const URL: Setting = Setting {
    key: "backup.url",
    doc: "Where the server keeps the backups that it makes by itself: a folder or prefix for them alone. None are made when it \
          is empty.",
    secret: false,
    form: Form::Text {
        allowed: BACKUP_URL,
        set: |config, text| {
            config.backup.url = if text.is_empty() { None } else { Some(media_url(text).map_err(|_| BACKUP_URL)?) };
            Ok(())
        },
        get: |config| Some(config.backup.url.as_ref().map(written).unwrap_or_default()),
    },
};

pub(super) const S3_ENDPOINT: Setting = endpoint!(
    "backup.s3_endpoint",
    backup.s3_endpoint,
    "The server that speaks S3 for backups, when it is not Amazon's."
);
pub(super) const S3_REGION: Setting =
    text!("backup.s3_region", backup.s3_region, "The region of the bucket for backups.");
pub(super) const S3_ACCESS_KEY: Setting = secret!(
    "backup.s3_access_key",
    backup.s3_access_key,
    "The access key id for that bucket; without one, the machine's own role is asked for."
);
pub(super) const S3_SECRET_KEY: Setting =
    secret!("backup.s3_secret_key", backup.s3_secret_key, "The secret that belongs to that access key.");
