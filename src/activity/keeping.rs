//! What every face calls that hands out all that is kept of somebody: in parts, by the numbers behind which they go on.

use super::model::ActivityKind;
use super::service::Activity;
use super::store::personal::{self, Tie, Ties, Written};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{ActivityId, UserId};

/// Rows that a part is read from.
const PART: i64 = 1_000;

/// Something that somebody did, as the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// Its number.
    pub id: ActivityId,
    /// What it was.
    pub kind: ActivityKind,
    /// Whom it was done to.
    pub recipient: UserId,
    /// The post's number.
    pub post: Option<i64>,
    /// The comment's number.
    pub comment: Option<i64>,
    /// When.
    pub at: Timestamp,
}

impl Activity {
    /// The posts that somebody wrote, deleted ones too: a part of them, and where it goes on.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn kept_posts(&self, of: UserId, after: i64) -> Result<(Vec<Written>, Option<i64>), Error> {
        let part = self.db.read(move |conn| Ok(personal::posts(conn, of, ActivityId(after), PART)?)).await?;
        Ok((part.0, part.1.map(|line| line.0)))
    }

    /// The comments that somebody wrote, deleted ones too.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn kept_comments(&self, of: UserId, after: i64) -> Result<(Vec<Written>, Option<i64>), Error> {
        let part = self.db.read(move |conn| Ok(personal::comments(conn, of, ActivityId(after), PART)?)).await?;
        Ok((part.0, part.1.map(|line| line.0)))
    }

    /// What somebody did.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn kept_deeds(&self, of: UserId, after: i64) -> Result<(Vec<Deed>, Option<i64>), Error> {
        let lines = self.db.read(move |conn| Ok(personal::lines(conn, of, ActivityId(after), PART)?)).await?;
        let deed = |line: personal::Line| Deed {
            id: line.id,
            kind: line.kind,
            recipient: line.recipient,
            post: line.post.map(|post| post.0),
            comment: line.comment.map(|comment| comment.0),
            at: line.at,
        };
        let deeds: Vec<_> = lines.into_iter().map(deed).collect();
        let next = next(&deeds, |deed| deed.id.0);
        Ok((deeds, next))
    }

    /// What somebody likes, whom they follow, or who follows them.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn kept_ties(&self, kind: Ties, of: UserId, after: i64) -> Result<(Vec<Tie>, Option<i64>), Error> {
        let ties = self.db.read(move |conn| Ok(personal::ties(conn, kind, of, after, PART)?)).await?;
        let next = next(&ties, |tie| tie.id);
        Ok((ties, next))
    }
}

/// Where it goes on behind a part that is full.
fn next<T>(part: &[T], number: impl Fn(&T) -> i64) -> Option<i64> {
    part.last().map(number).filter(|_| i64::try_from(part.len()) == Ok(PART))
}
