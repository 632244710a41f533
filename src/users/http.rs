//! Routes under `/users`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::model::{NewUser, User};
use super::service::Users;
use super::sessions::LoggedIn;
use crate::http::{Buyer, HttpError, Json, JsonOrForm};
use crate::kernel::actor::Role;
use crate::kernel::check::Check;
use crate::kernel::error::Error;

/// The older header that carries an access token.
const ACCESS: HeaderName = HeaderName::from_static("access");

/// This room's routes.
pub fn routes(users: Arc<Users>) -> Router {
    Router::new()
        .route("/users/signup", post(sign_up))
        .route("/users/login", post(log_in))
        .route("/users/logout", post(log_out))
        .route("/users/logout-all", post(log_out_everywhere))
        .route("/users/me", get(me))
        .with_state(users)
}

/// A user as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    id: i64,
    name: String,
    email: Option<String>,
    greeting: String,
    profile_image_url: Option<String>,
    role: &'static str,
    state: &'static str,
    created_at: String,
}

impl From<User> for UserView {
    /// With the e-mail: for the user and for admins only.
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            name: user.name,
            email: user.email.map(|email| email.to_string()),
            greeting: user.greeting,
            profile_image_url: None,
            role: user.role.as_str(),
            state: user.state.as_str(),
            created_at: user.created_at.to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignUp {
    name: Option<String>,
    email: Option<String>,
    password: Option<String>,
    greeting: Option<String>,
}

/// Makes an account.
async fn sign_up(
    State(users): State<Arc<Users>>,
    Json(body): Json<SignUp>,
) -> Result<(StatusCode, Json<UserView>), HttpError> {
    let new = NewUser { email: body.email, name: body.name, password: body.password, greeting: body.greeting };
    let user = users.add(new, Role::User).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    email: Option<String>,
    password: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoggedInView {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    user: UserView,
}

/// Begins a session.
async fn log_in(
    State(users): State<Arc<Users>>,
    JsonOrForm(body): JsonOrForm<LogIn>,
) -> Result<(HeaderMap, Json<LoggedInView>), HttpError> {
    let mut check = Check::new();
    if body.email.is_none() {
        check.required("email");
    }
    if body.password.is_none() {
        check.required("password");
    }
    check.done()?;
    let login = users.login(&body.email.unwrap_or_default(), body.password.unwrap_or_default()).await?;
    let headers = session_headers(&login, users.jwt.secure_cookies)?;
    let LoggedIn { user, access_token, expires_in_s: expires_in, .. } = login;
    Ok((headers, Json(LoggedInView { access_token, token_type: "Bearer", expires_in, user: user.into() })))
}

#[derive(Serialize)]
struct LoggedOut {
    /// How many sessions ended.
    revoked: usize,
}

/// Ends this session.
async fn log_out(
    State(users): State<Arc<Users>>,
    Buyer(actor): Buyer,
) -> Result<(HeaderMap, Json<LoggedOut>), HttpError> {
    let revoked = users.logout(actor.session).await?;
    Ok((without_cookie(&users)?, Json(LoggedOut { revoked })))
}

/// Ends every session of this user.
async fn log_out_everywhere(
    State(users): State<Arc<Users>>,
    Buyer(actor): Buyer,
) -> Result<(HeaderMap, Json<LoggedOut>), HttpError> {
    let revoked = users.logout_all(actor.user).await?;
    Ok((without_cookie(&users)?, Json(LoggedOut { revoked })))
}

/// The asker's own account.
async fn me(State(users): State<Arc<Users>>, Buyer(actor): Buyer) -> Result<Json<UserView>, HttpError> {
    Ok(Json(users.get(actor.user).await?.into()))
}

fn session_headers(login: &LoggedIn, secure: bool) -> Result<HeaderMap, Error> {
    let cookie = refresh_cookie(&login.refresh_token, login.refresh_in_s, secure);
    Ok(HeaderMap::from_iter([
        (ACCESS, header(&login.access_token)?),
        (SET_COOKIE, header(&cookie)?),
        // No cache may keep a token (RFC 6749, section 5.1).
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]))
}

fn without_cookie(users: &Users) -> Result<HeaderMap, Error> {
    Ok(HeaderMap::from_iter([(SET_COOKIE, header(&refresh_cookie("", 0, users.jwt.secure_cookies))?)]))
}

/// A cookie that no script can read, that no other site can send, and that goes to this room only.
fn refresh_cookie(token: &str, max_age_s: u32, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("refresh={token}; Path=/users; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}

fn header(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(value).map_err(|error| Error::internal(format!("a token in a header: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refresh_cookie_is_kept_from_scripts_and_other_sites() {
        assert_eq!(
            refresh_cookie("t", 86_400, true),
            "refresh=t; Path=/users; Max-Age=86400; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(refresh_cookie("", 0, false), "refresh=; Path=/users; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
