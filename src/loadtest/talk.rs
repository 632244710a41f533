//! What people were told about what they wrote, liked and followed.

use super::answer::{Answer, Ask};
use crate::kernel::ids::UserId;

/// Something that somebody does in the community, and that leaves a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Post,
    Comment,
    Like,
    Follow,
}

impl Deed {
    /// Each of them.
    pub(super) const ALL: [Self; 4] = [Self::Post, Self::Comment, Self::Like, Self::Follow];

    /// The word for many.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Post => "posts",
            Self::Comment => "comments",
            Self::Like => "likes",
            Self::Follow => "follows",
        }
    }
}

/// A row: who did it, and the number of what was written, liked or followed.
pub(super) type Pair = (UserId, i64);

/// Everything that was answered, by kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Talk {
    /// What was done, as those were told who did it. A like or a follow may be there twice: it is idempotent.
    told: [Vec<Pair>; 4],
    /// What was asked for and got no clear answer: it may have been done without anybody knowing.
    unclear: [u64; 4],
}

impl Talk {
    /// Writes down one answer to `user`; most are about something else.
    pub(super) fn record(&mut self, user: UserId, ask: Ask, answer: &Answer) {
        let (deed, number) = match (ask, answer) {
            (Ask::Write(deed), Answer::Written(number)) => (deed, *number),
            (Ask::Mark(deed, number), Answer::Done) => (deed, number),
            (Ask::Write(deed) | Ask::Mark(deed, _), Answer::Unclear(_)) => {
                self.unclear[deed as usize] += 1;
                return;
            }
            _ => return,
        };
        self.told[deed as usize].push((user, number));
    }

    /// What people were told that they did.
    pub(super) fn told(&self, deed: Deed) -> &[Pair] {
        &self.told[deed as usize]
    }

    /// How many got no clear answer.
    pub(super) fn unclear(&self, deed: Deed) -> u64 {
        self.unclear[deed as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_done_or_may_have_been_done_is_kept() {
        let ann = UserId(1);
        let mut talk = Talk::default();
        talk.record(ann, Ask::Write(Deed::Post), &Answer::Written(5));
        talk.record(ann, Ask::Mark(Deed::Like, 7), &Answer::Done);
        talk.record(ann, Ask::Mark(Deed::Follow, 8), &Answer::Unclear("timeout".into()));
        talk.record(ann, Ask::Write(Deed::Comment), &Answer::Refused("busy".to_owned()));
        talk.record(ann, Ask::Page, &Answer::Done);
        let told = Deed::ALL.map(|deed| talk.told(deed).to_vec());
        assert_eq!(told, [vec![(ann, 5)], vec![], vec![(ann, 7)], vec![]]);
        assert_eq!(Deed::ALL.map(|deed| talk.unclear(deed)), [0, 0, 0, 1]);
    }
}
