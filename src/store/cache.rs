//! A cache of what rooms read often: moka, bounded, loading each key once however many ask for it at once.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use crate::kernel::error::Error;

/// Values by key, at most `capacity` of them.
pub struct Cache<K, V> {
    entries: moka::future::Cache<K, V>,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self { entries: moka::future::Cache::new(capacity) }
    }

    /// The value of `key`; `load` runs once, whoever else asks meanwhile waits for it. An error is not kept.
    ///
    /// # Errors
    /// What `load` returns.
    pub async fn get_or_load<F>(&self, key: K, load: F) -> Result<V, Error>
    where
        F: Future<Output = Result<V, Error>>,
    {
        self.entries.try_get_with(key, load).await.map_err(|error: Arc<Error>| (*error).clone())
    }

    /// Forgets one key.
    pub async fn forget(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.entries.invalidate_all();
    }
}
