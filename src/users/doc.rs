//! What the API's description says of this room.

use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;

use super::http::{
    ChangePassword, CheckCode, CodeChecked, CodeSent, LogIn, LoggedInView, LoggedOut, ProfileView, SendCode, SignUp,
    UserView,
};
use super::images;
use super::images::http::{ChangeBody, ChangeForm, image_not_found, no_multipart};
use super::model::{EMAIL_LENGTH_MAX, UserState};
use super::names::NAME_CHARS_MAX;
use super::password::login_busy;
use super::rules::{
    self, CODE_LIFETIME_S, CODE_PAUSE_S, GREETING_CHARS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, user_not_found,
};
use super::tokens::{token_expired, token_invalid};
use crate::http::{Document, Operation, OwnSite, shape};
use crate::kernel::actor::Role;
use crate::kernel::error::Error;

pub(super) fn name() -> Schema {
    shape::line(1, NAME_CHARS_MAX)
}

pub(super) fn name_or_null() -> Schema {
    shape::or_null(name())
}

pub(super) fn greeting_text() -> Schema {
    shape::text(0, GREETING_CHARS_MAX)
}

pub(super) fn greeting() -> Schema {
    shape::or_null(greeting_text())
}

pub(super) fn email() -> Schema {
    shape::email(EMAIL_LENGTH_MAX)
}

pub(super) fn password() -> Schema {
    shape::chars(PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX)
}

pub(super) fn roles() -> Schema {
    shape::words(&[Role::User, Role::Admin].map(Role::as_str))
}

pub(super) fn states() -> Schema {
    use UserState::{Active, Blocked, Deleted, Inactive};
    shape::words(&[Active, Inactive, Blocked, Deleted].map(UserState::as_str))
}

pub(super) fn token_type() -> Schema {
    shape::words(&["Bearer"])
}

/// How a token is refused where one is needed.
#[must_use]
pub fn refused_tokens() -> Vec<Error> {
    vec![
        token_invalid(),
        token_expired(),
        rules::session_revoked(),
        rules::account_blocked(),
        rules::account_inactive(),
    ]
}

/// Describes this room's routes.
pub fn describe(document: &mut Document) {
    let routes = [signing_up(), sessions(), own_account(), others()].into_iter().flatten().collect();
    document.add("users", "Accounts, sessions, profiles and their images.", routes);
}

fn user(email: bool) -> Value {
    let mut user = json!({
        "id": 7,
        "name": "Ann",
        "email": "ann@example.com",
        "greeting": "Hello!",
        "profileImageUrl": "/media/0123456789abcdef0123456789abcdef.png",
        "role": "user",
        "state": "active",
        "createdAt": "2026-11-22T09:00:00Z",
    });
    if !email && let Some(user) = user.as_object_mut() {
        user.shift_remove("email");
    }
    user
}

fn session() -> Value {
    json!({ "accessToken": "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "tokenType": "Bearer", "expiresIn": 600, "user": user(true) })
}

fn signing_up() -> Vec<Operation> {
    let (name, password, email) = ("Ann", "correct horse", "ann@example.com");
    let asks = json!({ "name": name, "email": email, "password": password, "greeting": "Hello!" });
    vec![
        Operation::post("/users/signup", "signUp", "Makes an account")
            .says("Texts are trimmed first. Every fault is told at once.")
            .takes::<SignUp>(&asks)
            .gives::<UserView>(201, "The account was made.", &user(true))
            .leads_to(&["showUser"], "id")
            .leads_to(&["follow"], "userId")
            .refuses(rules::email_not_verified())
            .refuses(rules::email_taken())
            .refuses(login_busy()),
        Operation::post("/users/email-certification", "sendCode", "Sends a code to an e-mail address")
            .says(format!(
                "The code is good for {} minutes. The answer is the same whether or not somebody has an account with this \
                 address; within {CODE_PAUSE_S} seconds of one letter no other is sent.",
                CODE_LIFETIME_S / 60
            ))
            .takes::<SendCode>(&json!({ "email": email }))
            .gives::<CodeSent>(
                202,
                "A letter is on its way.",
                &json!({ "expiresIn": CODE_LIFETIME_S, "resendIn": CODE_PAUSE_S }),
            ),
        Operation::post("/users/email-code-check", "checkCode", "Checks a code")
            .says("The right code is good once. A few wrong ones make it void.")
            .takes::<CheckCode>(&json!({ "email": email, "code": "042137" }))
            .gives::<CodeChecked>(200, "The address is verified.", &json!({ "verified": true }))
            .refuses(rules::code_invalid()),
    ]
}

fn sessions() -> Vec<Operation> {
    let asks = json!({ "email": "ann@example.com", "password": "correct horse" });
    let begun = |operation: Operation, says: &str| {
        operation
            .gives::<LoggedInView>(200, says, &session())
            .gives_header("access", "The access token once more, for older clients.")
            .gives_header(
                "Set-Cookie",
                "`refresh`, the next refresh token: `HttpOnly`, `SameSite=Strict`, for `/users`.",
            )
            .refuses(OwnSite::refusal())
            .refuses(rules::account_blocked())
            .refuses(rules::account_inactive())
    };
    let ended = |operation: Operation| {
        operation
            .for_user()
            .gives::<LoggedOut>(200, "How many sessions ended.", &json!({ "revoked": 1 }))
            .gives_header("Set-Cookie", "Takes the `refresh` cookie away.")
            .refuses(OwnSite::refusal())
    };
    let log_in = Operation::post("/users/login", "logIn", "Begins a session")
        .says("An unknown address and a wrong password are answered in the same words, after the same time.")
        .takes::<LogIn>(&asks)
        .takes_as::<LogIn>("application/x-www-form-urlencoded", &asks)
        .refuses(rules::invalid_credentials())
        .refuses(login_busy());
    let reissue = Operation::post("/users/reissue", "reissue", "Gives a new access token for the refresh cookie")
        .says("The cookie's token is dead then, and the next one is set. One that is used again ends the session.")
        .for_refresh_cookie()
        .refuses(rules::refresh_invalid())
        .refuses(rules::refresh_reused())
        .refuses(rules::session_revoked());
    vec![
        begun(log_in, "The session has begun."),
        begun(reissue, "The session goes on."),
        ended(Operation::post("/users/logout", "logOut", "Ends this session"))
            .says("Its access tokens stop working at once."),
        ended(Operation::post("/users/logout-all", "logOutEverywhere", "Ends every session of this user"))
            .says("Their access tokens stop working at once."),
    ]
}

fn own_account() -> Vec<Operation> {
    let change = json!({ "name": "Ann", "greeting": "Hello again!" });
    vec![
        Operation::get("/users/me", "me", "Shows the own account")
            .for_user()
            .gives::<UserView>(200, "The account.", &user(true))
            .refuses(user_not_found()),
        Operation::patch("/users/me", "changeMe", "Changes the own profile")
            .says(
                "What is left out, or `null`, stays as it is; `profileImage: null` takes the image away. An image (PNG, JPEG \
                 or WebP) is sent as `multipart/form-data` and is written anew, so that nothing but its pixels is kept.",
            )
            .for_user()
            .takes::<ChangeBody>(&change)
            .takes_as::<ChangeForm>("multipart/form-data", &change)
            .gives::<UserView>(200, "The account as it is now.", &user(true))
            .refuses(no_multipart())
            .refuses(user_not_found())
            .refuses(rules::account_deleted())
            .refuses(images::too_many_uploads())
            .refuses(images::media_unavailable()),
        Operation::delete("/users/me", "withdraw", "Withdraws the own account")
            .says("Its personal data is gone for good. Its orders stay.")
            .for_user()
            .gives_nothing(204, "The account is gone.")
            .gives_header("Set-Cookie", "Takes the `refresh` cookie away.")
            .refuses(user_not_found())
            .refuses(rules::account_deleted()),
        Operation::put("/users/me/password", "changePassword", "Changes the own password")
            .says("Every other session ends.")
            .for_user()
            .takes::<ChangePassword>(&json!({ "currentPassword": "correct horse", "newPassword": "battery staple" }))
            .gives::<LoggedOut>(200, "How many other sessions ended.", &json!({ "revoked": 2 }))
            .refuses(user_not_found())
            .refuses(rules::account_deleted())
            .refuses(login_busy()),
    ]
}

fn others() -> Vec<Operation> {
    let mut profile = user(false);
    for (name, count) in [("postCount", 12), ("followerCount", 340), ("followingCount", 56)] {
        profile[name] = count.into();
    }
    vec![
        Operation::get("/users/{id}", "showUser", "Shows a user's profile")
            .says("The user and admins see the e-mail address too.")
            .may_sign_in()
            .path("id", &shape::row_id(), "The user's number.")
            .gives::<ProfileView>(200, "The profile.", &profile)
            .refuses(user_not_found()),
        Operation::get("/media/{name}", "showImage", "Gives a profile image")
            .says("Its name is its alone for ever, so it may be kept for as long.")
            .path("name", &shape::like("^[0-9a-f]{32}\\.(png|jpg)$"), "The image's name, as `profileImageUrl` has it.")
            .gives_as(200, "The image.", &["image/png", "image/jpeg"], &shape::file())
            .refuses(image_not_found())
            .refuses(images::media_unavailable()),
    ]
}
