//! The SQL of e-mail codes.

use crate::kernel::clock::Timestamp;
use crate::store::{Conn, StoreError, bind};
use crate::users::model::Email;
use crate::users::rules::{CODE_PAUSE_S, SentCode};

/// Puts another code in the place of the last one, unless that was sent too lately; gives whether it did.
pub(super) fn renew(conn: &Conn<'_>, email: &Email, hash: &[u8], now: Timestamp) -> Result<bool, StoreError> {
    let changed = conn.execute(
        "INSERT INTO email_codes (email, code_hash, sent_at, attempts) VALUES ($1, $2, $3, 0)
         ON CONFLICT (email) DO UPDATE SET code_hash = excluded.code_hash, sent_at = excluded.sent_at, attempts = 0
         WHERE email_codes.sent_at <= $4",
        bind![email.as_str(), hash, now.0, now.plus_seconds(-CODE_PAUSE_S).0],
    )?;
    Ok(changed > 0)
}

/// The last code that was sent to an address.
pub(super) fn sent(conn: &Conn<'_>, email: &Email) -> Result<Option<SentCode>, StoreError> {
    conn.row("SELECT code_hash, sent_at, attempts FROM email_codes WHERE email = $1", bind![email.as_str()], |row| {
        Ok(SentCode { hash: row.bytes_or_null(0)?, sent_at: Timestamp(row.int(1)?), attempts: row.int(2)? })
    })
}

pub(super) fn count_attempt(conn: &Conn<'_>, email: &Email) -> Result<(), StoreError> {
    conn.execute("UPDATE email_codes SET attempts = attempts + 1 WHERE email = $1", bind![email.as_str()]).map(drop)
}

/// The code was right: it is used up, and its address is verified until then.
pub(super) fn verified(conn: &Conn<'_>, email: &Email, until: Timestamp) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE email_codes SET code_hash = NULL, verified_until = $1 WHERE email = $2",
        bind![until.0, email.as_str()],
    )
    .map(drop)
}

/// Uses up the proof that somebody reads an address's mail; gives whether there is one.
pub(in crate::users) fn take_proof(conn: &Conn<'_>, email: &Email, now: Timestamp) -> Result<bool, StoreError> {
    let taken =
        conn.execute("DELETE FROM email_codes WHERE email = $1 AND verified_until > $2", bind![email.as_str(), now.0])?;
    Ok(taken > 0)
}

/// Forgets what is known of an address.
pub(in crate::users) fn forget(conn: &Conn<'_>, email: &Email) -> Result<(), StoreError> {
    conn.execute("DELETE FROM email_codes WHERE email = $1", bind![email.as_str()]).map(drop)
}

/// Forgets up to `limit` codes that were sent at `sent_at` or before; gives how many that were.
pub(in crate::users) fn forget_old(conn: &Conn<'_>, sent_at: Timestamp, limit: u32) -> Result<usize, StoreError> {
    conn.execute(
        "DELETE FROM email_codes
         WHERE email IN (SELECT email FROM email_codes WHERE sent_at <= $1 ORDER BY sent_at LIMIT $2)",
        bind![sent_at.0, i64::from(limit)],
    )
}
