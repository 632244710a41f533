//! The composition root: the only place that builds services.

use std::sync::Arc;

use crate::config::Config;
use crate::kernel::clock::Clock;
use crate::kernel::error::Error;
use crate::store::Db;
use crate::users::Users;

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
}

impl App {
    /// Opens the database and builds every room's service on it.
    ///
    /// # Errors
    /// When the database or the signing secret can't be opened, or a setting is out of the question.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let db = Db::open(&config.db).await?;
        let users = Users::open(db.clone(), Arc::clone(&clock), config).await?;
        Ok(Self { config: config.clone(), db, clock, users: Arc::new(users) })
    }
}
