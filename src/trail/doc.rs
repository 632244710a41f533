//! What the API's description says of the audit log.

use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::http::EntryView;
use super::model::{Action, ID_CHARS_MAX, Kind};
use crate::http::{Document, Operation, shape};

pub(super) fn hands() -> Schema {
    shape::words(&["admin", "console"])
}

pub(super) fn kinds() -> Schema {
    shape::words(Kind::WORDS)
}

pub(super) fn actions() -> Schema {
    shape::words(Action::WORDS)
}

pub(super) fn object_or_null() -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into()
}

fn hand() -> Schema {
    // Eighteen digits: any of them is a number of a row.
    shape::like("^((admin:)?[1-9][0-9]{0,17}|console)$")
}

fn thing() -> Schema {
    shape::like(&format!("^({}):[!-~]{{1,{ID_CHARS_MAX}}}$", Kind::WORDS.join("|")))
}

/// Describes the audit log's route.
pub fn describe(document: &mut Document) {
    let entry = json!({
        "id": 17,
        "at": "2026-12-01T08:55:00Z",
        "by": { "type": "admin", "id": 1 },
        "action": "product.edit",
        "on": { "type": "product", "id": "100" },
        "before": { "price": 50_000 },
        "after": { "price": 45_000 },
        "requestId": "8c1f2a",
    });
    let list = Operation::get("/audit-log", "listAuditLog", "Lists what admins and the command line did")
        .says("The latest first. An entry was written in the transaction of the change that it tells of.")
        .for_admin()
        .query("by", &hand(), "Whose: an admin's number, or `console`.")
        .query("action", &actions(), "What was done.")
        .query("on", &thing(), "What it was done to, such as `product:100`.")
        .query("since", &shape::time(), "From this time on.")
        .query("until", &shape::time(), "Before this time.")
        .gives_page::<EntryView>("A part of the log.", &entry);
    document.add("audit log", "What whoever runs the shop did to it.", vec![list]);
}
