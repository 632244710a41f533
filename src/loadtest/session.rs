//! Signing in, and a browser whose tabs all renew the session at once.

use std::borrow::Cow;

use futures_util::future::join_all;
use goose::goose::GooseMethod;
use reqwest::header::{HeaderMap, SET_COOKIE};

use super::answer::{Answer, Ask};
use super::journey::{Call, Visit};
use super::scenario::Step;

/// What a password was good for.
pub(super) struct Session {
    /// Proves who asks.
    pub(super) access_token: String,
    /// The refresh token as a cookie, `refresh=…`.
    cookie: String,
}

impl Visit<'_> {
    /// Signs in; false when the buyer is not in.
    pub(super) async fn sign_in(&mut self, step: Step, index: usize) -> bool {
        // Generated addresses and their password have nothing that JSON would have to escape.
        let body = format!(r#"{{"email":"{}","password":"{}"}}"#, self.email(), self.crowd.sale.password);
        let (path, header) = (Cow::Borrowed("/users/login"), None);
        let call = Call { ask: Ask::SignIn, method: GooseMethod::Post, path, body: Some(body), header };
        let reply = if step == Step::SignIn { self.ask(call).await } else { self.ask_patiently(call, index).await };
        self.session = match reply.answer {
            Answer::SignedIn(access_token) => {
                let cookie = refresh_cookie(&reply.headers).unwrap_or_default();
                Some(Session { access_token, cookie })
            }
            _ => None,
        };
        self.session.is_some()
    }

    /// Signs in unless the buyer is, uses the one refresh token in every tab at once, and signs in anew: at most one tab
    /// may win, and the others end the session. False when the buyer is not in.
    pub(super) async fn refresh_storm(&mut self, index: usize) -> bool {
        if self.session.is_none() && !self.sign_in(Step::SignInRetry, index).await {
            return false;
        }
        let cookie = self.session.take().map(|session| session.cookie).unwrap_or_default();
        let (path, header) = (Cow::Borrowed("/users/reissue"), Some(("cookie", cookie)));
        let call = Call { ask: Ask::Refresh, method: GooseMethod::Post, path, body: None, header };
        let replies = join_all((0..Step::TABS).map(|_| self.ask_beside(&call))).await;
        let winners = replies.iter().filter(|reply| matches!(reply.answer, Answer::SignedIn(_))).count();
        if winners > 1 {
            self.crowd.broken.note("a refresh token was exchanged more than once");
        }
        for reply in &replies {
            self.record(Ask::Refresh, reply, &reply.answer);
        }
        self.sign_in(Step::SignInRetry, index).await
    }
}

/// The refresh token's cookie, as it is sent back.
fn refresh_cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
    pairs.find(|pair| pair.starts_with("refresh=")).map(str::to_owned)
}
