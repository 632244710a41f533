//! `preorder webhook`: who is told of orders.

use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::output::{Items, Table, fields};
use crate::webhooks::{Attempt, Tested, Webhook, WebhookDraft, WebhookId};

/// Deliveries that are shown when nobody says how many.
const SHOWN_DEFAULT: u32 = 50;

/// What `webhook` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Tell a server of events from now on; shows the secret that signs what it gets.
    Add {
        /// Where it is: http:// or https://.
        url: String,
        /// Only of these, between commas [default: all].
        #[arg(
            long,
            value_name = "LIST",
            help = "Only of these, between commas: order.completed, order.cancelled, order.refunded, product.sold_out [default: all]"
        )]
        events: Option<String>,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
    },
    /// List the webhooks and how they do.
    List {
        /// Show their secrets as well.
        #[arg(long)]
        show_secrets: bool,
    },
    /// Send a ping now, and tell how that went.
    Test {
        /// The webhook's number.
        id: WebhookId,
    },
    /// List the last attempts, the newest first.
    Deliveries {
        /// Only at this webhook.
        id: Option<WebhookId>,
        /// Only those that failed.
        #[arg(long)]
        failed: bool,
        /// How many at most.
        #[arg(long, default_value_t = SHOWN_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Switch one on again that answered 410 or took nothing for three days; it is told of events from now on.
    Enable {
        /// The webhook's number.
        id: WebhookId,
    },
    /// Tell a server nothing more, and forget it.
    Delete {
        /// The webhook's number.
        id: WebhookId,
    },
}

/// A webhook, as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookView {
    id: i64,
    url: String,
    events: Vec<&'static str>,
    description: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<String>,
    waiting: i64,
    retrying: i64,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl WebhookView {
    fn new(webhook: &Webhook, with_secret: bool) -> Self {
        let state = match (webhook.off, webhook.failing_since) {
            (Some(_), _) => "off",
            (None, Some(_)) => "failing",
            (None, None) => "on",
        };
        Self {
            id: webhook.id.0,
            url: webhook.url.clone(),
            events: webhook.events.words().collect(),
            description: webhook.description.clone(),
            state,
            off_reason: webhook.off.map(|(why, _)| why.as_str()),
            off_at: webhook.off.map(|(_, at)| at.to_string()),
            failing_since: webhook.failing_since.map(|at| at.to_string()),
            waiting: webhook.waiting,
            retrying: webhook.retrying,
            created_at: webhook.created_at.to_string(),
            secret: with_secret.then(|| webhook.secret.to_string()),
        }
    }
}

/// An attempt, as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    webhook_id: i64,
    event_id: String,
    r#type: String,
    subject: String,
    attempt: i64,
    at: String,
    took_ms: i64,
    outcome: &'static str,
    status: Option<i64>,
    error: Option<String>,
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        Self {
            webhook_id: attempt.webhook.0,
            event_id: attempt.event_id,
            r#type: attempt.kind,
            subject: attempt.subject,
            attempt: attempt.attempt,
            at: attempt.at.to_string(),
            took_ms: attempt.took_ms,
            outcome: attempt.outcome.as_str(),
            status: attempt.status,
            error: attempt.error,
        }
    }
}

/// Runs it.
///
/// # Errors
/// What the services refuse; a ping that was not taken.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let app = context.app().await?;
    let webhooks = &app.webhooks;
    match args {
        Args::Add { url, events, description } => {
            let draft = WebhookDraft { url, events, description };
            let added = webhooks.add(draft).await.map_err(Failure::of_values)?;
            shown(context, &added, true)?;
            context.output().note("Give the secret to the receiver: it proves that a request is this server's.");
            Ok(())
        }
        Args::List { show_secrets } => list(context, &webhooks.list().await?, show_secrets),
        Args::Test { id } => tested(context, id, &webhooks.test(id).await?),
        Args::Deliveries { id, failed, limit } => deliveries(context, webhooks.deliveries(id, failed, limit).await?),
        Args::Enable { id } => shown(context, &webhooks.enable(id).await?, false),
        Args::Delete { id } => {
            webhooks.delete(id).await?;
            let document = serde_json::json!({ "id": id.0, "deleted": true });
            context.output().answer(&document, || format!("Webhook {id} is deleted; its server is told nothing more."))
        }
    }
}

fn shown(context: &Context, webhook: &Webhook, with_secret: bool) -> Result<(), Failure> {
    let document = WebhookView::new(webhook, with_secret);
    context.output().answer(&document, || {
        let mut shown = serde_json::to_value(&document).unwrap_or_default();
        shown["events"] = document.events.join(", ").into();
        fields(&shown)
    })
}

fn list(context: &Context, webhooks: &[Webhook], with_secrets: bool) -> Result<(), Failure> {
    let items: Vec<_> = webhooks.iter().map(|webhook| WebhookView::new(webhook, with_secrets)).collect();
    let titles = ["id", "url", "events", "state", "since", "waiting", "retrying", "description"];
    let titles: Vec<_> = titles.into_iter().chain(with_secrets.then_some("secret")).collect();
    let mut table = Table::new(&titles).numbers([0, 5, 6]);
    for it in &items {
        let state = it.off_reason.map_or_else(|| it.state.to_owned(), |why| format!("off ({why})"));
        let since = it.off_at.as_ref().or(it.failing_since.as_ref()).unwrap_or(&it.created_at).clone();
        let events = if it.events.len() == 4 { "all".to_owned() } else { it.events.join(", ") };
        let cells = [it.id.to_string(), it.url.clone(), events, state, since];
        let numbers = [it.waiting.to_string(), it.retrying.to_string(), it.description.clone()];
        table.row(cells.into_iter().chain(numbers).chain(it.secret.clone()));
    }
    context.output().answer(&Items { items }, || table)
}

fn tested(context: &Context, id: WebhookId, tested: &Tested) -> Result<(), Failure> {
    let took_ms = tested.took.as_millis();
    let document = serde_json::json!({
        "id": id.0, "delivered": tested.delivered, "status": tested.status, "error": tested.error,
        "tookMs": u64::try_from(took_ms).unwrap_or(u64::MAX), "eventId": tested.event_id,
    });
    let answer = tested.status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
    context.output().answer(&document, || format!("Webhook {id}: {answer} after {took_ms} ms."))?;
    if tested.delivered {
        return Ok(());
    }
    let why = tested.error.as_ref().map_or(answer, |error| error.trim_end_matches('.').to_owned());
    Err(Failure::failed(
        format!("The ping to webhook {id} was not taken: {why}."),
        "The receiver must answer with a status from 200 to 299, in time; docs/webhooks.md says how.",
    ))
}

fn deliveries(context: &Context, attempts: Vec<Attempt>) -> Result<(), Failure> {
    let items: Vec<_> = attempts.into_iter().map(AttemptView::from).collect();
    let titles = ["at", "webhook", "type", "subject", "attempt", "outcome", "status", "ms", "error"];
    let mut table = Table::new(&titles).numbers([1, 4, 6, 7]);
    for it in &items {
        table.row([
            it.at.clone(),
            it.webhook_id.to_string(),
            it.r#type.clone(),
            it.subject.clone(),
            it.attempt.to_string(),
            it.outcome.to_owned(),
            it.status.map(|status| status.to_string()).unwrap_or_default(),
            it.took_ms.to_string(),
            it.error.clone().unwrap_or_default(),
        ]);
    }
    context.output().answer(&Items { items }, || table)
}
