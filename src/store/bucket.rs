//! An S3 bucket, opened as the settings say.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, RetryConfig};

/// How often a request is tried again within its time.
const RETRIES_MAX: usize = 2;

/// Where a bucket is, and who asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// Its name.
    pub name: &'a str,
    /// What every key in it begins with; nothing when it is empty.
    pub prefix: &'a str,
    /// The server that speaks S3; Amazon's own when it is empty.
    pub endpoint: &'a str,
    /// Its region.
    pub region: &'a str,
    /// The access key's id and secret; without them the machine's own role is asked for.
    pub keys: Option<(&'a str, &'a str)>,
}

impl Bucket<'_> {
    /// The bucket's objects. Nothing is connected to yet. Connecting may take so long, and a request with all its repeats.
    ///
    /// # Errors
    /// When this makes no sense to the S3 client.
    pub fn open(self, connecting: Duration, request: Duration) -> object_store::Result<Arc<dyn ObjectStore>> {
        let options = ClientOptions::new().with_connect_timeout(connecting).with_timeout(request);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(self.name)
            .with_region(self.region)
            .with_retry(RetryConfig { max_retries: RETRIES_MAX, retry_timeout: request, ..RetryConfig::default() })
            .with_client_options(options.with_allow_http(self.endpoint.starts_with("http://")));
        if !self.endpoint.is_empty() {
            builder = builder.with_endpoint(self.endpoint);
        }
        if let Some((id, secret)) = self.keys {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = builder.build()?;
        Ok(if self.prefix.is_empty() { Arc::new(store) } else { Arc::new(PrefixStore::new(store, self.prefix)) })
    }
}
