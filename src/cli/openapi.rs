//! `preorder openapi`: the API's description, for programs that read it without a server.

use super::failure::Failure;
use super::output;
use crate::kernel::error::Error;
use crate::server;
use crate::target::Targets;

/// Prints the description of every route.
///
/// # Errors
/// When stdout can't be written.
pub(super) fn run() -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(&server::document(&Targets::all()))
        .map_err(|error| Error::internal(format!("writing the description as JSON: {error}")))?;
    text.push(b'\n');
    output::bytes(&text)
}
