//! Errors as pages: what happened, what to do, and a way on.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::answer::{rendered, sign_in_path};
use super::visit::Visit;
use crate::http::RequestId;
use crate::kernel::error::{Error, Kind};

#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble<'a> {
    v: &'a Visit,
    title: &'static str,
    detail: String,
    status: u16,
    /// Where to go on, and what the link says.
    on: (String, &'static str),
    request_id: &'a str,
}

/// An error as a page.
pub(super) fn page(visit: &Visit, status: StatusCode, error: &Error, id: &RequestId) -> Response {
    let words = &visit.t.trouble;
    let title = match error.kind() {
        Kind::Unauthenticated => words.sign_in_first,
        Kind::NotFound | Kind::Gone => words.not_found,
        Kind::Forbidden if error.code() == "form_stale" => words.stale,
        Kind::Forbidden => words.forbidden,
        Kind::TooMany | Kind::Busy => words.busy,
        Kind::Internal => words.internal,
        _ => words.refused,
    };
    let on = match error.kind() {
        Kind::Unauthenticated => (sign_in_path(visit), visit.t.frame.sign_in),
        _ if error.code() == "form_stale" => (visit.here.clone(), words.to_page),
        _ => ("/".to_owned(), words.to_products),
    };
    let faults: Vec<_> = error.parts().fields.iter().map(|fault| visit.text(&fault.detail)).collect();
    let detail = if faults.is_empty() { visit.text(&error.parts().detail).to_owned() } else { faults.join(" ") };
    let template = Trouble { v: visit, title, detail, status: status.as_u16(), on, request_id: id.as_str() };
    // Without a page there is still the status.
    rendered(visit, status, &template).unwrap_or_else(|_| status.into_response())
}
