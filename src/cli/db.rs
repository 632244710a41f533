//! `preorder db`: the database as a whole.

use super::context::Context;
use super::failure::Failure;
use crate::store::{Location, SCHEMA_VERSION};

/// What `db` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Make the database if it is missing, and bring its schema up to date.
    Migrate,
}

/// Runs it.
///
/// # Errors
/// When the database can't be opened or is newer than this program.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args {
        Args::Migrate => migrate(context).await,
    }
}

async fn migrate(context: &Context) -> Result<(), Failure> {
    // Opening is migrating: no part of the program ever works on an older schema.
    drop(context.db().await?);
    let Location::Sqlite(path) = &context.config().db;
    let path = path.display().to_string();
    context.output().answer(&serde_json::json!({ "path": path, "schemaVersion": SCHEMA_VERSION }), || {
        format!("The database {path} is up to date, at schema version {SCHEMA_VERSION}.")
    })
}
