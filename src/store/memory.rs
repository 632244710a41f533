//! Memory of what was read: values that stand until something that they were made of is written.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use super::Db;
use super::cache::{CacheUse, Lookups};
use super::concerns::Scope;
use crate::kernel::error::Error;

/// Values by key, up to a weight in all. Whoever asks gets what was true when they asked, or later.
pub struct Memory<K, V> {
    db: Db,
    kept: moka::future::Cache<K, Kept<V>>,
    lookups: Lookups,
}

#[derive(Clone)]
struct Kept<V> {
    value: V,
    scope: Scope,
    /// The database's version before it was read.
    read_at: u64,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty memory of `db`, for values whose weights add up to at most `capacity`. What they were made of comes on top,
    /// two bytes for each subject.
    #[must_use]
    pub fn new(db: Db, capacity: u64, weight: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        let weigher = move |_: &K, kept: &Kept<V>| u32::try_from(weight(&kept.value)).unwrap_or(u32::MAX);
        let kept = moka::future::Cache::builder().max_capacity(capacity).weigher(weigher).build();
        Self { db, kept, lookups: Lookups::default() }
    }

    /// The value of `key`. `load` reads it, and says what it was made of; it runs once, whoever else asks meanwhile waits
    /// for it. An error is not kept.
    ///
    /// # Errors
    /// What `load` returns.
    pub async fn get<F>(&self, key: K, load: impl Fn() -> F) -> Result<V, Error>
    where
        F: Future<Output = Result<(V, Scope), Error>>,
    {
        self.lookups.asked();
        let asked_at = self.db.version();
        loop {
            let read = async {
                self.lookups.loaded();
                let read_at = self.db.version();
                let (value, scope) = load().await?;
                Ok(Kept { value, scope, read_at })
            };
            let kept = self.kept.try_get_with_by_ref(&key, read).await.map_err(|error: Arc<Error>| (*error).clone())?;
            // A read of somebody else's that began before this one was asked for may not know what this asker knows.
            if kept.read_at >= asked_at || self.db.last_concerned(&kept.scope) <= kept.read_at {
                return Ok(kept.value);
            }
            self.kept.invalidate(&key).await;
        }
    }

    /// How it was used.
    #[must_use]
    pub fn usage(&self) -> CacheUse {
        self.lookups.read()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::super::{Conn, Location, Subject, bind};
    use super::*;

    fn ann() -> Subject {
        Subject::new(1, 1)
    }

    fn bob() -> Subject {
        Subject::new(1, 2)
    }

    async fn shelf() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        db.write(|conn| Ok(conn.execute("CREATE TABLE notes (text TEXT)", &[])?)).await.unwrap();
        (folder, db)
    }

    fn count(conn: &Conn<'_>) -> Result<i64, Error> {
        Ok(conn.row("SELECT COUNT(*) FROM notes", &[], |row| row.int(0))?.unwrap_or(0))
    }

    async fn note(db: &Db, about: Option<Vec<Subject>>) {
        let write = move |conn: &Conn<'_>| {
            conn.execute("INSERT INTO notes (text) VALUES ($1)", bind!["note"])?;
            if let Some(about) = about {
                conn.concerns(&about);
            }
            Ok(())
        };
        db.write(write).await.unwrap();
    }

    #[tokio::test]
    async fn a_value_stands_until_something_that_it_was_made_of_is_concerned() {
        let (_folder, db) = shelf().await;
        let memory = Memory::new(db.clone(), 10, |_| 1);
        let loads = AtomicUsize::new(0);
        let ask = async |key: &'static str, scope: Scope| {
            let load = || async {
                loads.fetch_add(1, Ordering::Relaxed);
                Ok((db.read(count).await?, scope.clone()))
            };
            (memory.get(key, load).await.unwrap(), loads.load(Ordering::Relaxed))
        };
        let of_ann = || Scope::Of([ann()].into());
        assert_eq!(ask("ann", of_ann()).await, (0, 1));
        note(&db, Some(vec![bob()])).await;
        note(&db, Some(vec![])).await;
        assert_eq!(ask("ann", of_ann()).await, (0, 1), "others' notes do not concern her");
        assert_eq!(ask("all", Scope::Anything).await, (2, 2));
        note(&db, Some(vec![bob(), ann()])).await;
        assert_eq!(ask("ann", of_ann()).await, (3, 3));
        note(&db, None).await;
        assert_eq!(ask("ann", of_ann()).await, (4, 4), "who says nothing concerns everybody");
        note(&db, Some(vec![])).await;
        assert_eq!(ask("ann", of_ann()).await, (4, 4));
        assert_eq!(ask("all", Scope::Anything).await, (5, 5));
        assert_eq!(memory.usage(), CacheUse { hits: 2, misses: 5 });
    }

    #[tokio::test]
    async fn what_is_undone_concerns_nobody() {
        let (_folder, db) = shelf().await;
        let memory = Memory::new(db.clone(), 10, |_| 1);
        let ask = || memory.get("ann", || async { Ok((db.read(count).await?, Scope::Of([ann()].into()))) });
        assert_eq!(ask().await.unwrap(), 0);
        let fails = |conn: &Conn<'_>| {
            conn.execute("INSERT INTO notes (text) VALUES ('undone')", &[])?;
            Err::<(), _>(Error::busy(1))
        };
        db.write(fails).await.unwrap_err();
        let reads = db.reads_total();
        assert_eq!(ask().await.unwrap(), 0);
        assert_eq!(db.reads_total(), reads, "it stood");
    }

    #[tokio::test]
    async fn whoever_asks_after_a_commit_is_not_told_what_a_slow_read_saw_before_it() {
        let (_folder, db) = shelf().await;
        let memory = Arc::new(Memory::new(db.clone(), 10, |_| 1));
        let (began, has_begun) = oneshot::channel();
        let (go, may_end) = oneshot::channel();
        let gates = Arc::new(std::sync::Mutex::new(Some((began, may_end))));
        let slow = tokio::spawn({
            let (memory, db) = (Arc::clone(&memory), db.clone());
            async move {
                let load = || async {
                    let seen = db.read(count).await?;
                    let gates = gates.lock().unwrap().take();
                    if let Some((began, may_end)) = gates {
                        began.send(()).unwrap();
                        may_end.await.unwrap();
                    }
                    Ok((seen, Scope::Of([ann()].into())))
                };
                memory.get("ann", load).await
            }
        });
        has_begun.await.unwrap();
        note(&db, Some(vec![ann()])).await;
        let mut after =
            Box::pin(memory.get("ann", || async { Ok((db.read(count).await?, Scope::Of([ann()].into()))) }));
        assert!(futures_util::poll!(&mut after).is_pending(), "it waits for the read that is under way");
        go.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), 0);
        assert_eq!(after.await.unwrap(), 1);
    }
}
