//! `preorder man DIR`.

use std::path::PathBuf;

use clap::CommandFactory;
use serde_json::json;

use super::Cli;
use super::failure::Failure;
use super::output::Output;

/// What `man` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; it is made when it is missing.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes a page for the program and one for each of its subcommands.
///
/// # Errors
/// When the folder can't be written to.
pub(super) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let folder = args.folder.display();
    let made = std::fs::create_dir_all(&args.folder);
    made.and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder)).map_err(|error| {
        Failure::failed(
            format!("The pages can't be written to {folder}: {error}."),
            "Name a folder that you may write to.",
        )
    })?;
    output.answer(&json!({ "folder": args.folder }), || format!("Wrote the pages to {folder}; read one with 'man -l'."))
}
