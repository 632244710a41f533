//! The verdict: what the buyers were told against what the rows say. It shares nothing with the ledger's own rules, so
//! that a fault in those can't hide itself here.

mod pace;
mod talk;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::kernel::error::Error;
use crate::kernel::ids::OrderId;
use crate::loadtest::bots::Sides;
use crate::loadtest::scenario::{Limits, ProductTerms};
use crate::loadtest::tally::Log;
use crate::store::{Conn, bind};

pub(super) use self::talk::{Mark, compare};

/// A product's units by where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// All of them.
    pub(in crate::loadtest) total: i64,
    /// On sale.
    pub(in crate::loadtest) available: i64,
    /// Held by a payment that is under way.
    pub(in crate::loadtest) held: i64,
    /// Sold.
    pub(in crate::loadtest) sold: i64,
}

/// What the database says about one product, read in one snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// The counters.
    pub(super) counts: Counts,
    /// The sum of all movements.
    moved: Counts,
    /// The units of orders, by state.
    units: BTreeMap<String, i64>,
    /// The completed orders.
    completed: HashSet<OrderId>,
    /// The most units that one buyer has, held and bought.
    most_for_one_buyer: i64,
}

impl Rows {
    /// Reads everything about a product.
    ///
    /// # Errors
    /// When the product is not there, or the database can't be read.
    pub(super) fn read(conn: &Conn<'_>, product_id: &str) -> Result<Self, Error> {
        let sql = "SELECT total, available, held, sold FROM offers WHERE product_id = $1";
        let counts = conn.row(sql, bind![product_id], |row| {
            Ok(Counts { total: row.int(0)?, available: row.int(1)?, held: row.int(2)?, sold: row.int(3)? })
        })?;
        let counts = counts.ok_or_else(|| Error::internal(format!("product {product_id} has no row in offers")))?;
        let sql = "SELECT COALESCE(SUM(available), 0), COALESCE(SUM(held), 0), COALESCE(SUM(sold), 0) \
                   FROM movements WHERE product_id = $1";
        let moved = conn.row(sql, bind![product_id], |row| {
            let (available, held, sold) = (row.int(0)?, row.int(1)?, row.int(2)?);
            Ok(Counts { total: available + held + sold, available, held, sold })
        })?;
        let mut rows = Self { counts, moved: moved.unwrap_or_default(), ..Self::default() };
        let mut by_buyer: HashMap<i64, i64> = HashMap::new();
        let sql = "SELECT id, buyer_id, quantity, state FROM orders WHERE product_id = $1";
        conn.rows(sql, bind![product_id], |row| {
            let (quantity, state) = (row.int(2)?, row.text(3)?);
            if state == "completed" {
                rows.completed.insert(row.id(0, OrderId::from_bytes)?);
            }
            if matches!(state.as_str(), "held" | "completed") {
                *by_buyer.entry(row.int(1)?).or_default() += quantity;
            }
            *rows.units.entry(state).or_default() += quantity;
            Ok(())
        })?;
        rows.most_for_one_buyer = by_buyer.into_values().max().unwrap_or_default();
        Ok(rows)
    }

    fn units(&self, state: &str) -> i64 {
        self.units.get(state).copied().unwrap_or_default()
    }
}

/// Everything that the verdict rests on.
pub(super) struct Evidence<'a> {
    /// What the buyers were told.
    pub(super) log: &'a Log,
    /// The terms that the product was made on.
    pub(super) terms: ProductTerms,
    /// What the run must show.
    pub(super) limits: Limits,
    /// The rows, when they can be read.
    pub(super) rows: Option<&'a Rows>,
    /// The stock page after the run, when the rows can't be read.
    pub(super) page: Option<Counts>,
    /// What is wrong between the community's answers and its rows, when those can be read.
    pub(super) talk: Vec<String>,
    /// What must never be answered and was.
    pub(super) broken: Vec<String>,
    /// Whom the rate limits sent away, when there are bots.
    pub(super) sides: Option<Sides>,
    /// What the audit said, when it was asked.
    pub(super) audit_ok: Option<bool>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Where the units are.
    pub(super) counts: Counts,
    /// Units that were given away without being there.
    pub(super) oversold: i64,
    /// Why the run failed; it passed when there is nothing.
    pub(super) failures: Vec<String>,
}

/// Judges a run.
pub(super) fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut failures = Vec::new();
    answers(evidence, &mut failures);
    let answered: HashSet<OrderId> = evidence.log.completed.iter().copied().collect();
    if answered.len() < evidence.log.completed.len() {
        let twice = evidence.log.completed.len() - answered.len();
        failures.push(format!("{twice} orders were answered completed more than once"));
    }
    let (counts, oversold) = match (evidence.rows, evidence.page) {
        (Some(rows), _) => {
            units_in_rows(evidence, rows, &mut failures);
            orders(evidence.log, &answered, rows, &mut failures);
            left_over(evidence, rows.counts.available, &mut failures);
            (Counts { held: rows.units("held"), sold: rows.units("completed"), ..rows.counts }, given_away(rows))
        }
        (None, Some(page)) => {
            units_on_page(evidence, page, &mut failures);
            left_over(evidence, page.available, &mut failures);
            (page, (page.sold + page.held - page.total).max(0))
        }
        (None, None) => {
            failures.push("neither the rows nor the stock page could be read".to_owned());
            (Counts::default(), 0)
        }
    };
    if oversold > 0 {
        failures.push(format!("{oversold} units were oversold"));
    }
    failures.extend_from_slice(&evidence.broken);
    failures.extend_from_slice(&evidence.talk);
    failures.extend(evidence.sides.map(|sides| sides.failures(evidence.limits)).unwrap_or_default());
    pace::check(evidence.log, evidence.limits, &mut failures);
    if evidence.audit_ok == Some(false) {
        failures.push("the audit found a broken invariant; 'preorder audit' names it".to_owned());
    }
    Verdict { counts, oversold, failures }
}

/// Units that orders claim beyond those that are there: counted from the orders, not from the counters.
fn given_away(rows: &Rows) -> i64 {
    (rows.units("completed") + rows.units("held") - rows.counts.total).max(0)
}

/// The answers themselves: were there any, enough good ones, and fast enough?
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn answers(evidence: &Evidence<'_>, failures: &mut Vec<String>) {
    let log = evidence.log;
    if log.requests == 0 {
        failures.push("nothing was asked at all".to_owned());
        return;
    }
    let rate = log.errors_total() as f64 / log.requests as f64;
    let rate_max = evidence.limits.error_rate_max;
    if rate > rate_max {
        let errors = log.errors_total();
        failures.push(format!("{errors} of {} requests failed; at most {} % may", log.requests, rate_max * 100.0));
    }
    let rate_max = evidence.limits.put_off_rate_max;
    if log.put_off as f64 / log.requests as f64 > rate_max {
        let (put_off, percent) = (log.put_off, rate_max * 100.0);
        failures
            .push(format!("{put_off} of {} requests were put off (429, 503); at most {percent} % may", log.requests));
    }
    if let Some(p99_ms_max) = evidence.limits.p99_ms_max {
        let p99_ms = log.latency_us.value_at_quantile(0.99) as f64 / 1_000.0;
        if p99_ms > p99_ms_max {
            failures.push(format!("99 of 100 answers took up to {p99_ms:.1} ms; at most {p99_ms_max} ms are allowed"));
        }
    }
}

fn units_in_rows(evidence: &Evidence<'_>, rows: &Rows, failures: &mut Vec<String>) {
    let Counts { total, available, held, sold } = rows.counts;
    counters(evidence.terms, rows.counts, failures);
    for (name, counter, orders) in [("held", held, rows.units("held")), ("sold", sold, rows.units("completed"))] {
        if counter != orders {
            failures.push(format!("the product's counter says {counter} {name}, its orders say {orders}"));
        }
    }
    if rows.moved != rows.counts {
        let Counts { available: a, held: h, sold: s, .. } = rows.moved;
        failures.push(format!(
            "the movements add up to {a} available, {h} held, {s} sold; the counters say {available}, {held}, {sold} \
             of {total}"
        ));
    }
    if let Some(limit) = evidence.terms.per_buyer_limit
        && rows.most_for_one_buyer > limit
    {
        failures.push(format!("one buyer has {} units; the limit is {limit}", rows.most_for_one_buyer));
    }
}

/// What was answered against what is there, order by order.
fn orders(log: &Log, answered: &HashSet<OrderId>, rows: &Rows, failures: &mut Vec<String>) {
    let lost = answered.difference(&rows.completed).count();
    if lost > 0 {
        failures.push(format!("{lost} orders were answered completed and are not completed in the database"));
    }
    let unknown = rows.completed.difference(answered).count() as u64;
    if unknown > log.purchases_unclear {
        failures.push(format!(
            "{unknown} orders are completed in the database that nobody was told about; {} purchases got no clear answer",
            log.purchases_unclear
        ));
    }
}

fn units_on_page(evidence: &Evidence<'_>, page: Counts, failures: &mut Vec<String>) {
    counters(evidence.terms, page, failures);
    let answered = i64::try_from(evidence.log.completed.len()).unwrap_or(i64::MAX);
    let unclear = i64::try_from(evidence.log.purchases_unclear).unwrap_or(i64::MAX);
    if !(answered..=answered.saturating_add(unclear)).contains(&page.sold) {
        failures
            .push(format!("{answered} purchases were answered completed, but the stock page says {} sold", page.sold));
    }
}

/// Whoever is told that it is sold out is told the truth: what is left at the end has come back since then.
fn left_over(evidence: &Evidence<'_>, available: i64, failures: &mut Vec<String>) {
    let hold = Duration::from_secs(evidence.terms.hold_seconds.unsigned_abs());
    let Some(back) = evidence.log.returns.since_sold_out(hold) else { return };
    if available > i64::try_from(back).unwrap_or(i64::MAX) {
        failures.push(format!(
            "buyers were told that it was sold out, and {available} units are left; only {back} can have come back after \
             the last of them had asked"
        ));
    }
}

/// The counters by themselves.
fn counters(terms: ProductTerms, counts: Counts, failures: &mut Vec<String>) {
    let Counts { total, available, held, sold } = counts;
    if total != terms.stock {
        failures.push(format!("{} units were put on sale, and now there are {total}", terms.stock));
    }
    if total != available + held + sold || available < 0 || held < 0 || sold < 0 {
        failures
            .push(format!("the counters do not add up: {available} available, {held} held, {sold} sold of {total}"));
    }
}

#[cfg(test)]
mod tests;
