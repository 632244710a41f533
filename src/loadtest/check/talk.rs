//! What people were told about the community against its rows, read apart from the rooms' own code.

use std::collections::HashSet;

use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::loadtest::talk::{Deed, Pair, Talk};
use crate::store::{Conn, StoreError, bind};

/// How far the community's tables went before anybody came. What is behind it was written in the run, unless somebody
/// else uses the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::loadtest) struct Mark {
    post: i64,
    comment: i64,
    activity: i64,
}

impl Mark {
    /// Reads it.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(in crate::loadtest) fn read(conn: &Conn<'_>) -> Result<Self, Error> {
        let last = |sql| -> Result<i64, StoreError> { Ok(conn.row(sql, &[], |row| row.int(0))?.unwrap_or_default()) };
        Ok(Self {
            post: last("SELECT COALESCE(MAX(id), 0) FROM posts")?,
            comment: last("SELECT COALESCE(MAX(id), 0) FROM comments")?,
            activity: last("SELECT COALESCE(MAX(id), 0) FROM activities")?,
        })
    }

    /// Everything of a kind behind the mark.
    fn rows_since(self, conn: &Conn<'_>, deed: Deed) -> Result<HashSet<Pair>, StoreError> {
        let (sql, mark) = match deed {
            Deed::Post => ("SELECT author_id, id FROM posts WHERE id > $1 AND deleted_at IS NULL", self.post),
            Deed::Comment => ("SELECT author_id, id FROM comments WHERE id > $1 AND deleted_at IS NULL", self.comment),
            Deed::Like => ("SELECT user_id, post_id FROM post_likes WHERE activity_id > $1", self.activity),
            Deed::Follow => ("SELECT follower_id, followee_id FROM follows WHERE activity_id > $1", self.activity),
        };
        let pairs = conn.rows(sql, bind![mark], |row| Ok((UserId(row.int(0)?), row.int(1)?)))?;
        Ok(pairs.into_iter().collect())
    }
}

/// Whether a row is there.
fn is_there(conn: &Conn<'_>, deed: Deed, (user, number): Pair) -> Result<bool, StoreError> {
    let sql = match deed {
        Deed::Post => "SELECT 1 FROM posts WHERE author_id = $1 AND id = $2 AND deleted_at IS NULL",
        Deed::Comment => "SELECT 1 FROM comments WHERE author_id = $1 AND id = $2 AND deleted_at IS NULL",
        Deed::Like => "SELECT 1 FROM post_likes WHERE user_id = $1 AND post_id = $2",
        Deed::Follow => "SELECT 1 FROM follows WHERE follower_id = $1 AND followee_id = $2",
    };
    Ok(conn.row(sql, bind![user.0, number], |row| row.int(0))?.is_some())
}

/// Compares what people were told with the rows; `since` tells where the run began, when nobody else uses the server.
/// Gives what is wrong.
///
/// # Errors
/// When the database can't be read.
pub(in crate::loadtest) fn compare(conn: &Conn<'_>, talk: &Talk, since: Option<Mark>) -> Result<Vec<String>, Error> {
    let mut failures = Vec::new();
    for deed in Deed::ALL {
        let (name, told) = (deed.plural(), talk.told(deed));
        let mut lost = 0;
        for pair in told {
            lost += usize::from(!is_there(conn, deed, *pair)?);
        }
        if lost > 0 {
            failures.push(format!("{lost} {name} were answered and are not in the database"));
        }
        let different: HashSet<Pair> = told.iter().copied().collect();
        if matches!(deed, Deed::Post | Deed::Comment) && different.len() < told.len() {
            failures.push(format!("{} {name} were answered with a number given before", told.len() - different.len()));
        }
        let Some(since) = since else { continue };
        let unknown = since.rows_since(conn, deed)?.difference(&different).count() as u64;
        let unclear = talk.unclear(deed);
        if unknown > unclear {
            failures.push(format!(
                "{unknown} {name} are in the database that nobody was told about; {unclear} got no clear answer"
            ));
        }
    }
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::answer::{Answer, Ask};
    use crate::store::{Db, Location};

    const ANN: UserId = UserId(1);
    const BOB: UserId = UserId(2);

    /// A database with two users and a post of Ann's, which Bob likes: from before the run.
    async fn database() -> (Db, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&Location::Sqlite(folder.path().join("sale.db"))).await.unwrap();
        for name in ["ann", "bob"] {
            db.write(move |conn| {
                let sql = "INSERT INTO users (name, password_hash, role, state, created_at) \
                           VALUES ($1, '', 'user', 'active', 0)";
                Ok(conn.execute(sql, bind![name]).map(drop)?)
            })
            .await
            .unwrap();
        }
        post(&db, ANN, 1).await;
        like(&db, BOB, 1, 1).await;
        sql(&db, "INSERT INTO activities (actor_id, recipient_id, type, created_at) VALUES (2, 1, 'like_post', 0)")
            .await;
        (db, folder)
    }

    async fn sql(db: &Db, sql: &'static str) {
        db.write(move |conn| Ok(conn.execute(sql, &[]).map(drop)?)).await.unwrap();
    }

    async fn post(db: &Db, author: UserId, id: i64) {
        db.write(move |conn| {
            let sql = "INSERT INTO posts (id, author_id, created_at, updated_at, title, content) \
                       VALUES ($1, $2, 0, 0, 't', 'c')";
            Ok(conn.execute(sql, bind![id, author.0]).map(drop)?)
        })
        .await
        .unwrap();
    }

    async fn like(db: &Db, user: UserId, post: i64, activity: i64) {
        db.write(move |conn| {
            let sql = "INSERT INTO post_likes_unfiled (user_id, post_id, activity_id) VALUES ($1, $2, $3)";
            Ok(conn.execute(sql, bind![user.0, post, activity]).map(drop)?)
        })
        .await
        .unwrap();
    }

    async fn failures(db: &Db, talk: &Talk, since: Option<Mark>) -> Vec<String> {
        let talk = talk.clone();
        db.read(move |conn| compare(conn, &talk, since)).await.unwrap()
    }

    #[tokio::test]
    async fn answers_and_rows_that_agree_pass() {
        let (db, _folder) = database().await;
        let since = Some(db.read(Mark::read).await.unwrap());
        let mut talk = Talk::default();
        post(&db, BOB, 2).await;
        talk.record(BOB, Ask::Write(Deed::Post), &Answer::Written(2));
        like(&db, ANN, 2, 2).await;
        // Twice is once; and what was liked before the run is answered as well.
        for (user, number) in [(ANN, 2), (ANN, 2), (BOB, 1)] {
            talk.record(user, Ask::Mark(Deed::Like, number), &Answer::Done);
        }
        assert_eq!(failures(&db, &talk, since).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_was_answered_and_is_not_there_fails() {
        let (db, _folder) = database().await;
        let mut talk = Talk::default();
        for (ask, answer) in [
            (Ask::Write(Deed::Post), Answer::Written(9)),
            (Ask::Write(Deed::Comment), Answer::Written(9)),
            (Ask::Write(Deed::Comment), Answer::Written(9)),
            (Ask::Mark(Deed::Like, 1), Answer::Done),
            (Ask::Mark(Deed::Follow, 2), Answer::Done),
        ] {
            talk.record(ANN, ask, &answer);
        }
        assert_eq!(
            failures(&db, &talk, None).await,
            [
                "1 posts were answered and are not in the database",
                "2 comments were answered and are not in the database",
                "1 comments were answered with a number given before",
                "1 likes were answered and are not in the database",
                "1 follows were answered and are not in the database",
            ]
        );
    }

    #[tokio::test]
    async fn what_nobody_was_told_about_fails_unless_an_answer_was_lost() {
        let (db, _folder) = database().await;
        let since = Some(db.read(Mark::read).await.unwrap());
        let mut talk = Talk::default();
        sql(&db, "INSERT INTO follows (follower_id, followee_id, activity_id) VALUES (1, 2, 2)").await;
        let unknown = "1 follows are in the database that nobody was told about; 0 got no clear answer";
        assert_eq!(failures(&db, &talk, since).await, [unknown]);
        assert_eq!(failures(&db, &talk, None).await, Vec::<String>::new(), "somebody else may have done it");
        talk.record(ANN, Ask::Mark(Deed::Follow, 2), &Answer::Unclear("timeout".into()));
        assert_eq!(failures(&db, &talk, since).await, Vec::<String>::new());
    }
}
