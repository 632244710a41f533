//! A cache of what rooms read often: moka, bounded, loading each key once however many ask for it at once.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::kernel::error::Error;

/// Values by key, up to a capacity.
///
/// Forgetting is exact: a load that began before [`Cache::forget`] is kept under the generation that it began in, and
/// nobody asks for that one any more. So a slow load never brings an old value back.
pub struct Cache<K, V> {
    entries: moka::future::Cache<(u64, K), V>,
    generation: AtomicU64,
    lookups: Lookups,
}

/// Counts how often a cache was asked, and how often it had to load.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    asked: AtomicU64,
    loaded: AtomicU64,
}

impl Lookups {
    pub(super) fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn loaded(&self) {
        self.loaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> CacheUse {
        // In this order: whoever is counted as loading has been counted as asking.
        let misses = self.loaded.load(Ordering::Acquire);
        CacheUse { hits: self.asked.load(Ordering::Relaxed).saturating_sub(misses), misses }
    }
}

/// How a cache was used since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    /// Values that were there, or were being loaded for somebody else.
    pub hits: u64,
    /// Values that were loaded.
    pub misses: u64,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache for at most `capacity` values.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self { entries: moka::future::Cache::new(capacity), generation: AtomicU64::new(0), lookups: Lookups::default() }
    }

    /// An empty cache for values whose weights add up to at most `capacity`.
    #[must_use]
    pub fn weighed(capacity: u64, weight: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        let weigher = move |_: &(u64, K), value: &V| u32::try_from(weight(value)).unwrap_or(u32::MAX);
        let entries = moka::future::Cache::builder().max_capacity(capacity).weigher(weigher).build();
        Self { entries, generation: AtomicU64::new(0), lookups: Lookups::default() }
    }

    /// The value of `key`; `load` runs once, whoever else asks meanwhile waits for it. An error is not kept.
    ///
    /// # Errors
    /// What `load` returns.
    pub async fn get_or_load<F>(&self, key: K, load: F) -> Result<V, Error>
    where
        F: Future<Output = Result<V, Error>>,
    {
        let generation = self.generation.load(Ordering::Acquire);
        self.lookups.asked();
        let load = async {
            self.lookups.loaded();
            load.await
        };
        self.entries.try_get_with((generation, key), load).await.map_err(|error: Arc<Error>| (*error).clone())
    }

    /// How it was used.
    #[must_use]
    pub fn usage(&self) -> CacheUse {
        self.lookups.read()
    }

    /// What is kept, once whatever is too much has been let go.
    #[cfg(test)]
    pub(crate) async fn kept(&self) -> Vec<V> {
        self.entries.run_pending_tasks().await;
        self.entries.iter().map(|(_, value)| value).collect()
    }

    /// Forgets everything that was loaded, and everything that is being loaded.
    pub fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_load_that_began_before_the_change_is_not_kept() {
        let cache = Arc::new(Cache::new(10));
        let (began, has_begun) = oneshot::channel();
        let (go, may_end) = oneshot::channel();
        let slow = tokio::spawn({
            let cache = Arc::clone(&cache);
            async move {
                cache
                    .get_or_load("key", async {
                        began.send(()).unwrap();
                        may_end.await.unwrap();
                        Ok("old")
                    })
                    .await
            }
        });
        has_begun.await.unwrap();
        cache.forget();
        go.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), "old");
        assert_eq!(cache.get_or_load("key", async { Ok("new") }).await.unwrap(), "new");
    }

    #[tokio::test]
    async fn a_key_is_loaded_once_and_errors_are_not_kept() {
        let cache = Cache::new(10);
        let error = cache.get_or_load(1, async { Err::<i32, _>(Error::busy(1)) }).await.unwrap_err();
        assert_eq!(error.code(), "busy");
        assert_eq!(cache.get_or_load(1, async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(cache.get_or_load(1, async { Ok(8) }).await.unwrap(), 7);
        assert_eq!(cache.usage(), CacheUse { hits: 1, misses: 2 });
    }
}
