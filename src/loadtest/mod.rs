//! The built-in rehearsal: real HTTP from a crowd of different buyers, and a verdict from the rows.
//!
//! [`run`] does one rehearsal from start to end: it has a [`Shop`] make a sale, starts a temporary server in a process
//! of its own (or goes to a running one), sends the crowd, stops the server, and compares what the buyers were told
//! with what the database says. It prints nothing: whoever calls it draws [`Progress`] meanwhile and the [`Report`]
//! afterwards.
//!
//! | file | is about |
//! | --- | --- |
//! | `scenario` | what is on sale, who comes, what must hold: TOML, checked |
//! | `plan` | which buyer does what, from a seed; pure |
//! | `crowd`, `gate` | goose drives the connections; who is let in, and when |
//! | `journey`, `at_once`, `session`, `social` | a buyer's steps as requests |
//! | `addresses`, `bots` | where buyers come from, and whom the rate limits send away |
//! | `answer`, `tally`, `talk`, `returns`, `progress` | what an answer means, and all of them written down |
//! | `timeline`, `fairness` | the same over time, and by the order of arrival |
//! | `machine`, `load` | what the run was made on, and what limited it |
//! | `server_process`, `files` | the temporary server; the limit of open files |
//! | `remote` | what a server that is running already shows of the sale |
//! | `shop` | what the run asks of the rest of the program; filled in by the composition root |
//! | `check` | the verdict, independent of the ledger's rules |
//! | `report`, `page`, `chart`, `report_file` | the result as JSON, as a page, and that page on the disk |
//! | `compare` | two such documents, and what got worse |
//!
//! Closed arrivals are a closed loop: a connection asks again only after the last answer came, so a slow server also slows
//! the buyers down. Open arrivals come at times of their own, and their latencies count from then, also while all of the
//! crowd's connections are busy.

mod addresses;
mod answer;
mod at_once;
mod bots;
mod chart;
mod check;
mod compare;
mod crowd;
mod fairness;
mod files;
mod gate;
mod journey;
mod load;
mod machine;
mod page;
mod plan;
mod progress;
mod remote;
mod report;
mod report_file;
mod returns;
mod scenario;
mod server_process;
mod session;
mod shop;
mod social;
mod talk;
mod tally;
mod timeline;

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;

use self::addresses::{Clients, client};
use self::bots::BotWatch;
pub use self::bots::{Side, Sides};
use self::check::{Counts, Evidence, Mark, Rows};
pub use self::compare::{Comparison, Figure, Recorded, Worse, compare};
use self::crowd::Crowd;
pub use self::fairness::Fairness;
pub use self::load::{Bottleneck, Load};
pub use self::machine::{CpuShares, Machine};
pub use self::progress::{Phase, Progress, Snapshot};
pub use self::remote::parse_url;
pub use self::report::{Audit, Community, Latency, Outcome, Report, Units};
pub use self::report_file::ReportFile;
pub use self::scenario::{
    Arrivals, BUYERS_MAX, BotTerms, CommunityTerms, Journey, Limits, Overrides, PRESETS, PaymentRates, PhaseTerms,
    ProductTerms, Rate, Scenario, ServerTerms, Step, parse_duration,
};
use self::server_process::{ServerProcess, ServerSettings};
pub use self::shop::{Buyer, Moment, Sale, SaleWanted, Shop, Site, Soon};
use self::tally::{Log, Tally};
use crate::kernel::error::{Error, Kind, Text};
use crate::store::{Conn, Db, Location};

/// Everything that a run is told.
#[derive(Debug, Clone)]
pub struct RunPlan {
    /// What happens.
    pub scenario: Scenario,
    /// What journeys, pauses and simulated payments are drawn from.
    pub seed: u64,
    /// Where it happens.
    pub site: Site,
    /// The command line that repeats the run, for the report.
    pub repeat: String,
    /// The scenario's file, for the report.
    pub scenario_text: String,
    /// What the temporary server does wrong on purpose.
    #[cfg(debug_assertions)]
    pub planted_fault: Option<crate::kernel::planted::PlantedFault>,
}

/// Rehearses a sale and judges it. Dropping the future ends the temporary server and removes its folder.
///
/// A failed verdict is a [`Report`], not an error.
///
/// # Errors
/// When there is no verdict: the sale can't be made, the server fails, the run is stuck, or `interrupted` by Ctrl-C.
pub async fn run(plan: RunPlan, shop: &dyn Shop, progress: Arc<Progress>) -> Result<Report, Error> {
    files::check(connections(&plan.scenario))?;
    let _turn = crowd::turn().await;
    tokio::select! {
        report = rehearse(&plan, shop, &progress) => report,
        interruption = crowd::interrupted() => Err(interruption),
    }
}

async fn rehearse(plan: &RunPlan, shop: &dyn Shop, progress: &Arc<Progress>) -> Result<Report, Error> {
    let ended = match &plan.site {
        Site::Temporary => at_temporary_server(plan, shop, progress).await?,
        Site::Running { url } => at_running_server(plan, url, shop, progress).await?,
    };
    judge(plan, shop, ended).await
}

/// What the crowd was told.
struct Told {
    log: Log,
    /// What must never be answered and was.
    broken: Vec<String>,
    sides: Option<Sides>,
}

/// A sale that is over, and what is left of it.
struct Ended {
    told: Told,
    sale: Arc<Sale>,
    page: Option<Counts>,
    /// Where the community's rows of the run begin; none when others write as well.
    since: Option<Mark>,
    server_peak_memory_bytes: Option<u64>,
    server_settings: Option<BTreeMap<String, String>>,
    /// The temporary server's folder, kept until the rows are read.
    _folder: Option<TempDir>,
}

async fn at_temporary_server(plan: &RunPlan, shop: &dyn Shop, progress: &Arc<Progress>) -> Result<Ended, Error> {
    let folder = tempfile::Builder::new().prefix("preorder-").tempdir().map_err(|error| {
        let detail = Text::made(
            format!("A temporary folder can't be made: {error}."),
            format!("임시 폴더를 만들 수 없습니다: {error}"),
        );
        Error::new(Kind::Conflict, "no_temporary_folder", detail)
    })?;
    let database = folder.path().join("sale.db");
    let sale = Arc::new(shop.open_sale(wanted(plan, Some(Location::Sqlite(database.clone())))).await?);
    let since = Db::open(&Location::Sqlite(database.clone())).await?.read(Mark::read).await?;
    let settings = ServerSettings {
        payment: plan.scenario.payment,
        limits: plan.scenario.server,
        connections: connections(&plan.scenario),
        seed: plan.seed,
        #[cfg(debug_assertions)]
        planted_fault: plan.planted_fault,
    };
    let mut server = ServerProcess::start(folder.path(), &database, settings).await?;
    let url = server.url.clone();
    let id = server.id();
    let sold = async {
        shop.look_on(Moment::Before, &url, &sale.product_id).await?;
        let told = sell(plan, &url, &sale, id, progress).await?;
        progress.enter(Phase::Checking);
        shop.look_on(Moment::After, &url, &sale.product_id).await?;
        Ok::<_, Error>(told)
    };
    let told = tokio::select! {
        told = sold => told?,
        died = server.died() => return Err(died),
    };
    let server_peak_memory_bytes = server.stop().await?;
    Ok(Ended {
        told,
        sale,
        page: None,
        since: Some(since),
        server_peak_memory_bytes,
        server_settings: Some(settings.changed()),
        _folder: Some(folder),
    })
}

async fn at_running_server(
    plan: &RunPlan,
    url: &str,
    shop: &dyn Shop,
    progress: &Arc<Progress>,
) -> Result<Ended, Error> {
    let client = client(url)?;
    // Before a sale is made in a database that people use: is there anybody to sell?
    remote::greet(&client, url).await?;
    let sale = Arc::new(shop.open_sale(wanted(plan, None)).await?);
    // Before anybody buys: does this server sell from the database that the sale was made in?
    remote::wait_for_sale(&client, url, &sale.product_id, plan.scenario.product.stock).await?;
    let told = sell(plan, url, &sale, None, progress).await?;
    progress.enter(Phase::Checking);
    let page = match sale.rows {
        Some(_) => None,
        None => Some(remote::settled_stock(&client, url, &sale.product_id).await?),
    };
    Ok(Ended { told, sale, page, since: None, server_peak_memory_bytes: None, server_settings: None, _folder: None })
}

fn wanted(plan: &RunPlan, fresh: Option<Location>) -> SaleWanted {
    let Scenario { product: terms, community, .. } = plan.scenario;
    let sign_in = plan.scenario.steps().any(Step::signs_in);
    SaleWanted { fresh, terms, buyers: plan.scenario.buyers(), sign_in, community }
}

/// How many connections there may be at once: the crowd's, with as many requests as a buyer makes at the same moment, and
/// one that waits at each address.
fn connections(scenario: &Scenario) -> usize {
    let at_once = scenario.steps().map(Step::at_once).max().unwrap_or(1);
    scenario.connections() * at_once.div_ceil(files::SOCKETS_PER_CONNECTION)
        + scenario.bots.as_ref().map_or(0, |bots| bots.addresses)
}

/// Sends the crowd and gives back what it was told; `server` is the temporary server's process.
async fn sell(
    plan: &RunPlan,
    url: &str,
    sale: &Arc<Sale>,
    server: Option<u32>,
    progress: &Arc<Progress>,
) -> Result<Told, Error> {
    progress.expect_buyers(sale.buyers.len());
    progress.enter(Phase::Selling);
    let tally = Tally::new(Arc::clone(progress))?;
    let clients = Clients::new(url, plan.scenario.bots.as_ref())?;
    let crowd = Arc::new(Crowd::new(&plan.scenario, plan.seed, Arc::clone(sale), tally, clients));
    let watcher = client(url)?;
    tokio::select! {
        sent = crowd::send(&crowd, url) => sent?,
        never = remote::watch(&watcher, url, &sale.product_id, server, &crowd.tally) => match never {},
    }
    let sides = crowd.bots.as_ref().map(BotWatch::sides);
    Ok(Told { log: crowd.tally.log(), broken: crowd.broken.failures(), sides })
}

async fn judge(plan: &RunPlan, shop: &dyn Shop, ended: Ended) -> Result<Report, Error> {
    let Told { log, broken, sides } = ended.told;
    let (rows, talk, audit_ok) = match &ended.sale.rows {
        Some(location) => {
            let db = Db::open(location).await?;
            let (product_id, said, since) = (ended.sale.product_id.clone(), log.talk.clone(), ended.since);
            let read = move |conn: &Conn<'_>| Ok((Rows::read(conn, &product_id)?, check::compare(conn, &said, since)?));
            let (rows, talk) = db.read(read).await?;
            (Some(rows), talk, Some(shop.audit(location.clone()).await?))
        }
        None => (None, Vec::new(), None),
    };
    let verdict = check::judge(&Evidence {
        log: &log,
        terms: plan.scenario.product,
        limits: plan.scenario.verdict,
        rows: rows.as_ref(),
        page: ended.page,
        talk,
        broken,
        sides,
        audit_ok,
    });
    let mut report = Report::new(plan, &log, verdict, audit_ok);
    report.buyers = ended.sale.buyers.len();
    report.server_settings = ended.server_settings;
    report.sides = sides;
    report.server_peak_memory_bytes = ended.server_peak_memory_bytes;
    Ok(report)
}

#[cfg(test)]
mod tests;
