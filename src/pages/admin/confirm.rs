//! What is asked before something is done that can't be taken back, or that locks somebody out.

use askama::Template;

use super::super::visit::Visit;

#[derive(Template)]
#[template(path = "admin/confirm.html")]
pub(super) struct Confirm<'a> {
    pub(super) v: &'a Visit,
    pub(super) title: String,
    /// What will happen.
    pub(super) asks: Vec<String>,
    /// Where the form goes, what its button says, and a field that it has besides.
    pub(super) action: String,
    pub(super) button: &'static str,
    pub(super) field: Option<(&'static str, &'static str)>,
    /// Where to go instead.
    pub(super) back: String,
    /// Why it could not be done; empty before it was tried.
    pub(super) fault: String,
}
