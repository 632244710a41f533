//! What comes back from a page: forms, sealed for whoever they were shown to.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::Pages;
use super::answer::NotNow;
use super::visit::Visit;
use crate::http::{FormBody, OwnSite};
use crate::kernel::error::{Error, Kind, Text};

/// A form's fields, and who sent them. Besides the fields of `T` every form has its `seal`.
#[derive(Debug)]
pub(super) struct Form<T>(pub(super) Visit, pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Pages>> for Form<T> {
    type Rejection = NotNow;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, NotNow> {
        OwnSite::of(request.headers())?;
        let visit = Visit::of(pages, request.method(), request.uri(), request.headers(), request.extensions());
        let body = FormBody::from_request(request, pages).await?;
        check(&visit, pages, &body.field("seal").unwrap_or_default())?;
        Ok(Self(visit, body.read()?))
    }
}

/// Whether a form may be taken, now that it is here: it took its time, so who sent it is asked again.
///
/// # Errors
/// Why the sender may not act any more; `403 form_stale`, or `401` for somebody who was signed in when it was shown.
pub(super) fn check(visit: &Visit, pages: &Pages, seal: &str) -> Result<(), Error> {
    if let Some(actor) = visit.actor {
        pages.users.may_still_act(actor)?;
    }
    if visit.has_sealed(pages, seal) {
        return Ok(());
    }
    if visit.is_lost() {
        visit.member()?;
    }
    let detail = Text::fixed(
        "This form is out of date: it was open for too long, or you have signed in or out since. Nothing was done; open the \
         page anew and do it again.",
        "오래된 양식입니다. 너무 오래 열려 있었거나 그 사이에 로그인 상태가 바뀌었습니다. 처리된 것은 없으니 페이지를 새로 \
         열고 다시 시도하세요.",
    );
    Err(Error::new(Kind::Forbidden, "form_stale", detail))
}

/// What was wrong with a form, in the reader's language.
#[derive(Debug, Default)]
pub(super) struct Faults {
    fields: Vec<(String, String)>,
    whole: String,
}

impl Faults {
    /// Nothing.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// What an error says.
    pub(super) fn of(visit: &Visit, error: &Error) -> Self {
        let parts = error.parts();
        let fields = parts.fields.iter().map(|it| (it.field.to_string(), visit.text(&it.detail).to_owned())).collect();
        let whole = if parts.fields.is_empty() { visit.text(&parts.detail).to_owned() } else { String::new() };
        Self { fields, whole }
    }

    /// Whether anything is wrong.
    pub(super) fn is_any(&self) -> bool {
        !self.fields.is_empty() || !self.whole.is_empty()
    }

    /// What is wrong with a field; empty when nothing is.
    pub(super) fn at(&self, field: &str) -> &str {
        self.fields.iter().find(|(name, _)| name == field).map_or("", |(_, text)| text)
    }

    /// What is wrong with the whole; empty when nothing is.
    pub(super) fn whole(&self) -> &str {
        &self.whole
    }
}
