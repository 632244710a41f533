//! The SQL of images.

use super::LEFT_BEHIND_S;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::UserId;
use crate::store::{Conn, StoreError, bind};

/// Notes an object that is on its way in: no user shows it yet.
pub(in crate::users) fn note_coming(conn: &Conn<'_>, name: &str, now: Timestamp) -> Result<(), StoreError> {
    note(conn, name, now)
}

/// Notes an object that no user shows any more; it counts as left behind at once.
pub(in crate::users) fn note_leaving(conn: &Conn<'_>, name: &str, now: Timestamp) -> Result<(), StoreError> {
    note(conn, name, now.plus_seconds(-LEFT_BEHIND_S))
}

fn note(conn: &Conn<'_>, name: &str, since: Timestamp) -> Result<(), StoreError> {
    conn.execute("INSERT INTO media_unused (name, since) VALUES ($1, $2)", bind![name, since.0]).map(drop)
}

/// Takes an object off the list of those that nobody shows; `false` when it was not on it.
pub(in crate::users) fn forget_unused(conn: &Conn<'_>, name: &str) -> Result<bool, StoreError> {
    Ok(conn.execute("DELETE FROM media_unused WHERE name = $1", bind![name])? > 0)
}

/// Objects that count as left behind, the oldest first.
pub(in crate::users) fn left_behind(conn: &Conn<'_>, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError> {
    let since = now.plus_seconds(-LEFT_BEHIND_S);
    conn.rows(
        "SELECT name FROM media_unused WHERE since <= $1 ORDER BY since LIMIT $2",
        bind![since.0, i64::from(limit)],
        |row| row.text(0),
    )
}

/// Gives a user another image, or none.
pub(in crate::users) fn set_image(conn: &Conn<'_>, user: UserId, name: Option<&str>) -> Result<(), StoreError> {
    conn.execute("UPDATE users SET profile_image = $1 WHERE id = $2", bind![name, user.0]).map(drop)
}
