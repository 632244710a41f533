//! This room's SQL.

use super::model::{Counts, Email, Session, User, UserFilter, UserState};
use super::rules::{Family, TOKEN_LIFETIME_S_MAX};
use super::standing::Exceptions;
use crate::kernel::actor::Role;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{SessionId, UserId};
use crate::store::{Conn, Row, StoreError, bind};

/// The columns that [`user`] reads.
macro_rules! select_user {
    ($rest:literal) => {
        concat!("SELECT id, email, name, greeting, role, state, created_at, profile_image FROM users ", $rest)
    };
}

fn user(row: Row<'_>) -> Result<User, StoreError> {
    let email = row.text_or_null(1)?.map(|_| row.parsed(1)).transpose()?;
    Ok(User {
        id: UserId(row.int(0)?),
        email,
        name: row.text(2)?,
        greeting: row.text(3)?,
        role: row.parsed(4)?,
        state: row.parsed(5)?,
        created_at: Timestamp(row.int(6)?),
        profile_image: row.text_or_null(7)?,
    })
}

/// A row of `users` to be.
pub(super) struct UserRow<'a> {
    pub(super) email: &'a Email,
    pub(super) name: &'a str,
    pub(super) greeting: &'a str,
    pub(super) password_hash: &'a str,
    pub(super) role: Role,
    pub(super) created_at: Timestamp,
}

/// Adds an active user; `None` when the e-mail is taken.
pub(super) fn insert(conn: &Conn<'_>, row: &UserRow<'_>) -> Result<Option<UserId>, StoreError> {
    conn.row(
        "INSERT INTO users (email, name, greeting, password_hash, role, state, created_at)
         VALUES ($1, $2, $3, $4, $5, 'active', $6) ON CONFLICT (email) DO NOTHING RETURNING id",
        bind![row.email.as_str(), row.name, row.greeting, row.password_hash, row.role.as_str(), row.created_at.0],
        |row| Ok(UserId(row.int(0)?)),
    )
}

pub(super) fn by_id(conn: &Conn<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    conn.row(select_user!("WHERE id = $1"), bind![id.0], user)
}

pub(super) fn by_email(conn: &Conn<'_>, email: &Email) -> Result<Option<User>, StoreError> {
    conn.row(select_user!("WHERE email = $1"), bind![email.as_str()], user)
}

/// Users by number, from the one after `after`.
pub(super) fn list(conn: &Conn<'_>, filter: UserFilter, after: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
    let (role, state) = (filter.role.map(Role::as_str), filter.state.map(UserState::as_str));
    conn.rows(
        select_user!("WHERE id > $1 AND ($2 IS NULL OR role = $2) AND ($3 IS NULL OR state = $3) ORDER BY id LIMIT $4"),
        bind![after.0, role, state, i64::from(limit)],
        user,
    )
}

/// Users whose names begin with `name`, which is in lower case, from the one after `after` on.
pub(super) fn named(
    conn: &Conn<'_>,
    name: &str,
    filter: UserFilter,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, StoreError> {
    let (role, state) = (filter.role.map(Role::as_str), filter.state.map(UserState::as_str));
    let end = format!("{name}\u{10FFFF}");
    let after = after.unwrap_or(UserId(0));
    conn.rows(
        select_user!(
            "WHERE lower(name) >= $1 AND lower(name) < $2
             AND (lower(name), id) > (COALESCE((SELECT lower(name) FROM users WHERE id = $3), ''), $3)
             AND ($4 IS NULL OR role = $4) AND ($5 IS NULL OR state = $5) ORDER BY lower(name), id LIMIT $6"
        ),
        bind![name, &*end, after.0, role, state, i64::from(limit)],
        user,
    )
}

/// How many admins there are who can act, besides one.
pub(super) fn other_admins(conn: &Conn<'_>, id: UserId) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM users WHERE role = 'admin' AND state = 'active' AND id <> $1";
    Ok(conn.row(SQL, bind![id.0], |row| row.int(0))?.unwrap_or(0))
}

pub(super) fn password_hash(conn: &Conn<'_>, id: UserId) -> Result<Option<String>, StoreError> {
    conn.row("SELECT password_hash FROM users WHERE id = $1", bind![id.0], |row| row.text(0))
}

pub(super) fn set_role(conn: &Conn<'_>, id: UserId, role: Role) -> Result<(), StoreError> {
    conn.execute("UPDATE users SET role = $1 WHERE id = $2", bind![role.as_str(), id.0]).map(drop)
}

pub(super) fn set_state(conn: &Conn<'_>, id: UserId, state: UserState) -> Result<(), StoreError> {
    conn.execute("UPDATE users SET state = $1 WHERE id = $2", bind![state.as_str(), id.0]).map(drop)
}

pub(super) fn set_password_hash(conn: &Conn<'_>, id: UserId, hash: &str) -> Result<(), StoreError> {
    conn.execute("UPDATE users SET password_hash = $1 WHERE id = $2", bind![hash, id.0]).map(drop)
}

pub(super) fn set_texts(conn: &Conn<'_>, id: UserId, name: &str, greeting: &str) -> Result<(), StoreError> {
    conn.execute("UPDATE users SET name = $1, greeting = $2 WHERE id = $3", bind![name, greeting, id.0]).map(drop)
}

/// Keeps the number, which orders and posts point to, and nothing that says whose it was.
pub(super) fn erase(conn: &Conn<'_>, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    conn.execute("DELETE FROM sessions WHERE user_id = $1", bind![id.0])?;
    conn.execute(
        "UPDATE users SET state = 'deleted', email = NULL, name = '', greeting = '', password_hash = '',
             profile_image = NULL, withdrawn_at = $1 WHERE id = $2",
        bind![now.0, id.0],
    )
    .map(drop)
}

/// Begins to erase a user, or goes on with it; gives whether it is for the first time.
pub(super) fn begin_erasure(conn: &Conn<'_>, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    const BEGIN: &str = "INSERT INTO erasures (user_id, begun_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING";
    const GO_ON: &str = "UPDATE erasures SET ended_at = NULL WHERE user_id = $1";
    let is_first = conn.execute(BEGIN, bind![id.0, now.0])? > 0;
    if !is_first {
        conn.execute(GO_ON, bind![id.0])?;
    }
    Ok(is_first)
}

/// Nothing is left of a user to erase.
pub(super) fn end_erasure(conn: &Conn<'_>, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    conn.concerns(&[]);
    conn.execute("UPDATE erasures SET ended_at = $1 WHERE user_id = $2", bind![now.0, id.0]).map(drop)
}

/// Active users by number, from the one after `after`.
pub(super) fn active_after(conn: &Conn<'_>, after: UserId, limit: i64) -> Result<Vec<(UserId, Role)>, StoreError> {
    conn.rows(
        "SELECT id, role FROM users WHERE id > $1 AND state = 'active' ORDER BY id LIMIT $2",
        bind![after.0, limit],
        |row| Ok((UserId(row.int(0)?), row.parsed(1)?)),
    )
}

/// A row of `sessions` to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionRow<'a> {
    pub(super) id: SessionId,
    pub(super) user: UserId,
    /// One without can't be refreshed.
    pub(super) refresh_hash: Option<&'a [u8]>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// When its first access token ends.
    pub(super) token_ends_at: Timestamp,
}

/// Begins a session.
pub(super) fn insert_session(conn: &Conn<'_>, row: &SessionRow<'_>) -> Result<(), StoreError> {
    let SessionRow { id, user, refresh_hash, created_at, expires_at, token_ends_at } = *row;
    conn.execute(
        "INSERT INTO sessions (id, user_id, refresh_hash, created_at, expires_at, token_ends_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        bind![id.as_bytes(), user.0, refresh_hash, created_at.0, expires_at.0, token_ends_at.0],
    )
    .map(drop)
}

/// Ends a session; `false` when it had ended before.
pub(super) fn end_session(conn: &Conn<'_>, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
    let ended = conn.execute(
        "UPDATE sessions SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
        bind![now.0, id.as_bytes()],
    )?;
    Ok(ended > 0)
}

/// Ends all of a user's sessions but `kept`; gives those that were alive.
pub(super) fn end_sessions(
    conn: &Conn<'_>,
    user: UserId,
    kept: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<SessionId>, StoreError> {
    let kept: &[u8] = kept.as_ref().map_or(&[], SessionId::as_bytes); // no id is empty
    conn.rows(
        "UPDATE sessions SET revoked_at = $1
         WHERE user_id = $2 AND id <> $3 AND revoked_at IS NULL AND expires_at > $4 RETURNING id",
        bind![now.0, user.0, kept, now.0],
        |row| row.id(0, SessionId::from_bytes),
    )
}

/// The session that a refresh token names, as far as refreshing needs it; `None` when it can't be refreshed.
pub(super) fn family(conn: &Conn<'_>, id: SessionId) -> Result<Option<Family>, StoreError> {
    conn.row(
        "SELECT user_id, refresh_hash, expires_at, revoked_at, token_ends_at FROM sessions
         WHERE id = $1 AND refresh_hash IS NOT NULL",
        bind![id.as_bytes()],
        |row| {
            Ok(Family {
                user: UserId(row.int(0)?),
                current: row.bytes_or_null(1)?.unwrap_or_default(),
                expires_at: Timestamp(row.int(2)?),
                revoked: row.int_or_null(3)?.is_some(),
                token_ends_at: Timestamp(row.int(4)?),
            })
        },
    )
}

/// Gives a session another refresh token, and says when the last of its access tokens ends.
pub(super) fn set_refresh_hash(
    conn: &Conn<'_>,
    id: SessionId,
    hash: &[u8],
    token_ends_at: Timestamp,
) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE sessions SET refresh_hash = $1, token_ends_at = $2 WHERE id = $3",
        bind![hash, token_ends_at.0, id.as_bytes()],
    )
    .map(drop)
}

/// Forgets up to `limit` sessions that are over; gives how many that were.
pub(super) fn forget_sessions(conn: &Conn<'_>, over_at: Timestamp, limit: u32) -> Result<usize, StoreError> {
    conn.execute(
        "DELETE FROM sessions
         WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        bind![over_at.0, i64::from(limit)],
    )
}

/// How many sessions have not ended. Their ends are counted in an index alone, and only those that were ended early are looked
/// at; the signs keep the second count off that index.
pub(super) fn live_sessions(conn: &Conn<'_>, now: Timestamp) -> Result<u64, StoreError> {
    const SQL: &str = "SELECT (SELECT COUNT(*) FROM sessions WHERE expires_at > $1) \
         - (SELECT COUNT(*) FROM sessions WHERE revoked_at IS NOT NULL AND +expires_at > $1)";
    let count = conn.row(SQL, bind![now.0], |row| row.int(0))?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// Who of a user's sessions it is; `false` when the user has no such session.
pub(super) fn has_session(conn: &Conn<'_>, user: UserId, id: SessionId) -> Result<bool, StoreError> {
    let found =
        conn.row("SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2", bind![id.as_bytes(), user.0], |row| {
            row.int(0)
        })?;
    Ok(found.is_some())
}

/// What the community sees of a user in numbers.
pub(super) fn counts(conn: &Conn<'_>, user: UserId) -> Result<Counts, StoreError> {
    let found =
        conn.row("SELECT posts, followers, following FROM user_counts WHERE user_id = $1", bind![user.0], |row| {
            Ok(Counts { posts: row.int(0)?, followers: row.int(1)?, following: row.int(2)? })
        })?;
    Ok(found.unwrap_or_default())
}

/// A user's sessions from before another, the latest first.
pub(super) fn sessions(
    conn: &Conn<'_>,
    user: UserId,
    before: Option<SessionId>,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    let before: &[u8] = before.as_ref().map_or(&[u8::MAX; 17], SessionId::as_bytes); // behind every id
    conn.rows(
        "SELECT id, refresh_hash IS NOT NULL, created_at, expires_at, revoked_at FROM sessions
         WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        bind![user.0, before, i64::from(limit)],
        |row| {
            Ok(Session {
                id: row.id(0, SessionId::from_bytes)?,
                refreshable: row.int(1)? != 0,
                created_at: Timestamp(row.int(2)?),
                expires_at: Timestamp(row.int(3)?),
                revoked_at: row.int_or_null(4)?.map(Timestamp),
            })
        },
    )
}

/// Everybody and everything that a good token is not enough for. Nothing here asks how long a token lives: the settings of
/// today say nothing about the tokens of yesterday.
pub(super) fn exceptions(conn: &Conn<'_>, now: Timestamp) -> Result<Exceptions, StoreError> {
    // A session that withdrew with its user is in no row: the user stands for it, as long as any token may live.
    let withdrawn_since = now.plus_seconds(-i64::from(TOKEN_LIFETIME_S_MAX));
    let locked_out = conn.rows(
        "SELECT id, state FROM users WHERE state IN ('inactive', 'blocked')
         UNION ALL SELECT id, state FROM users WHERE withdrawn_at > $1",
        bind![withdrawn_since.0],
        |row| Ok((UserId(row.int(0)?), row.parsed(1)?)),
    )?;
    let admins = conn.rows("SELECT id FROM users WHERE role = 'admin'", &[], |row| Ok(UserId(row.int(0)?)))?;
    let ended = conn.rows(
        "SELECT id FROM sessions WHERE revoked_at IS NOT NULL AND token_ends_at > $1",
        bind![now.0],
        |row| row.id(0, SessionId::from_bytes),
    )?;
    Ok(Exceptions {
        locked_out: locked_out.into_iter().collect(),
        admins: admins.into_iter().collect(),
        ended: ended.into_iter().collect(),
    })
}
