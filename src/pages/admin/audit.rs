//! The audit at a button.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;

use super::super::Pages;
use super::super::account::Nothing;
use super::super::answer::{Answer, page, see_other, told};
use super::super::visit::Visit;
use super::{Boss, BossForm, sentence};
use crate::audit::Proof;
use crate::http::Routes;

/// How long the button waits for the result; a longer audit goes on, and its page tells of it later.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().get("/admin/audit", show).post("/admin/audit", run)
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditPage<'a> {
    v: &'a Visit,
    last: Option<Arc<Proof>>,
    is_busy: bool,
    fault: String,
}

impl<'a> AuditPage<'a> {
    fn new(visit: &'a Visit, pages: &Pages, fault: String) -> Self {
        let (last, is_busy) = (pages.auditor.last(), pages.auditor.is_busy());
        Self { v: visit, last, is_busy: is_busy && fault.is_empty(), fault }
    }

    /// Why the database could not be read.
    fn failure(&self, proof: &Proof) -> String {
        proof.outcome.as_ref().err().map_or(String::new(), |error| sentence(self.v, error))
    }

    /// How long it took, in seconds with a digit behind the point.
    #[expect(clippy::unused_self, reason = "the template calls it")]
    fn took(&self, proof: &Proof) -> String {
        let tenths = (proof.ended_at.0 - proof.begun_at.0).max(0) / 100_000;
        format!("{}.{}", tenths / 10, tenths % 10)
    }

    fn orders(&self, counts: &crate::ledger::audit::OrderCounts) -> String {
        let numbers = [counts.held, counts.completed, counts.cancelled, counts.refunded];
        let blanks = ["{0}", "{1}", "{2}", "{3}"].into_iter().zip(numbers);
        blanks.fold(self.v.t.admin.audit.orders_line.to_owned(), |text, (blank, number)| {
            text.replace(blank, &self.v.number(number))
        })
    }
}

async fn show(State(pages): State<Arc<Pages>>, Boss(visit, _): Boss) -> Answer {
    page(&visit, &AuditPage::new(&visit, &pages, String::new()))
}

async fn run(State(pages): State<Arc<Pages>>, BossForm(visit, _, Nothing {}): BossForm<Nothing>) -> Answer {
    match pages.auditor.run(PATIENCE).await {
        Ok(_) => Ok(see_other("/admin/audit")),
        Err(error) => {
            let fault = sentence(&visit, &error);
            told(&visit, error, &AuditPage::new(&visit, &pages, fault))
        }
    }
}
