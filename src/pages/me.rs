//! One's own page: the profile, the password, the sessions, and the way out.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use serde::Deserialize;

use super::Pages;
use super::account::{Nothing, farewell};
use super::answer::{Answer, NotNow, page, see_other, told};
use super::form::{Faults, Form, check};
use super::visit::{Member, Visit};
use crate::http::{OwnSite, Query, Routes};
use crate::kernel::actor::Actor;
use crate::kernel::error::Error;
use crate::users::http::ProfileForm;
use crate::users::{Profile, image_path};

pub(super) fn routes() -> Routes<Arc<Pages>> {
    Routes::new()
        .get("/me", show)
        .post("/me", change_profile)
        .post("/me/password", change_password)
        .post("/me/signout-everywhere", sign_out_everywhere)
        .post("/me/withdraw", withdraw)
}

#[derive(Template)]
#[template(path = "me.html")]
struct MePage<'a> {
    v: &'a Visit,
    email: String,
    image: Option<String>,
    profile: Profile,
    /// What was typed for the name and the greeting, or what they are.
    name: String,
    greeting: String,
    said: &'static str,
    faults: Faults,
    password_faults: Faults,
}

#[derive(Debug, Deserialize)]
struct Said {
    said: Option<String>,
}

async fn show(
    State(pages): State<Arc<Pages>>,
    Member(visit, actor): Member,
    Query(Said { said }): Query<Said>,
) -> Answer {
    let t = &visit.t.me;
    let said = match said.as_deref() {
        Some("saved") => t.saved,
        Some("password") => t.password_changed,
        _ => "",
    };
    page(&visit, &MePage { said, ..read(&pages, &visit, actor).await? })
}

async fn read<'a>(pages: &Pages, visit: &'a Visit, actor: Actor) -> Result<MePage<'a>, Error> {
    let profile = pages.users.profile(actor.user).await?;
    Ok(MePage {
        v: visit,
        email: profile.user.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        image: profile.user.profile_image.as_deref().map(image_path),
        name: profile.user.name.clone(),
        greeting: profile.user.greeting.clone(),
        profile,
        said: "",
        faults: Faults::none(),
        password_faults: Faults::none(),
    })
}

/// Changes name, greeting and image. It may carry an image, so it is read in another way than the other forms.
async fn change_profile(State(pages): State<Arc<Pages>>, request: Request) -> Result<axum::response::Response, NotNow> {
    OwnSite::of(request.headers())?;
    let visit = Visit::of(&pages, request.method(), request.uri(), request.headers(), request.extensions());
    let actor = visit.member()?;
    let ProfileForm { change, seal } = ProfileForm::read(request, &pages.users, actor.user).await?;
    check(&visit, &pages, &seal)?;
    let (name, greeting) = (change.name.clone(), change.greeting.clone());
    match pages.users.change_profile(actor.user, change).await {
        Ok(_) => Ok(see_other("/me?said=saved")),
        Err(error) => {
            let me = read(&pages, &visit, actor).await?;
            let (name, greeting) = (name.unwrap_or_default(), greeting.unwrap_or_default());
            let faults = Faults::of(&visit, &error);
            told(&visit, error, &MePage { name, greeting, faults, ..me })
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Passwords {
    current_password: Option<String>,
    new_password: Option<String>,
}

/// Changes the password, which ends every other session.
async fn change_password(State(pages): State<Arc<Pages>>, Form(visit, typed): Form<Passwords>) -> Answer {
    let actor = visit.member()?;
    match pages.users.change_password(actor, typed.current_password, typed.new_password).await {
        Ok(_) => Ok(see_other("/me?said=password")),
        Err(error) => {
            let me = read(&pages, &visit, actor).await?;
            let password_faults = Faults::of(&visit, &error);
            told(&visit, error, &MePage { password_faults, ..me })
        }
    }
}

async fn sign_out_everywhere(State(pages): State<Arc<Pages>>, Form(visit, _): Form<Nothing>) -> Answer {
    pages.users.logout_all(visit.member()?.user).await?;
    Ok(farewell(&visit))
}

async fn withdraw(State(pages): State<Arc<Pages>>, Form(visit, _): Form<Nothing>) -> Answer {
    pages.users.withdraw(visit.member()?.user).await?;
    Ok(farewell(&visit))
}
