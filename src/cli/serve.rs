//! `preorder serve`: the server.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use super::failure::Failure;
use super::output;
use super::reload::Reload;
use crate::config::{Config, Flag};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::kernel::error::Error;
use crate::server::{self, Connections, Prepared, Tls};
use crate::store::{Db, ServerLock};

/// What to do when an address is taken.
const OTHER_ADDRESS: &str = "Choose another with --listen; port 0 takes any free one.";

/// What `serve` takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    /// Where to listen [default: 127.0.0.1:8080]; port 0 takes any free one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Which rooms to serve: 'all', or some of users, products, stock, payments, purchases, activity,
    /// newsfeed [default: all].
    #[arg(long, value_name = "NAMES")]
    target: Option<String>,
    /// Stop when standard input closes: whoever started this server has gone.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

impl Args {
    /// The settings that the flags override.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let listen = self.listen.clone().map(|value| Flag { name: "--listen", key: "listen", value });
        let target = self.target.clone().map(|value| Flag { name: "--target", key: "target", value });
        listen.into_iter().chain(target).collect()
    }
}

/// Serves until SIGINT or SIGTERM, then answers what is in flight.
///
/// # Errors
/// When the database is another server's, the address is taken, the disk fails, or requests had to be cut off.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let config = context.config();
    let lock = ServerLock::take(&config.db)?;
    let tls = tls(config)?;
    let app = context.served(&lock).await?;
    let listener = server::listen(config.listen)
        .map_err(|error| Failure::failed(format!("{} can't be listened on: {error}.", config.listen), OTHER_ADDRESS))?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::failed(format!("No address to listen on: {error}."), OTHER_ADDRESS))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let connections = Connections::new(server::door(&app, &config.target), &config.limits, tls);
    let reload = Reload::listen(context, &app, &connections)?;
    output::line(format!("preorder is ready at {scheme}://{address}"))?;

    let failure = Arc::new(tokio::sync::OnceCell::new());
    let stop = stop(app.db.clone(), args.until_stdin_closes, Arc::clone(&failure));
    let served = tokio::select! {
        served = server::serve(&app, connections, listener, stop) => served,
        () = reload.keep_reading() => Ok(()),
    };
    // A charge can outlive every request, and on a failed disk it can't be settled: the next start asks about it again.
    let patience = Duration::from_secs(config.limits.shutdown_timeout_s);
    let charges = async {
        if failure.get().is_none() && tokio::time::timeout(patience, app.payments.settled()).await.is_err() {
            tracing::warn!("some charges are not answered yet; the next start asks about them again");
        }
    };
    let letters = async {
        if let Err(count) = app.users.letters_sent(patience).await {
            tracing::warn!(count, "letters were not sent; their readers may ask for others");
        }
    };
    tokio::join!(charges, letters);
    if let Some(why) = failure.get() {
        return Err(stopped(why));
    }
    tracing::info!("stopped");
    served.map_err(Failure::from)
}

/// What the server proves itself with, if it speaks TLS.
fn tls(config: &Config) -> Result<Option<Arc<Tls>>, Failure> {
    let clock = Arc::new(SystemClock);
    let tls = Prepared::read(&config.tls, clock.now()).and_then(|prepared| {
        let tls = prepared.map(|prepared| Tls::new(prepared, clock));
        tls.transpose()
    });
    tls.map_err(|fault| Failure::failed(fault.what, fault.hint))
}

/// Ends when the server shall stop.
async fn stop(db: Db, until_stdin_closes: bool, failure: Arc<tokio::sync::OnceCell<Error>>) {
    let mut failed = db.failure();
    tokio::select! {
        () = asked_to_stop() => tracing::info!("stopping: answering what is in flight"),
        () = stdin_closed(), if until_stdin_closes => {}
        Ok(why) = failed.wait_for(Option::is_some) => drop(why.clone().map(|why| failure.set(why))),
    }
}

async fn asked_to_stop() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut byte = [0];
    while stdin.read(&mut byte).await.is_ok_and(|read| read > 0) {}
}

/// Why a server stopped by itself.
fn stopped(why: &Error) -> Failure {
    if !why.is_storage_failed() {
        return Failure::failed(
            format!("{why} The server stopped: it can't write there any more."),
            "Start the server of the program that changed it.",
        );
    }
    let what = why.parts().internal.as_deref().unwrap_or("no more is known");
    Failure::failed(
        format!("The disk failed ({what}), and the server stopped: nothing more can be written safely."),
        "A full disk can look like this. Every answered order is on disk: free some space, or mend the disk, then start \
         again; the ledger recovers by itself.",
    )
}
