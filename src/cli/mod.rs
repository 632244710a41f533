//! The command line: one file per subcommand, each with an `Args` and `async fn run(args, &Context) -> Result<(), Failure>`.
//!
//! To add a subcommand: write its file, name it in `Command`, and give it an arm in `Command::run`. A flag that
//! overrides a setting (such as `serve --listen`) is also told to `Command::flags`. `output` is the only printer;
//! `failure` decides what people read, and the exit code, when something goes wrong.

mod audit;
mod community;
mod compare;
mod completions;
mod config;
mod context;
mod db;
mod failure;
mod hints;
mod loadtest;
mod logging;
mod order;
mod output;
mod password;
mod product;
mod seed;
mod serve;
mod shop;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::context::Context;
use self::failure::Failure;
use self::output::Output;
use crate::config::{Flag, Settings, Sources};

const AFTER_HELP: &str = "\
Settings also come from preorder.toml and from PREORDER_… variables: see 'preorder config show'.
Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// Runs limited-stock preorder sales, and never oversells.
#[derive(Debug, Parser)]
#[command(name = "preorder", version, max_term_width = 100, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// The database, such as sqlite:data/preorder.db.
    #[arg(long, global = true, value_name = "ADDRESS")]
    db: Option<String>,
    /// The settings file [default: preorder.toml, when there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Log more; twice for everything.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log errors only; twice for nothing.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    quiet: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Seed a fresh database, serve it, open a sale, send the crowd, audit.
    Demo(loadtest::DemoArgs),
    /// Serve the API until Ctrl-C.
    Serve(serve::Args),
    /// Add products, users and a community to begin with.
    Seed(seed::Args),
    /// Look after accounts and sessions.
    #[command(subcommand)]
    User(user::Args),
    /// Look after the catalogue and its stock.
    #[command(subcommand)]
    Product(product::Args),
    /// Look after everybody's orders.
    #[command(subcommand)]
    Order(order::Args),
    /// Tell other servers of orders, by signed requests.
    #[command(subcommand)]
    Webhook(webhook::Args),
    /// Rehearse a sale: a crowd over real HTTP, and a verdict from the rows.
    Loadtest(loadtest::Args),
    /// Prove every invariant of the ledger from the rows; exit 1 when one is broken.
    Audit,
    /// Look after the database.
    #[command(subcommand)]
    Db(db::Args),
    /// Show and check the settings.
    #[command(subcommand)]
    Config(config::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
}

impl Command {
    /// The settings that this subcommand's own flags override.
    fn flags(&self) -> Vec<Flag> {
        match self {
            Self::Serve(args) => args.flags(),
            _ => Vec::new(),
        }
    }

    /// Runs until it is done or the user presses Ctrl-C.
    async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Serve(args) => serve::run(args, context).await,
            Self::Demo(args) => until_interrupted(loadtest::demo(args, context)).await,
            Self::Loadtest(args) => until_interrupted(loadtest::run(args, context)).await,
            Self::Seed(args) => until_interrupted(seed::run(args, context)).await,
            Self::User(args) => until_interrupted(user::run(args, context)).await,
            Self::Product(args) => until_interrupted(product::run(args, context)).await,
            Self::Order(args) => until_interrupted(order::run(args, context)).await,
            Self::Webhook(args) => until_interrupted(webhook::run(args, context)).await,
            Self::Audit => until_interrupted(audit::run(context)).await,
            Self::Db(args) => until_interrupted(db::run(args, context)).await,
            Self::Config(args) => config::run(&args, context),
            Self::Completions(args) => completions::run(&args),
        }
    }
}

/// Runs the program with this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let parsed =
        Cli::command().try_get_matches().and_then(|typed| Ok((command(&typed), Cli::from_arg_matches(&typed)?)));
    let (command, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(usage) => return output::usage(&usage),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure(&failure, &command),
    }
}

/// The subcommand that was typed, such as `product add`.
fn command(typed: &ArgMatches) -> String {
    let names = std::iter::successors(typed.subcommand(), |(_, rest)| rest.subcommand()).map(|(name, _)| name);
    names.collect::<Vec<_>>().join(" ")
}

fn run(cli: Cli) -> Result<(), Failure> {
    // A completion script must not depend on settings that somebody is still writing.
    if let Command::Completions(args) = &cli.command {
        return completions::run(args);
    }
    let mut flags = cli.command.flags();
    flags.extend(cli.global.db.map(|value| Flag { name: "--db", key: "db", value }));
    let settings = Settings::load(&Sources::gather(cli.global.config.as_deref(), flags)?)?;
    logging::start(&settings.config.log, cli.global.verbose, cli.global.quiet)?;

    allow_many_connections();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        let hint = "Look at the limits on processes and open files ('ulimit -a').";
        Failure::failed(format!("The runtime can't be started: {error}."), hint)
    })?;
    let context = Context::new(settings, Output::new(cli.global.json, cli.global.quiet > 0));
    let result = runtime.block_on(cli.command.run(&context));
    // After Ctrl-C a blocking task may still be at work; nobody waits for its answer any more.
    runtime.shutdown_background();
    result
}

/// Raises the limit of open files to what the system allows: a connection needs one, and shells start with about 1,000.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // When it stays as it is, the server says so the moment it runs out.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Runs `work`, and drops it at Ctrl-C: a transaction that was open is undone. A server is not run by this: it closes
/// its doors first, in its own time.
///
/// `work` is polled first, so Ctrl-C keeps its usual meaning (the process ends, the terminal gets its echo back) up to
/// the first time that `work` waits. Passwords are asked for in that stretch; see [`password`].
async fn until_interrupted(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        biased;
        result = work => result,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
