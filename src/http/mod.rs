//! What every room's handlers share: routes that can be listed, extractors that refuse with field errors, and problem
//! documents.
//!
//! A handler extracts, calls one service method, and renders. Its errors leave as [`problem::HttpError`]; the door
//! (`gateway`) renders them once the reader's language and the request's id are known.

mod auth;
mod body;
mod came_from;
mod describe;
mod encoding;
pub mod events;
mod idempotency;
mod language;
mod operation;
mod origin;
mod page;
mod params;
mod people;
pub mod problem;
mod refusal;
mod request_id;
mod routes;
pub mod shape;
mod times;
mod traffic;
mod way;

pub use auth::{Admin, Asker, Asking, Buyer, Caller, Judge, Keeper, Known, Verified, bearer, request_word};
pub use body::{FormBody, Json, JsonOrForm};
pub use came_from::CameFrom;
pub use describe::{Document, OPENAPI};
pub use encoding::takes_gzip;
pub use idempotency::IdempotencyKey;
pub use language::Language;
pub use operation::Operation;
pub use origin::OwnSite;
pub use page::PageView;
pub use params::{InPath, PageQuery, Path, Query, number};
pub use people::{ErrorPage, ForPeople, SESSION_COOKIE, Told, Visitor, cookie};
pub use problem::HttpError;
pub use request_id::RequestId;
pub use routes::{Route, Routes};
pub use times::Times;
pub use traffic::{Connected, Counted, Meter, Refused, RouteReading, Traffic};
pub use way::OverTls;
