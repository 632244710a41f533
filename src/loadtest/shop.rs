//! What a run asks of the shop behind the counter. The run itself knows no room: whoever starts it gives it one of these.

use std::pin::Pin;

use super::scenario::{CommunityTerms, ProductTerms};
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::store::Location;

/// An answer that takes a while.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Where the sale takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// In a temporary server of the run's own.
    Temporary,
    /// At a server that is running already, such as `http://127.0.0.1:8080`.
    Running {
        /// Its address, without a path.
        url: String,
    },
}

/// The sale that a run wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleWanted {
    /// A fresh, empty database to make it in, for a temporary server; `None`: in the running server's.
    pub fresh: Option<Location>,
    /// A new reservation product on these terms, open now, without a window.
    pub terms: ProductTerms,
    /// How many different buyers are to be there, each with an access token that outlives the run.
    pub buyers: usize,
    /// Whether the buyers sign in: only those may come whose e-mail and password are known.
    pub sign_in: bool,
    /// What the buyers find to read, in a fresh database.
    pub community: CommunityTerms,
}

/// Somebody who comes to the sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    /// Who it is.
    pub user: UserId,
    /// An access token that outlives the run.
    pub token: String,
    /// What they sign in with, beside the sale's password; empty when nobody does.
    pub email: String,
}

/// A sale that is ready.
#[derive(Debug, Clone)]
pub struct Sale {
    /// The product; it was made for this run, and nobody else buys it.
    pub product_id: String,
    /// The password that all buyers share.
    pub password: &'static str,
    /// Everybody who may come, in the order in which they do.
    pub buyers: Vec<Buyer>,
    /// Where the rows can be read afterwards; `None` when only HTTP reaches the server.
    pub rows: Option<Location>,
}

/// When somebody looks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The sale is open, and nobody has come yet.
    Before,
    /// The crowd has gone; the server ends next.
    After,
}

/// The shop: makes sales, and audits them.
pub trait Shop: Send + Sync {
    /// Makes the sale that is wanted. For a fresh database that includes the schema and the signing secret beside the
    /// file, as the server, which gets no other settings, finds it there.
    fn open_sale(&self, wanted: SaleWanted) -> Soon<'_, Sale>;

    /// Whether every invariant of the ledger holds in the rows.
    fn audit(&self, rows: Location) -> Soon<'_, bool>;

    /// Waits for whoever looks on, before the crowd comes to the temporary server at `url` and after it has gone.
    fn look_on<'a>(&'a self, _moment: Moment, _url: &'a str, _product: &'a str) -> Soon<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
