//! The API's description (OpenAPI 3.1), put together from the code.
//!
//! Each room's `doc.rs` describes its routes one by one ([`Operation`]); what all of them have in common is added here: any
//! can be asked too often or be busy, and one that needs a user can refuse a token. What is the same for many stands once,
//! under `components`, and is referred to.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::idempotency;
use super::operation::{Access, Operation};
use super::problem::{self, HttpError};
use super::shape;
use crate::kernel::error::{Error, Kind};
use crate::kernel::page::{LIMIT_DEFAULT, LIMIT_MAX};

/// The version of OpenAPI.
pub const OPENAPI: &str = "3.1.1";

/// What can be wrong with a field, wherever it stands: every word that a fault's `code` can be.
const FAULTS: [&str; 20] = [
    "amount_too_large",
    "bad_character",
    "before_opening",
    "blank",
    "cursor_invalid",
    "duplicate_field",
    "no_window",
    "not_a_reservation",
    "not_allowed",
    "not_an_image",
    "out_of_range",
    "required",
    "too_large",
    "too_long",
    "too_many",
    "too_many_units",
    "too_short",
    "unknown_field",
    "wrong",
    "zero",
];

/// A description in the making.
pub struct Document {
    /// How a token is refused where one is needed.
    of_tokens: Vec<Error>,
    tags: Vec<Value>,
    paths: Map<String, Value>,
    schemas: BTreeMap<String, Value>,
    responses: BTreeMap<String, Value>,
}

impl Document {
    /// A description of nothing; `of_tokens` is how a token is refused where one is needed.
    #[must_use]
    pub fn new(of_tokens: Vec<Error>) -> Self {
        let (paths, schemas, responses) = (Map::new(), BTreeMap::new(), BTreeMap::new());
        Self { of_tokens, tags: Vec::new(), paths, schemas, responses }
    }

    /// Adds a room's routes under its name.
    pub fn add(&mut self, room: &str, description: &str, operations: Vec<Operation>) {
        self.tags.push(json!({ "name": room, "description": description }));
        for operation in operations {
            let (path, method) = (operation.path, operation.method);
            let described = self.describe(room, operation);
            let methods = self.paths.entry(path).or_insert_with(|| json!({}));
            methods[method] = described;
        }
    }

    fn describe(&mut self, room: &str, operation: Operation) -> Value {
        let operation = self.with_what_all_have(operation);
        self.schemas.extend(operation.schemas);
        let mut described = json!({
            "tags": [room],
            "operationId": operation.id,
            "summary": operation.summary,
            "description": operation.description,
        });
        if operation.description.is_empty() {
            described.as_object_mut().expect("it was made as one above").shift_remove("description");
        }
        let of_all = ["Accept-Language", "X-Request-Id"];
        let of_all = of_all.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
        described["parameters"] = operation.parameters.into_iter().chain(of_all).collect();
        if !operation.body.is_empty() {
            described["requestBody"] = json!({ "required": true, "content": operation.body });
        }
        let mut responses = operation.answers;
        let mut refusals: BTreeMap<StatusCode, Vec<&HttpError>> = BTreeMap::new();
        for refusal in &operation.refusals {
            refusals.entry(refusal.place().0).or_default().push(refusal);
        }
        for (status, refusals) in refusals {
            responses.insert(status.as_str().to_owned(), self.refusal(status, &refusals));
        }
        described["responses"] = responses.into();
        described["security"] = security(operation.access);
        described
    }

    fn with_what_all_have(&self, operation: Operation) -> Operation {
        if operation.is_probe {
            return operation;
        }
        let needs_user = matches!(operation.access, Access::User | Access::UserOrQuery | Access::Admin);
        let of_tokens = if needs_user { self.of_tokens.clone() } else { Vec::new() };
        let failures =
            [Error::busy(1), problem::too_slow(), Error::storage_failed(String::new()), Error::internal(String::new())];
        let operation = operation.refuses(problem::of_status(StatusCode::TOO_MANY_REQUESTS));
        of_tokens.into_iter().chain(failures).fold(operation, Operation::refuses)
    }

    /// The answer to a request that is refused with `status` for one of the reasons; it is kept under its codes.
    fn refusal(&mut self, status: StatusCode, refusals: &[&HttpError]) -> Value {
        let mut codes: Vec<_> = refusals.iter().map(|refusal| refusal.place().1).collect();
        codes.sort_unstable();
        let name = format!("{}.{}", status.as_str(), codes.join("."));
        let examples: Map<_, _> = refusals
            .iter()
            .map(|refusal| (refusal.place().1.to_owned(), json!({ "value": refusal.example() })))
            .collect();
        let schema = json!({
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status.as_u16() }, "code": { "enum": codes } } },
            ],
        });
        let reason = status.canonical_reason().unwrap_or("Error");
        let response = json!({
            "description": format!("{reason}: {}.", codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ")),
            "headers": headers(refusals),
            "content": { "application/problem+json": { "schema": schema, "examples": examples } },
        });
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        self.responses.insert(name, response);
        reference
    }

    /// Leaves out links to what another process serves.
    fn cut_links(&mut self) {
        let operations = |paths: &Map<String, Value>| {
            let methods = paths.values().filter_map(Value::as_object).flat_map(Map::values);
            methods.filter_map(|operation| operation["operationId"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let known = operations(&self.paths);
        for operation in self.paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
            for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
                if let Some(links) = response.get_mut("links").and_then(Value::as_object_mut) {
                    links.retain(|name, _| known.contains(name));
                }
            }
        }
    }

    /// The whole document.
    #[must_use]
    pub fn finish(mut self, title: &str, version: &str, description: &str) -> Value {
        self.schemas.insert("Problem".to_owned(), problem());
        self.cut_links();
        json!({
            "openapi": OPENAPI,
            "info": { "title": title, "version": version, "description": description, "license": { "name": "MIT", "identifier": "MIT" } },
            "servers": [{ "url": "/" }],
            "tags": self.tags,
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "responses": self.responses,
                "parameters": parameters(),
                "headers": all_headers(),
                "securitySchemes": schemes(),
            },
        })
    }
}

/// The headers of a refusal.
fn headers(refusals: &[&HttpError]) -> Value {
    let mut names = vec!["X-Request-Id", "Content-Language"];
    if refusals.iter().any(|refusal| refusal.error().kind() == Kind::Unauthenticated) {
        names.push("WWW-Authenticate");
    }
    if refusals.iter().any(|refusal| refusal.error().parts().retry_after_s.is_some()) {
        names.push("Retry-After");
    }
    let reference = |name| json!({ "$ref": format!("#/components/headers/{name}") });
    names.into_iter().map(|name| (name.to_owned(), reference(name))).collect::<Map<_, _>>().into()
}

/// What somebody must send of the security schemes.
fn security(access: Access) -> Value {
    match access {
        Access::Everybody => json!([]),
        Access::MaySignIn | Access::UserOrQuery => json!([{}, { "bearer": [] }, { "access": [] }]),
        Access::User | Access::Admin => json!([{ "bearer": [] }, { "access": [] }]),
        Access::Refresh => json!([{ "refresh": [] }]),
    }
}

fn schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `accessToken` of a login, or what `preorder user token EMAIL` prints.",
        },
        "access": {
            "type": "apiKey",
            "in": "header",
            "name": "access",
            "description": "The older header for the same token; `Authorization` comes first when both are sent.",
        },
        "refresh": {
            "type": "apiKey",
            "in": "cookie",
            "name": "refresh",
            "description": "The cookie that a login sets. It is `HttpOnly`, and a browser sends it by itself.",
        },
    })
}

fn parameters() -> Value {
    json!({
        "limit": {
            "name": "limit",
            "in": "query",
            "description": "How many items to give.",
            "schema": shape::number_or(LIMIT_DEFAULT.into(), 1, LIMIT_MAX.into()),
        },
        "cursor": {
            "name": "cursor",
            "in": "query",
            "description": "The `nextCursor` of the page before; without it, the list begins at its beginning.",
            "schema": shape::any_text(),
        },
        "Accept-Language": {
            "name": "Accept-Language",
            "in": "header",
            "description": "The reader's language, for every `detail`: Korean or English.",
            "schema": shape::any_text(),
            "example": "ko",
        },
        "X-Request-Id": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "The client's own id of the request, which the answer and the log repeat when it is 1 to 64 letters, \
                            digits, `.`, `_` or `-`.",
            "schema": shape::any_text(),
        },
        "Idempotency-Key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The buyer's own name for the request: sent again, it gives the same answer and does nothing more.",
            "schema": idempotency::shape(),
            "example": "0191d1c6-3c0f-7cc1-9f9c-6d6a3f8f7a10",
        },
    })
}

fn all_headers() -> Value {
    let header = |description: &str, required: bool, schema: Value| json!({ "description": description, "required": required, "schema": schema });
    json!({
        "X-Request-Id": header("The id of this request, as the log has it.", true, json!({ "type": "string" })),
        "Content-Language": header("The language of `detail`.", true, json!({ "type": "string", "enum": ["en", "ko"] })),
        "WWW-Authenticate": header("How to sign in.", true, json!({ "type": "string", "const": "Bearer" })),
        "Retry-After": header("In how many seconds to try again.", false, json!({ "type": "integer", "minimum": 1 })),
        "Idempotent-Replayed": header("The same answer was given to this key before.", false, json!({ "type": "string", "const": "true" })),
    })
}

/// The shape of a problem document.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457). `code` is a stable word for programs, `detail` a sentence for people in the \
                        reader's language.",
        "required": ["type", "title", "status", "code", "detail", "requestId"],
        "properties": {
            "type": { "type": "string", "const": "about:blank" },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "type": "string" },
            "detail": { "type": "string" },
            "requestId": { "type": "string", "description": "The id of this request, as the log has it." },
            "errors": {
                "type": "array",
                "minItems": 1,
                "description": "The fields at fault, all of them.",
                "items": {
                    "type": "object",
                    "required": ["field", "code", "detail"],
                    "properties": {
                        "field": { "type": "string" },
                        "code": { "type": "string", "enum": FAULTS },
                        "detail": { "type": "string" },
                    },
                },
            },
            "orderId": { "type": "string", "format": "uuid", "description": "The order that the refusal is about." },
            "opensAt": { "type": "string", "format": "date-time", "description": "When the sale opens." },
        },
    })
}
