//! What a reader chooses for themselves: language and colours, kept in cookies.

use std::sync::Arc;

use axum::http::header::SET_COOKIE;
use serde::Deserialize;

use super::Pages;
use super::answer::{Answer, cookie_of, local, see_other};
use super::form::Form;
use super::visit::{LANGUAGE_COOKIE, THEME_COOKIE, Theme};
use crate::http::Routes;
use crate::kernel::error::{Error, Text};

/// How long a choice is kept, in seconds: a year.
const KEPT_S: u32 = 365 * 24 * 3600;

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new().post("/settings", choose)
}

#[derive(Debug, Deserialize)]
struct Choice {
    lang: Option<String>,
    theme: Option<String>,
    back: Option<String>,
}

/// Keeps a choice, and shows the page again that it was made on.
async fn choose(Form(visit, choice): Form<Choice>) -> Answer {
    let cookie = match (choice.lang.as_deref(), choice.theme.as_deref()) {
        (Some(language @ ("ko" | "en")), None) => cookie_of(LANGUAGE_COOKIE, language, Some(KEPT_S), visit.secure),
        (None, Some(word)) if Theme::read(word).is_some() => cookie_of(THEME_COOKIE, word, Some(KEPT_S), visit.secure),
        _ => {
            let detail = Text::fixed("A language or a theme.", "언어 또는 테마여야 합니다.");
            return Err(Error::invalid_field("lang", "not_allowed", detail).into());
        }
    };
    let mut response = see_other(local(choice.back.as_deref()));
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
