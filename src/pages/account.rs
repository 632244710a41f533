//! Signing up, in and out.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use serde::Deserialize;

use super::Pages;
use super::answer::{Answer, cookie_of, local, page, see_other, told};
use super::form::{Faults, Form};
use super::visit::Visit;
use crate::http::{Query, Routes, SESSION_COOKIE};
use crate::users::{NewUser, SignedIn};

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/signin", sign_in_page)
        .post("/signin", sign_in)
        .get("/signup", sign_up_page)
        .post("/signup", sign_up)
        .post("/signup/code", send_code)
        .post("/signout", sign_out)
}

/// Where somebody came from who must sign in first, and why.
#[derive(Debug, Deserialize)]
struct Way {
    next: Option<String>,
    said: Option<String>,
}

#[derive(Template)]
#[template(path = "signin.html")]
struct SignInPage<'a> {
    v: &'a Visit,
    next: &'a str,
    email: &'a str,
    was_signed_out: bool,
    faults: Faults,
}

async fn sign_in_page(visit: Visit, Query(way): Query<Way>) -> Answer {
    let was_signed_out = way.said.as_deref() == Some("signed_out");
    let next = local(way.next.as_deref());
    page(&visit, &SignInPage { v: &visit, next, email: "", was_signed_out, faults: Faults::none() })
}

#[derive(Deserialize)]
struct SignIn {
    email: Option<String>,
    password: Option<String>,
    next: Option<String>,
}

/// Begins a session, and goes on to where somebody wanted to be.
async fn sign_in(State(pages): State<Arc<Pages>>, Form(visit, typed): Form<SignIn>) -> Answer {
    let (email, next) = (typed.email.unwrap_or_default(), local(typed.next.as_deref()));
    match pages.users.sign_in(&email, typed.password.unwrap_or_default()).await {
        Ok(signed_in) => Ok(welcome(&visit, &signed_in, next)),
        Err(error) => {
            let faults = Faults::of(&visit, &error);
            told(&visit, error, &SignInPage { v: &visit, next, email: &email, was_signed_out: false, faults })
        }
    }
}

fn welcome(visit: &Visit, signed_in: &SignedIn, next: &str) -> Response {
    let mut response = see_other(next);
    let cookie = cookie_of(SESSION_COOKIE, &signed_in.token, Some(signed_in.expires_in_s), visit.secure);
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUpPage<'a> {
    v: &'a Visit,
    next: &'a str,
    typed: &'a SignUp,
    /// Whether a code must come from the mail.
    wants_code: bool,
    /// Whether one was sent just now.
    code_sent: bool,
    faults: Faults,
}

impl<'a> SignUpPage<'a> {
    fn of(pages: &Pages, visit: &'a Visit, typed: &'a SignUp) -> Self {
        let (next, wants_code) = (local(typed.next.as_deref()), pages.users.wants_verified_email());
        Self { v: visit, next, typed, wants_code, code_sent: false, faults: Faults::none() }
    }
}

async fn sign_up_page(State(pages): State<Arc<Pages>>, visit: Visit, Query(way): Query<Way>) -> Answer {
    let typed = SignUp { next: way.next, ..SignUp::default() };
    page(&visit, &SignUpPage::of(&pages, &visit, &typed))
}

#[derive(Default, Deserialize)]
struct SignUp {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    greeting: String,
    #[serde(default)]
    code: String,
    next: Option<String>,
}

/// Sends a code by mail, and keeps what was typed meanwhile (but the password).
async fn send_code(State(pages): State<Arc<Pages>>, Form(visit, typed): Form<SignUp>) -> Answer {
    let sent = pages.users.send_code(Some(&typed.email), |text| visit.text(text).to_owned()).await;
    let shown = SignUpPage::of(&pages, &visit, &typed);
    match sent {
        Ok(()) => page(&visit, &SignUpPage { code_sent: true, ..shown }),
        Err(error) => told(&visit, error.clone(), &SignUpPage { faults: Faults::of(&visit, &error), ..shown }),
    }
}

/// Makes an account and signs it in.
async fn sign_up(State(pages): State<Arc<Pages>>, Form(visit, typed): Form<SignUp>) -> Answer {
    let new = NewUser {
        email: Some(typed.email.clone()),
        name: Some(typed.name.clone()),
        password: Some(typed.password.clone()),
        greeting: Some(typed.greeting.clone()),
    };
    let mut made = pages.users.sign_up(new.clone()).await;
    // A code is good once and its proof for a while: it is asked for only where there is no proof yet.
    if made.as_ref().is_err_and(|error| error.code() == "email_not_verified") {
        made = match pages.users.check_code(Some(&typed.email), Some(&typed.code)).await {
            Ok(()) => pages.users.sign_up(new).await,
            Err(error) => Err(error),
        };
    }
    if let Err(error) = made {
        let faults = Faults::of(&visit, &error);
        return told(&visit, error, &SignUpPage { faults, ..SignUpPage::of(&pages, &visit, &typed) });
    }
    let signed_in = pages.users.sign_in(&typed.email, typed.password).await?;
    Ok(welcome(&visit, &signed_in, local(typed.next.as_deref())))
}

/// Ends the session.
async fn sign_out(State(pages): State<Arc<Pages>>, Form(visit, Nothing {}): Form<Nothing>) -> Answer {
    if let Some(actor) = visit.actor {
        pages.users.logout(actor.session).await?;
    }
    Ok(farewell(&visit))
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

/// Takes the cookie back, and shows the front page.
pub(super) fn farewell(visit: &Visit) -> Response {
    let mut response = see_other("/");
    response.headers_mut().append(SET_COOKIE, cookie_of(SESSION_COOKIE, "", Some(0), visit.secure));
    response
}
