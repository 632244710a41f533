//! SIGHUP: a running server reads its settings anew and keeps to those that can change while it runs.
//!
//! Either all of them are taken or none: whatever is wrong with one is told in the log, and the server goes on as before.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::failure::Failure;
use crate::app::App;
use crate::config::{Changes, Config, SettingsError};
use crate::kernel::clock::Clock as _;
use crate::kernel::clock::SystemClock;
use crate::server::{Connections, Prepared, TlsFault};

/// Whoever waits for SIGHUP.
pub(super) struct Reload<'a> {
    hangups: Signal,
    context: &'a Context,
    app: &'a App,
    connections: Arc<Connections>,
    /// What the server keeps to.
    running: Config,
}

/// Why nothing was taken.
enum Refused {
    Settings(SettingsError),
    Tls(TlsFault),
    /// Reading itself failed.
    Unread(String),
}

impl<'a> Reload<'a> {
    /// From here on SIGHUP does not end the process. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the system does not let us listen to signals.
    pub(super) fn listen(context: &'a Context, app: &'a App, connections: &Arc<Connections>) -> Result<Self, Failure> {
        let hangups = signal(SignalKind::hangup()).map_err(|error| {
            Failure::failed(format!("SIGHUP can't be listened to: {error}."), "Look at the limits of the process.")
        })?;
        Ok(Self { hangups, context, app, connections: Arc::clone(connections), running: context.config().clone() })
    }

    /// Reads the settings anew whenever it is asked to; never ends.
    pub(super) async fn keep_reading(mut self) {
        while self.hangups.recv().await.is_some() {
            match self.read().await {
                Ok(changes) => {
                    // By the filter from before: the new one may not want to know.
                    tell(&changes);
                    if let Err(why) = self.context.log().filter_by(&self.running.log) {
                        tracing::error!(why, "the log's filter could not be changed");
                    }
                }
                Err(refused) => refused.tell(),
            }
        }
        std::future::pending::<()>().await;
    }

    async fn read(&mut self) -> Result<Changes, Refused> {
        let (layers, had_tls) = (self.context.layers().clone(), self.connections.tls().is_some());
        let reading = tokio::task::spawn_blocking(move || {
            let config = layers.read().map_err(Refused::Settings)?.config;
            let prepared = if had_tls { Prepared::read(&config.tls, SystemClock.now()) } else { Ok(None) };
            Ok((prepared.map_err(Refused::Tls)?, config))
        });
        let (prepared, config) = reading.await.map_err(|error| Refused::Unread(error.to_string()))??;
        if let (Some(tls), Some(prepared)) = (self.connections.tls(), prepared) {
            tls.take(prepared);
        }
        let changes = self.running.take_live(&config);
        self.connections.keep_to(&self.running.limits);
        self.connections.door().keep_to(&self.running);
        self.app.ledger.set_queue_length(self.running.limits.queue_length);
        Ok(changes)
    }
}

fn tell(Changes { live, at_restart }: &Changes) {
    let applied = if live.is_empty() { "nothing new".to_owned() } else { live.join(", ") };
    if at_restart.is_empty() {
        tracing::info!(applied, "the settings were read anew");
    } else {
        let waiting = at_restart.join(", ");
        tracing::warn!(applied, waiting, "the settings were read anew; some need a restart");
    }
}

impl Refused {
    fn tell(&self) {
        const KEPT: &str = "the settings were read anew and not taken; those from before go on";
        match self {
            Self::Settings(error) => {
                for fault in &error.0 {
                    tracing::error!(why = fault.what, hint = fault.hint, "{KEPT}");
                }
            }
            Self::Tls(fault) => tracing::error!(why = fault.what, hint = fault.hint, "{KEPT}"),
            Self::Unread(why) => tracing::error!(why, "{KEPT}"),
        }
    }
}
