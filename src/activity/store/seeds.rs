//! How much of a generated community is written.

use crate::activity::seeding::Seeded;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::UserId;
use crate::store::{Conn, StoreError, bind};

/// How much of a seed's community is written.
pub(in crate::activity) fn find(conn: &Conn<'_>, seed: u64) -> Result<Seeded, StoreError> {
    const SQL: &str = "SELECT posts, member_id FROM community_seeds WHERE seed = $1";
    let found = conn.row(SQL, bind![seed.cast_signed()], |row| {
        let posts = u32::try_from(row.int(0)?).map_err(|_| StoreError::Other("a count of seeded posts".to_owned()))?;
        Ok(Seeded { posts, member: UserId(row.int(1)?) })
    })?;
    Ok(found.unwrap_or(Seeded { posts: 0, member: UserId(0) }))
}

/// Keeps how much of a seed's community is written.
pub(in crate::activity) fn put(conn: &Conn<'_>, seed: u64, seeded: Seeded) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO community_seeds (seed, posts, member_id) VALUES ($1, $2, $3) \
         ON CONFLICT (seed) DO UPDATE SET posts = excluded.posts, member_id = excluded.member_id";
    conn.execute(SQL, bind![seed.cast_signed(), i64::from(seeded.posts), seeded.member.0]).map(drop)
}

/// When anybody did anything last.
pub(in crate::activity) fn last_activity(conn: &Conn<'_>) -> Result<Option<Timestamp>, StoreError> {
    const SQL: &str = "SELECT created_at FROM activities ORDER BY id DESC LIMIT 1";
    conn.row(SQL, &[], |row| Ok(Timestamp(row.int(0)?)))
}
