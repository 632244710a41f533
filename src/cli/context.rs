//! What every subcommand gets: the settings, the way out, and the things that it opens.

use std::sync::Arc;

use super::failure::Failure;
use super::logging::Log;
use super::output::Output;
use crate::app::App;
use crate::config::{Config, Settings};
use crate::kernel::clock::SystemClock;
use crate::store::{Db, ServerLock};

/// One run of the program.
pub(super) struct Context {
    settings: Settings,
    output: Output,
    log: Arc<Log>,
}

impl Context {
    pub(super) fn new(settings: Settings, output: Output, log: Arc<Log>) -> Self {
        Self { settings, output, log }
    }

    /// The log.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// The effective settings with their origins.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The effective settings.
    pub(super) fn config(&self) -> &Config {
        &self.settings.config
    }

    /// The only printer.
    pub(super) fn output(&self) -> Output {
        self.output
    }

    /// Opens the database and builds every room's service on it.
    ///
    /// # Errors
    /// When the database or the signing secret can't be opened.
    pub(super) async fn app(&self) -> Result<App, Failure> {
        Ok(App::open(self.config(), Arc::new(SystemClock)).await?)
    }

    /// The same for the server, which has the database's lock.
    ///
    /// # Errors
    /// When the database or the signing secret can't be opened.
    pub(super) async fn served(&self, lock: &ServerLock) -> Result<App, Failure> {
        let db = Db::open_served(&self.config().db, lock).await?;
        Ok(App::on(db, self.config(), Arc::new(SystemClock)).await?)
    }

    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// When it can't be opened, or is newer than this program.
    pub(super) async fn db(&self) -> Result<Db, Failure> {
        Ok(Db::open(&self.config().db).await?)
    }
}
