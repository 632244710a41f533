use super::*;
use crate::kernel::ids::UserId;
use crate::loadtest::answer::{Answer, Ask};
use crate::loadtest::tally::{Exchange, Tally};
use crate::store::{Db, Location};

const TERMS: ProductTerms = ProductTerms { stock: 3, price: 100, per_buyer_limit: Some(1), hold_seconds: 600 };
const LIMITS: Limits = Limits {
    error_rate_max: 0.0,
    put_off_rate_max: 0.0,
    p99_ms_max: None,
    requests_per_second_min: None,
    purchases_per_second_min: None,
    fairness_min: None,
    people_limited_rate_max: None,
    bots_limited_rate_min: None,
};

/// A database with one product, and the crowd's log.
struct Sale {
    db: Db,
    log: Log,
    _folder: tempfile::TempDir,
}

impl Sale {
    /// Three units on sale, nothing sold, one page read.
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("sale.db"))).await.unwrap();
        let mut log = Log::new().unwrap();
        log.requests = 1;
        let sale = Self { db, log, _folder: folder };
        sale.sql(
            "INSERT INTO offers (product_id, kind, price, currency, hold_seconds, total, available, held, sold) \
             VALUES ('p', 'reservation', 100, 'KRW', 600, 3, 3, 0, 0)",
        )
        .await;
        sale.movement(1, "restock", (3, 0, 0)).await;
        sale
    }

    async fn sql(&self, sql: &'static str) {
        self.db.write(move |conn| Ok(conn.execute(sql, &[]).map(drop)?)).await.unwrap();
    }

    async fn movement(&self, number: i64, kind: &'static str, (available, held, sold): (i64, i64, i64)) {
        self.db
            .write(move |conn| {
                let order = (kind != "restock").then_some([0_u8; 16]);
                let order = order.as_ref().map(<[u8; 16]>::as_slice);
                let sql = "INSERT INTO movements (product_id, number, kind, available, held, sold, order_id, actor, at) \
                           VALUES ('p', $1, $2, $3, $4, $5, $6, 'system', 0)";
                conn.execute(sql, bind![number, kind, available, held, sold, order])?;
                Ok(())
            })
            .await
            .unwrap();
    }

    /// A row for a completed order; counters and movements stay as they are.
    async fn order(&self, buyer: i64) -> OrderId {
        let id = OrderId::fresh();
        self.db
            .write(move |conn| {
                let sql = "INSERT INTO orders (id, buyer_id, product_id, quantity, amount, currency, state, created_at, \
                           expires_at, settled_at, payment_provider, payment_status) \
                           VALUES ($1, $2, 'p', 1, 100, 'KRW', 'completed', 0, 0, 0, 'simulated', 'paid')";
                conn.execute(sql, bind![id.as_bytes(), buyer])?;
                let sql = "INSERT INTO orders_unfiled (order_id, buyer_id, product_id) VALUES ($1, $2, 'p')";
                conn.execute(sql, bind![id.as_bytes(), buyer])?;
                Ok(())
            })
            .await
            .unwrap();
        id
    }

    /// Sells `count` units to as many buyers, and tells each of them.
    async fn sell(&mut self, count: i64) {
        for buyer in 1..=count {
            let id = self.order(buyer).await;
            self.sql("UPDATE offers SET available = available - 1, sold = sold + 1").await;
            self.movement(2 * buyer, "hold", (-1, 1, 0)).await;
            self.movement(2 * buyer + 1, "sell", (0, -1, 1)).await;
            self.log.completed.push(id);
        }
    }

    async fn verdict(&self) -> Verdict {
        let rows = self.db.read(|conn| Rows::read(conn, "p")).await.unwrap();
        judge(&Evidence {
            log: &self.log,
            terms: TERMS,
            limits: LIMITS,
            rows: Some(&rows),
            page: None,
            talk: Vec::new(),
            broken: Vec::new(),
            sides: None,
            audit_ok: Some(true),
        })
    }

    async fn fails_with(&self, words: &str) {
        let failures = self.verdict().await.failures;
        assert!(failures.iter().any(|failure| failure.contains(words)), "{words}: {failures:?}");
    }
}

#[tokio::test]
async fn a_sale_whose_answers_and_rows_agree_passes() {
    let mut sale = Sale::open().await;
    sale.sell(3).await;
    let verdict = sale.verdict().await;
    assert_eq!(verdict.failures, Vec::<String>::new());
    assert_eq!(verdict.counts, Counts { total: 3, available: 0, held: 0, sold: 3 });
    assert_eq!(verdict.oversold, 0);
}

#[tokio::test]
async fn an_order_that_was_answered_and_is_not_there_fails() {
    let mut sale = Sale::open().await;
    sale.sell(2).await;
    sale.log.completed.push(OrderId::fresh());
    sale.fails_with("1 orders were answered completed and are not completed").await;
}

#[tokio::test]
async fn an_order_that_was_taken_back_behind_the_buyers_back_fails() {
    let mut sale = Sale::open().await;
    sale.sell(2).await;
    sale.sql("UPDATE orders SET state = 'refunded', closed_at = 1 WHERE buyer_id = 1").await;
    sale.fails_with("1 orders were answered completed and are not completed").await;
}

#[tokio::test]
async fn an_oversell_fails_even_when_the_counters_look_right() {
    let mut sale = Sale::open().await;
    sale.sell(3).await;
    let id = sale.order(4).await;
    sale.log.completed.push(id);
    assert_eq!(sale.verdict().await.oversold, 1);
    sale.fails_with("1 units were oversold").await;
    sale.fails_with("the product's counter says 3 sold, its orders say 4").await;
}

#[tokio::test]
async fn a_completed_order_that_nobody_was_told_about_fails() {
    let mut sale = Sale::open().await;
    sale.sell(2).await;
    sale.log.completed.pop();
    sale.fails_with("1 orders are completed in the database that nobody was told about").await;
}

#[tokio::test]
async fn a_purchase_whose_answer_got_lost_may_be_completed() {
    let mut sale = Sale::open().await;
    sale.sell(2).await;
    sale.log.completed.pop();
    sale.log.purchases_unclear = 1;
    assert_eq!(sale.verdict().await.failures, Vec::<String>::new());
}

#[tokio::test]
async fn one_order_answered_twice_and_one_buyer_beyond_the_limit_fail() {
    let mut sale = Sale::open().await;
    sale.sell(2).await;
    sale.log.completed.push(sale.log.completed[0]);
    sale.sql("UPDATE orders SET buyer_id = 1").await;
    sale.fails_with("1 orders were answered completed more than once").await;
    sale.fails_with("one buyer has 2 units; the limit is 1").await;
}

#[tokio::test]
async fn movements_that_do_not_add_up_and_units_from_nowhere_fail() {
    let sale = Sale::open().await;
    sale.sql("UPDATE offers SET total = 4, available = 4").await;
    sale.fails_with("the movements add up to 3 available").await;
    sale.fails_with("3 units were put on sale, and now there are 4").await;
}

#[test]
fn errors_slow_answers_silence_and_a_broken_audit_fail() {
    let mut log = Log::new().unwrap();
    let rows = Rows { counts: page(0), moved: page(0), ..Rows::default() };
    let judged = |log: &Log, audit_ok| {
        let limits = Limits { error_rate_max: 0.1, put_off_rate_max: 0.2, p99_ms_max: Some(5.0), ..LIMITS };
        judge(&Evidence {
            log,
            terms: TERMS,
            limits,
            rows: Some(&rows),
            page: None,
            talk: Vec::new(),
            broken: Vec::new(),
            sides: None,
            audit_ok,
        })
        .failures
    };
    assert_eq!(judged(&log, Some(true)), ["nothing was asked at all"]);
    log.requests = 10;
    log.errors.insert("500 internal".to_owned(), 1);
    log.latency_us.record_n(4_000, 10).unwrap();
    assert_eq!(judged(&log, None), Vec::<String>::new());
    log.put_off = 2;
    assert_eq!(judged(&log, None), Vec::<String>::new());
    log.put_off = 3;
    log.errors.insert("timeout".to_owned(), 1);
    log.latency_us.record_n(6_000, 10).unwrap();
    let failures = judged(&log, Some(false));
    assert_eq!(failures.len(), 4, "{failures:?}");
    assert_eq!(failures[0], "2 of 10 requests failed; at most 10 % may");
    assert_eq!(failures[1], "3 of 10 requests were put off (429, 503); at most 20 % may");
}

#[test]
fn without_rows_the_stock_page_is_held_against_the_answers() {
    let mut log = Log::new().unwrap();
    log.requests = 5;
    log.completed = vec![OrderId::fresh(), OrderId::fresh()];
    let judged = |log: &Log, page| {
        judge(&Evidence {
            log,
            terms: TERMS,
            limits: LIMITS,
            rows: None,
            page,
            talk: Vec::new(),
            broken: Vec::new(),
            sides: None,
            audit_ok: None,
        })
        .failures
    };
    assert_eq!(judged(&log, Some(page(2))), Vec::<String>::new());
    assert_eq!(judged(&log, Some(page(3))).len(), 1, "one more than was answered");
    assert_eq!(judged(&log, Some(page(1))).len(), 1, "one fewer than was answered");
    log.purchases_unclear = 1;
    assert_eq!(judged(&log, Some(page(3))), Vec::<String>::new());
    assert_eq!(judged(&log, Some(Counts { total: 3, available: 2, held: 0, sold: 2 })).len(), 1);
    assert_eq!(judged(&log, None).len(), 1);
}

#[tokio::test]
async fn units_that_are_left_while_buyers_are_told_that_there_are_none_fail() {
    let second = Duration::from_secs;
    let sold_out = Answer::Refused("sold_out".to_owned());
    let mut sale = Sale::open().await;
    sale.sell(1).await;
    sale.log.returns.record(Ask::Purchase, &sold_out, second(5), second(6));
    sale.fails_with("sold out, and 2 units are left; only 0 can have come back").await;
    let declined = Answer::Refused("payment_declined".to_owned());
    sale.log.returns.record(Ask::Purchase, &declined, second(5), second(6));
    sale.fails_with("sold out, and 2 units are left; only 1 can have come back").await;
    sale.log.returns.record(Ask::Hold, &Answer::Held(OrderId::fresh()), second(5), second(6));
    assert_eq!(sale.verdict().await.failures, Vec::<String>::new());

    let mut log = sale.log.clone();
    log.returns.record(Ask::Purchase, &sold_out, second(1_000), second(1_001));
    let judged = judge(&Evidence {
        log: &log,
        terms: TERMS,
        limits: LIMITS,
        rows: None,
        page: Some(page(1)),
        talk: Vec::new(),
        broken: Vec::new(),
        sides: None,
        audit_ok: None,
    });
    assert_eq!(judged.failures.len(), 1, "{:?}", judged.failures);
}

#[test]
fn only_an_unclear_answer_to_a_purchase_leaves_it_open_whether_it_was_made() {
    let tally = Tally::new(std::sync::Arc::default()).unwrap();
    for (ask, answer) in [
        (Ask::Purchase, Answer::Unclear("timeout".into())),
        (Ask::Confirm(OrderId::fresh()), Answer::Unclear("503 timeout".into())),
        (Ask::Hold, Answer::Unclear("timeout".into())),
        (Ask::Purchase, Answer::Refused("sold_out".to_owned())),
        (Ask::Purchase, Answer::PutOff("busy".to_owned())),
        (Ask::Purchase, Answer::Failed("401 token_invalid".to_owned())),
    ] {
        let now = std::time::Instant::now();
        tally.record(&Exchange { user: UserId(1), buyer: 0, ask, due: now, sent: now, done: now }, &answer);
    }
    let log = tally.log();
    assert_eq!((log.purchases_unclear, log.errors_total(), log.put_off, log.requests), (2, 4, 1, 6));
}

fn page(sold: i64) -> Counts {
    Counts { total: 3, available: 3 - sold, held: 0, sold }
}
