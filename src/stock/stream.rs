//! Live counts as they change: one task looks at the board after commits and tells everybody who listens.
//!
//! What is told is the state, not its history: however many units move, each product is told once in [`INTERVAL`], as it is
//! then. So nothing has to wait for a slow listener: one that fell behind is told what has changed since.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::service::StockRoom;
use crate::kernel::error::Error;
use crate::kernel::ids::ProductId;
use crate::ledger::{Changes, Ledger};

/// A product is told at most once in so long.
const INTERVAL: Duration = Duration::from_millis(100);
/// News that are kept for listeners who are behind, for all of them together.
const WAITING_MAX: usize = 16;
/// Streams at once.
const STREAMS_MAX: usize = 4_096;

/// What has changed, and what a face made of it, which is kept with it: the text of each product in their order.
pub(super) struct News {
    pub(super) changes: Changes,
    pub(super) texts: OnceLock<Vec<Bytes>>,
}

impl News {
    fn new(changes: Changes) -> Arc<Self> {
        Arc::new(Self { changes, texts: OnceLock::new() })
    }
}

/// Where a listener was before: a publication of one run of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// When the server began, in microseconds: another one counts anew.
    pub(super) run: i64,
    /// The publication.
    pub(super) number: u64,
}

/// The way to those who listen.
pub(super) struct Hub {
    run: i64,
    news: broadcast::Sender<Arc<News>>,
    places: Arc<Semaphore>,
    closed: CancellationToken,
}

impl Hub {
    pub(super) fn new(run: i64) -> Self {
        let (news, _) = broadcast::channel(WAITING_MAX);
        Self { run, news, places: Arc::new(Semaphore::new(STREAMS_MAX)), closed: CancellationToken::new() }
    }
}

/// Somebody who listens.
pub(super) struct Listening {
    ledger: Weak<Ledger>,
    /// Everything, when it is not said.
    wanted: Option<BTreeSet<ProductId>>,
    first: Option<Changes>,
    seen: u64,
    run: i64,
    news: broadcast::Receiver<Arc<News>>,
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl StockRoom {
    /// Begins to tell what changes, until the room is closed or dropped. Must be called inside a tokio runtime.
    pub fn keep_current(&self) {
        let told = tell(Arc::downgrade(&self.ledger), self.hub.news.clone());
        let closed = self.hub.closed.clone();
        tokio::spawn(async move { closed.run_until_cancelled(told).await });
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        STREAMS_MAX - self.hub.places.available_permits()
    }

    /// Ends every stream, and lets nobody listen any more.
    pub fn close(&self) {
        self.hub.closed.cancel();
    }

    /// Lets somebody listen: to the counts of the products that are `wanted`, as they are and as they change, or to every
    /// change from now on. Whoever was here before is told what has changed since.
    ///
    /// # Errors
    /// `404 product_not_found` for any of them; `503 busy` when too many listen or the server stops.
    pub(super) fn listen(&self, wanted: Option<BTreeSet<ProductId>>, since: Option<Seen>) -> Result<Listening, Error> {
        for product in wanted.iter().flatten() {
            self.live(product)?;
        }
        if self.hub.closed.is_cancelled() {
            return Err(Error::busy(1));
        }
        let place = Arc::clone(&self.hub.places).try_acquire_owned().map_err(|_| Error::busy(5))?;
        // Before the counts are read: what changes after that is told.
        let news = self.hub.news.subscribe();
        let since = match since {
            Some(Seen { run, number }) if run == self.hub.run => number,
            None if wanted.is_none() => u64::MAX,
            _ => 0,
        };
        let first = self.ledger.changes(since, |product| is_wanted(wanted.as_ref(), product));
        Ok(Listening {
            ledger: Arc::downgrade(&self.ledger),
            wanted,
            seen: first.up_to,
            first: Some(first),
            run: self.hub.run,
            news,
            closed: self.hub.closed.clone(),
            _place: place,
        })
    }
}

fn is_wanted(wanted: Option<&BTreeSet<ProductId>>, product: &ProductId) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(product))
}

/// Tells what has changed, at most once in [`INTERVAL`].
async fn tell(ledger: Weak<Ledger>, news: broadcast::Sender<Arc<News>>) {
    let Some(mut published) = ledger.upgrade().map(|ledger| ledger.published()) else { return };
    let mut told = *published.borrow_and_update();
    while published.changed().await.is_ok() {
        let Some(changes) = ledger.upgrade().map(|ledger| {
            // Nobody is told anything: only how far it has come is looked at.
            let has_listeners = news.receiver_count() > 0;
            ledger.changes(told, |_| has_listeners)
        }) else {
            return;
        };
        told = changes.up_to;
        if !changes.products.is_empty() {
            drop(news.send(News::new(changes)));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

impl Listening {
    /// The run of the server that the listener hears of.
    pub(super) fn run(&self) -> i64 {
        self.run
    }

    /// Whether the listener asked for `product`.
    pub(super) fn wants(&self, product: &ProductId) -> bool {
        is_wanted(self.wanted.as_ref(), product)
    }

    /// The next news with something that the listener wants; `None` when the stream is over. Nothing is lost when this is
    /// given up and asked again.
    pub(super) async fn next(&mut self) -> Option<Arc<News>> {
        if let Some(first) = self.first.take().filter(|first| !first.products.is_empty()) {
            return Some(News::new(first));
        }
        let closed = self.closed.clone();
        closed.run_until_cancelled(self.hear()).await?
    }

    async fn hear(&mut self) -> Option<Arc<News>> {
        loop {
            let news = match self.news.recv().await {
                Ok(news) if news.changes.up_to <= self.seen => continue,
                Ok(news) => news,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.news = self.news.resubscribe();
                    News::new(self.ledger.upgrade()?.changes(self.seen, |product| self.wants(product)))
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            self.seen = news.changes.up_to;
            if news.changes.products.iter().any(|(product, _)| self.wants(product)) {
                return Some(news);
            }
        }
    }
}
