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
    faults: Faults,
}

async fn sign_up_page(visit: Visit, Query(way): Query<Way>) -> Answer {
    let (next, typed) = (local(way.next.as_deref()), SignUp::default());
    page(&visit, &SignUpPage { v: &visit, next, typed: &typed, faults: Faults::none() })
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
    next: Option<String>,
}

/// Makes an account and signs it in.
async fn sign_up(State(pages): State<Arc<Pages>>, Form(visit, typed): Form<SignUp>) -> Answer {
    let new = NewUser {
        email: Some(typed.email.clone()),
        name: Some(typed.name.clone()),
        password: Some(typed.password.clone()),
        greeting: Some(typed.greeting.clone()),
    };
    let next = local(typed.next.as_deref());
    if let Err(error) = pages.users.sign_up(new).await {
        let faults = Faults::of(&visit, &error);
        return told(&visit, error, &SignUpPage { v: &visit, next, typed: &typed, faults });
    }
    let signed_in = pages.users.sign_in(&typed.email, typed.password).await?;
    Ok(welcome(&visit, &signed_in, next))
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
