//! Handing out all that is kept of somebody: one JSON document, written part by part as it is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Privacy;
use crate::activity::{KeptDeed, Tie, Ties, Written};
use crate::kernel::actor::By;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::kernel::page::PageRequest;
use crate::ledger::{Order, Reason};
use crate::trail::{Action, Deed, Entry, Filter, Hand, Thing};
use crate::users::{Session, User};

/// Rows that a part is made of, where a room gives pages.
const PART: u32 = 1_000;

/// Takes the document's text, piece by piece.
pub(super) type Write<'a> = dyn FnMut(&[u8]) -> Result<(), Error> + 'a;

impl Privacy {
    /// Notes that what is kept of somebody is handed out; to be called before it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_export(&self, user: UserId, by: By) -> Result<(), Error> {
        self.trail.note(by, Deed::new(Action::UserExport, user, Value::Null)).await
    }

    /// Writes all that is kept of somebody, and nothing that opens a door: no password, no token.
    ///
    /// # Errors
    /// `404 user_not_found`; what `write` returns; when the database or the place of images fails.
    pub async fn export(&self, user: UserId, write: &mut Write<'_>) -> Result<(), Error> {
        let account = self.users.get(user).await?;
        let mut document = Document::begin(write, &json!(self.clock.now().to_string()))?;
        document.member("user", &self.account(account).await?)?;
        let sessions = async |before| {
            let (part, next) = self.users.kept_sessions(user, before).await?;
            Ok((part, next.map(Some)))
        };
        document.list("sessions", None, session, sessions).await?;
        let pages = |after| PageRequest { limit: PART, after };
        let orders = async |after| {
            let page = self.ledger.orders_of(user, pages(after)).await?;
            Ok((page.items, page.next_cursor.map(Some)))
        };
        document.list("orders", None, order, orders).await?;
        document.list("posts", 0, written, async |after| self.activity.kept_posts(user, after).await).await?;
        document.list("comments", 0, written, async |after| self.activity.kept_comments(user, after).await).await?;
        for (name, kind) in [
            ("likedPosts", Ties::LikedPosts),
            ("likedComments", Ties::LikedComments),
            ("following", Ties::Following),
            ("followers", Ties::Followers),
        ] {
            document.list(name, 0, tie, async |after| self.activity.kept_ties(kind, user, after).await).await?;
        }
        document.list("activities", 0, deed, async |after| self.activity.kept_deeds(user, after).await).await?;
        let about = Filter { on: Some(Thing::from(user)), ..Filter::default() };
        let by = Filter { by: Some(Hand::Admin(user)), ..Filter::default() };
        for (name, filter) in [("auditLogAbout", about), ("auditLogBy", by)] {
            let entries = async |after| {
                let page = self.trail.list(filter.clone(), pages(after)).await?;
                Ok((page.items, page.next_cursor.map(Some)))
            };
            document.list(name, None, entry, entries).await?;
        }
        document.end()
    }

    async fn account(&self, user: User) -> Result<Value, Error> {
        let image = match &user.profile_image {
            Some(name) => {
                let bytes = self.users.image(name).await?;
                json!({ "name": name, "base64": bytes.map(|bytes| STANDARD.encode(bytes)) })
            }
            None => Value::Null,
        };
        Ok(json!({
            "id": user.id.0,
            "name": user.name,
            "email": user.email.map(|email| email.to_string()),
            "greeting": user.greeting,
            "role": user.role.as_str(),
            "state": user.state.to_string(),
            "createdAt": user.created_at.to_string(),
            "profileImage": image,
        }))
    }
}

fn session(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "createdAt": session.created_at.to_string(),
        "expiresAt": session.expires_at.to_string(),
        "revokedAt": time(session.revoked_at),
    })
}

fn order(order: &Order) -> Value {
    let payment = &order.payment;
    json!({
        "id": order.id.to_string(),
        "productId": order.product.as_str(),
        "quantity": order.quantity,
        "amount": order.amount,
        "currency": order.currency.as_str(),
        "state": order.state.as_str(),
        "reason": order.reason.map(Reason::as_str),
        "createdAt": order.created_at.to_string(),
        "settledAt": time(order.settled_at),
        "closedAt": time(order.closed_at),
        "payment": {
            "provider": payment.provider, "reference": payment.reference, "status": payment.status.as_str(),
        },
    })
}

fn written(written: &Written) -> Value {
    let mut document = json!({ "id": written.id });
    if let Some(post) = written.post {
        document["postId"] = json!(post.0);
    }
    if let Some(title) = &written.title {
        document["title"] = json!(title);
    }
    document["content"] = json!(written.content);
    document["createdAt"] = json!(written.created_at.to_string());
    document["updatedAt"] = json!(written.updated_at.to_string());
    document["deletedAt"] = json!(time(written.deleted_at));
    document
}

fn tie(tie: &Tie) -> Value {
    json!({ "id": tie.id, "since": tie.since.to_string() })
}

fn deed(deed: &KeptDeed) -> Value {
    json!({
        "id": deed.id.0,
        "type": deed.kind.as_str(),
        "recipientId": deed.recipient.0,
        "postId": deed.post,
        "commentId": deed.comment,
        "createdAt": deed.at.to_string(),
    })
}

fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.number,
        "at": entry.at.to_string(),
        "by": entry.by.to_string(),
        "action": entry.action.as_str(),
        "on": entry.on.to_string(),
        "before": entry.was,
        "after": entry.became,
    })
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A document that is being written: an object whose members are written one after the other.
struct Document<'a, 'b> {
    write: &'a mut Write<'b>,
}

impl<'a, 'b> Document<'a, 'b> {
    fn begin(write: &'a mut Write<'b>, exported_at: &Value) -> Result<Self, Error> {
        write(format!("{{\n\"exportedAt\": {exported_at}").as_bytes())?;
        Ok(Self { write })
    }

    fn member(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        (self.write)(format!(",\n\"{name}\": {value}").as_bytes())
    }

    /// A member that is a list, read in parts from `from` on.
    async fn list<T, C>(
        &mut self,
        name: &str,
        from: C,
        show: impl Fn(&T) -> Value,
        mut part: impl AsyncFnMut(C) -> Result<(Vec<T>, Option<C>), Error>,
    ) -> Result<(), Error> {
        (self.write)(format!(",\n\"{name}\": [").as_bytes())?;
        let (mut next, mut is_first) = (Some(from), true);
        while let Some(place) = next {
            let (items, then) = part(place).await?;
            let mut text = String::new();
            for item in &items {
                text.push_str(if is_first { "\n" } else { ",\n" });
                text.push_str(&show(item).to_string());
                is_first = false;
            }
            (self.write)(text.as_bytes())?;
            next = then;
        }
        (self.write)(b"\n]")
    }

    fn end(self) -> Result<(), Error> {
        (self.write)(b"\n}\n")
    }
}
