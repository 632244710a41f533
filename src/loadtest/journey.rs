//! One buyer's visit: the steps of its journey as HTTP requests, each answer written down.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use goose::goose::{GooseMethod, GooseRequest, GooseUser};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Ask};
use super::crowd::Crowd;
use super::scenario::Step;
use super::session::Session;
use super::social::Reading;
use super::tally::Exchange;
use crate::kernel::ids::{OrderId, UserId};

/// How often somebody comes back who was asked to.
const RETRIES_MAX: usize = 5;
/// The longest that they wait for it, shorter than the time after which a silent run counts as stuck.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// A buyer on a connection.
pub(super) struct Visit<'a> {
    /// The connection.
    user: &'a mut GooseUser,
    /// The crowd that the buyer belongs to.
    pub(super) crowd: &'a Crowd,
    /// Done once the buyer is to leave.
    closing: &'a CancellationToken,
    /// The buyer's number, from 0.
    buyer: usize,
    /// When the buyer came, until the first request is made.
    came_at: Option<Instant>,
    /// What the buyer signed in for.
    pub(super) session: Option<Session>,
    /// What the buyer reads.
    pub(super) reading: Reading,
}

/// A request to be made.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) ask: Ask,
    pub(super) method: GooseMethod,
    pub(super) path: Cow<'static, str>,
    pub(super) body: Option<String>,
    /// A header beside the usual ones.
    pub(super) header: Option<(&'static str, String)>,
}

/// What came back, and when.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) headers: HeaderMap,
    sent: Instant,
    done: Instant,
}

impl<'a> Visit<'a> {
    /// The visit of a buyer, who has read nothing yet, and came at a certain time or just now.
    pub(super) fn new(
        user: &'a mut GooseUser,
        crowd: &'a Crowd,
        closing: &'a CancellationToken,
        (buyer, came_at): (usize, Option<Instant>),
    ) -> Self {
        Self { user, crowd, closing, buyer, came_at, session: None, reading: Reading::default() }
    }
}

impl Visit<'_> {
    /// Takes every step, with a pause between two; leaves before the next one when the door closes, or when there is no
    /// way on.
    pub(super) async fn walk(&mut self) {
        let crowd = self.crowd;
        for (index, step) in crowd.plan.steps(self.buyer).iter().enumerate() {
            if (index > 0 && !self.think(index).await) || !self.take(*step, index).await {
                return;
            }
        }
    }

    /// Takes a step; false when the buyer leaves because of it.
    async fn take(&mut self, step: Step, index: usize) -> bool {
        match step {
            Step::Look => drop(self.get(&format!("/products/{}", self.crowd.sale.product_id)).await),
            Step::Stock => drop(self.get(&format!("/products/{}/stock", self.crowd.sale.product_id)).await),
            Step::Buy => drop(self.ask(self.purchase(None)).await),
            Step::BuyRetry => {
                // Under a key, so that one that was carried out after all is not carried out again.
                let call = self.purchase(Some(self.key(index, "retry")));
                self.ask_patiently(call, index).await;
            }
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
            Step::DoubleClick => self.double_click(index).await,
            Step::DoubleClickTwoKeys => self.double_click_with_two_keys(index).await,
            Step::SignIn | Step::SignInRetry => return self.sign_in(step, index).await,
            Step::RefreshStorm => return self.refresh_storm(index).await,
            Step::Browse | Step::Read | Step::Post | Step::Like | Step::Comment | Step::Follow => {
                self.socialize(step, index).await;
            }
        }
        true
    }

    async fn enter(&mut self) -> Option<OrderId> {
        match self.post(Ask::Hold, "/payments", Some(self.wish())).await {
            Answer::Held(order) => Some(order),
            _ => None,
        }
    }

    /// Pauses; false when the door closed meanwhile.
    async fn think(&self, step: usize) -> bool {
        self.pause(self.crowd.plan.think(self.buyer, step)).await
    }

    async fn pause(&self, pause: Duration) -> bool {
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.closing.cancelled() => {}
            }
        }
        !self.closing.is_cancelled()
    }

    /// Who the buyer is.
    pub(super) fn user_id(&self) -> UserId {
        self.crowd.sale.buyers[self.buyer].user
    }

    /// What the buyer signs in with.
    pub(super) fn email(&self) -> &str {
        &self.crowd.sale.buyers[self.buyer].email
    }

    /// What the buyer chooses in a step, from 0 to `end - 1`; 0 when there is nothing to choose from.
    pub(super) fn choice(&self, step: usize, end: usize) -> usize {
        self.crowd.plan.choice(self.buyer, step, end)
    }

    fn wish(&self) -> String {
        // A product id is letters, digits and a few signs that JSON leaves as they are.
        format!(r#"{{"productId":"{}"}}"#, self.crowd.sale.product_id)
    }

    /// A one-call purchase, under an idempotency key or without one.
    pub(super) fn purchase(&self, key: Option<String>) -> Call {
        let header = key.map(|key| ("idempotency-key", key));
        let (path, body) = (Cow::Borrowed("/payments/pre-order"), Some(self.wish()));
        Call { ask: Ask::Purchase, method: GooseMethod::Post, path, body, header }
    }

    /// A key that the buyer has never used: the product is the run's own.
    pub(super) fn key(&self, step: usize, what: &str) -> String {
        format!("{}-{step}-{what}", self.crowd.sale.product_id)
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.fetch(Ask::Page, GooseMethod::Get, path, None).await
    }

    pub(super) async fn post(&mut self, ask: Ask, path: &str, body: Option<String>) -> Answer {
        self.fetch(ask, GooseMethod::Post, path, body).await
    }

    pub(super) async fn fetch(&mut self, ask: Ask, method: GooseMethod, path: &str, body: Option<String>) -> Answer {
        self.ask(Call { ask, method, path: path.to_owned().into(), body, header: None }).await.answer
    }

    /// Makes a request again for as long as the server asks to come back, but not for ever.
    pub(super) async fn ask_patiently(&mut self, call: Call, step: usize) -> Reply {
        let mut reply = self.ask(call.clone()).await;
        for retry in 0..RETRIES_MAX {
            let Some(wait) = come_back_in(&reply.headers) else { break };
            // Not all at the same moment.
            let lot = u64::try_from(self.choice(step + retry, 500)).unwrap_or_default();
            if !self.pause(wait.min(RETRY_AFTER_MAX) + Duration::from_millis(lot)).await {
                break;
            }
            reply = self.ask(call.clone()).await;
        }
        reply
    }

    /// Makes a request, and writes its answer down.
    pub(super) async fn ask(&mut self, call: Call) -> Reply {
        let sent = Instant::now();
        let (answer, headers) = match self.build(&call) {
            Err(kind) => (Answer::Unclear(kind.into()), HeaderMap::new()),
            Ok(builder) => {
                let request = GooseRequest::builder().path(&*call.path).set_request_builder(builder).build();
                match self.user.request(request).await {
                    Ok(answered) => read(call.ask, answered.response).await,
                    Err(_) => (Answer::Unclear("request not sent".into()), HeaderMap::new()),
                }
            }
        };
        let reply = Reply { answer, headers, sent, done: Instant::now() };
        self.record(call.ask, &reply, &reply.answer);
        reply
    }

    /// Makes a request beside others, and leaves it to the caller to write the answer down. goose lends its connection to
    /// one request at a time, so these go to the same client without it.
    pub(super) async fn ask_beside(&self, call: &Call) -> Reply {
        let sent = Instant::now();
        let (answer, headers) = match self.build(call) {
            Err(kind) => (Answer::Unclear(kind.into()), HeaderMap::new()),
            Ok(builder) => read(call.ask, builder.send().await).await,
        };
        Reply { answer, headers, sent, done: Instant::now() }
    }

    /// Writes down what came of a request.
    pub(super) fn record(&mut self, ask: Ask, reply: &Reply, answer: &Answer) {
        let Reply { sent, done, .. } = *reply;
        let (user, buyer, due) = (self.user_id(), self.buyer, self.came_at.take().unwrap_or(sent));
        if let Some(bots) = &self.crowd.bots {
            bots.count(self.crowd.plan.is_bot(buyer), answer);
        }
        self.crowd.tally.record(&Exchange { user, buyer, ask, due, sent, done }, answer);
    }

    fn build(&self, call: &Call) -> Result<RequestBuilder, &'static str> {
        let built = self.user.get_request_builder(&call.method, &call.path);
        let mut builder = built.map_err(|_| "request not built")?;
        // Neither a password nor a refresh token needs another proof.
        if !matches!(call.ask, Ask::SignIn | Ask::Refresh) {
            let token = self.session.as_ref().map_or(&self.crowd.sale.buyers[self.buyer].token, |it| &it.access_token);
            builder = builder.bearer_auth(token);
        }
        if let Some((name, value)) = &call.header {
            builder = builder.header(*name, value);
        }
        if let Some(body) = &call.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        Ok(builder)
    }
}

/// In how long the server asks to come back; none when it does not.
fn come_back_in(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

async fn read(ask: Ask, answered: Result<Response, reqwest::Error>) -> (Answer, HeaderMap) {
    let mut response = match answered {
        Ok(response) => response,
        Err(error) => return (Answer::Unclear(unanswered(&error).into()), HeaderMap::new()),
    };
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    match response.bytes().await {
        Ok(body) => (answer::read(ask, status, &body), headers),
        Err(error) => (Answer::Unclear(unanswered(&error).into()), headers),
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
