//! What a user may be called, and what they are called once they have withdrawn. Pure.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::model::UserState;
use crate::kernel::check::{Check, is_invisible};
use crate::kernel::error::Text;

/// The longest name, in characters.
pub(super) const NAME_CHARS_MAX: usize = 50;

/// What a user is called who has withdrawn, in both languages at once.
const WITHDRAWN_NAME: &str = "withdrawn user (탈퇴한 사용자)";

/// The same, and in either language.
const WITHDRAWN_NAMES: [&str; 3] = [WITHDRAWN_NAME, "withdrawn user", "탈퇴한 사용자"];

/// The name that is shown of a user. One who has withdrawn has none: the words that stand for it are the same for every
/// reader, because lists are made once for many.
#[must_use]
pub fn shown_name(state: UserState, name: String) -> String {
    if state == UserState::Deleted { WITHDRAWN_NAME.to_owned() } else { name }
}

/// A name is one line, and nobody's who has none any more.
pub(super) fn name(check: &mut Check, typed: Option<&str>) -> String {
    let name = check.line("name", typed, 1, NAME_CHARS_MAX);
    if WITHDRAWN_NAMES.iter().any(|taken| skeleton(taken) == skeleton(&name)) {
        let detail = Text::fixed(
            "It is what users are called who have withdrawn.",
            "탈퇴한 사용자를 나타내는 이름은 쓸 수 없습니다.",
        );
        check.fault("name", "not_allowed", detail);
    }
    name
}

/// What is left of a name when its look-alikes are taken for the same (letters in other widths and in pieces, capitals),
/// and what only stands between its letters for nothing.
fn skeleton(name: &str) -> String {
    let letters = ComposingNormalizerBorrowed::new_nfkc();
    let letters = letters.normalize(name);
    let letters = letters.chars().filter(|c| c.is_alphanumeric() && !is_invisible(*c));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_somebody_who_withdrew_is_shown_under_another_name() {
        assert_eq!(shown_name(UserState::Deleted, String::new()), "withdrawn user (탈퇴한 사용자)");
        for state in [UserState::Active, UserState::Inactive, UserState::Blocked] {
            assert_eq!(shown_name(state, "Ann".to_owned()), "Ann");
        }
    }

    #[test]
    fn a_name_is_one_line_and_somebodys() {
        let refusal = |typed: &str| {
            let mut check = Check::new();
            name(&mut check, Some(typed));
            check.done().err().map(|error| error.parts().fields[0].code)
        };
        for (typed, expected) in [
            ("Ann\nAdmin", Some("bad_character")),
            ("Ann\u{2028}Admin", Some("bad_character")),
            ("\u{3164}", Some("blank")),
            ("\u{200B}\u{2060}", Some("blank")),
            ("withdrawn user (탈퇴한 사용자)", Some("not_allowed")),
            ("Withdrawn  User", Some("not_allowed")),
            ("withdrawn\u{200B}\u{3164}user", Some("not_allowed")),
            ("ｗｉｔｈｄｒａｗｎ　ｕｓｅｒ", Some("not_allowed")),
            ("탈퇴한사용자", Some("not_allowed")),
            ("「탈퇴한 사용자」", Some("not_allowed")),
            // The same letters in pieces, as some systems write them.
            ("\u{1110}\u{1161}\u{11AF}\u{1110}\u{116C}\u{1112}\u{1161}\u{11AB} 사용자", Some("not_allowed")),
            ("Ann 👩\u{200D}💻", None),
            ("탈퇴", None),
            ("a user", None),
            ("(•_•)", None),
        ] {
            assert_eq!(refusal(typed), expected, "{typed:?}");
        }
    }
}
