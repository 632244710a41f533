//! `preorder seed`: products, users and a community to begin with.

use std::fmt::Write as _;
use std::path::PathBuf;

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;

use super::community::add_community;
use super::context::Context;
use super::failure::Failure;
use crate::activity::SeedCounts;
use crate::app::App;
use crate::kernel::actor::By;
use crate::kernel::error::{self, Error};
use crate::kernel::ids::OrderId;
use crate::ledger::Mover;
use crate::products::ProductDraft;
use crate::seed::files::{self, SeedFiles};
use crate::seed::texts::Texts;
use crate::seed::{SeedProduct, SeedUser, generate};
use crate::trail::{Action, Deed, Kind, Thing};
use crate::users::{self, NewUser};

/// The password that every generated user shares: its hash is made once, which is what makes seeding fast.
pub(super) const GENERATED_PASSWORD: &str = "example-buyer-password";

/// Generated users that are added between two steps of the bar.
const STEP: usize = 5_000;

/// Posts of a generated user in the middle, unless somebody says how many users there shall be ...
const POSTS_A_USER: u32 = 10;
/// ... and how many they are at least and at most then.
const COMMUNITY_USERS: (u32, u32) = (10, 10_000);

/// What `seed` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder with products.toml, users.toml and community.toml [default: the ones in this program].
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Generated users to add: buyer000001@preorder.example and so on [default: 0, or a tenth of --posts].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    users: Option<u32>,
    /// Generated products to add: p0001 and so on.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(..=100_000))]
    products: u32,
    /// Generated posts to add, by all who are there, with comments, likes and follows.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    posts: u32,
    /// What generated names, prices and posts are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What was added; what was there already is not counted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    products: usize,
    users: usize,
    posts: usize,
    comments: usize,
    likes: usize,
    follows: usize,
    generated_password: Option<&'static str>,
}

/// Runs it. What is there already stays as it is.
///
/// # Errors
/// Faults of the seed files, all at once, before anything is written; what the services refuse.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (files, texts) = match &args.from {
        Some(folder) if !folder.is_dir() => {
            let what = format!("There is no folder {}.", folder.display());
            return Err(Failure::usage(what, "Name one that is there with --from, or leave it out."));
        }
        Some(folder) => (files::from_folder(folder)?, Texts::from_folder(folder)?),
        None => (files::embedded()?, Texts::embedded()?),
    };
    let (least, most) = COMMUNITY_USERS;
    let for_posts = if args.posts > 0 { (args.posts / POSTS_A_USER).clamp(least, most) } else { 0 };
    let generated = args.users.unwrap_or(for_posts);
    let app = context.app().await?;
    let count = files.products.len() as u64 + u64::from(args.products) + u64::from(generated) + u64::from(args.posts);
    let bar = context.output().progress("seeding", count);
    app.trail.note(By::Console, noted(&args, generated)).await?;
    let added = add(&app, &args, (files, texts), generated, &bar).await.map_err(in_part)?;
    bar.finish_and_clear();
    context.output().answer(&added, || people(&added, args.posts > 0))
}

/// What the audit log is told, before the first of many commits: what shall be added. What is there already stays.
fn noted(args: &Args, users: u32) -> Deed {
    let wanted = json!({
        "from": if args.from.is_some() { "folder" } else { "program" },
        "users": users,
        "products": args.products,
        "posts": args.posts,
        "seed": args.seed,
    });
    Deed::new(Action::DbSeed, Thing::all(Kind::Database), wanted)
}

async fn add(
    app: &App,
    args: &Args,
    (files, texts): (SeedFiles, Texts),
    generated: u32,
    bar: &ProgressBar,
) -> Result<Added, Error> {
    let mut products = 0;
    for product in files.products.into_iter().chain(generate::products(args.seed, args.products)) {
        products += usize::from(add_product(app, product).await?);
        bar.inc(1);
    }
    let mut users = 0;
    for user in files.users {
        users += usize::from(add_user(app, user).await?);
    }
    users += add_buyers(app, args.seed, generated, |added| bar.inc(added as u64)).await?;
    let SeedCounts { posts, comments, likes, follows } =
        add_community(app, (args.seed, texts), args.posts, |posts| bar.inc(posts.into())).await?;
    let generated_password = (generated > 0).then_some(GENERATED_PASSWORD);
    Ok(Added { products, users, posts, comments, likes, follows, generated_password })
}

fn people(added: &Added, with_posts: bool) -> String {
    let Added { products, users, posts, comments, likes, follows, generated_password } = added;
    let mut text = format!("Added {products} products and {users} users");
    if with_posts {
        let _ = write!(text, ", {posts} posts with {comments} comments and {likes} likes, and {follows} follows");
    }
    text.push_str("; what was there before stays as it is.");
    if let Some(password) = generated_password {
        let _ = write!(text, "\nThe generated users share one password, hashed once: {password}");
    }
    text
}

/// What a seeding that stopped has done. It is many commits, and an error's own words are about the last of them.
fn in_part(error: Error) -> Failure {
    let what = match error.code() {
        "storage_full" => "The disk is full",
        "storage_failed" => "The disk failed (a full one can look like this)",
        _ => return Failure::Refused(error),
    };
    Failure::failed(
        format!("{what}; what was added before stays."),
        "Free some space and run it again: what is there is not added twice.",
    )
}

/// Adds a product unless its id is taken.
async fn add_product(app: &App, product: SeedProduct) -> Result<bool, Error> {
    let draft = ProductDraft {
        id: Some(product.id.to_string()),
        name: Some(product.name),
        description: Some(product.description),
        kind: Some(product.kind),
        price: Some(product.price),
        currency: Some(product.currency.to_string()),
        stock: Some(product.stock),
        opens_at: product.opens_at.map(|at| at.to_string()),
        closes_at: product.closes_at.map(|at| at.to_string()),
        per_buyer_limit: product.per_buyer_limit,
        hold_seconds: Some(product.hold_seconds),
    };
    unless_there(app.products.seed(&draft, Mover::Console).await)
}

/// Adds a user unless the address is taken. Without a password in the file nobody can log in: it gets one that nobody knows.
async fn add_user(app: &App, user: SeedUser) -> Result<bool, Error> {
    let password = user.password.unwrap_or_else(|| OrderId::fresh().to_string());
    let new = NewUser {
        email: Some(user.email),
        name: Some(user.name),
        password: Some(password),
        greeting: Some(user.greeting),
    };
    unless_there(app.users.seed(new, user.role).await)
}

fn unless_there<T>(added: Result<T, Error>) -> Result<bool, Error> {
    match added {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == error::Kind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// Adds `count` generated buyers who share one password; gives how many were not there yet.
///
/// # Errors
/// What the users' room refuses.
pub(super) async fn add_buyers(
    app: &App,
    seed: u64,
    count: u32,
    mut on_added: impl FnMut(usize),
) -> Result<usize, Error> {
    if count == 0 {
        return Ok(0);
    }
    let hash = app.users.hash_password(GENERATED_PASSWORD.to_owned()).await?;
    let mut buyers = generate::users(seed, count);
    let mut added = 0;
    loop {
        let some = buyers.by_ref().take(STEP).map(seed_user).collect::<Result<Vec<_>, _>>()?;
        if some.is_empty() {
            return Ok(added);
        }
        on_added(some.len());
        added += app.users.add_many(some, &hash).await?;
    }
}

fn seed_user(user: SeedUser) -> Result<users::SeedUser, Error> {
    let email = user.email.parse().map_err(|allowed| Error::internal(format!("{} is not {allowed}", user.email)))?;
    Ok(users::SeedUser { email, name: user.name, greeting: user.greeting, role: user.role })
}
