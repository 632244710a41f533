//! `preorder config`: what the settings are, where each comes from, what is wrong with them, and a file to begin with.

mod check;
mod init;

use serde::Serialize;
use serde_json::Value as Json;

pub(super) use self::check::check;
pub(super) use self::init::init;
use super::context::Context;
use super::failure::Failure;
use super::output::{Items, Table};
use crate::config::{Entry, Settings};

/// What `config` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Show every setting, its effective value and where it comes from; secrets are hidden.
    Show,
    /// Find every mistake in the settings, and in the files and folders that they name; exit 1 when there is one.
    Check,
    /// Write a settings file with every setting, what it does and its default, all commented out.
    Init(init::Args),
}

/// One setting, as programs see it.
#[derive(Serialize)]
struct SettingView {
    key: &'static str,
    value: Json,
    /// `default`, `file`, `environment` or `flag`.
    origin: &'static str,
    /// The file, the variable or the flag by its own name.
    source: String,
    default: Json,
    allowed: String,
    variable: String,
    doc: &'static str,
}

impl From<Entry<'_>> for SettingView {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            key: entry.setting.key,
            value: entry.value,
            origin: entry.origin.layer(),
            source: entry.origin.to_string(),
            default: entry.default,
            allowed: entry.setting.allowed(),
            variable: entry.setting.variable(),
            doc: entry.setting.doc,
        }
    }
}

/// Shows every setting. They were read and found valid before.
///
/// # Errors
/// When stdout can't be written.
pub(super) fn show(context: &Context) -> Result<(), Failure> {
    let items: Vec<SettingView> = context.settings().entries().map(SettingView::from).collect();
    context.output().answer(&Items { items }, || table(context.settings()))
}

fn table(settings: &Settings) -> Table {
    let mut table = Table::new(&["setting", "value", "from"]);
    for entry in settings.entries() {
        let value = match entry.value {
            Json::String(text) => text,
            other => other.to_string(),
        };
        table.row([entry.setting.key.to_owned(), value, entry.origin.to_string()]);
    }
    table
}
