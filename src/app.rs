//! The composition root: the only place that builds services.

use std::sync::Arc;

use crate::activity::Activity;
use crate::audit::Auditor;
use crate::config::{Config, ProviderKind};
use crate::http::Traffic;
use crate::kernel::clock::Clock;
use crate::kernel::error::Error;
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Sources};
use crate::newsfeed::{MayListen, Newsfeed};
use crate::payments::{Payments, Provider, Simulated};
use crate::privacy::Privacy;
use crate::products::Products;
use crate::pulse::Pulse;
use crate::purchases::Purchases;
use crate::stock::StockRoom;
use crate::store::Db;
use crate::trail::Trail;
use crate::upkeep::Backups;
use crate::users::Users;
use crate::webhooks::Webhooks;

/// Everything that a face (HTTP, the command line) can call.
pub struct App {
    /// The settings that it was built from.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Accounts and sessions.
    pub users: Arc<Users>,
    /// The one place where units move.
    pub ledger: Arc<Ledger>,
    /// The catalogue.
    pub products: Arc<Products>,
    /// Live counts, adjustments, history.
    pub stock: Arc<StockRoom>,
    /// Entering and settling a payment.
    pub payments: Arc<Payments>,
    /// A buyer's orders.
    pub purchases: Arc<Purchases>,
    /// Posts, comments, likes, follows.
    pub activity: Arc<Activity>,
    /// Feeds, views of activities, and their stream.
    pub newsfeed: Arc<Newsfeed>,
    /// What the door counts.
    pub traffic: Arc<Traffic>,
    /// How the sale goes, second by second.
    pub pulse: Arc<Pulse>,
    /// The audit log.
    pub trail: Arc<Trail>,
    /// All that is kept of somebody.
    pub privacy: Arc<Privacy>,
    /// The audit: the proof of every invariant.
    pub auditor: Arc<Auditor>,
    /// Backups that the server makes by itself.
    pub backups: Arc<Backups>,
    /// What all of it counts.
    pub metrics: Arc<Metrics>,
    /// Who is told of orders.
    pub webhooks: Arc<Webhooks>,
}

impl App {
    /// Opens the database and builds every room's service on it.
    ///
    /// # Errors
    /// When the database or the signing secret can't be opened, or a setting is out of the question.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::on(Db::open(&config.db).await?, config, clock).await
    }

    /// Builds every room's service on a database that is open.
    ///
    /// # Errors
    /// When the signing secret can't be read or made, or a setting is out of the question.
    pub async fn on(db: Db, config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let users = Users::open(db.clone(), Arc::clone(&clock), config).await?;
        let ledger = Ledger::start(db.clone(), Arc::clone(&clock), config.limits.queue_length).await?;
        #[cfg(debug_assertions)]
        if let Some(fault) = config.planted_fault {
            ledger.plant(fault);
        }
        let provider: Arc<dyn Provider> = match config.payment.provider {
            ProviderKind::Simulated => Arc::new(Simulated::new(config.payment.simulated)),
        };
        let users = Arc::new(users);
        let activity = Activity::new(db.clone(), Arc::clone(&clock));
        let standing = Arc::clone(&users);
        let may_listen: MayListen = Arc::new(move |actor| standing.may_still_act(actor).is_ok());
        let traffic = Arc::new(Traffic::default());
        let trail = Trail::new(db.clone(), Arc::clone(&clock));
        let privacy = Privacy::new(
            Arc::clone(&users),
            Arc::clone(&activity),
            Arc::clone(&ledger),
            Arc::clone(&trail),
            Arc::clone(&clock),
        );
        let sources = Sources {
            products: Products::new(db.clone(), Arc::clone(&clock), Arc::clone(&ledger)),
            stock: StockRoom::new(Arc::clone(&ledger), clock.now()),
            newsfeed: Newsfeed::new(db.clone(), Arc::clone(&activity), may_listen),
            pulse: Pulse::new(Arc::clone(&traffic), Arc::clone(&ledger)),
            webhooks: Webhooks::new(db.clone(), Arc::clone(&ledger), Arc::clone(&clock), &config.webhooks),
            backups: Backups::new(&config.db, &config.backup, Arc::clone(&clock))?,
            db: db.clone(),
            location: config.db.clone(),
            limits: config.limits,
            traffic,
            ledger: Arc::clone(&ledger),
            users: Arc::clone(&users),
        };
        Ok(Self {
            privacy,
            trail,
            users,
            products: Arc::clone(&sources.products),
            stock: Arc::clone(&sources.stock),
            payments: Payments::new(Arc::clone(&ledger), provider),
            purchases: Purchases::new(Arc::clone(&ledger)),
            newsfeed: Arc::clone(&sources.newsfeed),
            pulse: Arc::clone(&sources.pulse),
            auditor: Auditor::new(db.clone(), Arc::clone(&clock)),
            traffic: Arc::clone(&sources.traffic),
            backups: Arc::clone(&sources.backups),
            webhooks: Arc::clone(&sources.webhooks),
            metrics: Metrics::new(sources, config.metrics.clone(), clock.now()),
            activity,
            config: config.clone(),
            ledger,
            db,
            clock,
        })
    }
}
