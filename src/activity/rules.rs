//! What may be written, and who may change it. Pure.

use super::model::PostDraft;
use crate::kernel::actor::{Actor, Role};
use crate::kernel::check::Check;
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::ids::UserId;

/// The longest title, in characters.
pub(super) const TITLE_CHARS_MAX: usize = 100;
/// The longest post, in characters.
pub(super) const CONTENT_CHARS_MAX: usize = 5_000;
/// The longest comment, in characters.
pub(super) const COMMENT_CHARS_MAX: usize = 1_000;

/// The words of a post that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) content: String,
}

/// Checks a new post.
///
/// # Errors
/// `422` with every fault.
pub(super) fn new_post(draft: &PostDraft) -> Result<Words, Error> {
    let mut check = Check::new();
    let title = title(&mut check, draft.title.as_deref());
    let content = check.text("content", draft.content.as_deref(), 1, CONTENT_CHARS_MAX);
    check.done()?;
    Ok(Words { title, content })
}

/// A change of a post that passed every check; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewWords {
    title: Option<String>,
    content: Option<String>,
}

/// Checks what shall change in a post.
///
/// # Errors
/// `422` with every fault.
pub(super) fn new_words(draft: &PostDraft) -> Result<NewWords, Error> {
    let mut check = Check::new();
    let title = draft.title.as_deref().map(|text| title(&mut check, Some(text)));
    let content = draft.content.as_deref().map(|text| check.text("content", Some(text), 1, CONTENT_CHARS_MAX));
    check.done()?;
    Ok(NewWords { title, content })
}

impl NewWords {
    /// What a post says then whose words were `old`.
    pub(super) fn instead_of(self, old: &Words) -> Words {
        Words {
            title: self.title.unwrap_or_else(|| old.title.clone()),
            content: self.content.unwrap_or_else(|| old.content.clone()),
        }
    }
}

fn title(check: &mut Check, title: Option<&str>) -> String {
    check.line("title", title, 1, TITLE_CHARS_MAX)
}

/// Checks a comment's text.
///
/// # Errors
/// `422` on `content`.
pub(super) fn comment(content: Option<&str>) -> Result<String, Error> {
    let mut check = Check::new();
    let content = check.text("content", content, 1, COMMENT_CHARS_MAX);
    check.done()?;
    Ok(content)
}

/// Only the author or an admin changes or deletes what was written.
///
/// # Errors
/// `403 forbidden`.
pub(super) fn may_change(actor: Actor, author: UserId) -> Result<(), Error> {
    if actor.user == author || actor.role == Role::Admin { Ok(()) } else { Err(not_the_author()) }
}

/// Somebody else wrote it.
pub(super) fn not_the_author() -> Error {
    let detail = Text::fixed("Only the author or an admin may do this.", "작성자나 관리자만 할 수 있습니다.");
    Error::new(Kind::Forbidden, "forbidden", detail)
}

/// Nobody follows themselves.
///
/// # Errors
/// `422 cannot_follow_self`.
pub(super) fn may_follow(follower: UserId, followee: UserId) -> Result<(), Error> {
    if follower == followee { Err(cannot_follow_self()) } else { Ok(()) }
}

/// Somebody wants to follow themselves.
pub(super) fn cannot_follow_self() -> Error {
    let detail = Text::fixed("Nobody can follow themselves.", "자기 자신은 팔로우할 수 없습니다.");
    Error::new(Kind::Invalid, "cannot_follow_self", detail)
}

/// There is no such post, or it was deleted.
pub(super) fn post_not_found() -> Error {
    Error::not_found("post_not_found", Text::fixed("There is no such post.", "게시글을 찾을 수 없습니다."))
}

/// There is no such comment, or it or its post was deleted.
pub(super) fn comment_not_found() -> Error {
    Error::not_found("comment_not_found", Text::fixed("There is no such comment.", "댓글을 찾을 수 없습니다."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::Timestamp;
    use crate::kernel::ids::SessionId;

    fn faults<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<(String, &'static str)> {
        let error = result.unwrap_err();
        error.parts().fields.iter().map(|fault| (fault.field.to_string(), fault.code)).collect()
    }

    fn draft(title: Option<&str>, content: Option<&str>) -> PostDraft {
        PostDraft { title: title.map(str::to_owned), content: content.map(str::to_owned) }
    }

    #[test]
    fn every_fault_of_a_post_is_told() {
        let bad = draft(Some(" "), None);
        assert_eq!(faults(new_post(&bad)), [("title".to_owned(), "blank"), ("content".to_owned(), "required")]);
        let bad = draft(Some("a\nb"), Some(&"글".repeat(CONTENT_CHARS_MAX + 1)));
        assert_eq!(faults(new_post(&bad)), [("title".to_owned(), "bad_character"), ("content".to_owned(), "too_long")]);
        let turned = draft(Some("a\u{202E}b"), Some("a\u{7}b"));
        let hidden = [("title".to_owned(), "bad_character"), ("content".to_owned(), "bad_character")];
        assert_eq!(faults(new_post(&turned)), hidden);
        let long = draft(Some(&"👍".repeat(TITLE_CHARS_MAX)), Some(&"글".repeat(CONTENT_CHARS_MAX)));
        assert!(new_post(&long).is_ok());
    }

    #[test]
    fn what_is_not_given_stays() {
        let old = Words { title: "a".to_owned(), content: "b".to_owned() };
        let new = new_words(&draft(None, Some(" c "))).unwrap().instead_of(&old);
        assert_eq!(new, Words { content: "c".to_owned(), ..old.clone() });
        assert_eq!(new_words(&draft(None, None)).unwrap().instead_of(&old), old);
        assert_eq!(faults(new_words(&draft(Some(""), None))), [("title".to_owned(), "blank")]);
    }

    #[test]
    fn authors_and_admins_change_things() {
        let ann = Actor { user: UserId(1), role: Role::User, session: SessionId::fresh(), token_ends_at: Timestamp(1) };
        assert!(may_change(ann, UserId(1)).is_ok());
        assert_eq!(may_change(ann, UserId(2)).unwrap_err().code(), "forbidden");
        assert!(may_change(Actor { role: Role::Admin, ..ann }, UserId(2)).is_ok());
    }
}
