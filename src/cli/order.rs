//! `preorder order`: everybody's orders.

use super::context::Context;
use super::failure::Failure;
use super::output::{self, Items, Table, fields};
use super::user::somebody;
use crate::app::App;
use crate::kernel::error::Error;
use crate::kernel::ids::{OrderId, ProductId, UserId};
use crate::kernel::page::PageRequest;
use crate::ledger::{Mover, Order, OrderFilter, Reason, State};
use crate::purchases::csv;
use crate::purchases::http::OrderView;

/// Orders that `order list` shows when nobody says how many.
const LISTED_DEFAULT: u32 = 50;
/// Orders that an export reads at a time.
const EXPORT_PAGE: u32 = 1_000;

/// What `order` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// List orders, the newest first.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// How many at most.
        #[arg(long, default_value_t = LISTED_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show one order.
    Show {
        /// The order's id.
        id: OrderId,
    },
    /// Cancel a held order, or pay a completed one back; its units go back on sale.
    Cancel {
        /// The order's id.
        id: OrderId,
    },
    /// Print every order, the newest first.
    Export {
        /// What to print.
        #[arg(long, value_enum)]
        format: Format,
        #[command(flatten)]
        filter: FilterArgs,
    },
}

/// What `order export` prints.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    /// A line of titles and a line for each order.
    Csv,
    /// One document.
    Json,
}

/// Which orders.
#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Only this buyer's: an e-mail address or a user's number.
    #[arg(long, value_parser = somebody)]
    buyer: Option<String>,
    /// Only of this product.
    #[arg(long, value_name = "ID")]
    product: Option<ProductId>,
    /// Only in this state.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(State::ALL.iter().map(|state| state.as_str())))]
    state: Option<String>,
}

impl FilterArgs {
    async fn filter(self, app: &App) -> Result<OrderFilter, Failure> {
        let buyer: Option<UserId> = match self.buyer {
            Some(typed) => Some(app.users.find(&typed).await?.id),
            None => None,
        };
        Ok(OrderFilter { buyer, product: self.product, state: self.state.and_then(|word| word.parse().ok()) })
    }
}

/// Runs it.
///
/// # Errors
/// What the services refuse.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if let Args::Export { format: Format::Csv, .. } = args
        && context.output().is_json()
    {
        return Err(Failure::usage("--format csv and --json contradict each other.", "Leave one of them out."));
    }
    let app = context.app().await?;
    match args {
        Args::List { filter, limit } => list(context, &app, filter.filter(&app).await?, limit).await,
        Args::Show { id } => shown(context, app.purchases.any(id).await?),
        Args::Cancel { id } => shown(context, app.purchases.end(id, Mover::Console).await?),
        Args::Export { format, filter } => export(&app, filter.filter(&app).await?, format).await,
    }
}

fn shown(context: &Context, order: Order) -> Result<(), Failure> {
    let document = OrderView::from(order);
    context.output().answer(&document, || fields(&document))
}

async fn list(context: &Context, app: &App, filter: OrderFilter, limit: u32) -> Result<(), Failure> {
    let found = app.purchases.all(filter, PageRequest { limit, after: None }).await?;
    let mut table =
        Table::new(&["id", "buyer", "product", "units", "amount", "state", "reason", "created"]).numbers([1, 3, 4]);
    for order in &found.items {
        table.row([
            order.id.to_string(),
            order.buyer.to_string(),
            order.product.to_string(),
            order.quantity.to_string(),
            format!("{} {}", order.amount, order.currency),
            order.state.to_string(),
            order.reason.map_or("", Reason::as_str).to_owned(),
            order.created_at.to_string(),
        ]);
    }
    if found.next_cursor.is_some() {
        context.output().note("There are more; see --limit, or 'preorder order export'.");
    }
    let items: Vec<OrderView> = found.items.into_iter().map(OrderView::from).collect();
    context.output().answer(&Items { items }, || table)
}

/// Prints page by page, so that a year's orders do not have to fit into memory.
async fn export(app: &App, filter: OrderFilter, format: Format) -> Result<(), Failure> {
    let mut page = PageRequest { limit: EXPORT_PAGE, after: None };
    output::bytes(match format {
        Format::Csv => csv::TITLES.as_bytes(),
        Format::Json => b"{\"items\":[",
    })?;
    let mut first = true;
    loop {
        let found = app.purchases.all(filter.clone(), page.clone()).await?;
        let mut text = Vec::new();
        for order in found.items {
            match format {
                Format::Csv => csv::write(&mut text, &order)?,
                Format::Json => {
                    text.extend_from_slice(if first { b"\n" } else { b",\n" });
                    serde_json::to_writer(&mut text, &OrderView::from(order)).map_err(cannot_write)?;
                }
            }
            first = false;
        }
        output::bytes(&text)?;
        page.after = found.next_cursor;
        if page.after.is_none() {
            break;
        }
    }
    match format {
        Format::Csv => Ok(()),
        Format::Json => output::bytes(b"\n]}\n"),
    }
}

fn cannot_write(error: impl std::fmt::Display) -> Failure {
    Failure::from(Error::internal(format!("writing orders: {error}")))
}
