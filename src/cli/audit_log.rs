//! `preorder audit-log`: what admins and the command line did.

use std::str::FromStr;

use serde_json::Value;

use super::context::Context;
use super::failure::Failure;
use super::output::{Items, Table};
use super::user::somebody;
use crate::app::App;
use crate::kernel::clock::Timestamp;
use crate::kernel::page::PageRequest;
use crate::trail::http::EntryView;
use crate::trail::{Action, Entry, Filter, Hand, Thing};

/// Entries that are shown when nobody says how many.
const LISTED_DEFAULT: u32 = 50;

/// What `audit-log` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only what this admin did (an e-mail address or a user's number), or 'console' for the command line.
    #[arg(long, value_name = "WHO", value_parser = whoever)]
    by: Option<String>,
    /// Only this, such as product.edit or user.block.
    #[arg(long, value_name = "ACTION", hide_possible_values = true, value_parser = action())]
    action: Option<Action>,
    /// Only what was done to this, such as user:7 or product:100.
    #[arg(long, value_name = "KIND:ID", value_parser = Thing::from_str)]
    on: Option<Thing>,
    /// Only from this time on, such as 2026-12-01T09:00:00+09:00.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::from_str)]
    since: Option<Timestamp>,
    /// Only before this time.
    #[arg(long, value_name = "TIME", value_parser = Timestamp::from_str)]
    until: Option<Timestamp>,
    /// How many at most, the latest first.
    #[arg(long, default_value_t = LISTED_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

fn action() -> impl clap::builder::TypedValueParser<Value = Action> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(Action::ALL.iter().map(|action| action.as_str()))
        .try_map(|text| text.parse::<Action>())
}

/// What can name somebody who did something, as it was typed.
fn whoever(typed: &str) -> Result<String, &'static str> {
    if typed.parse::<Hand>().is_ok() || somebody(typed).is_ok() {
        Ok(typed.to_owned())
    } else {
        Err("an e-mail address, an admin's number, or 'console'")
    }
}

/// Runs it.
///
/// # Errors
/// When nobody has the address, or the database can't be read.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let app = context.app().await?;
    let by = match args.by {
        Some(typed) => Some(hand(&app, &typed).await?),
        None => None,
    };
    let filter = Filter { by, action: args.action, on: args.on, since: args.since, until: args.until };
    let found = app.trail.list(filter, PageRequest { limit: args.limit, after: None }).await?;
    if found.next_cursor.is_some() {
        context.output().note("There are more; see --limit, --since and --until.");
    }
    let table = table(&found.items);
    let items: Vec<_> = found.items.into_iter().map(EntryView::from).collect();
    context.output().answer(&Items { items }, || table)
}

async fn hand(app: &App, typed: &str) -> Result<Hand, Failure> {
    match typed.parse() {
        Ok(hand) => Ok(hand),
        Err(_) => Ok(Hand::Admin(app.users.find(typed).await?.id)),
    }
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&["id", "at", "by", "action", "on", "before", "after", "request"]).numbers([0]);
    for entry in entries {
        table.row([
            entry.number.to_string(),
            entry.at.to_string(),
            entry.by.to_string(),
            entry.action.to_string(),
            entry.on.to_string(),
            members(entry.was.as_ref()),
            members(entry.became.as_ref()),
            entry.request.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// A document's members for people, on one line.
fn members(document: Option<&Value>) -> String {
    let Some(Value::Object(members)) = document else { return String::new() };
    members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
