//! What an account may hold, who may act, and what a token or a code is worth. Pure. What a user may be called is in
//! `names`.

use super::model::{Email, NewUser, User, UserState};
use super::names::name;
use crate::kernel::actor::Role;
use crate::kernel::check::Check;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::UserId;

/// The longest greeting, in characters.
pub(super) const GREETING_CHARS_MAX: usize = 200;
pub(super) const PASSWORD_CHARS_MIN: usize = 8;
pub(super) const PASSWORD_CHARS_MAX: usize = 128;

/// A user to be that passed every check.
pub(super) struct CheckedUser {
    pub(super) email: Email,
    pub(super) name: String,
    pub(super) password: String,
    pub(super) greeting: String,
}

/// Checks what somebody typed to become a user.
///
/// # Errors
/// `422` with every fault.
pub(super) fn check_new_user(new: NewUser) -> Result<CheckedUser, Error> {
    let mut check = Check::new();
    let email = check.parse("email", new.email.as_deref());
    let name = name(&mut check, new.name.as_deref());
    let greeting = greeting(&mut check, new.greeting.as_deref());
    let password = password(&mut check, "password", new.password);
    check.done()?;
    let email = email.ok_or_else(|| Error::internal("a missing e-mail passed the checks"))?;
    Ok(CheckedUser { email, name, password, greeting })
}

/// A greeting may be empty and have lines.
pub(super) fn greeting(check: &mut Check, typed: Option<&str>) -> String {
    check.text("greeting", typed, 0, GREETING_CHARS_MAX)
}

/// Checks a new password.
///
/// # Errors
/// `422` on the field `password`.
pub(super) fn check_password(password: String) -> Result<String, Error> {
    let mut check = Check::new();
    let password = self::password(&mut check, "password", Some(password));
    check.done()?;
    Ok(password)
}

/// Checks a change of a password: the present one must be there, the new one must be allowed.
///
/// # Errors
/// `422` on `currentPassword` and `newPassword`.
pub(super) fn check_password_change(current: Option<String>, new: Option<String>) -> Result<(String, String), Error> {
    let mut check = Check::new();
    if current.is_none() {
        check.required("currentPassword");
    }
    let new = password(&mut check, "newPassword", new);
    check.done()?;
    Ok((current.unwrap_or_default(), new))
}

/// A password is any text of the right length, blanks and all: it is not trimmed and has no required mix of characters
/// (NIST SP 800-63B, section 3.1.1.2). The upper bound keeps hashing cheap.
fn password(check: &mut Check, field: &'static str, password: Option<String>) -> String {
    let Some(password) = password else {
        check.required(field);
        return String::new();
    };
    let chars = password.chars().count();
    if chars < PASSWORD_CHARS_MIN {
        let detail = Text::made(
            format!("At least {PASSWORD_CHARS_MIN} characters."),
            format!("{PASSWORD_CHARS_MIN}자 이상이어야 합니다."),
        );
        check.fault(field, "too_short", detail);
    } else if chars > PASSWORD_CHARS_MAX {
        let detail = Text::made(
            format!("At most {PASSWORD_CHARS_MAX} characters."),
            format!("{PASSWORD_CHARS_MAX}자 이하여야 합니다."),
        );
        check.fault(field, "too_long", detail);
    }
    password
}

/// Whether a user in this state may act.
///
/// # Errors
/// Why not: `403 account_blocked` or `account_inactive`, `401 session_revoked` for one who has withdrawn.
pub(super) fn may_act(state: UserState) -> Result<(), Error> {
    match state {
        UserState::Active => Ok(()),
        UserState::Blocked => Err(account_blocked()),
        UserState::Inactive => Err(account_inactive()),
        UserState::Deleted => Err(session_revoked()),
    }
}

/// An admin has locked this user out.
pub(super) fn account_blocked() -> Error {
    Error::new(Kind::Forbidden, "account_blocked", Text::fixed("This account is blocked.", "차단된 계정입니다."))
}

/// This user was put to rest.
pub(super) fn account_inactive() -> Error {
    let detail = Text::fixed("This account is not active.", "활성 상태가 아닌 계정입니다.");
    Error::new(Kind::Forbidden, "account_inactive", detail)
}

/// Whether an admin may change this account: anything but one that has withdrawn.
///
/// # Errors
/// `409 account_deleted`.
pub(super) fn may_change(user: &User) -> Result<(), Error> {
    if user.state == UserState::Deleted {
        return Err(account_deleted());
    }
    Ok(())
}

/// This user has withdrawn.
pub(super) fn account_deleted() -> Error {
    Error::new(Kind::Conflict, "account_deleted", Text::fixed("This user has withdrawn.", "탈퇴한 회원입니다."))
}

/// Whether a user may lose the rights of an admin, when there are so many other admins who can act.
///
/// # Errors
/// `409 last_admin`.
pub(super) fn keeps_an_admin(user: &User, others: i64) -> Result<(), Error> {
    if others > 0 || user.role != Role::Admin || user.state != UserState::Active {
        return Ok(());
    }
    let detail = Text::fixed(
        "This is the last admin who can act; make somebody else an admin first.",
        "활동할 수 있는 마지막 관리자입니다. 먼저 다른 사람을 관리자로 지정하세요.",
    );
    Err(Error::new(Kind::Conflict, "last_admin", detail))
}

/// The longest life of any access token, in seconds: 7 days. One made on the command line may have it; a login's is shorter
/// (`jwt.access_minutes`).
pub const TOKEN_LIFETIME_S_MAX: u32 = 7 * 24 * 3600;

/// A session as its refresh tokens see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) user: UserId,
    /// The hash of the one token that is good.
    pub(super) current: Vec<u8>,
    pub(super) expires_at: Timestamp,
    pub(super) revoked: bool,
    /// When the last of the access tokens that it gave ends.
    pub(super) token_ends_at: Timestamp,
}

/// What a refresh token that this server made is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    /// It is the good one; the next takes its place.
    Rotate,
    /// It was used before: somebody else has a copy, so nobody of the family may be trusted (RFC 9700, section 4.14.2).
    Reused,
}

/// Decides what becomes of a family whose token with this `hash` was presented.
///
/// # Errors
/// `401 session_revoked` for a family that has ended.
pub(super) fn refresh(family: &Family, hash: &[u8], now: Timestamp) -> Result<Refresh, Error> {
    if family.revoked || family.expires_at <= now {
        return Err(session_revoked());
    }
    // Hashes of random secrets: how much of one is right tells nothing about its secret.
    Ok(if family.current == hash { Refresh::Rotate } else { Refresh::Reused })
}

/// How long a code is good, in seconds.
pub(super) const CODE_LIFETIME_S: i64 = 600;
/// How many wrong codes may be tried.
const CODE_ATTEMPTS_MAX: i64 = 5;
/// The least time between two letters to one address, in seconds.
pub(super) const CODE_PAUSE_S: i64 = 60;
/// How long a signup may rely on the right code, in seconds.
pub(super) const VERIFIED_FOR_S: i64 = 3_600;

/// A code that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentCode {
    /// `None` once it was used.
    pub(super) hash: Option<Vec<u8>>,
    pub(super) sent_at: Timestamp,
    /// How many wrong codes were tried since.
    pub(super) attempts: i64,
}

/// What somebody's guess is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is the code.
    Right,
    /// It is not, and that counts.
    Wrong,
    /// No code is good any more.
    Void,
}

/// Judges a guess, which `fits` the sent code's hash or does not.
pub(super) fn guess(sent: &SentCode, fits: impl FnOnce(&[u8]) -> bool, now: Timestamp) -> Guess {
    match &sent.hash {
        None => Guess::Void,
        Some(_) if sent.attempts >= CODE_ATTEMPTS_MAX || sent.sent_at.plus_seconds(CODE_LIFETIME_S) <= now => {
            Guess::Void
        }
        Some(hash) if fits(hash) => Guess::Right,
        Some(_) => Guess::Wrong,
    }
}

/// The letter that brings a code: what it is about, and what it says.
pub(super) fn code_letter(code: &str) -> (Text, Text) {
    let minutes = CODE_LIFETIME_S / 60;
    let subject = Text::made(format!("{code} is your code"), format!("인증 번호 {code}"));
    let text = Text::made(
        format!(
            "Your code is {code}. It is good for {minutes} minutes.\n\nIf you did not ask for it, ignore this mail.\n"
        ),
        format!(
            "인증 번호는 {code}입니다. {minutes}분 동안 사용할 수 있습니다.\n\n요청하지 않았다면 이 메일을 무시하세요.\n"
        ),
    );
    (subject, text)
}

/// One answer for every code that is not good, so that nobody learns why.
pub(super) fn code_invalid() -> Error {
    let detail = Text::fixed(
        "This code is wrong, too old or used up; ask for another.",
        "인증 번호가 틀렸거나 만료되었습니다. 다시 요청하세요.",
    );
    Error::new(Kind::Invalid, "code_invalid", detail)
}

/// Nobody has proven to read this address's mail.
pub(super) fn email_not_verified() -> Error {
    let detail = Text::fixed("Verify this e-mail with a code first.", "먼저 이메일 인증을 완료하세요.");
    Error::new(Kind::Forbidden, "email_not_verified", detail)
}

/// There is no refresh token, or none that this server made.
pub(super) fn refresh_invalid() -> Error {
    let detail = Text::fixed(
        "There is no valid refresh token; log in again.",
        "유효한 갱신 토큰이 없습니다. 다시 로그인하세요.",
    );
    Error::new(Kind::Unauthenticated, "refresh_invalid", detail)
}

/// A refresh token came for the second time.
pub(super) fn refresh_reused() -> Error {
    let detail = Text::fixed(
        "This refresh token was used before, so the session was ended; log in again.",
        "이미 사용된 갱신 토큰이어서 세션을 종료했습니다. 다시 로그인하세요.",
    );
    Error::new(Kind::Unauthenticated, "refresh_reused", detail)
}

/// The user has no session with this id.
#[must_use]
pub fn session_not_found() -> Error {
    Error::not_found("session_not_found", Text::fixed("There is no such session.", "세션을 찾을 수 없습니다."))
}

/// The password that should prove who is asking does not.
pub(super) fn wrong_current_password() -> Error {
    let detail = Text::fixed("It is not the current password.", "현재 비밀번호가 아닙니다.");
    Error::invalid_field("currentPassword", "wrong", detail)
}

/// Where a profile image is fetched.
#[must_use]
pub fn image_path(name: &str) -> String {
    format!("/media/{name}")
}

/// The login that a token belongs to is over.
pub(super) fn session_revoked() -> Error {
    let detail = Text::fixed("This session has ended; log in again.", "종료된 세션입니다. 다시 로그인하세요.");
    Error::new(Kind::Unauthenticated, "session_revoked", detail)
}

/// One answer for an unknown e-mail and a wrong password, so that nobody learns who has an account.
pub(super) fn invalid_credentials() -> Error {
    let detail = Text::fixed("The e-mail or the password is wrong.", "이메일 또는 비밀번호가 올바르지 않습니다.");
    Error::new(Kind::Unauthenticated, "invalid_credentials", detail)
}

/// Somebody has an account with this address already.
pub(super) fn email_taken() -> Error {
    let detail = Text::fixed("There is an account with this e-mail already.", "이미 가입된 이메일입니다.");
    Error::new(Kind::Conflict, "email_taken", detail)
}

/// Nobody has this number or address.
#[must_use]
pub fn user_not_found() -> Error {
    Error::not_found("user_not_found", Text::fixed("There is no such user.", "사용자를 찾을 수 없습니다."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_new_user_is_told() {
        let error = check_new_user(NewUser {
            email: Some("ann".to_owned()),
            name: Some(" ".to_owned()),
            password: None,
            greeting: Some("x".repeat(201)),
        })
        .err()
        .unwrap();
        let faults: Vec<_> = error.parts().fields.iter().map(|fault| (fault.field.as_ref(), fault.code)).collect();
        let expected =
            [("email", "not_allowed"), ("name", "blank"), ("greeting", "too_long"), ("password", "required")];
        assert_eq!(faults, expected);
    }

    #[test]
    fn a_family_ends_with_a_token_that_comes_twice() {
        let now = Timestamp(10);
        let family = Family {
            user: UserId(1),
            current: b"second".to_vec(),
            expires_at: Timestamp(11),
            revoked: false,
            token_ends_at: Timestamp(0),
        };
        assert_eq!(refresh(&family, b"second", now).unwrap(), Refresh::Rotate);
        assert_eq!(refresh(&family, b"first", now).unwrap(), Refresh::Reused);
        let revoked = Family { revoked: true, ..family.clone() };
        assert_eq!(refresh(&revoked, b"second", now).unwrap_err().code(), "session_revoked");
        assert_eq!(refresh(&family, b"second", family.expires_at).unwrap_err().code(), "session_revoked");
    }

    #[test]
    fn a_code_is_good_for_ten_minutes_and_five_wrong_guesses() {
        let sent = SentCode { hash: Some(vec![1]), sent_at: Timestamp(0), attempts: 0 };
        let (right, wrong) = (|hash: &[u8]| hash == [1], |hash: &[u8]| hash == [2]);
        let late = Timestamp(0).plus_seconds(600);
        let soon = Timestamp(late.0 - 1);
        assert_eq!(guess(&sent, right, soon), Guess::Right);
        assert_eq!(guess(&sent, right, late), Guess::Void);
        assert_eq!(guess(&sent, wrong, soon), Guess::Wrong);
        assert_eq!(guess(&SentCode { attempts: 4, ..sent.clone() }, right, soon), Guess::Right);
        assert_eq!(guess(&SentCode { attempts: 5, ..sent.clone() }, right, soon), Guess::Void);
        assert_eq!(guess(&SentCode { hash: None, ..sent }, right, soon), Guess::Void);
    }

    #[test]
    fn a_password_is_counted_in_characters_and_kept_as_it_is() {
        assert_eq!(check_password(" 비밀번호여덟자 ".to_owned()).unwrap(), " 비밀번호여덟자 ");
        assert!(check_password("비".repeat(128)).is_ok());
        for (bad, code) in [("1234567".to_owned(), "too_short"), ("x".repeat(129), "too_long")] {
            assert_eq!(check_password(bad).unwrap_err().parts().fields[0].code, code);
        }
    }
}
