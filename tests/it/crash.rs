//! A server that is killed in the middle of a sale: whatever it answered is there when it comes back, and whatever it did
//! not answer can be asked again.
//!
//! The kill comes after a number of answers that is drawn from a seed, while other requests are in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, Asker, Serving, Shell, in_time};

const CLIENTS: usize = 8;
const ROUNDS: u64 = 4;
/// Each product with its stock; the first one's holds are short.
const PRODUCTS: [(&str, i64, u32); 2] = [("quick", 60, 1), ("slow", 80, 3600)];
/// Refusals that a sale can give at any time.
const ORDERLY: [&str; 6] =
    ["sold_out", "limit_reached", "payment_declined", "payment_abandoned", "hold_expired", "in_progress"];

/// A request, as it can be sent again.
#[derive(Clone, Debug)]
struct Ask {
    token: usize,
    path: String,
    body: Value,
    key: Option<String>,
    /// The order that it is about, when that is known.
    order: Option<String>,
}

/// What a buyer knows of an order.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    token: usize,
    state: String,
    reason: Option<String>,
}

/// One client, who speaks for some buyers, one request at a time.
struct Client {
    random: StdRng,
    tokens: Vec<String>,
    orders: BTreeMap<String, Known>,
    /// What was answered since the last crash.
    answered: Vec<(Ask, u16, Value)>,
    /// What was not.
    unanswered: Option<Ask>,
    unanswered_total: usize,
    number: usize,
    keys: usize,
}

impl Client {
    fn ask(&mut self) -> Ask {
        let random = &mut self.random;
        let in_state = |state: &str| self.orders.iter().filter(|(_, known)| known.state == state).collect::<Vec<_>>();
        let (held, completed) = (in_state("held"), in_state("completed"));
        let (open, step) = match random.random_range(0..10) {
            0..2 if !held.is_empty() => (held, "confirm"),
            2 if !held.is_empty() => (held, "cancel"),
            3..5 if !completed.is_empty() => (completed, "refund"),
            lot => {
                let (product, ..) = PRODUCTS[random.random_range(0..PRODUCTS.len())];
                let path = if lot < 7 { "/payments/pre-order" } else { "/payments" }.to_owned();
                let body = json!({ "productId": product, "quantity": random.random_range(1..3) });
                let token = random.random_range(0..self.tokens.len());
                let key = random.random_bool(0.6).then(|| self.fresh_key());
                return Ask { token, path, body, key, order: None };
            }
        };
        let (order, token) = {
            let (order, known) = open[random.random_range(0..open.len())];
            (order.clone(), known.token)
        };
        let path = match step {
            "refund" => format!("/purchases/{order}/cancel"),
            step => format!("/payments/{order}/{step}"),
        };
        let key = random.random_bool(0.4).then(|| self.fresh_key());
        Ask { token, path, body: Value::Null, key, order: Some(order) }
    }

    fn fresh_key(&mut self) -> String {
        self.keys += 1;
        format!("client-{}-{}", self.number, self.keys)
    }

    async fn send(&self, server: &Asker, ask: &Ask) -> Option<Answer> {
        let asker = server.bearer(&self.tokens[ask.token]);
        let mut request = asker.request(Method::POST, &ask.path);
        if !ask.body.is_null() {
            request = request.json(&ask.body);
        }
        if let Some(key) = &ask.key {
            request = request.header("idempotency-key", key);
        }
        asker.try_send(request).await
    }

    /// Writes down what an answer says about an order.
    fn learn(&mut self, ask: &Ask, answer: &Answer) {
        let (status, body) = (answer.status.as_u16(), &answer.body);
        let word = |member: &str| body[member].as_str().map(str::to_owned);
        let known = |state: &str, reason| Known { token: ask.token, state: state.to_owned(), reason };
        match status {
            200 | 201 => {
                let state = word("state").unwrap();
                self.orders.insert(word("id").unwrap(), known(&state, word("reason")));
            }
            402 | 409 | 410 => {
                let code = word("code").unwrap();
                assert!(ORDERLY.contains(&code.as_str()), "{ask:?} got {body}");
                let reason = match code.as_str() {
                    "payment_declined" => "payment_declined",
                    "payment_abandoned" => "abandoned",
                    "hold_expired" => "expired",
                    _ => return,
                };
                self.orders.insert(word("orderId").unwrap(), known("cancelled", Some(reason.to_owned())));
            }
            _ => panic!("{ask:?} got {status} {body}"),
        }
    }

    /// Buys until the server is gone.
    async fn work(mut self, server: Asker, answers: Arc<AtomicUsize>, kill_at: usize, time: Arc<Notify>) -> Self {
        loop {
            let ask = self.ask();
            let Some(answer) = self.send(&server, &ask).await else {
                self.unanswered = Some(ask);
                self.unanswered_total += 1;
                return self;
            };
            // A cancel or a refund that lost a race against the clock.
            if answer.body["code"].as_str().is_none_or(|code| code != "order_cancelled") {
                self.learn(&ask, &answer);
            }
            self.answered.push((ask, answer.status.as_u16(), answer.body));
            if answers.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
                time.notify_one();
            }
        }
    }

    /// Every order is in the state that was answered, or in one that follows from it by itself.
    async fn check_orders(&mut self, server: &Asker) {
        let in_doubt = self.unanswered.as_ref().and_then(|ask| ask.order.clone());
        for (order, known) in &mut self.orders {
            let asker = server.bearer(&self.tokens[known.token]);
            let body = asker.get(&format!("/purchases/{order}")).await.ok(200);
            let now = Known {
                token: known.token,
                state: body["state"].as_str().unwrap().to_owned(),
                reason: body["reason"].as_str().map(str::to_owned),
            };
            let expired = known.state == "held" && now.reason.as_deref() == Some("expired");
            let in_doubt = in_doubt.as_ref() == Some(order)
                && matches!((&*known.state, &*now.state), ("held", _) | ("completed", "refunded"));
            assert!(now == *known || expired || in_doubt, "{order} was answered {known:?} and is {now:?}");
            *known = now;
        }
    }

    /// Every key that was answered gives its first answer again; one that was not lets its request through.
    async fn check_keys(&mut self, server: &Asker) {
        for (ask, status, body) in std::mem::take(&mut self.answered) {
            if ask.key.is_none() || body["code"] == "in_progress" {
                continue;
            }
            let again = self.send(server, &ask).await.unwrap();
            assert_eq!(again.status, status, "{ask:?} got {body}, then {:?}", again.body);
            assert_eq!(again.header("idempotent-replayed"), "true", "{ask:?}");
            for member in ["id", "orderId", "state", "code", "amount"] {
                assert_eq!(again.body[member], body[member], "{member} of {ask:?}");
            }
        }
        let Some(ask) = self.unanswered.take().filter(|ask| ask.key.is_some()) else { return };
        let first = in_time(async {
            loop {
                let answer = self.send(server, &ask).await.unwrap();
                if answer.body["code"] != "in_progress" {
                    return answer;
                }
            }
        })
        .await;
        assert!(first.status.as_u16() < 500, "{ask:?} got {:?}", first.body);
        let again = self.send(server, &ask).await.unwrap();
        assert_eq!((again.status, &again.body["id"]), (first.status, &first.body["id"]), "{ask:?}");
        // The first answer may be older than what came after it: the rows say how the order stands.
        if let Some(order) = first.body["id"].as_str().or(first.body["orderId"].as_str()) {
            let asker = server.bearer(&self.tokens[ask.token]);
            let body = asker.get(&format!("/purchases/{order}")).await.ok(200);
            let (state, reason) = (body["state"].as_str().unwrap().to_owned(), body["reason"].as_str());
            let known = Known { token: ask.token, state, reason: reason.map(str::to_owned) };
            self.orders.insert(order.to_owned(), known);
        }
    }
}

/// The audit of the rows, and the live counts that equal it.
async fn check_counts(shell: &Shell, server: &Serving) {
    in_time(async {
        loop {
            let audit = shell.json("audit --json");
            assert_eq!(audit["ok"], true, "{audit}");
            let mut agree = true;
            for (product, stock, _) in PRODUCTS {
                let all = audit["products"].as_array().unwrap();
                let counts = all.iter().find(|counts| counts["productId"] == product).unwrap();
                assert_eq!(counts["total"], stock);
                let page = server.anonymous().get(&format!("/products/{product}/stock")).await.ok(200);
                // Holds run out meanwhile, so the two may be a moment apart.
                agree &= ["total", "available", "held", "sold"].iter().all(|name| page[name] == counts[name]);
            }
            if agree {
                return;
            }
        }
    })
    .await;
}

fn rows(shell: &Shell, sql: &str) -> i64 {
    let database = rusqlite::Connection::open(shell.path().join("data/preorder.db")).unwrap();
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_it_answered() {
    let shell = Shell::new();
    for (product, stock, hold) in PRODUCTS {
        shell.ok(&format!(
            "product add --id {product} --name P --type reservation --price 1000 --stock {stock} \
             --per-buyer-limit 6 --hold-seconds {hold}"
        ));
    }
    shell.ok(&format!("seed --users {}", CLIENTS * 3));
    let tokens: Vec<String> = shell.ok("user token --all").lines().map(str::to_owned).collect();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| Client {
            random: StdRng::seed_from_u64(number as u64),
            tokens: tokens[number * 3..][..3].to_vec(),
            orders: BTreeMap::new(),
            answered: Vec::new(),
            unanswered: None,
            unanswered_total: 0,
            number,
            keys: 0,
        })
        .collect();
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..ROUNDS {
        // With latency a charge is under way when the server dies; without, hold and charge are one transaction.
        let latency_ms = if round % 2 == 0 { "0" } else { "5" };
        let settings = [("PREORDER_PAYMENT_SIMULATED_LATENCY_MS", latency_ms)];
        let server = shell.serve("", &settings).await;
        let (answers, time) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let kill_at = random.random_range(100..300);
        let work = clients.into_iter().map(|client| {
            let (answers, time) = (Arc::clone(&answers), Arc::clone(&time));
            tokio::spawn(client.work(server.anonymous(), answers, kill_at, time))
        });
        let work: Vec<_> = work.collect();
        in_time(time.notified()).await;
        server.kill().await;
        clients = Vec::new();
        for client in work {
            clients.push(in_time(client).await.unwrap());
        }
        assert!(answers.load(Ordering::SeqCst) >= kill_at);

        let server = shell.serve("", &settings).await;
        // Charges that were cut off are settled first, so that from here on an order changes only when somebody asks.
        let pending = "SELECT COUNT(*) FROM orders WHERE payment_status = 'pending'";
        in_time(async {
            while rows(&shell, pending) > 0 {
                server.anonymous().get("/healthz").await.ok(200);
            }
        })
        .await;
        for client in &mut clients {
            client.check_orders(&server.anonymous()).await;
            client.check_keys(&server.anonymous()).await;
        }
        check_counts(&shell, &server).await;
        nobody_holds_for_longer_than_allowed(&shell, &server).await;
        let mut server = server;
        server.signal(Signal::TERM);
        assert!(server.ended().await.success(), "{}", server.log());
    }
    let known: BTreeSet<String> = clients.iter().flat_map(|client| client.orders.keys().cloned()).collect();
    let exported = shell.json("order export --format json");
    let there: BTreeSet<String> =
        exported["items"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect();
    assert!(known.is_subset(&there));
    let unknown = there.difference(&known).count();
    let unanswered: usize = clients.iter().map(|client| client.unanswered_total).sum();
    assert!(unknown <= unanswered, "{unknown} orders that nobody asked for; {unanswered} requests got no answer");
    for state in ["completed", "cancelled", "refunded"] {
        assert!(rows(&shell, &format!("SELECT COUNT(*) FROM orders WHERE state = '{state}'")) > 0, "no order {state}");
    }
}

/// The short holds end by themselves, and none before its time.
async fn nobody_holds_for_longer_than_allowed(shell: &Shell, server: &Serving) {
    crate::support::eventually(&server.anonymous(), "/products/quick/stock", |page| page.body["held"] == 0).await;
    let early = "SELECT COUNT(*) FROM orders WHERE reason = 'expired' AND closed_at < expires_at";
    assert_eq!(rows(shell, early), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_a_crash_cut_off_is_taken_up_again() {
    let shell = Shell::new();
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 2 --hold-seconds 3600");
    shell.ok("seed --users 1");
    let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
    let rates = [("PREORDER_PAYMENT_SIMULATED_ABANDON_RATE", "0"), ("PREORDER_PAYMENT_SIMULATED_DECLINE_RATE", "0")];
    let never = [rates[0], rates[1], ("PREORDER_PAYMENT_SIMULATED_LATENCY_MS", "60000")];
    let server = shell.serve("", &never).await;
    let ask = |server: &Serving| {
        let asker = server.anonymous().bearer(&token);
        let request = asker.request(Method::POST, "/payments/pre-order").json(&json!({ "productId": "p" }));
        let request = request.header("idempotency-key", "k");
        async move { asker.try_send(request).await }
    };
    let cut_off = tokio::spawn(ask(&server));
    let buyer = server.anonymous().bearer(&token);
    let pending = |answer: &Answer| answer.body["items"][0]["payment"]["status"] == "pending";
    crate::support::eventually(&buyer, "/purchases", pending).await;
    server.kill().await;
    assert!(in_time(cut_off).await.unwrap().is_none());

    let server = shell.serve("", &rates).await;
    let answer = in_time(async {
        loop {
            let answer = ask(&server).await.unwrap();
            if answer.body["code"] != "in_progress" {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((answer.status.as_u16(), &answer.body["state"]), (201, &json!("completed")), "{:?}", answer.body);
    assert_eq!(shell.json("audit --json")["orders"]["completed"], 1);
}
