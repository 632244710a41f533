//! What the writer promises to those who share a transaction.

use std::sync::mpsc;

use super::*;
use crate::store::{Db, Location, bind};

type TestJob = fn(&Conn<'_>) -> Result<usize, Error>;

async fn db() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&Location::Sqlite(folder.path().join("shop.db"))).await.unwrap();
    db.write(|conn| Ok(conn.execute("CREATE TABLE notes (text TEXT UNIQUE)", &[])?)).await.unwrap();
    (folder, db)
}

fn note(conn: &Conn<'_>, text: &str) -> Result<usize, Error> {
    Ok(conn.execute("INSERT INTO notes (text) VALUES ($1)", bind![text])?)
}

async fn notes(db: &Db) -> Vec<String> {
    db.read(|conn| Ok(conn.rows("SELECT text FROM notes ORDER BY text", &[], |row| row.text(0))?)).await.unwrap()
}

/// Puts jobs into the queue in order, while the writer is kept busy by a job of the same row.
async fn together(db: &Db, jobs: Vec<TestJob>) -> Vec<Result<usize, Error>> {
    together_as(db, jobs.into_iter().map(|job| (Failing::IsUndone, job)).collect()).await
}

async fn together_as(db: &Db, jobs: Vec<(Failing, TestJob)>) -> Vec<Result<usize, Error>> {
    let (go, wait) = mpsc::channel::<()>();
    let (began, has_begun) = oneshot::channel();
    let busy = tokio::spawn({
        let db = db.clone();
        async move {
            db.write(move |_| {
                began.send(()).unwrap();
                let _either_way = wait.recv();
                Ok(0)
            })
            .await
        }
    });
    has_begun.await.unwrap();
    let write = async |(failing, job)| match failing {
        Failing::IsUndone => db.write::<usize, TestJob>(job).await,
        Failing::ComesFirst => db.write_checked(job).await,
    };
    let mut waiting: Vec<_> = jobs.into_iter().map(|job| Box::pin(write(job))).collect();
    for job in &mut waiting {
        assert!(futures_util::poll!(job).is_pending());
    }
    drop(go);
    drop(busy.await.unwrap()); // it shares their fate
    futures_util::future::join_all(waiting).await
}

#[tokio::test]
async fn what_waits_together_is_one_commit() {
    let (_folder, db) = db().await;
    let before = db.version();
    let results = together(&db, vec![|conn| note(conn, "a"), |conn| note(conn, "b"), |conn| note(conn, "c")]).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(notes(&db).await, ["a", "b", "c"]);
    assert_eq!(db.version(), before + 1);
}

#[tokio::test]
async fn a_job_that_fails_or_panics_is_undone_alone() {
    let (_folder, db) = db().await;
    let results = together(
        &db,
        vec![
            |conn| note(conn, "a"),
            |conn| note(conn, "b").and(Err(Error::busy(7))),
            |conn| note(conn, "c").map(|_| panic!("a panic that a test wants")),
            |conn| note(conn, "d").and(note(conn, "a")), // a duplicate
            |conn| note(conn, "e"),
        ],
    )
    .await;
    let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "ok")).collect();
    assert_eq!(codes, ["ok", "busy", "internal", "duplicate", "ok"]);
    assert_eq!(notes(&db).await, ["a", "e"]);
}

#[tokio::test]
async fn a_checked_job_that_fails_first_harms_nobody() {
    let (_folder, db) = db().await;
    let jobs: Vec<(Failing, TestJob)> = vec![
        (Failing::ComesFirst, |conn| note(conn, "a")),
        (Failing::ComesFirst, |_| Err(Error::busy(7))),
        (Failing::ComesFirst, |_| panic!("a panic that a test wants")),
        (Failing::ComesFirst, |conn| note(conn, "b")),
        (Failing::IsUndone, |conn| note(conn, "c")),
    ];
    let results = together_as(&db, jobs).await;
    let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "ok")).collect();
    assert_eq!(codes, ["ok", "busy", "internal", "ok", "ok"]);
    assert_eq!(notes(&db).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_checked_job_that_fails_after_it_wrote_fails_for_all() {
    let (_folder, db) = db().await;
    let late: [(TestJob, &str); 2] = [
        (|conn| note(conn, "late").and(Err(Error::busy(7))), "busy"),
        (|conn| note(conn, "late").map(|_| panic!("a panic that a test wants")), "internal"),
    ];
    for (late, code) in late {
        let jobs: Vec<(Failing, TestJob)> = vec![
            (Failing::IsUndone, |conn| note(conn, "a")),
            (Failing::ComesFirst, |conn| note(conn, "b")),
            (Failing::ComesFirst, late),
            (Failing::IsUndone, |conn| note(conn, "c")),
        ];
        let results = together_as(&db, jobs).await;
        let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "ok")).collect();
        assert_eq!(codes, ["internal", "internal", code, "ok"], "whoever comes behind it begins anew");
        assert_eq!(notes(&db).await, ["c"]);
        db.write(|conn| Ok(conn.execute("DELETE FROM notes", &[])?)).await.unwrap();
    }
    db.write(|conn| note(conn, "d")).await.unwrap();
    assert_eq!(notes(&db).await, ["d"]);
}

#[tokio::test]
async fn a_commit_that_fails_fails_for_all_and_harms_nobody_after() {
    let (_folder, db) = db().await;
    let results = together(
        &db,
        vec![|conn| note(conn, "a"), |_| Err(Error::busy(7)), |conn| {
            conn.execute("PRAGMA defer_foreign_keys = ON", &[])?; // a missing parent fails the commit
            let sql = "INSERT INTO posts (author_id, created_at, updated_at, title, content) \
                     VALUES (404, 0, 0, '', '')";
            Ok(conn.execute(sql, &[])?)
        }],
    )
    .await;
    let codes: Vec<_> = results.iter().map(|result| result.as_ref().map_or_else(Error::code, |_| "ok")).collect();
    assert_eq!(codes, ["internal", "busy", "internal"]);
    assert!(notes(&db).await.is_empty());
    db.write(|conn| note(conn, "b")).await.unwrap();
    assert_eq!(notes(&db).await, ["b"]);
}

#[tokio::test]
async fn a_raw_job_ends_the_row_and_keeps_its_turn() {
    let (_folder, db) = db().await;
    let (go, wait) = mpsc::channel::<()>();
    let first = db.write(move |conn| {
        let _either_way = wait.recv();
        note(conn, "a")
    });
    let raw = db.sqlite().write_raw(|connection| {
        assert!(connection.is_autocommit());
        let seen = Conn::of(connection).rows("SELECT text FROM notes", &[], |row| row.text(0))?;
        Ok(seen)
    });
    let last = db.write(|conn| note(conn, "b"));
    let (mut first, mut raw, mut last) = (Box::pin(first), Box::pin(raw), Box::pin(last));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut raw).is_pending());
    assert!(futures_util::poll!(&mut last).is_pending());
    drop(go);
    first.await.unwrap();
    assert_eq!(raw.await.unwrap(), ["a"]);
    last.await.unwrap();
}

#[tokio::test]
async fn a_job_that_wants_a_transaction_to_itself_has_one() {
    let (_folder, db) = db().await;
    let before = db.version();
    let results = together(&db, vec![|conn| note(conn, "a")]).await;
    assert!(results[0].is_ok());
    let failed = db.write_alone(|conn| note(conn, "b").and(Err::<(), _>(Error::busy(7)))).await;
    assert_eq!(failed.unwrap_err().code(), "busy");
    let panicked = db.write_alone(|conn| note(conn, "c").map(|_| panic!("a panic that a test wants"))).await;
    assert_eq!(panicked.map(|()| "done").unwrap_err().code(), "internal");
    let (alone, shared) = tokio::join!(
        db.write_alone(|conn| {
            // A savepoint would have to be released first.
            assert!(conn.execute("RELEASE job", &[]).is_err());
            note(conn, "d")
        }),
        db.write(|conn| note(conn, "e")),
    );
    assert!(alone.is_ok() && shared.is_ok());
    assert_eq!(notes(&db).await, ["a", "d", "e"]);
    assert_eq!(db.version(), before + 3);
}

#[tokio::test]
async fn the_version_moves_with_changes_only() {
    let (_folder, db) = db().await;
    let before = db.version();
    db.write(|conn| Ok(conn.execute("DELETE FROM notes", &[])?)).await.unwrap();
    assert_eq!(db.version(), before);
    db.write(|conn| note(conn, "a")).await.unwrap();
    assert_eq!(db.version(), before + 1);
}
