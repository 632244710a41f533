//! One buyer's visit: the steps of its journey as HTTP requests, each answer written down.

use std::time::Instant;

use goose::goose::{GooseMethod, GooseRequest, GooseUser};
use reqwest::header::CONTENT_TYPE;

use super::answer::{self, Answer, Ask};
use super::crowd::Crowd;
use super::scenario::Step;
use super::social::Reading;
use crate::kernel::ids::{OrderId, UserId};

/// A buyer on a connection.
pub(super) struct Visit<'a> {
    /// The connection.
    user: &'a mut GooseUser,
    /// The crowd that the buyer belongs to.
    crowd: &'a Crowd,
    /// The buyer's number, from 0.
    buyer: usize,
    /// What the buyer reads.
    pub(super) reading: Reading,
}

impl<'a> Visit<'a> {
    /// The visit of a buyer, who has read nothing yet.
    pub(super) fn new(user: &'a mut GooseUser, crowd: &'a Crowd, buyer: usize) -> Self {
        Self { user, crowd, buyer, reading: Reading::default() }
    }
}

impl Visit<'_> {
    /// Takes every step, with a pause between two; leaves before the next one when the door closes.
    pub(super) async fn walk(&mut self) {
        let crowd = self.crowd;
        for (index, step) in crowd.plan.steps(self.buyer).iter().enumerate() {
            if index > 0 && !self.think(index).await {
                return;
            }
            self.take(*step, index).await;
        }
    }

    async fn take(&mut self, step: Step, index: usize) {
        match step {
            Step::Look => drop(self.get(&format!("/products/{}", self.crowd.sale.product_id)).await),
            Step::Stock => drop(self.get(&format!("/products/{}/stock", self.crowd.sale.product_id)).await),
            Step::Buy => drop(self.post(Ask::Purchase, "/payments/pre-order", Some(self.wish())).await),
            Step::EnterVanish => drop(self.enter().await),
            Step::EnterConfirm => {
                if let Some(order) = self.enter().await
                    && self.think(index).await
                {
                    self.post(Ask::Confirm(order), &format!("/payments/{order}/confirm"), None).await;
                }
            }
            Step::EnterCancel => {
                if let Some(order) = self.enter().await
                    && self.think(index).await
                {
                    self.post(Ask::Leave(order), &format!("/payments/{order}/cancel"), None).await;
                }
            }
            Step::Browse | Step::Read | Step::Post | Step::Like | Step::Comment | Step::Follow => {
                self.socialize(step, index).await;
            }
        }
    }

    async fn enter(&mut self) -> Option<OrderId> {
        match self.post(Ask::Hold, "/payments", Some(self.wish())).await {
            Answer::Held(order) => Some(order),
            _ => None,
        }
    }

    /// Pauses; false when the door closed meanwhile.
    async fn think(&self, step: usize) -> bool {
        let pause = self.crowd.plan.think(self.buyer, step);
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.crowd.closing().cancelled() => {}
            }
        }
        !self.crowd.closing().is_cancelled()
    }

    /// Who the buyer is.
    pub(super) fn user_id(&self) -> UserId {
        self.crowd.sale.buyers[self.buyer].user
    }

    /// What the buyer chooses in a step, from 0 to `end - 1`; 0 when there is nothing to choose from.
    pub(super) fn choice(&self, step: usize, end: usize) -> usize {
        self.crowd.plan.choice(self.buyer, step, end)
    }

    fn wish(&self) -> String {
        // A product id is letters, digits and a few signs that JSON leaves as they are.
        format!(r#"{{"productId":"{}"}}"#, self.crowd.sale.product_id)
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Ask::Page, &GooseMethod::Get, path, None).await
    }

    pub(super) async fn post(&mut self, ask: Ask, path: &str, body: Option<String>) -> Answer {
        self.ask(ask, &GooseMethod::Post, path, body).await
    }

    pub(super) async fn ask(&mut self, ask: Ask, method: &GooseMethod, path: &str, body: Option<String>) -> Answer {
        let started = Instant::now();
        let answer = self.exchange(ask, method, path, body).await;
        self.crowd.tally.record(self.user_id(), ask, &answer, started);
        answer
    }

    async fn exchange(&mut self, ask: Ask, method: &GooseMethod, path: &str, body: Option<String>) -> Answer {
        let Ok(mut builder) = self.user.get_request_builder(method, path) else {
            return Answer::Unclear("request not built".into());
        };
        builder = builder.bearer_auth(&self.crowd.sale.buyers[self.buyer].token);
        if let Some(body) = body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
        }
        let request = GooseRequest::builder().path(path).set_request_builder(builder).build();
        let Ok(answered) = self.user.request(request).await else {
            return Answer::Unclear("request not sent".into());
        };
        let response = match answered.response {
            Ok(response) => response,
            Err(error) => return Answer::Unclear(unanswered(&error).into()),
        };
        let status = response.status().as_u16();
        match response.bytes().await {
            Ok(body) => answer::read(ask, status, &body),
            Err(error) => Answer::Unclear(unanswered(&error).into()),
        }
    }
}

fn unanswered(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connection refused"
    } else {
        "connection broken"
    }
}
