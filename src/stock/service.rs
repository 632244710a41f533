//! What every face of the stock calls.

use std::sync::Arc;

use super::stream::Hub;
use crate::kernel::check::Check;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Text};
use crate::kernel::ids::ProductId;
use crate::kernel::limits::STOCK_MAX;
use crate::kernel::page::{Page, PageRequest};
use crate::ledger::{Command, Done, Ledger, Live, Movement, Mover, Refusal};

pub(super) const REASON_CHARS_MAX: usize = 200;

/// Checks what can be told of an adjustment without the product; gives the reason as it is kept.
///
/// # Errors
/// `422` for a `delta` of nothing or too much, or a bad reason.
pub fn check_adjustment(delta: i64, reason: Option<&str>) -> Result<String, Error> {
    let mut check = Check::new();
    check.number("delta", Some(delta), -STOCK_MAX, STOCK_MAX);
    if delta == 0 {
        check.fault("delta", "zero", Text::fixed("It may not be 0.", "0일 수 없습니다."));
    }
    let reason = check.text("reason", reason, 0, REASON_CHARS_MAX);
    check.done().map(|()| reason)
}

/// The stock room.
pub struct StockRoom {
    pub(super) ledger: Arc<Ledger>,
    pub(super) hub: Hub,
}

impl StockRoom {
    /// The stock over `ledger`, of a process that began at `now`.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, now: Timestamp) -> Arc<Self> {
        Arc::new(Self { ledger, hub: Hub::new(now.0) })
    }

    /// A product's counts, from memory.
    ///
    /// # Errors
    /// `404 product_not_found`.
    pub fn live(&self, product: &ProductId) -> Result<Live, Error> {
        self.ledger.live(product).ok_or_else(|| Refusal::ProductNotFound.into())
    }

    /// Adds `delta` units, or takes available ones off sale when it is negative.
    ///
    /// # Errors
    /// `422` for a `delta` of nothing or too much, or a bad reason; `409 stock_in_use` with the numbers; `404`.
    pub async fn adjust(
        &self,
        product: ProductId,
        delta: i64,
        reason: Option<&str>,
        by: Mover,
    ) -> Result<Movement, Error> {
        let reason = check_adjustment(delta, reason)?;
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        match self.ledger.submit(Command::Adjust { product, delta, by, reason }).await? {
            (Done::Movement(movement), _) => Ok(movement),
            (other, _) => Err(Error::internal(format!("the ledger answered an adjustment with {other:?}"))),
        }
    }

    /// A product's movements, newest first.
    ///
    /// # Errors
    /// `404 product_not_found`; a cursor of another list.
    pub async fn movements(&self, product: ProductId, page: PageRequest) -> Result<Page<Movement>, Error> {
        self.live(&product)?;
        self.ledger.movements(product, page).await
    }
}
