//! What a user may be called and what a password may be. Pure.

use super::model::{Email, NewUser, User, UserState};
use crate::kernel::check::Check;
use crate::kernel::error::{Error, Kind, Text};

/// The longest name, in characters.
pub(super) const NAME_CHARS_MAX: usize = 50;
/// The longest greeting, in characters.
pub(super) const GREETING_CHARS_MAX: usize = 200;
const PASSWORD_CHARS_MIN: usize = 8;
const PASSWORD_CHARS_MAX: usize = 128;

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
    let name = check.text("name", new.name.as_deref(), 1, NAME_CHARS_MAX);
    if name.contains(['\n', '\t']) {
        check.fault("name", "bad_character", Text::fixed("A name is one line.", "이름은 한 줄이어야 합니다."));
    }
    let greeting = check.text("greeting", new.greeting.as_deref(), 0, GREETING_CHARS_MAX);
    let password = password(&mut check, "password", new.password);
    check.done()?;
    let email = email.ok_or_else(|| Error::internal("a missing e-mail passed the checks"))?;
    Ok(CheckedUser { email, name, password, greeting })
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
        UserState::Blocked => {
            let detail = Text::fixed("This account is blocked.", "차단된 계정입니다.");
            Err(Error::new(Kind::Forbidden, "account_blocked", detail))
        }
        UserState::Inactive => {
            let detail = Text::fixed("This account is not active.", "활성 상태가 아닌 계정입니다.");
            Err(Error::new(Kind::Forbidden, "account_inactive", detail))
        }
        UserState::Deleted => Err(session_revoked()),
    }
}

/// Whether an admin may change this account: anything but one that has withdrawn.
///
/// # Errors
/// `409 account_deleted`.
pub(super) fn may_change(user: &User) -> Result<(), Error> {
    if user.state == UserState::Deleted {
        let detail = Text::fixed("This user has withdrawn.", "탈퇴한 회원입니다.");
        return Err(Error::new(Kind::Conflict, "account_deleted", detail));
    }
    Ok(())
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
pub(super) fn user_not_found() -> Error {
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
    fn a_name_is_one_line() {
        let error =
            check_new_user(NewUser { name: Some("Ann\nAdmin".to_owned()), ..NewUser::default() }).err().unwrap();
        let name = error.parts().fields.iter().find(|fault| fault.field == "name").unwrap();
        assert_eq!(name.code, "bad_character");
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
