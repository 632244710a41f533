//! What every face calls: codes that prove that somebody reads an address's mail.
//!
//! An answer is the same for every address, and says nothing about who has an account.

pub(super) mod store;

use std::sync::Arc;
use std::time::Duration;

use self::store::Addressee;
use super::mail::Letter;
use super::model::Email;
use super::rules::{self, Guess};
use super::seal::Purpose;
use super::service::Users;
use crate::kernel::check::Check;
use crate::kernel::error::{Error, Text};
use crate::store::Conn;

/// How many codes there are: six digits.
const CODES: u32 = 1_000_000;

impl Users {
    /// Sends a code to an address, unless one was sent within the last minute; `in_language` chooses the letter's words.
    ///
    /// # Errors
    /// `422` on `email`, `503 busy` when too much mail waits.
    pub async fn send_code(&self, email: Option<&str>, in_language: impl Fn(&Text) -> String) -> Result<(), Error> {
        let email = checked(email, Check::new())?;
        let place = self.mailer.reserve()?;
        let code = format!("{:06}", rand::random_range(0..CODES));
        let hash = self.seals.of(Purpose::EmailCode, &sealed(&email, &code));
        let (to, now) = (Addressee::of(&email, &self.seals), self.clock.now());
        let (subject, text) = rules::code_letter(&code);
        let letter = Letter { to: email, subject: in_language(&subject), text: in_language(&text) };
        let db = self.db.clone();
        // A task of its own: once it is noted that a letter was sent it must be, whether or not the client still waits.
        let sending = tokio::spawn(async move {
            let renew = move |conn: &Conn<'_>| {
                conn.concerns(&[]);
                Ok(store::renew(conn, &to, &hash, now)?)
            };
            if db.write(renew).await? {
                place.send(letter);
            }
            Ok(())
        });
        sending.await.map_err(|error| Error::internal(format!("sending a code: {error}")))?
    }

    /// Waits until every letter is sent or given up on, for whoever stops.
    ///
    /// # Errors
    /// How many were not, when that takes longer than `patience`.
    pub async fn letters_sent(&self, patience: Duration) -> Result<(), usize> {
        self.mailer.sent(patience).await
    }

    /// Checks a code. The right one is good once, and then its address counts as verified for an hour.
    ///
    /// # Errors
    /// `422` on the fields; `422 code_invalid` for a code that is wrong, too old, used, or was tried too often.
    pub async fn check_code(&self, email: Option<&str>, code: Option<&str>) -> Result<(), Error> {
        let mut check = Check::new();
        if code.is_none() {
            check.required("code");
        }
        let email = checked(email, check)?;
        let typed = sealed(&email, code.unwrap_or_default().trim());
        let (seals, now) = (Arc::clone(&self.seals), self.clock.now());
        let from = Addressee::of(&email, &seals);
        let is_right = self
            .db
            .write(move |conn| {
                conn.concerns(&[]);
                let Some(sent) = store::sent(conn, &from)? else { return Ok(false) };
                let guess = rules::guess(&sent, |hash| seals.fits(Purpose::EmailCode, &typed, hash), now);
                match guess {
                    Guess::Right => store::verified(conn, &from, now.plus_seconds(rules::VERIFIED_FOR_S))?,
                    Guess::Wrong => store::count_attempt(conn, &from)?,
                    Guess::Void => {}
                }
                // An answer and no error: the attempt must be committed.
                Ok(guess == Guess::Right)
            })
            .await?;
        if is_right { Ok(()) } else { Err(rules::code_invalid()) }
    }
}

fn checked(email: Option<&str>, mut check: Check) -> Result<Email, Error> {
    let email = check.parse("email", email);
    check.done()?;
    email.ok_or_else(|| Error::internal("a missing e-mail passed the checks"))
}

/// What is kept of a code is bound to its address. Six digits are found by trying, so the hash takes a key that is not in
/// the database.
fn sealed(email: &Email, code: &str) -> String {
    format!("{email} {code}")
}
