//! One route of the API's description: who may ask, what it takes, what it gives and what it refuses.
//!
//! Bodies and answers are described by their own types. A refusal is the very error that the room answers with, so its
//! status, its code and its words are those that a client gets.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use super::problem::{self, HttpError};
use super::{auth, body};
use crate::kernel::error::{Error, Text};
use crate::kernel::page::LIMIT_MAX;

/// The media type of what most routes take and give.
const JSON: &str = "application/json";

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Everybody,
    /// Everybody, and a token makes a difference.
    MaySignIn,
    User,
    /// Everybody whose query says what would else follow from the token.
    UserOrQuery,
    Admin,
    /// Whoever has the cookie.
    Refresh,
}

/// One route's description.
#[derive(Debug)]
pub struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: String,
    pub(super) access: Access,
    pub(super) is_probe: bool,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Map<String, Value>,
    pub(super) answers: Map<String, Value>,
    /// In the order in which they were named; `describe` adds what every route has.
    pub(super) refusals: Vec<HttpError>,
    pub(super) schemas: Vec<(String, Value)>,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            description: String::new(),
            access: Access::Everybody,
            is_probe: false,
            parameters: Vec::new(),
            body: Map::new(),
            answers: Map::new(),
            refusals: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// A `GET` of `path`, by its unique name and in a few words.
    #[must_use]
    pub fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, id, summary)
    }

    /// A `POST`.
    #[must_use]
    pub fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, id, summary).writes()
    }

    /// A `PUT`.
    #[must_use]
    pub fn put(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("put", path, id, summary).writes()
    }

    /// A `PATCH`.
    #[must_use]
    pub fn patch(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("patch", path, id, summary).writes()
    }

    /// A `DELETE`.
    #[must_use]
    pub fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("delete", path, id, summary).writes()
    }

    /// Whatever writes can find the disk full.
    fn writes(self) -> Self {
        self.refuses(Error::storage_full(String::new()))
    }

    /// Everything that the summary does not say.
    #[must_use]
    pub fn says(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// It needs a user.
    #[must_use]
    pub fn for_user(mut self) -> Self {
        self.access = Access::User;
        self.refuses(auth::unauthenticated())
    }

    /// It needs an admin.
    #[must_use]
    pub fn for_admin(mut self) -> Self {
        self.access = Access::Admin;
        self.refuses(auth::unauthenticated()).refuses(auth::not_an_admin())
    }

    /// It is for everybody, and whoever is signed in is told more.
    #[must_use]
    pub fn may_sign_in(mut self) -> Self {
        self.access = Access::MaySignIn;
        self
    }

    /// It needs a user, or something in the query that makes one unnecessary.
    #[must_use]
    pub fn for_user_or_query(mut self) -> Self {
        self.access = Access::UserOrQuery;
        self.refuses(auth::unauthenticated())
    }

    /// It needs the refresh cookie and no token.
    #[must_use]
    pub fn for_refresh_cookie(mut self) -> Self {
        self.access = Access::Refresh;
        self
    }

    /// It answers when everything else is refused.
    #[must_use]
    pub fn probe(mut self) -> Self {
        self.is_probe = true;
        self
    }

    /// A value in the path.
    #[must_use]
    pub fn path(self, name: &str, shape: &Schema, description: &str) -> Self {
        self.parameter("path", name, true, shape, description)
    }

    /// A value in the query, which may be left out.
    #[must_use]
    pub fn query(self, name: &str, shape: &Schema, description: &str) -> Self {
        self.parameter("query", name, false, shape, description)
    }

    /// A header, which may be left out.
    #[must_use]
    pub fn header(self, name: &str, shape: &Schema, description: &str) -> Self {
        self.parameter("header", name, false, shape, description)
    }

    fn parameter(mut self, place: &str, name: &str, required: bool, shape: &Schema, description: &str) -> Self {
        self.parameters.push(
            json!({ "name": name, "in": place, "required": required, "description": description, "schema": shape }),
        );
        self
    }

    /// A query parameter that may be given many times.
    #[must_use]
    pub fn query_list(mut self, name: &str, items: &Schema, max: usize, description: &str) -> Self {
        let schema = json!({ "type": "array", "items": items, "maxItems": max });
        self.parameters.push(
            json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema }),
        );
        self
    }

    /// It answers with a page of a list.
    #[must_use]
    fn paged(mut self) -> Self {
        let reference = |name: &str| json!({ "$ref": format!("#/components/parameters/{name}") });
        self.parameters.extend([reference("limit"), reference("cursor")]);
        self.checks()
    }

    /// It refuses values that are not allowed, all of them at once.
    #[must_use]
    pub fn checks(self) -> Self {
        let detail = Text::fixed("It is required.", "필수 항목입니다.");
        self.refuses(Error::invalid_field("field", "required", detail))
    }

    /// It takes a JSON body, such as `example`.
    #[must_use]
    pub fn takes<B: ToSchema>(self, example: &Value) -> Self {
        self.takes_as::<B>(JSON, example).refuses(body::not_an_object()).refuses(body::cut_off())
    }

    /// It takes a body of another type as well.
    #[must_use]
    pub fn takes_as<B: ToSchema>(mut self, media_type: &str, example: &Value) -> Self {
        let schema = self.reference::<B>();
        self.body.insert(media_type.to_owned(), json!({ "schema": schema, "example": example }));
        self.checks().refuses(problem::payload_too_large()).refuses(problem::unsupported_media_type())
    }

    /// It honours an idempotency key.
    #[must_use]
    pub fn replayable(mut self) -> Self {
        self.parameters.push(json!({ "$ref": "#/components/parameters/Idempotency-Key" }));
        let replayed = json!({ "$ref": "#/components/headers/Idempotent-Replayed" });
        self.each_answer(|answer| answer["headers"]["Idempotent-Replayed"] = replayed.clone());
        self.checks()
    }

    /// It answers with a `V`, such as `example`.
    #[must_use]
    pub fn gives<V: ToSchema>(mut self, status: u16, description: &str, example: &Value) -> Self {
        let schema = self.reference::<V>();
        self.answer(status, description, JSON, &json!({ "schema": schema, "example": example }))
    }

    /// It answers `200` with a page of `V`s, such as `example`.
    #[must_use]
    pub fn gives_page<V: ToSchema>(mut self, description: &str, example: &Value) -> Self {
        let items = self.reference::<V>();
        let name = format!("PageOf{}", V::name());
        let page = json!({
            "type": "object",
            "description": "A part of a list.",
            "required": ["items", "nextCursor"],
            "properties": {
                "items": { "type": "array", "maxItems": LIMIT_MAX, "items": items },
                "nextCursor": {
                    "type": ["string", "null"],
                    "description": "What to ask for next, as `cursor`; `null` at the end.",
                },
            },
        });
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        self.schemas.push((name, page));
        let example = json!({ "items": [example], "nextCursor": null });
        self.answer(200, description, JSON, &json!({ "schema": schema, "example": example })).paged()
    }

    /// It answers with a body of another type.
    #[must_use]
    pub fn gives_as(self, status: u16, description: &str, media_types: &[&str], shape: &Schema) -> Self {
        media_types.iter().fold(self, |operation, media_type| {
            operation.answer(status, description, media_type, &json!({ "schema": shape }))
        })
    }

    /// It answers with a JSON object that is described elsewhere, such as `example`.
    #[must_use]
    pub fn gives_any(self, status: u16, description: &str, example: &Value) -> Self {
        self.answer(status, description, JSON, &json!({ "schema": { "type": "object" }, "example": example }))
    }

    /// It answers with a stream of server-sent events, such as `example`; the data of each is a `V`.
    #[must_use]
    pub fn streams<V: ToSchema>(mut self, description: &str, example: &str) -> Self {
        drop(self.reference::<V>());
        let schema =
            json!({ "type": "string", "description": format!("The data of each event is a `{}`.", V::name()) });
        self.answer(200, description, "text/event-stream", &json!({ "schema": schema, "example": example }))
    }

    /// It answers without a body.
    #[must_use]
    pub fn gives_nothing(mut self, status: u16, description: &str) -> Self {
        self.answers.insert(status.to_string(), json!({ "description": description, "headers": headers() }));
        self
    }

    fn answer(mut self, status: u16, description: &str, media_type: &str, content: &Value) -> Self {
        let answer = self.answers.entry(status.to_string());
        let answer =
            answer.or_insert_with(|| json!({ "description": description, "headers": headers(), "content": {} }));
        answer["content"][media_type] = content.clone();
        self
    }

    /// Its good answers carry a header.
    #[must_use]
    pub fn gives_header(mut self, name: &str, description: &str) -> Self {
        let header = json!({ "description": description, "required": true, "schema": { "type": "string" } });
        self.each_answer(|answer| answer["headers"][name] = header.clone());
        self
    }

    /// The id in its good answers is what other operations call `parameter`.
    #[must_use]
    pub fn leads_to(mut self, operations: &[&str], parameter: &str) -> Self {
        for operation in operations {
            let link = json!({ "operationId": operation, "parameters": { parameter: "$response.body#/id" } });
            self.each_answer(|answer| answer["links"][operation] = link.clone());
        }
        self
    }

    fn each_answer(&mut self, change: impl FnMut(&mut Value)) {
        self.answers.values_mut().for_each(change);
    }

    /// It can be refused with this error.
    #[must_use]
    pub fn refuses(mut self, error: impl Into<HttpError>) -> Self {
        let error = error.into();
        if self.refusals.iter().all(|known| known.place() != error.place()) {
            self.refusals.push(error);
        }
        self
    }

    fn reference<T: ToSchema>(&mut self) -> Value {
        let mut nested = Vec::new();
        T::schemas(&mut nested);
        let own = (T::name().into_owned(), T::schema());
        self.schemas.extend(nested.into_iter().chain([own]).map(|(name, schema)| (name, json!(schema))));
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }
}

/// The headers of every answer.
fn headers() -> Value {
    json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } })
}
