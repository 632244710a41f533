//! The crowd at the counter: goose runs the connections, and each serves one buyer after another until all had a turn.
//! Closed and open arrivals differ only in when a gate hands out the next buyer.
//!
//! goose sends the requests; it takes no arguments, opens no port and prints nothing here. Its own metrics stay off, as
//! the verdict rests on [`super::tally`]. Its loop over a user's transactions is entered once: one transaction serves
//! buyers until there are none, so that 10,000 buyers pass through 500 connections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario as GooseScenario, Transaction, TransactionFunction};
use goose::{GooseAttack, GooseError};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::addresses::Clients;
use super::bots::BotWatch;
use super::gate::Gate;
use super::journey::Visit;
use super::plan::Plan;
use super::scenario::Scenario;
use super::shop::Sale;
use super::tally::Tally;
use crate::kernel::error::{Error, Kind, Text};

/// How long a request may take before it counts as unanswered.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A run in which nothing happens for this long is stuck: longer than a request and a pause together.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// How long goose may take to put its users away.
const FAREWELL_MAX: Duration = Duration::from_secs(20);
/// How often the run looks at the clock and at Ctrl-C.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// How long a connection that ran out of buyers waits for goose's word to leave.
const IDLE_PAUSE: Duration = Duration::from_millis(50);

/// goose has one off switch for the whole process, so there is one run at a time.
static TURN: Mutex<()> = Mutex::const_new(());
/// Whether it was the run that used the switch; if not, it was Ctrl-C, whose signal goose takes over.
static DISPERSED: AtomicBool = AtomicBool::new(false);

/// The crowd and what it shares.
pub(super) struct Crowd {
    /// What every buyer does.
    pub(super) plan: Plan,
    /// What is bought, and who comes.
    pub(super) sale: Arc<Sale>,
    /// Where answers are written down.
    pub(super) tally: Tally,
    /// Whom the rate limits send away, when some of the buyers are bots.
    pub(super) bots: Option<BotWatch>,
    /// What must never be answered and was, by what it is.
    pub(super) broken: Broken,
    connections: usize,
    duration: Option<Duration>,
    clients: Clients,
    gates: Vec<Gate>,
    visiting: AtomicUsize,
    waiting: AtomicUsize,
    idle: AtomicUsize,
    door_open: CancellationToken,
    door_closed: CancellationToken,
    everybody_left: CancellationToken,
}

impl Crowd {
    /// A crowd in front of a closed door, as many as the sale has buyers.
    pub(super) fn new(scenario: &Scenario, seed: u64, sale: Arc<Sale>, tally: Tally, clients: Clients) -> Self {
        let door_closed = CancellationToken::new();
        Self {
            plan: Plan::new(scenario, seed),
            bots: scenario.bots.is_some().then(BotWatch::default),
            broken: Broken::default(),
            connections: scenario.connections(),
            duration: scenario.duration,
            sale,
            tally,
            clients,
            gates: Gate::all(&scenario.phases, &door_closed),
            visiting: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            door_open: CancellationToken::new(),
            door_closed,
            everybody_left: CancellationToken::new(),
        }
    }

    /// One connection: waits until all are there, then serves buyers, phase after phase, until there are none.
    async fn serve(&self, user: &mut GooseUser) {
        if self.everybody_left.is_cancelled() {
            tokio::time::sleep(IDLE_PAUSE).await;
            return;
        }
        let connection = self.waiting.fetch_add(1, Ordering::AcqRel);
        if connection + 1 == self.connections {
            self.tally.open();
            self.open_gates(0);
            self.door_open.cancel();
        }
        self.door_open.cancelled().await;
        for (number, gate) in self.gates.iter().enumerate().filter(|(_, gate)| gate.has(connection)) {
            self.serve_phase(user, gate).await;
            if gate.leave() && gate.is_followed_when_empty() {
                self.open_gates(number + 1);
            }
        }
        if self.idle.fetch_add(1, Ordering::AcqRel) + 1 == self.connections {
            self.everybody_left.cancel();
        }
        self.everybody_left.cancelled().await;
    }

    async fn serve_phase(&self, user: &mut GooseUser, gate: &Gate) {
        tokio::select! {
            () = gate.opened() => {}
            () = self.door_closed.cancelled() => {}
        }
        while let Some((buyer, due)) = gate.next().await {
            self.visiting.fetch_add(1, Ordering::Relaxed);
            user.client = self.clients.of(buyer, self.plan.is_bot(buyer)).clone();
            Visit::new(user, self, gate.closing(), (buyer, due)).walk().await;
            self.visiting.fetch_sub(1, Ordering::Relaxed);
            self.tally.buyer_done();
        }
    }

    /// Opens a gate now, and those after it whose time is known.
    fn open_gates(&self, first: usize) {
        let mut starts_at = Some(Instant::now());
        for gate in self.gates.iter().skip(first) {
            let Some(at) = starts_at else { return };
            starts_at = gate.open(at);
        }
    }

    /// Waits until everybody has left; closes the door when the time is over.
    async fn watch(&self, running: &mut JoinHandle<Result<(), GooseError>>) -> Result<(), Error> {
        let mut pulse = (self.tally.pulse(), Instant::now());
        loop {
            tokio::select! {
                () = self.everybody_left.cancelled() => return Ok(()),
                ended = &mut *running => return Err(ended_early(ended)),
                () = tokio::time::sleep(WATCH_INTERVAL) => {}
            }
            self.gates.iter().for_each(Gate::close_in_time);
            if self.duration.zip(self.tally.open_for()).is_some_and(|(duration, open_for)| open_for >= duration) {
                self.door_closed.cancel();
            }
            let beat = self.tally.pulse();
            // Between two buyers who come at times of their own nothing need happen.
            let nobody_came = self.door_open.is_cancelled() && self.visiting.load(Ordering::Relaxed) == 0;
            if beat != pulse.0 || nobody_came {
                pulse = (beat, Instant::now());
            } else if pulse.1.elapsed() >= SILENCE_MAX {
                let seconds = SILENCE_MAX.as_secs();
                let detail = Text::made(
                    format!("The run is stuck: nothing was answered for {seconds} seconds. Is the server still there?"),
                    format!("{seconds}초 동안 응답이 없어 시험을 중단했습니다."),
                );
                return Err(Error::new(Kind::Busy, "run_stuck", detail));
            }
        }
    }

    /// Lets everybody go, wherever they stand.
    fn disperse(&self) {
        self.door_closed.cancel();
        self.door_open.cancel();
        self.everybody_left.cancel();
        DISPERSED.store(true, Ordering::Release);
        goose::trigger_killswitch("the run is over");
    }
}

/// What a server must never answer, and how often it did.
#[derive(Debug, Default)]
pub(super) struct Broken(std::sync::Mutex<BTreeMap<&'static str, u64>>);

impl Broken {
    /// Notes one.
    pub(super) fn note(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    /// A line for each kind.
    pub(super) fn failures(&self) -> Vec<String> {
        let broken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        broken.iter().map(|(what, count)| format!("{what} ({count} times)")).collect()
    }
}

/// Waits until no other run is under way in this process; the run lasts until the guard is dropped.
pub(super) async fn turn() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().await;
    reset_switch();
    turn
}

/// Sends the crowd to `url` and waits until everybody has left. Dropping the future sends it home at once.
/// The caller has the [`turn`].
///
/// # Errors
/// `run_stuck` when nothing happens any more, and what goose refuses.
pub(super) async fn send(crowd: &Arc<Crowd>, url: &str) -> Result<(), Error> {
    // goose installs a logger that writes to standard output, unless there is one.
    drop(log::set_logger(&Silent));
    let attack = attack(crowd, url).map_err(|error| refused(&error))?;
    let recall = Recall(Arc::clone(crowd));
    let mut running = tokio::spawn(async { Box::pin(attack.execute()).await.map(drop) });
    let watched = crowd.watch(&mut running).await;
    drop(recall);
    watched?;
    let farewell = tokio::time::timeout(FAREWELL_MAX, running).await;
    reset_switch();
    match farewell {
        Ok(Ok(ended)) => ended.map_err(|error| refused(&error)),
        Ok(Err(panic)) => Err(Error::internal(format!("goose: {panic}"))),
        // Every answer is written down already; users that goose still waits for have nothing more to say.
        Err(_) => Ok(()),
    }
}

/// Waits for Ctrl-C, from when goose takes over its signal; gives the answer to it.
pub(super) async fn interrupted() -> Error {
    while !goose::is_killswitch_triggered() || DISPERSED.load(Ordering::Acquire) {
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
    interruption()
}

fn reset_switch() {
    goose::reset_killswitch();
    DISPERSED.store(false, Ordering::Release);
}

fn interruption() -> Error {
    let detail = Text::fixed("Interrupted; there is no verdict.", "중단되어 판정이 없습니다.");
    Error::new(Kind::Conflict, "interrupted", detail)
}

fn attack(crowd: &Arc<Crowd>, url: &str) -> Result<GooseAttack, GooseError> {
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(url.to_owned());
    configuration.users = Some(crowd.connections);
    // All within about a tenth of a second; they wait for each other at the door anyway.
    configuration.increase_rate = Some((crowd.connections * 10).to_string());
    configuration.no_metrics = true;
    configuration.no_print_metrics = true;
    configuration.no_telnet = true;
    configuration.no_websocket = true;
    configuration.no_gzip = true;
    configuration.quiet = 1;
    let crowd = Arc::clone(crowd);
    let serve: TransactionFunction = Arc::new(move |user| {
        let crowd = Arc::clone(&crowd);
        Box::pin(async move {
            crowd.serve(user).await;
            Ok(())
        })
    });
    Ok(GooseAttack::initialize_with_config(configuration)?
        // Shared, so that goose does not build a client with a certificate store for each user.
        .set_client_builder_without_cookies(GooseClientBuilder::new().without_cookies())?
        .register_scenario(GooseScenario::new("crowd").register_transaction(Transaction::new(serve))))
}

fn refused(error: &GooseError) -> Error {
    Error::internal(format!("goose: {error}"))
}

fn ended_early(ended: Result<Result<(), GooseError>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Ok(())) => interruption(),
        Ok(Err(error)) => refused(&error),
        Err(panic) => Error::internal(format!("goose: {panic}")),
    }
}

/// Sends the crowd home when the run ends, in whatever way.
struct Recall(Arc<Crowd>);

impl Drop for Recall {
    fn drop(&mut self) {
        self.0.disperse();
    }
}

/// A logger that says nothing.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}
