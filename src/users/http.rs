//! Routes under `/users`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::images::http::ProfileForm;
use super::model::{NewUser, User};
use super::names::shown_name;
use super::profile::Profile;
use super::rules::{CODE_LIFETIME_S, CODE_PAUSE_S, image_path, refresh_invalid, user_not_found};
use super::service::Users;
use super::sessions::LoggedIn;
use super::{doc, images};
use crate::http::{
    Buyer, Caller, HttpError, InPath, Json, JsonOrForm, Language, OverTls, OwnSite, Path, Routes, number, shape,
};
use crate::kernel::actor::Role;
use crate::kernel::check::Check;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;

/// The older header that carries an access token.
const ACCESS: HeaderName = HeaderName::from_static("access");

/// This room's routes.
pub fn routes(users: Arc<Users>) -> Routes {
    Routes::new()
        .post("/users/signup", sign_up)
        .post("/users/email-certification", send_code)
        .post("/users/email-code-check", check_code)
        .post("/users/login", log_in)
        .post("/users/reissue", reissue)
        .post("/users/logout", log_out)
        .post("/users/logout-all", log_out_everywhere)
        .get("/users/me", me)
        .patch("/users/me", images::http::change_profile)
        .delete("/users/me", withdraw)
        .put("/users/me/password", change_password)
        .get("/users/{id}", profile)
        .merge(images::http::routes())
        .with_state(users)
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
#[serde(rename_all = "camelCase")]
pub struct UserView {
    #[schema(schema_with = shape::row_id)]
    id: i64,
    name: String,
    /// Left out where only the user and admins may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    greeting: String,
    #[schema(required)]
    profile_image_url: Option<String>,
    #[schema(schema_with = doc::roles)]
    role: &'static str,
    #[schema(schema_with = doc::states)]
    state: &'static str,
    #[schema(schema_with = shape::time)]
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
            profile_image_url: user.profile_image.as_deref().map(image_path),
            role: user.role.as_str(),
            state: user.state.as_str(),
            created_at: user.created_at.to_string(),
        }
    }
}

/// A user and their counts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
#[serde(rename_all = "camelCase")]
pub struct ProfileView {
    #[serde(flatten)]
    user: UserView,
    post_count: i64,
    follower_count: i64,
    following_count: i64,
}

impl From<Profile> for ProfileView {
    /// With the e-mail: for the user and for admins only.
    fn from(Profile { user, counts }: Profile) -> Self {
        Self {
            user: user.into(),
            post_count: counts.posts,
            follower_count: counts.followers,
            following_count: counts.following,
        }
    }
}

impl InPath for UserId {
    fn from_path(text: &str) -> Option<Self> {
        number(text).map(Self)
    }

    fn unknown() -> Error {
        user_not_found()
    }
}

/// Somebody who wants an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignUp {
    #[schema(required, schema_with = doc::name)]
    name: Option<String>,
    #[schema(required, schema_with = doc::email)]
    email: Option<String>,
    #[schema(required, schema_with = doc::password)]
    password: Option<String>,
    #[schema(schema_with = doc::greeting)]
    greeting: Option<String>,
}

/// Makes an account.
async fn sign_up(
    State(users): State<Arc<Users>>,
    Json(body): Json<SignUp>,
) -> Result<(StatusCode, Json<UserView>), HttpError> {
    let new = NewUser { email: body.email, name: body.name, password: body.password, greeting: body.greeting };
    let user = users.sign_up(new).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Whom to send a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendCode {
    #[schema(required, schema_with = doc::email)]
    email: Option<String>,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodeSent {
    /// How long a code is good, in seconds.
    expires_in: i64,
    /// How long after one letter the next may be sent, in seconds.
    resend_in: i64,
}

/// Sends a code, to anybody's address.
async fn send_code(
    State(users): State<Arc<Users>>,
    headers: HeaderMap,
    Json(body): Json<SendCode>,
) -> Result<(StatusCode, Json<CodeSent>), HttpError> {
    let language = Language::of(&headers);
    users.send_code(body.email.as_deref(), |text| language.of_text(text).to_owned()).await?;
    Ok((StatusCode::ACCEPTED, Json(CodeSent { expires_in: CODE_LIFETIME_S, resend_in: CODE_PAUSE_S })))
}

/// A code that somebody was sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckCode {
    #[schema(required, schema_with = doc::email)]
    email: Option<String>,
    #[schema(required, schema_with = shape::any_text)]
    code: Option<String>,
}

/// It was the right code.
#[derive(Serialize, ToSchema)]
pub(super) struct CodeChecked {
    verified: bool,
}

/// Checks a code.
async fn check_code(
    State(users): State<Arc<Users>>,
    Json(body): Json<CheckCode>,
) -> Result<Json<CodeChecked>, HttpError> {
    users.check_code(body.email.as_deref(), body.code.as_deref()).await?;
    Ok(Json(CodeChecked { verified: true }))
}

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    #[schema(required, schema_with = shape::any_text)]
    email: Option<String>,
    #[schema(required, schema_with = shape::any_text)]
    password: Option<String>,
}

/// A session that has begun or goes on.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedIn)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoggedInView {
    access_token: String,
    #[schema(schema_with = doc::token_type)]
    token_type: &'static str,
    /// How long the access token is good, in seconds.
    expires_in: u32,
    user: UserView,
}

/// Begins a session.
async fn log_in(
    State(users): State<Arc<Users>>,
    _: OwnSite,
    way: OverTls,
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
    Ok(logged_in(login, is_secure(&users, way))?)
}

/// Takes the refresh cookie in exchange for an access token and the next cookie.
async fn reissue(
    State(users): State<Arc<Users>>,
    _: OwnSite,
    way: OverTls,
    headers: HeaderMap,
) -> Result<(HeaderMap, Json<LoggedInView>), HttpError> {
    let login = users.reissue(refresh_token(&headers).ok_or_else(refresh_invalid)?).await?;
    Ok(logged_in(login, is_secure(&users, way))?)
}

fn logged_in(login: LoggedIn, secure: bool) -> Result<(HeaderMap, Json<LoggedInView>), Error> {
    let headers = session_headers(&login, secure)?;
    let LoggedIn { user, access_token, expires_in_s: expires_in, .. } = login;
    Ok((headers, Json(LoggedInView { access_token, token_type: "Bearer", expires_in, user: user.into() })))
}

/// Sessions have ended.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedOut {
    /// How many sessions ended.
    revoked: usize,
}

/// Ends this session.
async fn log_out(
    State(users): State<Arc<Users>>,
    _: OwnSite,
    Buyer(actor): Buyer,
    way: OverTls,
) -> Result<(HeaderMap, Json<LoggedOut>), HttpError> {
    let revoked = users.logout(actor.session).await?;
    Ok((without_cookie(is_secure(&users, way))?, Json(LoggedOut { revoked })))
}

/// Ends every session of this user.
async fn log_out_everywhere(
    State(users): State<Arc<Users>>,
    _: OwnSite,
    Buyer(actor): Buyer,
    way: OverTls,
) -> Result<(HeaderMap, Json<LoggedOut>), HttpError> {
    let revoked = users.logout_all(actor.user).await?;
    Ok((without_cookie(is_secure(&users, way))?, Json(LoggedOut { revoked })))
}

/// The asker's own account.
async fn me(State(users): State<Arc<Users>>, Buyer(actor): Buyer) -> Result<Json<UserView>, HttpError> {
    Ok(Json(users.get(actor.user).await?.into()))
}

/// Withdraws the asker.
async fn withdraw(
    State(users): State<Arc<Users>>,
    Buyer(actor): Buyer,
    way: OverTls,
) -> Result<(StatusCode, HeaderMap), HttpError> {
    users.withdraw(actor.user).await?;
    Ok((StatusCode::NO_CONTENT, without_cookie(is_secure(&users, way))?))
}

/// The password to be, and the one that is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangePassword {
    #[schema(required, schema_with = shape::any_text)]
    current_password: Option<String>,
    #[schema(required, schema_with = doc::password)]
    new_password: Option<String>,
}

/// Changes the asker's password and ends their other sessions.
async fn change_password(
    State(users): State<Arc<Users>>,
    Buyer(actor): Buyer,
    Json(body): Json<ChangePassword>,
) -> Result<Json<LoggedOut>, HttpError> {
    let revoked = users.change_password(actor, body.current_password, body.new_password).await?;
    Ok(Json(LoggedOut { revoked }))
}

/// What others see of a user. The user and admins see the e-mail too.
async fn profile(
    State(users): State<Arc<Users>>,
    Caller(caller): Caller,
    Path(id): Path<UserId>,
) -> Result<Json<ProfileView>, HttpError> {
    let mut profile = users.profile(id).await?;
    if caller.is_none_or(|actor| actor.user != id && actor.role != Role::Admin) {
        profile.user.email = None;
    }
    profile.user.name = shown_name(profile.user.state, profile.user.name);
    Ok(Json(profile.into()))
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

fn without_cookie(secure: bool) -> Result<HeaderMap, Error> {
    Ok(HeaderMap::from_iter([(SET_COOKIE, header(&refresh_cookie("", 0, secure))?)]))
}

/// Whether the cookie goes over TLS only: as the settings say, and wherever the client came over TLS.
fn is_secure(users: &Users, OverTls(over_tls): OverTls) -> bool {
    users.jwt.secure_cookies || over_tls
}

/// The refresh token in the request's cookies.
fn refresh_token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| cookie.trim().strip_prefix("refresh="))
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
