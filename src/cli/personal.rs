//! `preorder user export` and `erase`: all that is kept of somebody, handed out or erased.

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dialoguer::Confirm;
use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::output::{self, fields};
use super::user::WhoArgs;
use crate::app::App;
use crate::kernel::actor::By;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::privacy::Erased;

/// How long a server that runs beside may go on believing that somebody may act who may not.
const SERVERS_HEAR_WITHIN: Duration = Duration::from_secs(1);

/// What `user export` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub(super) who: WhoArgs,
    /// The file to make, for its owner alone; there may be none of that name [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What `user erase` takes.
#[derive(Debug, clap::Args)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    pub(super) who: WhoArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl EraseArgs {
    /// Asks whether it is meant; to be called before anything is awaited, see `password`.
    ///
    /// # Errors
    /// When it is not, or nobody can be asked.
    pub(super) fn ask(&self) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("There is no terminal to ask at whether it is meant.", "Say so with --yes."));
        }
        let question = format!("Erase all that is personal about {} for good?", self.who.user);
        let answer = Confirm::new().with_prompt(question).default(false).interact();
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::failed("Nothing was erased.", "Answer with 'y' to erase it, or say --yes.")),
            Err(error) => Err(Failure::failed(format!("The answer can't be read: {error}."), "Say so with --yes.")),
        }
    }
}

/// Runs `user export`.
///
/// # Errors
/// When the file is there already or can't be written; what the services refuse.
pub(super) async fn export(args: ExportArgs, context: &Context, app: &App) -> Result<(), Failure> {
    let user = app.users.find(&args.who.user).await?.id;
    let Some(path) = args.output else {
        app.privacy.note_export(user, By::Console).await?;
        let mut told = Ok(());
        let mut write = |text: &[u8]| {
            told = output::bytes(text);
            if told.is_ok() { Ok(()) } else { Err(Error::internal("standard output is closed")) }
        };
        let written = app.privacy.export(user, &mut write).await;
        told?;
        return written.map_err(Failure::from);
    };
    let bytes = export_to(app, user, &path).await?;
    let document = json!({ "id": user.0, "file": path.display().to_string(), "bytes": bytes });
    context.output().answer(&document, || fields(&document))
}

/// Writes the document to a file that is there as a whole or not at all; gives its length.
async fn export_to(app: &App, user: UserId, path: &Path) -> Result<u64, Failure> {
    let failed = |error: io::Error| {
        let hint = if error.kind() == io::ErrorKind::AlreadyExists {
            "Choose another name: a file that is there is never written over."
        } else {
            "Look at the folder and its disk, and run it again."
        };
        Failure::failed(format!("The file {} can't be made: {error}.", path.display()), hint)
    };
    if path.symlink_metadata().is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // For its owner alone, from the beginning.
    let file = tempfile::Builder::new().prefix(".preorder-export-").tempfile_in(folder);
    let file = file.map_err(|error| failed(error.kind().into()))?; // without the name that nobody chose
    let mut writer = BufWriter::new(file);
    let (mut bytes, mut trouble) = (0, None);
    let mut write = |text: &[u8]| {
        bytes += text.len() as u64;
        writer.write_all(text).map_err(|error| {
            trouble = Some(error);
            Error::internal("the file can't be written")
        })
    };
    let written = app.privacy.export(user, &mut write).await;
    if let Some(error) = trouble {
        return Err(failed(error));
    }
    written?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    app.privacy.note_export(user, By::Console).await?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    Ok(bytes)
}

/// Runs `user erase`, after [`EraseArgs::ask`].
///
/// # Errors
/// When there is no such user, or the database fails.
pub(super) async fn erase(args: EraseArgs, context: &Context, app: &App) -> Result<(), Failure> {
    let user = app.users.find(&args.who.user).await?.id;
    // Not by the address: that is gone first.
    context.output().note(format!("Should it be cut short, run 'preorder user erase {user} --yes' to go on."));
    if app.privacy.begin_erasure(user, By::Console).await? {
        // What the user still writes meanwhile is erased with the rest.
        tokio::time::sleep(SERVERS_HEAR_WITHIN).await;
    }
    let Erased { posts, comments, likes, following, followers } = app.privacy.erase_rest(user).await?;
    let document = json!({
        "id": user.0, "state": "deleted", "posts": posts, "comments": comments, "likes": likes,
        "following": following, "followers": followers,
    });
    context.output().answer(&document, || fields(&document))
}
