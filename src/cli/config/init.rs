//! `preorder config init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::{FILE_NAME, template};

/// What `config init` takes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The file to write.
    #[arg(value_name = "FILE", default_value = FILE_NAME)]
    file: PathBuf,
}

/// Writes the file, which its owner alone may read: secrets will stand in it.
///
/// # Errors
/// When it is there already, or can't be written.
pub(in crate::cli) fn init(args: &Args, output: Output) -> Result<(), Failure> {
    let path = args.file.display();
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file);
    let written = made.and_then(|mut file| file.write_all(template().as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::failed(format!("{path} is there already."), "Name another file, or move that one away first.")
        }
        _ => Failure::failed(
            format!("{path} can't be written: {error}."),
            "Name a file in a folder that is there and that you may write to.",
        ),
    })?;
    output.answer(&json!({ "file": args.file }), || {
        format!(
            "Wrote {path}. Take the '#' away from what you want to change; 'preorder config check' looks for mistakes."
        )
    })
}
