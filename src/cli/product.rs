//! `preorder product`: the catalogue and its stock.

use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::output::{Items, Table, fields};
use crate::app::App;
use crate::kernel::actor::By;
use crate::kernel::ids::ProductId;
use crate::kernel::page::{LIMIT_MAX, PageRequest};
use crate::ledger::{Kind, Mover};
use crate::products::http::ProductView;
use crate::products::{self, Change, Product, ProductDraft};
use crate::stock;
use crate::stock::http::{MovementView, StockView};

/// What `product` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Add a product and put it on sale.
    Add(AddArgs),
    /// List the products with their counts.
    List,
    /// Show one product.
    Show {
        /// The product's id.
        id: ProductId,
    },
    /// Change a product; its orders keep their price and their hold.
    Edit(EditArgs),
    /// Add units, or take available ones off sale.
    Restock(RestockArgs),
    /// Take a product off sale for good; its orders stay.
    Delete {
        /// The product's id.
        id: ProductId,
    },
}

/// What `product add` takes.
#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// A short text of letters, digits, '-', '_' and '.'.
    #[arg(long)]
    id: String,
    /// What buyers read.
    #[arg(long)]
    name: String,
    /// Sold in a window and in one call, or always on sale.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new([Kind::Reservation.as_str(), Kind::General.as_str()]))]
    r#type: String,
    /// The price of one unit, in minor units of the currency.
    #[arg(long, allow_negative_numbers = true)]
    price: i64,
    /// Units to begin with.
    #[arg(long, allow_negative_numbers = true)]
    stock: i64,
    /// A line or two for buyers.
    #[arg(long)]
    description: Option<String>,
    /// Three letters, as in ISO 4217.
    #[arg(long, default_value = "KRW")]
    currency: String,
    /// When the sale opens, such as 2026-12-01T09:00:00+09:00 [default: at once].
    #[arg(long, value_name = "TIME")]
    opens_at: Option<String>,
    /// When the sale closes [default: never].
    #[arg(long, value_name = "TIME")]
    closes_at: Option<String>,
    /// How many units one buyer may have [default: any number].
    #[arg(long, value_name = "UNITS", allow_negative_numbers = true)]
    per_buyer_limit: Option<i64>,
    /// How long an unpaid order keeps its units, in seconds [default: 600].
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    hold_seconds: Option<i64>,
}

impl From<AddArgs> for ProductDraft {
    fn from(args: AddArgs) -> Self {
        Self {
            id: Some(args.id),
            name: Some(args.name),
            description: args.description,
            kind: Some(args.r#type),
            price: Some(args.price),
            currency: Some(args.currency),
            stock: Some(args.stock),
            opens_at: args.opens_at,
            closes_at: args.closes_at,
            per_buyer_limit: args.per_buyer_limit,
            hold_seconds: args.hold_seconds,
        }
    }
}

/// What `product edit` changes.
#[derive(Debug, clap::Args)]
struct Changes {
    /// A new name.
    #[arg(long)]
    name: Option<String>,
    /// A new description.
    #[arg(long)]
    description: Option<String>,
    /// A new price, for orders to come.
    #[arg(long, allow_negative_numbers = true)]
    price: Option<i64>,
    /// When the sale opens; 'none' for at once.
    #[arg(long, value_name = "TIME|none")]
    opens_at: Option<String>,
    /// When the sale closes; 'none' for never.
    #[arg(long, value_name = "TIME|none")]
    closes_at: Option<String>,
    /// How many units one buyer may have; 'none' for any number.
    #[arg(long, value_name = "UNITS|none", value_parser = units_or_none)]
    per_buyer_limit: Option<UnitsOrNone>,
    /// How long orders to come keep their units unpaid, in seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    hold_seconds: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct UnitsOrNone(Option<i64>);

fn units_or_none(text: &str) -> Result<UnitsOrNone, String> {
    if text == "none" {
        return Ok(UnitsOrNone(None));
    }
    text.parse().map(|units| UnitsOrNone(Some(units))).map_err(|_| "a whole number, or 'none'".to_owned())
}

impl Changes {
    /// clap can ask for one of them too, but its usage line would then be three lines long.
    fn at_least_one(&self) -> Result<(), Failure> {
        let texts = [&self.name, &self.description, &self.opens_at, &self.closes_at].iter().any(|text| text.is_some());
        let numbers = self.price.is_some() || self.hold_seconds.is_some() || self.per_buyer_limit.is_some();
        if texts || numbers {
            return Ok(());
        }
        Err(Failure::usage("Nothing is to be changed.", "'preorder product edit --help' lists what can be."))
    }
}

impl From<Changes> for Change {
    fn from(changes: Changes) -> Self {
        let or_none = |text: String| (text != "none").then_some(text);
        Self {
            name: changes.name,
            description: changes.description,
            price: changes.price,
            opens_at: changes.opens_at.map(or_none),
            closes_at: changes.closes_at.map(or_none),
            per_buyer_limit: changes.per_buyer_limit.map(|UnitsOrNone(units)| units),
            hold_seconds: changes.hold_seconds,
        }
    }
}

/// What `product edit` takes.
#[derive(Debug, clap::Args)]
pub(super) struct EditArgs {
    /// The product's id.
    id: ProductId,
    #[command(flatten)]
    changes: Changes,
}

/// What `product restock` takes.
#[derive(Debug, clap::Args)]
pub(super) struct RestockArgs {
    /// The product's id.
    id: ProductId,
    /// How many units; a negative number takes available units off sale.
    #[arg(long, value_name = "UNITS", allow_negative_numbers = true)]
    by: i64,
    /// Why, for the history.
    #[arg(long)]
    reason: Option<String>,
}

/// Runs it.
///
/// # Errors
/// What the services refuse.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    // Before the database is opened: what is wrong with the values is wrong with the command line.
    let wanted = Wanted::check(args)?;
    let app = context.app().await?;
    match wanted {
        Wanted::Add(draft) => {
            let product = app.products.add(&draft, Mover::Console).await?;
            shown(context, &Shown::new(&product, &app))
        }
        Wanted::List => list(context, &app).await,
        Wanted::Show(id) => shown(context, &Shown::new(&app.products.get(&id).await?, &app)),
        Wanted::Edit(id, change) => {
            let product = app.products.edit(&id, change, By::Console).await?;
            shown(context, &Shown::new(&product, &app))
        }
        Wanted::Restock(RestockArgs { id, by, reason }) => {
            let movement = app.stock.adjust(id.clone(), by, reason.as_deref(), Mover::Console).await?;
            let available = app.stock.live(&id)?.stock.available;
            let document = MovementView::from(movement);
            context.output().answer(&document, || format!("{id} now has {available} units available ({by:+})."))
        }
        Wanted::Delete(id) => {
            app.products.delete(&id, By::Console).await?;
            let document = serde_json::json!({ "id": id.as_str(), "deleted": true });
            context.output().answer(&document, || format!("{id} is off sale; its orders stay."))
        }
    }
}

/// What is to be done, with values that could be allowed.
enum Wanted {
    Add(ProductDraft),
    List,
    Show(ProductId),
    Edit(ProductId, Change),
    Restock(RestockArgs),
    Delete(ProductId),
}

impl Wanted {
    fn check(args: Args) -> Result<Self, Failure> {
        Ok(match args {
            Args::Add(args) => {
                let draft = args.into();
                products::check_draft(&draft).map_err(Failure::of_values)?;
                Self::Add(draft)
            }
            Args::List => Self::List,
            Args::Show { id } => Self::Show(id),
            Args::Edit(EditArgs { id, changes }) => {
                changes.at_least_one()?;
                let change = changes.into();
                products::check_change(&change).map_err(Failure::of_values)?;
                Self::Edit(id, change)
            }
            Args::Restock(args) => {
                stock::check_adjustment(args.by, args.reason.as_deref()).map_err(Failure::of_values)?;
                Self::Restock(args)
            }
            Args::Delete { id } => Self::Delete(id),
        })
    }
}

/// A product with its counts.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    product: ProductView,
    stock: StockView,
}

impl Shown {
    fn new(product: &Product, app: &App) -> Self {
        Self {
            product: ProductView::new(product, &*app.clock),
            stock: StockView::new(&product.entry.id, &product.live),
        }
    }
}

async fn list(context: &Context, app: &App) -> Result<(), Failure> {
    let mut table =
        Table::new(&["id", "name", "type", "price", "state", "available", "held", "sold"]).numbers([3, 5, 6, 7]);
    let mut items = Vec::new();
    let mut page = PageRequest { limit: LIMIT_MAX, after: None };
    loop {
        let found = app.products.list(None, page.clone()).await?;
        for product in &found.items {
            let (terms, stock) = (&product.live.terms, product.live.stock);
            table.row([
                product.entry.id.to_string(),
                product.entry.name.clone(),
                terms.kind.to_string(),
                format!("{} {}", terms.price, terms.currency),
                product.live.sale_state(app.clock.now()).to_string(),
                stock.available.to_string(),
                stock.held.to_string(),
                stock.sold.to_string(),
            ]);
            items.push(Shown::new(product, app));
        }
        page.after = found.next_cursor;
        if page.after.is_none() {
            break;
        }
    }
    context.output().answer(&Items { items }, || table)
}

fn shown(context: &Context, shown: &Shown) -> Result<(), Failure> {
    context.output().answer(shown, || fields(shown))
}
