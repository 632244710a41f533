//! What every subcommand gets: the settings, the way out, and the things that it opens.

use std::path::PathBuf;
use std::sync::Arc;

use super::failure::Failure;
use super::logging::Log;
use super::output::Output;
use crate::app::App;
use crate::config::{Config, Flag, Settings, SettingsError, Sources};
use crate::kernel::clock::SystemClock;
use crate::store::{Db, ServerLock};

/// One run of the program.
pub(super) struct Context {
    settings: Settings,
    output: Output,
    log: Arc<Log>,
    layers: Layers,
}

/// Where the settings come from, so that they can be read again.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    /// The file that was named.
    pub(super) file: Option<PathBuf>,
    /// What the command line said.
    pub(super) flags: Vec<Flag>,
}

impl Layers {
    /// Reads the file, the environment and the flags.
    ///
    /// # Errors
    /// Every fault, at once.
    pub(super) fn read(&self) -> Result<Settings, SettingsError> {
        Settings::load(&Sources::gather(self.file.as_deref(), self.flags.clone())?)
    }
}

impl Context {
    pub(super) fn new(settings: Settings, output: Output, log: Arc<Log>, layers: Layers) -> Self {
        Self { settings, output, log, layers }
    }

    /// Where the settings came from.
    pub(super) fn layers(&self) -> &Layers {
        &self.layers
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
