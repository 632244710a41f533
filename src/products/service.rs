//! What every face of the catalogue calls.

use std::sync::Arc;

use serde_json::json;

use super::model::{Change, Entry, NewProduct, Product, ProductDraft};
use super::{noted, rules, store};
use crate::kernel::actor::By;
use crate::kernel::clock::{Clock, Timestamp};
use crate::kernel::error::Error;
use crate::kernel::ids::ProductId;
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::ledger::{Kind, Ledger, Mover, Refusal, Terms, offers};
use crate::store::cache::{Cache, CacheUse};
use crate::store::{Conn, Db};
use crate::trail::{self, Action, Deed, changed};

/// Catalogue entries kept in memory, in bytes; the absent ones that were asked for count as well.
const ENTRIES_BYTES_MAX: u64 = 8 << 20;
/// Pages of the product list kept in memory, in bytes. Anybody can ask for pages of any length from anywhere in the list.
const PAGES_BYTES_MAX: u64 = 8 << 20;
/// What an entry, a page or an absence weighs besides its texts, in bytes.
const ENTRY_BYTES: usize = 300;

const PRODUCTS: Cursors = Cursors("products");

/// What a page is cached under: the kind, the cursor, the limit.
type PageKey = (Option<Kind>, Option<String>, u32);

/// The catalogue.
pub struct Products {
    db: Db,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    entries: Cache<ProductId, Option<Arc<Entry>>>,
    pages: Cache<PageKey, Page<Arc<Entry>>>,
}

impl Products {
    /// The catalogue over `db`.
    #[must_use]
    pub fn new(db: Db, clock: Arc<dyn Clock>, ledger: Arc<Ledger>) -> Arc<Self> {
        let entries = Cache::weighed(ENTRIES_BYTES_MAX, |entry: &Option<Arc<Entry>>| weight(entry.as_slice()));
        let pages = Cache::weighed(PAGES_BYTES_MAX, |page: &Page<Arc<Entry>>| weight(&page.items));
        Arc::new(Self { db, clock, ledger, entries, pages })
    }

    /// How its caches were used, by name.
    #[must_use]
    pub fn caches(&self) -> [(&'static str, CacheUse); 2] {
        [("products", self.entries.usage()), ("product_pages", self.pages.usage())]
    }

    /// Forgets what is in memory whenever another process changes the database, until the catalogue is dropped.
    pub fn keep_current(self: &Arc<Self>) {
        let products = Arc::downgrade(self);
        let mut changed = self.db.changed_elsewhere();
        tokio::spawn(async move {
            while changed.changed().await.is_ok() {
                let Some(products) = products.upgrade() else { return };
                products.forget();
            }
        });
    }

    /// One product.
    ///
    /// # Errors
    /// `404 product_not_found`; a fault of the database.
    pub async fn get(&self, id: &ProductId) -> Result<Product, Error> {
        let loading = async {
            let id = id.clone();
            self.db.read(move |conn| Ok(store::find(conn, &id)?.map(Arc::new))).await
        };
        let entry = self.entries.get_or_load(id.clone(), loading).await?;
        entry.and_then(|entry| self.shown(entry)).ok_or_else(|| Refusal::ProductNotFound.into())
    }

    /// Products by id, of one kind or of all.
    ///
    /// # Errors
    /// A cursor of another list; a fault of the database.
    pub async fn list(&self, kind: Option<Kind>, page: PageRequest) -> Result<Page<Product>, Error> {
        let after = PRODUCTS.open::<ProductId>(page.after.as_deref())?;
        let loading = async {
            let entries = self.db.read(move |conn| store::list(conn, kind, after.as_ref(), page.limit)).await?;
            let entries = entries.into_iter().map(Arc::new).collect();
            Ok(PRODUCTS.page(entries, page.limit, |entry: &Arc<Entry>| entry.id.clone()))
        };
        let Page { items, next_cursor } = self.pages.get_or_load((kind, page.after, page.limit), loading).await?;
        Ok(Page { items: items.into_iter().filter_map(|entry| self.shown(entry)).collect(), next_cursor })
    }

    /// Makes a product and puts it on sale.
    ///
    /// # Errors
    /// `422` with every fault; `409 product_exists`.
    pub async fn add(self: &Arc<Self>, draft: &ProductDraft, by: Mover) -> Result<Product, Error> {
        self.put(draft, by, by.keeper()).await
    }

    /// The same for a seeding, which has an entry in the audit log for all that it adds.
    ///
    /// # Errors
    /// Those of [`Self::add`].
    pub async fn seed(self: &Arc<Self>, draft: &ProductDraft, by: Mover) -> Result<Product, Error> {
        self.put(draft, by, None).await
    }

    async fn put(self: &Arc<Self>, draft: &ProductDraft, by: Mover, noted: Option<By>) -> Result<Product, Error> {
        let NewProduct { id, name, description, terms, stock } = rules::draft(draft)?;
        let created_at = self.clock.now();
        let entry = Entry { id: id.clone(), name, description, kind: terms.kind, created_at };
        self.commit(&id, move |conn| {
            store::insert(conn, &entry)?;
            offers::insert(conn, &entry.id, &terms, stock, by, created_at)?;
            let mut became = noted::shown(&entry, &terms);
            became["stock"] = stock.into();
            note(conn, noted, created_at, &Deed::new(Action::ProductAdd, &entry.id, became))
        })
        .await?;
        self.get(&id).await
    }

    /// Changes a product; its orders keep their price and their hold.
    ///
    /// # Errors
    /// `404 product_not_found`; `422` with every fault; `409 limit_below_orders`.
    pub async fn edit(self: &Arc<Self>, id: &ProductId, change: Change, by: By) -> Result<Product, Error> {
        self.edit_by(id, (Action::ProductEdit, by), move |_| change).await
    }

    /// Opens a sale now. An end that has passed goes; one that is open stays as it is.
    ///
    /// # Errors
    /// `404 product_not_found`; `422` for a general product, which has no window.
    pub async fn open_now(self: &Arc<Self>, id: &ProductId, by: By) -> Result<Product, Error> {
        let now = self.clock.now();
        self.edit_by(id, (Action::ProductOpen, by), move |terms| rules::opening(terms, now)).await
    }

    /// Closes a sale now; one that is closed stays as it is.
    ///
    /// # Errors
    /// `404 product_not_found`; `422` for a sale that has not opened, and for a general product, which has no window.
    pub async fn close_now(self: &Arc<Self>, id: &ProductId, by: By) -> Result<Product, Error> {
        let now = self.clock.now();
        self.edit_by(id, (Action::ProductClose, by), move |terms| rules::closing(terms, now)).await
    }

    async fn edit_by<F>(
        self: &Arc<Self>,
        id: &ProductId,
        (action, by): (Action, By),
        change: F,
    ) -> Result<Product, Error>
    where
        F: FnOnce(&Terms) -> Change + Send + 'static,
    {
        let (wanted, now) = (id.clone(), self.clock.now());
        self.commit(id, move |conn| {
            let found = store::find(conn, &wanted)?.zip(offers::find(conn, &wanted)?);
            let (entry, offer) = found.ok_or(Refusal::ProductNotFound)?;
            let was = noted::shown(&entry, &offer.terms);
            let (entry, terms) = rules::change(&entry, &offer.terms, &change(&offer.terms))?;
            let Some((was, became)) = changed(was, noted::shown(&entry, &terms)) else { return Ok(()) };
            store::update(conn, &entry)?;
            if terms != offer.terms {
                offers::amend(conn, &wanted, &terms)?;
            }
            note(conn, Some(by), now, &Deed::new(action, &wanted, became).instead_of(was))
        })
        .await?;
        self.get(id).await
    }

    /// Takes a product off the catalogue and off sale; its orders stay, open holds may still be settled.
    ///
    /// # Errors
    /// `404 product_not_found`; a fault of the database.
    pub async fn delete(self: &Arc<Self>, id: &ProductId, by: By) -> Result<(), Error> {
        let wanted = id.clone();
        let now = self.clock.now();
        self.commit(id, move |conn| {
            let entry = store::find(conn, &wanted)?.ok_or(Refusal::ProductNotFound)?;
            store::delete(conn, &wanted, now)?;
            offers::retire(conn, &wanted)?;
            let (was, became) = (json!({ "name": entry.name }), json!({ "deleted": true }));
            note(conn, Some(by), now, &Deed::new(Action::ProductDelete, &wanted, became).instead_of(was))
        })
        .await
    }

    /// Commits `work` and shows its change to the next request. It runs as a task of its own: a client that hangs up
    /// after the commit must not leave the memory behind the database.
    async fn commit<T, F>(self: &Arc<Self>, id: &ProductId, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (this, id) = (Arc::clone(self), id.clone());
        let committed = tokio::spawn(async move {
            let changed = this.ledger.change_offer(id, work).await;
            this.forget();
            changed
        });
        committed.await.map_err(|error| Error::internal(format!("changing a product: {error}")))?
    }

    fn forget(&self) {
        self.entries.forget();
        self.pages.forget();
    }

    fn shown(&self, entry: Arc<Entry>) -> Option<Product> {
        let live = self.ledger.live(&entry.id)?;
        Some(Product { entry, live })
    }
}

/// Writes what was done into the audit log, if it belongs there.
fn note(conn: &Conn<'_>, by: Option<By>, now: Timestamp, deed: &Deed) -> Result<(), Error> {
    by.map_or(Ok(()), |by| Ok(trail::write(conn, by, now, deed)?))
}

fn weight(entries: &[Arc<Entry>]) -> usize {
    let text = |entry: &Entry| entry.id.as_str().len() + entry.name.len() + entry.description.len();
    ENTRY_BYTES + entries.iter().map(|entry| ENTRY_BYTES + text(entry)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::kernel::clock::SystemClock;
    use crate::kernel::ids::{OrderId, UserId};
    use crate::ledger::{Command, Done, Enter, Then, Units};
    use crate::store::Location;

    fn wants(quantity: Units) -> Command {
        Command::Enter(Enter {
            order: OrderId::fresh(),
            buyer: UserId(1),
            product: "100".parse().unwrap(),
            quantity,
            then: Then::Wait,
            provider: "none",
            key: None,
        })
    }

    #[tokio::test]
    async fn a_long_list_that_is_read_in_every_way_stays_small_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let ledger = Ledger::start(db.clone(), Arc::new(SystemClock), 10).await.unwrap();
        let products = Products::new(db, Arc::new(SystemClock), ledger);
        let draft = |number: usize| ProductDraft {
            id: Some(format!("p{number:03}")),
            name: Some("상".repeat(100)),
            description: Some("품".repeat(2_000)),
            kind: Some("reservation".to_owned()),
            price: Some(1),
            ..ProductDraft::default()
        };
        for number in 0..101 {
            products.add(&draft(number), Mover::Console).await.unwrap();
        }
        let mut after = Vec::from([None]);
        for limit in 1..=100 {
            for kind in [None, Some(Kind::Reservation)] {
                let page = products.list(kind, PageRequest { limit, after: None }).await.unwrap();
                after.push(page.next_cursor);
            }
        }
        for after in after {
            products.list(None, PageRequest { limit: 100, after }).await.unwrap();
        }
        for number in 0..10_000 {
            let _absent = products.get(&ProductId::trusted(&format!("x{number}"))).await;
        }
        let text = |entry: &Entry| entry.name.len() + entry.description.len();
        let pages = products.pages.kept().await;
        let in_pages: usize = pages.iter().flat_map(|page| &page.items).map(|entry| text(entry)).sum();
        let entries = products.entries.kept().await;
        let in_entries: usize = entries.iter().flatten().map(|entry| text(entry)).sum();
        assert!(in_pages + in_entries <= 16 << 20, "{} MiB of text", (in_pages + in_entries) >> 20);
        assert!(pages.len() > 10 && entries.len() > 1_000, "{} pages and {} entries", pages.len(), entries.len());
    }

    #[tokio::test]
    async fn a_batch_right_behind_a_change_goes_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
        let ledger = Ledger::start(db.clone(), Arc::new(SystemClock), 10).await.unwrap();
        let products = Products::new(db.clone(), Arc::new(SystemClock), Arc::clone(&ledger));
        let draft = ProductDraft {
            id: Some("100".to_owned()),
            name: Some("Phone".to_owned()),
            kind: Some("reservation".to_owned()),
            price: Some(1),
            stock: Some(10),
            per_buyer_limit: Some(5),
            ..ProductDraft::default()
        };
        products.add(&draft, Mover::Console).await.unwrap();
        let (Done::Order(first), _) = ledger.submit(wants(1)).await.unwrap() else { panic!("an order") };

        // The writer is kept busy until both the change and the batch wait for it, in this order.
        let (go, may_go) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let db = db.clone();
            async move {
                db.write(move |_| {
                    may_go.recv().unwrap();
                    Ok(())
                })
                .await
            }
        });
        tokio::task::yield_now().await;
        let change = Change { per_buyer_limit: Some(Some(1)), ..Change::default() };
        let edit = tokio::spawn({
            let (products, id) = (Arc::clone(&products), first.product.clone());
            async move { products.edit(&id, change, By::Console).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let ledger = Arc::clone(&ledger);
            async move { ledger.submit(wants(2)).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        busy.await.unwrap().unwrap();
        edit.await.unwrap().unwrap();
        assert_eq!(second.await.unwrap().unwrap_err().code(), "limit_reached");
        assert!(Ledger::audit(&db).await.unwrap().ok());
    }
}
