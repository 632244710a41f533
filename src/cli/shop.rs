//! The shop that a rehearsal buys in: sales made through the rooms' own services.

use crate::app::App;
use crate::audit::prove;
use crate::config::Config;
use crate::kernel::actor::Role;
use crate::kernel::clock::SystemClock;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::OrderId;
use crate::ledger::Mover;
use crate::loadtest::{Buyer, Moment, Sale, SaleWanted, Shop, Soon};
use crate::products::ProductDraft;
use crate::seed::texts::Texts;
use crate::store::{Db, Location};
use crate::users::NewUser;

use std::sync::Arc;

use super::community::add_community;
use super::output::Output;
use super::seed::{GENERATED_PASSWORD, add_buyers};
use crate::seed::generate::is_generated;

/// Who may look at the admin's pages of a sale that is watched.
const ADMIN: &str = "admin@preorder.example";
/// How long a buyer's token lives, in seconds; longer than any rehearsal.
const TOKEN_LIFETIME_S: u32 = 4 * 3_600;
/// What the generated buyers are drawn from; their names do not matter here.
const BUYERS_SEED: u64 = 1;

/// A shop on a database of this machine.
pub(super) struct LocalShop<'a> {
    config: &'a Config,
    /// Where whoever looks on is told what there is to see.
    watched_on: Option<Output>,
}

impl<'a> LocalShop<'a> {
    /// A shop whose sales at a running server are made in the database of `config`.
    pub(super) fn new(config: &'a Config) -> Self {
        Self { config, watched_on: None }
    }

    /// The same with somebody who looks on and is told on `output` where; the run waits for them.
    pub(super) fn watched(self, output: Output) -> Self {
        Self { watched_on: Some(output), ..self }
    }

    async fn make(&self, wanted: SaleWanted) -> Result<Sale, Error> {
        // A temporary server is told nothing of these settings, so its database is opened without them too.
        let (config, temporary) = match wanted.fresh {
            Some(db) => (Config { db, ..Config::default() }, true),
            None => (self.config.clone(), false),
        };
        let app = App::open(&config, Arc::new(SystemClock)).await?;
        if temporary {
            let buyers = u32::try_from(wanted.buyers).unwrap_or(u32::MAX);
            add_buyers(&app, BUYERS_SEED, buyers, |_| {}).await?;
            if self.watched_on.is_some() {
                add_admin(&app).await?;
            }
            let texts = Texts::embedded().map_err(|error| Error::internal(error.to_string()))?;
            add_community(&app, (BUYERS_SEED, texts), wanted.community.posts, |_| {}).await?;
        }
        let product_id = format!("rehearsal-{}", OrderId::fresh());
        let draft = ProductDraft {
            id: Some(product_id.chars().take(40).collect()),
            name: Some("Rehearsal".to_owned()),
            kind: Some("reservation".to_owned()),
            price: Some(wanted.terms.price),
            stock: Some(wanted.terms.stock),
            per_buyer_limit: wanted.terms.per_buyer_limit,
            hold_seconds: Some(wanted.terms.hold_seconds),
            ..ProductDraft::default()
        };
        let product = app.products.add(&draft, Mover::Console).await?;
        let mut buyers = Vec::with_capacity(wanted.buyers);
        app.users
            .tokens_for_all(Some(TOKEN_LIFETIME_S), |user, token| {
                if wanted.sign_in || buyers.len() < wanted.buyers {
                    buyers.push(Buyer { user, token, email: String::new() });
                }
                Ok(())
            })
            .await?;
        if wanted.sign_in {
            buyers = with_password(&app, buyers, wanted.buyers).await?;
        }
        if buyers.len() < wanted.buyers {
            return Err(too_few_users(buyers.len(), wanted.buyers, wanted.sign_in));
        }
        let (product_id, password) = (product.entry.id.to_string(), GENERATED_PASSWORD);
        Ok(Sale { product_id, password, buyers, rows: Some(config.db) })
    }
}

/// Somebody who may look at the admin's pages; the last user, so that no buyer is kept from coming.
async fn add_admin(app: &App) -> Result<(), Error> {
    let admin = NewUser {
        email: Some(ADMIN.to_owned()),
        name: Some("Admin".to_owned()),
        password: Some(GENERATED_PASSWORD.to_owned()),
        greeting: None,
    };
    app.users.add(admin, Role::Admin).await.map(drop)
}

/// Waits until Enter is pressed, or nothing more can be. On a thread of its own: nobody can end a read, but a program can.
async fn enter() {
    let (pressed, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _whatever_it_is = std::io::stdin().read_line(&mut String::new());
        let _who_waits_may_have_gone = pressed.send(());
    });
    let _either_way = wait.await;
}

/// Those of `buyers` whose password is known, at most `wanted`, with their e-mail: the generated ones.
async fn with_password(app: &App, buyers: Vec<Buyer>, wanted: usize) -> Result<Vec<Buyer>, Error> {
    let mut known = Vec::with_capacity(wanted);
    for buyer in buyers {
        if known.len() == wanted {
            break;
        }
        let email = app.users.get(buyer.user).await?.email.map(|email| email.to_string()).unwrap_or_default();
        if is_generated(&email) {
            known.push(Buyer { email, ..buyer });
        }
    }
    Ok(known)
}

fn too_few_users(there: usize, buyers: usize, who_sign_in: bool) -> Error {
    let who = if who_sign_in { "generated users, who can sign in," } else { "active users," };
    let detail = Text::made(
        format!("The database has {there} {who} and {buyers} buyers shall come."),
        format!("활성 사용자가 {there}명뿐입니다. 필요한 구매자는 {buyers}명입니다."),
    );
    Error::new(Kind::Conflict, "too_few_users", detail)
}

impl Shop for LocalShop<'_> {
    fn open_sale(&self, wanted: SaleWanted) -> Soon<'_, Sale> {
        Box::pin(self.make(wanted))
    }

    fn audit(&self, rows: Location) -> Soon<'_, bool> {
        Box::pin(async move {
            let db = Db::open(&rows).await?;
            Ok(prove(&db).await?.ok())
        })
    }

    fn look_on<'a>(&'a self, moment: Moment, url: &'a str, product: &'a str) -> Soon<'a, ()> {
        Box::pin(async move {
            let Some(output) = self.watched_on else { return Ok(()) };
            output.note(match moment {
                Moment::Before => format!(
                    "Open {url}/shop/{product}, or {url}/admin signed in as {ADMIN} with the password {GENERATED_PASSWORD}, \
                     and press Enter to let the crowd in."
                ),
                Moment::After => "The crowd has gone. Press Enter to stop the server and see the verdict.".to_owned(),
            });
            enter().await;
            Ok(())
        })
    }
}
