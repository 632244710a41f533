//! What is kept of one person, from every room: handing it out, and erasing it. Both go in small steps, so that neither needs
//! much memory nor holds up a sale.
//!
//! What stays after an erasure are numbers: the account's own, under which orders, movements and payments stand in the books,
//! and lines of logs. What was copied before is not reached: old backups, and the words of others.

mod erase;
mod export;

use std::sync::Arc;

use crate::activity::Activity;
use crate::kernel::clock::Clock;
use crate::ledger::Ledger;
use crate::trail::Trail;
use crate::users::Users;

pub use crate::activity::Erased;

/// Everybody's right to what is kept of them.
pub struct Privacy {
    users: Arc<Users>,
    activity: Arc<Activity>,
    ledger: Arc<Ledger>,
    trail: Arc<Trail>,
    clock: Arc<dyn Clock>,
}

impl Privacy {
    /// Over every room that keeps something of people.
    #[must_use]
    pub fn new(
        users: Arc<Users>,
        activity: Arc<Activity>,
        ledger: Arc<Ledger>,
        trail: Arc<Trail>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { users, activity, ledger, trail, clock })
    }
}
