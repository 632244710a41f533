//! What the tests of a sale share: products, and buyers who buy them.

use std::pin::Pin;
use std::sync::mpsc;

use preorder::activity::Activity;
use preorder::config::Config;
use preorder::kernel::clock::Timestamp;
use preorder::kernel::ids::OrderId;
use preorder::ledger::{Charge, Ledger, Mover};
use preorder::payments::{ChargeRequest, Provider};
use preorder::products::ProductDraft;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::{Answer, Asker, TestApp, in_time};

/// Nobody leaves, no card is declined.
pub(crate) fn all_pay(config: &mut Config) {
    config.payment.simulated.abandon_rate = 0.0;
    config.payment.simulated.decline_rate = 0.0;
}

/// A reservation product for 1,500 won, on sale now and for ever, one minute to pay.
pub(crate) fn reservation(id: &str, stock: i64) -> ProductDraft {
    ProductDraft {
        id: Some(id.to_owned()),
        name: Some(format!("Product {id}")),
        kind: Some("reservation".to_owned()),
        price: Some(1_500),
        stock: Some(stock),
        hold_seconds: Some(60),
        ..ProductDraft::default()
    }
}

/// The same as a general product.
pub(crate) fn general(id: &str, stock: i64) -> ProductDraft {
    ProductDraft { kind: Some("general".to_owned()), ..reservation(id, stock) }
}

/// A provider that takes its time: each charge waits until a test lets it through. Everybody pays.
pub(crate) struct SlowProvider {
    asked: Semaphore,
    may_answer: Semaphore,
}

impl Default for SlowProvider {
    fn default() -> Self {
        Self { asked: Semaphore::new(0), may_answer: Semaphore::new(0) }
    }
}

impl SlowProvider {
    /// Waits until one more charge is under way.
    pub(crate) async fn asked(&self) {
        in_time(self.asked.acquire()).await.unwrap().forget();
    }

    /// Lets one charge through.
    pub(crate) fn answer(&self) {
        self.may_answer.add_permits(1);
    }
}

impl Provider for SlowProvider {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn at_once(&self, _: OrderId, _: bool) -> Option<Charge> {
        None
    }

    fn charge(&self, request: ChargeRequest) -> Pin<Box<dyn Future<Output = Charge> + Send + '_>> {
        Box::pin(async move {
            self.asked.add_permits(1);
            self.may_answer.acquire().await.unwrap().forget();
            Charge::Paid(format!("slow-{}", request.order))
        })
    }
}

impl TestApp {
    /// Makes a product.
    pub(crate) async fn sell(&self, draft: ProductDraft) {
        self.app.products.add(&draft, Mover::Console).await.unwrap();
    }

    /// A product's units, as the stock page shows them: available, held, sold.
    pub(crate) async fn units(&self, product: &str) -> [i64; 3] {
        let stock = self.anonymous().get(&format!("/stocks/{product}")).await.ok(200);
        ["available", "held", "sold"].map(|name| stock[name].as_i64().unwrap())
    }

    /// Proves every invariant from the rows.
    pub(crate) async fn audit(&self) {
        let mut checks = Ledger::audit(&self.app.db).await.unwrap().checks;
        checks.extend(Activity::audit(&self.app.db).await.unwrap());
        let broken: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// Holds up every write of this server until the sender is dropped.
    pub(crate) async fn stall_writes(&self) -> mpsc::Sender<()> {
        let (go_on, wait) = mpsc::channel::<()>();
        let (began, has_begun) = oneshot::channel();
        let db = self.app.db.clone();
        tokio::spawn(async move {
            db.write(move |_| {
                began.send(()).unwrap();
                let _gone = wait.recv();
                Ok(())
            })
            .await
        });
        in_time(has_begun).await.unwrap();
        go_on
    }
}

impl Asker {
    /// Buys one unit in one call.
    pub(crate) async fn buy(&self, product: &str) -> Answer {
        self.post("/payments/pre-order", &json!({"productId": product})).await
    }

    /// Enters payment for some units.
    pub(crate) async fn enter(&self, product: &str, quantity: i64) -> Answer {
        self.post("/payments", &json!({"productId": product, "quantity": quantity})).await
    }

    /// Holds one unit; gives the order's id.
    pub(crate) async fn hold(&self, product: &str) -> String {
        id(&self.enter(product, 1).await.ok(201))
    }

    /// Begins a one-call purchase and goes on; the answer comes from the handle.
    pub(crate) fn begin_to_buy(&self, product: &str, key: &str) -> JoinHandle<Answer> {
        let (asker, key, body) = (self.clone(), key.to_owned(), json!({"productId": product}));
        tokio::spawn(async move { asker.post_under(&key, "/payments/pre-order", &body).await })
    }

    /// Begins to confirm an order and goes on; the answer comes from the handle.
    pub(crate) fn begin_to_confirm(&self, order: &str, key: &str) -> JoinHandle<Answer> {
        let (asker, key, path) = (self.clone(), key.to_owned(), format!("/payments/{order}/confirm"));
        tokio::spawn(async move { asker.post_under(&key, &path, &json!({})).await })
    }

    pub(crate) async fn confirm(&self, order: &str) -> Answer {
        self.send(self.request(Method::POST, &format!("/payments/{order}/confirm"))).await
    }

    pub(crate) async fn leave(&self, order: &str) -> Answer {
        self.send(self.request(Method::POST, &format!("/payments/{order}/cancel"))).await
    }

    pub(crate) async fn refund(&self, order: &str) -> Answer {
        self.send(self.request(Method::POST, &format!("/purchases/{order}/cancel"))).await
    }

    /// One of the asker's orders, as it stands.
    pub(crate) async fn order(&self, order: &str) -> Value {
        self.get(&format!("/purchases/{order}")).await.ok(200)
    }

    /// A `POST` under an idempotency key.
    pub(crate) async fn post_under(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    /// Every item of a list, read in pages of `limit`.
    pub(crate) async fn pages(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}?limit={limit}&cursor={cursor}")).await.ok(200);
            let Value::Array(more) = page["items"].take() else { panic!("no items in {page}") };
            assert!(more.len() <= limit);
            items.extend(more);
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return items,
            }
        }
    }
}

/// A resource's id.
#[track_caller]
pub(crate) fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap_or_else(|| panic!("no id in {resource}")).to_owned()
}

/// Reads a time that must be RFC 3339 in UTC.
#[track_caller]
pub(crate) fn utc(time: &Value) -> Timestamp {
    let text = time.as_str().unwrap_or_else(|| panic!("no time: {time}"));
    assert!(text.ends_with('Z'), "{text}");
    text.parse().unwrap()
}

/// The names of an object's members, sorted.
#[track_caller]
pub(crate) fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
