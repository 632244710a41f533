//! The audit log's words: actions, things, entries.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{CommentId, OrderId, PostId, ProductId, UserId};
use crate::kernel::words::words;

words! {
    /// What can be done.
    Action {
        /// A product was put on sale.
        ProductAdd = "product.add",
        /// A product's words or terms were changed.
        ProductEdit = "product.edit",
        /// A sale was opened by hand.
        ProductOpen = "product.open",
        /// A sale was closed by hand.
        ProductClose = "product.close",
        /// A product was taken off sale for good.
        ProductDelete = "product.delete",
        /// Units were added, or taken off sale.
        StockAdjust = "stock.adjust",
        /// A held order was cancelled.
        OrderCancel = "order.cancel",
        /// A completed order was paid back.
        OrderRefund = "order.refund",
        /// An account was made.
        UserAdd = "user.add",
        /// Somebody became an admin, or a user again.
        UserSetRole = "user.set_role",
        /// Somebody was given another password.
        UserSetPassword = "user.set_password",
        /// Somebody was locked out.
        UserBlock = "user.block",
        /// Somebody was let in again.
        UserUnblock = "user.unblock",
        /// Somebody's account was withdrawn.
        UserDelete = "user.delete",
        /// Sessions of somebody were ended.
        UserRevoke = "user.revoke",
        /// An access token was handed out that speaks for somebody.
        UserToken = "user.token",
        /// All that is kept about somebody was handed out.
        UserExport = "user.export",
        /// All that is personal about somebody was erased.
        UserErase = "user.erase",
        /// Somebody else's post was changed.
        PostEdit = "post.edit",
        /// Somebody else's post was deleted.
        PostDelete = "post.delete",
        /// Somebody else's comment was changed.
        CommentEdit = "comment.edit",
        /// Somebody else's comment was deleted.
        CommentDelete = "comment.delete",
        /// Another server is told of orders from now on.
        WebhookAdd = "webhook.add",
        /// It is told again.
        WebhookEnable = "webhook.enable",
        /// It is told no more.
        WebhookDelete = "webhook.delete",
        /// The database was filled with things to begin with.
        DbSeed = "db.seed",
        /// A copy of the database was made.
        DbBackup = "db.backup",
        /// The database was put back from a copy.
        DbRestore = "db.restore",
    }
}

words! {
    /// What kinds of things it can be done to.
    Kind {
        /// Of the catalogue.
        Product = "product",
        /// Somebody's order.
        Order = "order",
        /// An account.
        User = "user",
        /// A post.
        Post = "post",
        /// A comment.
        Comment = "comment",
        /// Another server that is told of orders.
        Webhook = "webhook",
        /// The database as a whole.
        Database = "database",
    }
}

/// The longest id of a thing, in characters.
pub(super) const ID_CHARS_MAX: usize = 64;

/// The id that stands for all things of a kind.
pub const ALL: &str = "all";

/// A thing that something was done to, such as `user:7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
}

impl Thing {
    /// The thing of this kind with this id.
    #[must_use]
    pub fn new(kind: Kind, id: impl fmt::Display) -> Self {
        Self { kind, id: id.to_string() }
    }

    /// Everything of this kind.
    #[must_use]
    pub fn all(kind: Kind) -> Self {
        Self::new(kind, ALL)
    }
}

macro_rules! thing_of {
    ($($id:ty => $kind:ident),*) => {$(
        impl From<$id> for Thing {
            fn from(id: $id) -> Self {
                Self::new(Kind::$kind, id)
            }
        }
    )*};
}
thing_of!(UserId => User, &ProductId => Product, OrderId => Order, PostId => Post, CommentId => Comment);

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl FromStr for Thing {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str =
            "a kind (product, order, user, post, comment, webhook, database) and an id, such as 'user:7'";
        let (kind, id) = text.split_once(':').ok_or(WANTED)?;
        let is_id = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_id {
            return Err(WANTED);
        }
        Ok(Self { kind: kind.parse().map_err(|_| WANTED)?, id: id.to_owned() })
    }
}

/// Something that was done, to be written down.
#[derive(Debug, Clone)]
pub struct Deed {
    /// What.
    pub action: Action,
    /// To what.
    pub on: Thing,
    /// What changed of it, as it was.
    pub was: Value,
    /// The same as it is since.
    pub became: Value,
}

impl Deed {
    /// A deed, and what there is since.
    #[must_use]
    pub fn new(action: Action, on: impl Into<Thing>, became: Value) -> Self {
        Self { action, on: on.into(), was: Value::Null, became }
    }

    /// The same with what there was before.
    #[must_use]
    pub fn instead_of(self, was: Value) -> Self {
        Self { was, ..self }
    }
}

/// Keeps of two objects the members that differ; `None` when none do.
#[must_use]
pub fn changed(was: Value, became: Value) -> Option<(Value, Value)> {
    let (Value::Object(mut was), Value::Object(mut became)) = (was, became) else { return None };
    let same: Vec<_> =
        was.iter().filter(|(name, value)| became.get(*name) == Some(value)).map(|it| it.0.clone()).collect();
    for name in same {
        was.remove(&name);
        became.remove(&name);
    }
    (!was.is_empty() || !became.is_empty()).then_some((Value::Object(was), Value::Object(became)))
}

/// Who an entry was written under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// An admin, by number.
    Admin(UserId),
    /// A system's user at the command line.
    Console {
        /// The user's number on the machine.
        uid: u32,
        /// What they were called there, where the machine knew.
        account: Option<String>,
    },
}

/// As in `admin:7` and `console:1000 (ann)`.
impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin(id) => write!(f, "admin:{id}"),
            Self::Console { uid, account: Some(account) } => write!(f, "console:{uid} ({account})"),
            Self::Console { uid, account: None } => write!(f, "console:{uid}"),
        }
    }
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; later ones have higher ones.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Writer,
    /// What.
    pub action: Action,
    /// To what.
    pub on: Thing,
    /// What changed of it, as it was.
    pub was: Option<Value>,
    /// The same as it is since.
    pub became: Option<Value>,
    /// In which request.
    pub request: Option<String>,
}

/// Whose entries are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// An admin's.
    Admin(UserId),
    /// The command line's.
    Console,
}

impl FromStr for Hand {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "console" {
            return Ok(Self::Console);
        }
        let digits = text.strip_prefix("admin:").unwrap_or(text);
        // As in a path: without a sign or zeros in front, so that one admin has one number.
        let is_number =
            digits.starts_with(|it| ('1'..='9').contains(&it)) && digits.bytes().all(|it| it.is_ascii_digit());
        let number = is_number.then(|| digits.parse().ok()).flatten();
        number.map(|number| Self::Admin(UserId(number))).ok_or("an admin's number, or 'console'")
    }
}

/// Which entries; what is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Whose.
    pub by: Option<Hand>,
    /// Of which action.
    pub action: Option<Action>,
    /// About which thing.
    pub on: Option<Thing>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let (was, became) = (json!({"a": 1, "b": null, "c": "x"}), json!({"a": 1, "b": 2, "d": [1]}));
        assert_eq!(changed(was, became), Some((json!({"b": null, "c": "x"}), json!({"b": 2, "d": [1]}))));
        assert_eq!(changed(json!({"a": 1}), json!({"a": 1})), None);
    }

    #[test]
    fn things_and_hands_are_read_as_they_are_written() {
        for text in ["user:7", "product:p-1.2", "database:all", "order:0190c7e5-0000-7000-8000-000000000000"] {
            assert_eq!(text.parse::<Thing>().unwrap().to_string(), text);
        }
        for bad in ["", "user", "user:", "user: 7", "users:7", "user:ü"] {
            bad.parse::<Thing>().unwrap_err();
        }
        assert_eq!("console".parse(), Ok(Hand::Console));
        assert_eq!(["7", "admin:7"].map(str::parse), [Ok(Hand::Admin(UserId(7))), Ok(Hand::Admin(UserId(7)))]);
        for bad in ["", "0", "-1", "ann", "console:7", "admin:"] {
            bad.parse::<Hand>().unwrap_err();
        }
    }
}
