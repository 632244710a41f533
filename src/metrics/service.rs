//! What the route calls: all readings, written as text.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::model::{self, PRODUCTS_MAX};
use super::process::Process;
use super::rules;
use super::text::{Seconds, Text};
use crate::config::{Limits, MetricsConfig};
use crate::http::{RouteReading, Traffic};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::ledger::{Ledger, Measured};
use crate::newsfeed::Newsfeed;
use crate::products::Products;
use crate::pulse::Pulse;
use crate::stock::StockRoom;
use crate::store::{Db, Location, SCHEMA_VERSION, Sizes};
use crate::upkeep::Backups;
use crate::users::Users;
use crate::webhooks::Webhooks;

/// What the route of nothing is called: neither a method nor a path is like it.
const OTHER: &str = "other";

/// Statuses that are no client's fault, as [`Traffic`] tells them.
const FAILURES: [&str; 4] = ["500", "503", "504", "5xx"];

/// Who counts what.
pub struct Sources {
    /// The door's counters.
    pub traffic: Arc<Traffic>,
    /// The sale.
    pub ledger: Arc<Ledger>,
    /// Sessions and mail.
    pub users: Arc<Users>,
    /// The catalogue's caches.
    pub products: Arc<Products>,
    /// Feeds, and their streams.
    pub newsfeed: Arc<Newsfeed>,
    /// Streams of live counts.
    pub stock: Arc<StockRoom>,
    /// The admin's boards.
    pub pulse: Arc<Pulse>,
    /// Who is told of orders.
    pub webhooks: Arc<Webhooks>,
    /// Backups by schedule.
    pub backups: Arc<Backups>,
    /// The database.
    pub db: Db,
    /// Where it is.
    pub location: Location,
    /// What is bounded.
    pub limits: Limits,
}

/// The metrics of one process.
pub struct Metrics {
    sources: Sources,
    access: MetricsConfig,
    began: Timestamp,
    /// The last text, and when its writing began. Held while one is written: however many ask, one at a time is.
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Metrics {
    /// The metrics of what `sources` count since the process began; `access` says who may read them.
    #[must_use]
    pub fn new(sources: Sources, access: MetricsConfig, began: Timestamp) -> Arc<Self> {
        Arc::new(Self { sources, access, began, last: Mutex::default() })
    }

    /// Lets somebody in who comes from an allowed address and has the token, where the settings ask for either.
    ///
    /// # Errors
    /// `403 address_not_allowed`; `401 metrics_token_required`, and `metrics_token_wrong`.
    pub fn may_read(&self, address: IpAddr, token: Option<&str>) -> Result<(), Error> {
        rules::may_read(&self.access, address, token)
    }

    /// Every metric as it is now, in Prometheus's text format. Those who ask at once share a text that none of them has
    /// asked too early for.
    ///
    /// # Errors
    /// When the writing panics.
    pub async fn text(self: &Arc<Self>) -> Result<Bytes, Error> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((_, text)) = last.as_ref().filter(|(began, _)| *began >= asked) {
            return Ok(text.clone());
        }
        let began = Instant::now();
        let sessions = self.sources.users.live_sessions().await;
        let this = Arc::clone(self);
        // Files are looked at, and a text of many lines is written: nobody's request waits behind that.
        let written = tokio::task::spawn_blocking(move || this.written(sessions)).await;
        let text = Bytes::from(written.map_err(|panic| Error::internal(format!("writing the metrics: {panic}")))?);
        *last = Some((began, text.clone()));
        Ok(text)
    }

    fn written(&self, sessions: Option<u64>) -> String {
        let Sources { traffic, ledger, limits, .. } = &self.sources;
        let mut text = Text::default();
        let schema = SCHEMA_VERSION.to_string();
        text.family(&model::BUILD).value(&[env!("CARGO_PKG_VERSION"), &schema], 1);
        http(&mut text, traffic);
        text.value(&model::HTTP_CONNECTIONS, traffic.connections());
        text.value(&model::HTTP_CONNECTIONS_LIMIT, limits.connections);
        self.streams(&mut text);
        text.value(&model::QUEUE_LENGTH, ledger.pace().0);
        text.value(&model::QUEUE_LIMIT, limits.queue_length);
        text.value(&model::PURCHASES_WAITING, ledger.waiting());
        engine(&mut text, &ledger.measured());
        units(&mut text, ledger);
        text.known(&model::SESSIONS, sessions);
        text.value(&model::MAIL_WAITING, self.sources.users.letters_waiting());
        self.caches(&mut text);
        self.webhooks(&mut text);
        self.database(&mut text);
        self.backups(&mut text);
        self.process(&mut text);
        text.into_string()
    }

    fn streams(&self, text: &mut Text) {
        let Sources { stock, newsfeed, pulse, .. } = &self.sources;
        let mut family = text.family(&model::STREAMS);
        for (kind, count) in [("stock", stock.streams()), ("newsfeed", newsfeed.streams()), ("board", pulse.readers())]
        {
            family.value(&[kind], count);
        }
    }

    fn caches(&self, text: &mut Text) {
        let caches = self.sources.products.caches().into_iter().chain(self.sources.newsfeed.caches());
        let caches: Vec<_> = caches.collect();
        let mut family = text.family(&model::CACHE_HITS);
        for (cache, usage) in &caches {
            family.value(&[cache], usage.hits);
        }
        let mut family = text.family(&model::CACHE_MISSES);
        for (cache, usage) in &caches {
            family.value(&[cache], usage.misses);
        }
    }

    fn webhooks(&self, text: &mut Text) {
        let it = self.sources.webhooks.figures();
        let mut family = text.family(&model::WEBHOOKS);
        family.value(&["on"], it.targets - it.failing.min(it.targets));
        family.value(&["failing"], it.failing);
        let mut family = text.family(&model::WEBHOOK_EVENTS);
        family.value(&["waiting"], it.waiting);
        family.value(&["retrying"], it.retrying);
        let mut family = text.family(&model::WEBHOOK_ATTEMPTS);
        family.value(&["delivered"], it.delivered_total);
        family.value(&["failed"], it.failed_total);
        text.value(&model::WEBHOOK_GIVEN_UP, it.given_up_total);
    }

    fn database(&self, text: &mut Text) {
        let Sources { db, location, .. } = &self.sources;
        let sizes = Sizes::of(location);
        text.value(&model::DATABASE_UP, u8::from(db.failure().borrow().is_none()));
        text.value(&model::DATABASE_READS, db.reads_total());
        text.value(&model::DATABASE_SIZE, sizes.file_bytes);
        text.value(&model::WAL_SIZE, sizes.wal_bytes);
        text.known(&model::DISK_FREE, sizes.disk_free_bytes);
    }

    fn backups(&self, text: &mut Text) {
        let so_far = self.sources.backups.so_far();
        text.known(&model::BACKUP_INTERVAL, so_far.map(|it| it.every.as_secs()));
        let mut family = text.family(&model::BACKUPS);
        if let Some(so_far) = so_far {
            family.value(&["made"], so_far.made);
            family.value(&["failed"], so_far.failed);
        }
        text.known(&model::BACKUP_LAST, so_far.map(|it| it.newest.map_or(0, Timestamp::as_seconds)));
        let last = so_far.and_then(|it| it.last);
        text.known(&model::BACKUP_DURATION, last.map(|(took, _)| Seconds::from(took)));
        text.known(&model::BACKUP_SIZE, last.map(|(_, bytes)| bytes));
    }

    fn process(&self, text: &mut Text) {
        let process = Process::read();
        text.value(&model::PROCESS_CPU, Seconds::from(process.cpu));
        text.known(&model::PROCESS_RESIDENT, process.resident_bytes);
        text.known(&model::PROCESS_VIRTUAL, process.virtual_bytes);
        text.known(&model::PROCESS_FDS, process.open_fds);
        text.known(&model::PROCESS_FDS_MAX, process.max_fds);
        text.known(&model::PROCESS_THREADS, process.threads);
        text.value(&model::PROCESS_START, self.began.as_seconds());
    }
}

fn http(text: &mut Text, traffic: &Traffic) {
    let asked: Vec<_> = traffic.by_route().into_iter().filter(|read| !read.statuses.is_empty()).collect();
    let named = |read: &RouteReading| match &read.route {
        Some(route) => (route.method.to_string(), route.path),
        None => (OTHER.to_owned(), OTHER),
    };
    let mut family = text.family(&model::HTTP_REQUESTS);
    for read in &asked {
        let (method, path) = named(read);
        for (status, count) in &read.statuses {
            family.value(&[&method, path, status], count);
        }
    }
    let mut family = text.family(&model::HTTP_FAILURES);
    for failure in FAILURES {
        let statuses = asked.iter().flat_map(|read| &read.statuses);
        family.value(&[failure], statuses.filter(|(status, _)| status == failure).map(|(_, count)| count).sum::<u64>());
    }
    let mut family = text.family(&model::HTTP_DURATION);
    for read in &asked {
        let (method, path) = named(read);
        family.histogram(&[&method, path], &read.times, Seconds);
    }
    let mut family = text.family(&model::HTTP_REFUSALS);
    for (code, count) in traffic.refusals().into_iter().collect::<BTreeMap<_, _>>() {
        family.value(&[code], count);
    }
}

fn engine(text: &mut Text, measured: &Measured) {
    text.family(&model::BATCH_SIZE).histogram(&[], &measured.commands, |commands| commands);
    text.family(&model::BATCH_DURATION).histogram(&[], &measured.batch, Seconds);
    text.family(&model::COMMIT_DURATION).histogram(&[], &measured.commit, Seconds);
    let mut family = text.family(&model::ORDERS);
    for (outcome, count) in &measured.outcomes {
        family.value(&[outcome], count);
    }
}

fn units(text: &mut Text, ledger: &Ledger) {
    let (products, count) = ledger.liveliest(PRODUCTS_MAX);
    let mut family = text.family(&model::UNITS);
    for (product, stock) in &products {
        for (state, units) in [("available", stock.available), ("held", stock.held), ("sold", stock.sold)] {
            family.value(&[product.as_str(), state], units);
        }
    }
    text.value(&model::PRODUCTS, count);
    text.value(&model::PRODUCTS_NOT_SHOWN, count - products.len());
}
