//! Who looks at a page, and how.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, HeaderValue, REFERER};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderMap, Method, Uri};

use super::Pages;
use super::answer::{NotNow, cookie_of, local};
use super::assets::STYLE;
use super::words::Words;
use crate::http::{Language, OverTls, Visitor, cookie, request_word, takes_gzip};
use crate::kernel::actor::{Actor, By, Doer, RequestWord};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind, Text};

/// The cookie by which a browser is known that is not signed in: its forms are sealed for it.
const VISIT_COOKIE: &str = "visit";
/// The cookies that keep what a reader chose.
pub(super) const LANGUAGE_COOKIE: &str = "lang";
/// See [`LANGUAGE_COOKIE`].
pub(super) const THEME_COOKIE: &str = "theme";

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the browser's system is set.
    Auto,
    Light,
    Dark,
}

impl Theme {
    /// The word in the cookie and in the page.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        [Self::Auto, Self::Light, Self::Dark].into_iter().find(|theme| theme.as_str() == word)
    }
}

/// A request for a page: what its template and its forms need to know.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// Whoever is signed in.
    pub(super) actor: Option<Actor>,
    /// The reader's language.
    pub(super) language: Language,
    /// The texts in that language.
    pub(super) t: &'static Words,
    /// Light or dark.
    pub(super) theme: Theme,
    /// When it is looked at.
    pub(super) now: Timestamp,
    /// The path and the query of the page that is looked at, to come back to; for a form, of the page that it stood on.
    pub(super) here: String,
    /// What a form that is shown now is sealed with.
    pub(super) seal: String,
    /// The request's id, when an admin sends it.
    request: Option<RequestWord>,
    /// For whom forms are sealed.
    name: String,
    /// Why the session cookie that came is no good any more.
    lost: Option<Error>,
    /// The cookie that this browser gets with the answer.
    fresh: Option<HeaderValue>,
    /// Whether cookies go over TLS only.
    pub(super) secure: bool,
    /// What marks the style in the page as the server's own, where the page brings it along.
    inline: Option<String>,
}

impl Visit {
    /// Looks at a request.
    pub(super) fn of(pages: &Pages, method: &Method, uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let (actor, lost) = match extensions.get::<Visitor>() {
            Some(Visitor(Ok(actor))) => (Some(*actor), None),
            Some(Visitor(Err(error))) => (None, Some(error.clone())),
            None => (None, None),
        };
        let secure = pages.users.wants_secure_cookies() || OverTls::of(extensions).0;
        let known = cookie(headers, VISIT_COOKIE).filter(|name| is_name(name));
        let (name, fresh) = match (actor, known) {
            (Some(actor), _) => (format!("session:{}", actor.session), None),
            (None, Some(name)) => (format!("visit:{name}"), None),
            (None, None) => {
                let name = random_name();
                let fresh = cookie_of(VISIT_COOKIE, &name, None, secure);
                (format!("visit:{name}"), Some(fresh))
            }
        };
        let language = match cookie(headers, LANGUAGE_COOKIE) {
            Some("ko") => Language::Korean,
            Some("en") => Language::English,
            _ => Language::of(headers),
        };
        Self {
            actor,
            language,
            t: Words::of(language),
            theme: cookie(headers, THEME_COOKIE).and_then(Theme::read).unwrap_or(Theme::Auto),
            now: pages.clock.now(),
            here: here(method, uri, headers),
            seal: pages.users.seal_form(&name),
            request: request_word(extensions),
            name,
            lost,
            // Compressed, page and style come in one go. Later pages find the style in the browser's memory; and they hold
            // a seal that stays the same, so they are not compressed: how long they are would tell of it.
            inline: (fresh.is_some() && takes_gzip(headers)).then(random_name),
            fresh,
            secure,
        }
    }

    /// Whether a form was shown to this visitor.
    pub(super) fn has_sealed(&self, pages: &Pages, seal: &str) -> bool {
        pages.users.is_sealed_form(&self.name, seal)
    }

    /// Whoever is signed in.
    ///
    /// # Errors
    /// Why nobody is.
    pub(super) fn member(&self) -> Result<Actor, Error> {
        self.actor.ok_or_else(|| {
            self.lost.clone().filter(|error| error.kind() == Kind::Forbidden).unwrap_or_else(|| {
                let detail = if self.lost.is_some() {
                    Text::fixed(
                        "You have been signed out. Nothing was done; sign in and do it again.",
                        "로그아웃되었습니다. 처리된 것은 없으니 로그인한 뒤 다시 시도하세요.",
                    )
                } else {
                    Text::fixed("Sign in first.", "먼저 로그인하세요.")
                };
                Error::new(Kind::Unauthenticated, "signed_out", detail)
            })
        })
    }

    /// Whoever is signed in, about to change something that may not be theirs.
    ///
    /// # Errors
    /// Those of [`Self::member`].
    pub(super) fn doer(&self) -> Result<Doer, Error> {
        Ok(Doer { actor: self.member()?, request: self.request })
    }

    /// Who an admin's deed is noted under.
    pub(super) fn by(&self, admin: Actor) -> By {
        By::Admin(admin.user, self.request)
    }

    /// Whether the session has ended that this browser still had.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// The cookie that goes with the answer, if this browser has none yet.
    pub(super) fn fresh_cookie(&self) -> Option<&HeaderValue> {
        self.fresh.as_ref()
    }

    /// The style for a page that brings it along, and the mark by which the page's policy knows it.
    pub(super) fn inline_style(&self) -> Option<(&str, &'static str)> {
        self.inline.as_deref().map(|mark| (mark, STYLE.text()))
    }

    /// The sentence of an error in the reader's language.
    pub(super) fn text<'a>(&self, text: &'a Text) -> &'a str {
        self.language.of_text(text)
    }

    /// A text with its blank `{0}` filled.
    #[expect(clippy::unused_self, reason = "templates call it beside the texts")]
    pub(super) fn say(&self, text: &str, first: impl Display) -> String {
        text.replace("{0}", &first.to_string())
    }

    /// A text with its blanks `{0}` and `{1}` filled.
    pub(super) fn say2(&self, text: &str, first: impl Display, second: impl Display) -> String {
        // The second one first: what somebody typed into the first may look like a blank.
        self.say(&text.replace("{1}", &second.to_string()), first)
    }

    /// The other language, as its speakers call it, and its tag.
    pub(super) fn other_language(&self) -> (&'static str, &'static str) {
        match self.language {
            Language::English => ("한국어", "ko"),
            Language::Korean => ("English", "en"),
        }
    }

    /// Whether the page belongs to the part of the shop that the navigation leads to at `path`.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let here = self.here.split(['?', '#']).next().unwrap_or_default();
        let part = match here.split('/').nth(1).unwrap_or_default() {
            "shop" => "",
            "posts" | "people" => "feed",
            part => part,
        };
        path.strip_prefix('/') == Some(part)
    }
}

impl FromRequestParts<Arc<Pages>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Infallible> {
        Ok(Self::of(pages, &parts.method, &parts.uri, &parts.headers, &parts.extensions))
    }
}

/// A page that only somebody who is signed in can see; anybody else signs in first and comes back.
#[derive(Debug, Clone)]
pub(super) struct Member(pub(super) Visit, pub(super) Actor);

impl FromRequestParts<Arc<Pages>> for Member {
    type Rejection = NotNow;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, NotNow> {
        let visit = Visit::of(pages, &parts.method, &parts.uri, &parts.headers, &parts.extensions);
        match visit.member() {
            Ok(actor) => Ok(Self(visit, actor)),
            Err(error) if error.kind() == Kind::Unauthenticated => Err(NotNow::SignInFirst(Box::new(visit))),
            Err(error) => Err(error.into()),
        }
    }
}

/// The page that somebody looks at. What a form is sent to is no page: then it is the one that the browser says it was on.
fn here(method: &Method, uri: &Uri, headers: &HeaderMap) -> String {
    if matches!(*method, Method::GET | Method::HEAD) {
        let here = uri.path_and_query().map(PathAndQuery::as_str);
        return local(here).to_owned();
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let from = text(REFERER).and_then(|it| it.split_once("://")).map(|(_, rest)| rest);
    let path = from.zip(text(HOST)).and_then(|(from, host)| from.strip_prefix(host));
    local(path).to_owned()
}

/// 32 hexadecimal digits that nobody can guess.
pub(super) fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether a text is one of [`random_name`]'s.
pub(super) fn is_name(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
