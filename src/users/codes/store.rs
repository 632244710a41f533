//! The SQL of e-mail codes. Addresses are in it as their seals only: see [`Addressee`].

use crate::kernel::clock::Timestamp;
use crate::store::{Conn, StoreError, bind};
use crate::users::model::Email;
use crate::users::rules::{CODE_PAUSE_S, SentCode};
use crate::users::seal::{Purpose, Seals};

/// Whose code it is: what is kept in place of an address, so that the pause between two letters can outlast what else is
/// known of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::users) struct Addressee(Vec<u8>);

impl Addressee {
    /// Who reads this address's mail.
    pub(in crate::users) fn of(email: &Email, seals: &Seals) -> Self {
        Self(seals.of(Purpose::Address, email.as_str()))
    }

    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Puts another code in the place of the last one, unless that was sent too lately; gives whether it did.
pub(super) fn renew(conn: &Conn<'_>, to: &Addressee, hash: &[u8], now: Timestamp) -> Result<bool, StoreError> {
    let changed = conn.execute(
        "INSERT INTO email_codes (address, code_hash, sent_at, attempts) VALUES ($1, $2, $3, 0)
         ON CONFLICT (address) DO UPDATE SET code_hash = excluded.code_hash, sent_at = excluded.sent_at, attempts = 0
         WHERE email_codes.sent_at <= $4",
        bind![to.bytes(), hash, now.0, now.plus_seconds(-CODE_PAUSE_S).0],
    )?;
    Ok(changed > 0)
}

/// The last code that was sent to somebody.
pub(super) fn sent(conn: &Conn<'_>, to: &Addressee) -> Result<Option<SentCode>, StoreError> {
    conn.row("SELECT code_hash, sent_at, attempts FROM email_codes WHERE address = $1", bind![to.bytes()], |row| {
        Ok(SentCode { hash: row.bytes_or_null(0)?, sent_at: Timestamp(row.int(1)?), attempts: row.int(2)? })
    })
}

pub(super) fn count_attempt(conn: &Conn<'_>, to: &Addressee) -> Result<(), StoreError> {
    conn.execute("UPDATE email_codes SET attempts = attempts + 1 WHERE address = $1", bind![to.bytes()]).map(drop)
}

/// The code was right: it is used up, and its address is verified until then.
pub(super) fn verified(conn: &Conn<'_>, to: &Addressee, until: Timestamp) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE email_codes SET code_hash = NULL, verified_until = $1 WHERE address = $2",
        bind![until.0, to.bytes()],
    )
    .map(drop)
}

/// Uses up the proof that somebody reads an address's mail; gives whether there is one. When the last letter was sent is
/// kept.
pub(in crate::users) fn take_proof(conn: &Conn<'_>, to: &Addressee, now: Timestamp) -> Result<bool, StoreError> {
    let taken = conn.execute(
        "UPDATE email_codes SET code_hash = NULL, verified_until = NULL WHERE address = $1 AND verified_until > $2",
        bind![to.bytes(), now.0],
    )?;
    Ok(taken > 0)
}

/// Forgets what is known of an address but when the last letter was sent; that goes with [`forget_old`].
pub(in crate::users) fn forget(conn: &Conn<'_>, to: &Addressee) -> Result<(), StoreError> {
    conn.execute(
        "UPDATE email_codes SET code_hash = NULL, verified_until = NULL, attempts = 0 WHERE address = $1",
        bind![to.bytes()],
    )
    .map(drop)
}

/// Forgets up to `limit` codes that were sent at `sent_at` or before; gives how many that were.
pub(in crate::users) fn forget_old(conn: &Conn<'_>, sent_at: Timestamp, limit: u32) -> Result<usize, StoreError> {
    conn.execute(
        "DELETE FROM email_codes
         WHERE address IN (SELECT address FROM email_codes WHERE sent_at <= $1 ORDER BY sent_at LIMIT $2)",
        bind![sent_at.0, i64::from(limit)],
    )
}
