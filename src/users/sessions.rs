//! What every face calls: sessions, their tokens, and who is asking.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::model::{Email, User};
use super::refresh::RefreshToken;
use super::rules::{self, Refresh, TOKEN_LIFETIME_S_MAX, invalid_credentials, may_act, may_change, user_not_found};
use super::service::Users;
use super::store::{self, SessionRow};
use super::tokens::{self, Use};
use crate::kernel::actor::{Actor, By};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::{Error, Text};
use crate::kernel::ids::{SessionId, UserId};
use crate::trail::{self, Action, Deed, Kind, Thing};

/// Sessions that one transaction begins, so that others get their turn at the writer.
const SESSIONS_PER_COMMIT: u32 = 10_000;

/// How often the view in memory is read again although nobody changed anything: it forgets what is over.
const REREAD_INTERVAL: Duration = Duration::from_mins(10);

/// How long to wait before the view is read again after that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A login that worked. Not `Debug`: it holds tokens.
pub struct LoggedIn {
    /// Who it was.
    pub user: User,
    /// The access token.
    pub access_token: String,
    /// How long the access token lives, in seconds.
    pub expires_in_s: u32,
    /// The refresh token, for the cookie.
    pub refresh_token: String,
    /// How long the session can be refreshed, in seconds.
    pub refresh_in_s: u32,
}

impl Users {
    /// Who an access token speaks for. Looks at memory only.
    ///
    /// # Errors
    /// `401 token_invalid`, `token_expired` or `session_revoked`, `403 account_blocked` or `account_inactive`.
    pub fn authenticate(&self, token: &str) -> Result<Actor, Error> {
        self.judge(self.tokens.verify(token, Use::Access, self.clock.now())?)
    }

    /// Somebody whose token was good, with the role that they have now. Looks at memory only.
    ///
    /// # Errors
    /// `401 session_revoked`, `403 account_blocked` or `account_inactive`.
    pub fn judge(&self, actor: Actor) -> Result<Actor, Error> {
        self.standing.judge(actor)
    }

    /// Whether somebody whose token was good may still act, for what goes on after the answer has begun: not longer than
    /// the token would let them begin it.
    ///
    /// # Errors
    /// `401 token_expired` or `session_revoked`, `403 account_blocked` or `account_inactive`.
    pub fn may_still_act(&self, actor: Actor) -> Result<(), Error> {
        tokens::lives(actor, self.clock.now())?;
        self.judge(actor).map(drop)
    }

    /// Begins a session for whoever knows the password.
    ///
    /// # Errors
    /// `401 invalid_credentials` for an unknown e-mail or a wrong password, after the same time; `403 account_blocked` or
    /// `account_inactive`, for the right password only; `429 login_busy` when too many wait.
    pub async fn login(&self, email: &str, password: String) -> Result<LoggedIn, Error> {
        let (user, hash) = self.prove(email, password).await?;
        self.begin_session(user, hash).await
    }

    /// Who knows the password, and its hash; the errors are those of [`Self::login`].
    pub(super) async fn prove(&self, email: &str, password: String) -> Result<(User, String), Error> {
        let known = match email.parse::<Email>() {
            Ok(email) => self.user_with_hash(email).await?,
            Err(_) => None,
        };
        let (user, hash) = known.unzip();
        let right = self.passwords.verify(password, hash.clone()).await?;
        let (Some(user), Some(hash), true) = (user, hash, right) else { return Err(invalid_credentials()) };
        may_act(user.state)?;
        Ok((user, hash))
    }

    async fn user_with_hash(&self, email: Email) -> Result<Option<(User, String)>, Error> {
        self.db
            .read(move |conn| {
                let Some(user) = store::by_email(conn, &email)? else { return Ok(None) };
                let hash = store::password_hash(conn, user.id)?;
                Ok(hash.map(|hash| (user, hash)))
            })
            .await
    }

    async fn begin_session(&self, user: User, hash: String) -> Result<LoggedIn, Error> {
        let (now, token) = (self.clock.now(), RefreshToken::fresh(SessionId::fresh()));
        let (user_id, session, refresh_hash) = (user.id, token.session, token.hash());
        let expires_at = now.plus_seconds(i64::from(self.jwt.refresh_hours) * 3600);
        let token_ends_at = now.plus_seconds(self.access_lifetime_s().into()).min(expires_at);
        self.db
            .write(move |conn| {
                conn.concerns(&[]);
                // The password may have been changed while this one was checked; the change has ended every session.
                if store::password_hash(conn, user_id)?.as_ref() != Some(&hash) {
                    return Err(invalid_credentials());
                }
                let row = SessionRow {
                    id: session,
                    user: user_id,
                    refresh_hash: Some(&refresh_hash),
                    created_at: now,
                    expires_at,
                    token_ends_at,
                };
                Ok(store::insert_session(conn, &row)?)
            })
            .await?;
        self.logged_in(user, &token, (now, token_ends_at, expires_at))
    }

    /// Takes a refresh token in exchange for an access token and the next refresh token; the session still ends when it
    /// would have ended. A token that was used before ends its session, and with it every token that came of it.
    ///
    /// # Errors
    /// `401 refresh_invalid`, `refresh_reused` or `session_revoked`, `403 account_blocked` or `account_inactive`.
    pub async fn reissue(&self, token: &str) -> Result<LoggedIn, Error> {
        let presented = RefreshToken::read(token, &self.seals).ok_or_else(rules::refresh_invalid)?;
        let (session, hash) = (presented.session, presented.hash());
        let next = RefreshToken::fresh(session);
        let (now, next_hash) = (self.clock.now(), next.hash());
        let longest = now.plus_seconds(self.access_lifetime_s().into());
        let rotated = self
            .commit(move |conn| {
                let family = store::family(conn, session)?.ok_or_else(rules::session_revoked)?;
                let user = store::by_id(conn, family.user)?.ok_or_else(user_not_found)?;
                may_act(user.state)?;
                match rules::refresh(&family, &hash, now)? {
                    Refresh::Rotate => {
                        let token_ends_at = longest.min(family.expires_at);
                        // A token from before may live longer, when the settings have changed.
                        let last_ends_at = token_ends_at.max(family.token_ends_at);
                        store::set_refresh_hash(conn, session, &next_hash, last_ends_at)?;
                        Ok((Some((user, token_ends_at, family.expires_at)), Vec::new()))
                    }
                    // An answer and no error: the end of the session must be committed.
                    Refresh::Reused => {
                        store::end_session(conn, session, now)?;
                        Ok((None, vec![session]))
                    }
                }
            })
            .await?;
        let Some((user, token_ends_at, expires_at)) = rotated else {
            tracing::warn!(%session, "a refresh token came for the second time; its session was ended");
            return Err(rules::refresh_reused());
        };
        self.logged_in(user, &next, (now, token_ends_at, expires_at))
    }

    /// Signs what somebody gets `now` whose access token and whose session end then.
    fn logged_in(
        &self,
        user: User,
        token: &RefreshToken,
        (now, token_ends_at, expires_at): (Timestamp, Timestamp, Timestamp),
    ) -> Result<LoggedIn, Error> {
        // Rounded up: the cookie must not go before the session does.
        let seconds_until = |end: Timestamp| {
            let seconds = (end.0 - now.0 + 999_999).div_euclid(1_000_000);
            u32::try_from(seconds).unwrap_or(u32::MAX)
        };
        let (expires_in_s, refresh_in_s) = (seconds_until(token_ends_at), seconds_until(expires_at));
        let actor = Actor { user: user.id, role: user.role, session: token.session, token_ends_at };
        let access_token = self.tokens.sign(actor, Use::Access)?;
        Ok(LoggedIn { user, access_token, expires_in_s, refresh_token: token.to_text(&self.seals), refresh_in_s })
    }

    /// Changes the password of whoever knows the present one, and ends every other session of theirs at once; gives how
    /// many that were.
    ///
    /// # Errors
    /// `422` on `newPassword`, or on `currentPassword` when it is wrong; `429 login_busy`.
    pub async fn change_password(
        &self,
        actor: Actor,
        current: Option<String>,
        new: Option<String>,
    ) -> Result<usize, Error> {
        let (current, new) = rules::check_password_change(current, new)?;
        let user = actor.user;
        let known = self.db.read(move |conn| Ok(store::password_hash(conn, user)?)).await?;
        if !self.passwords.verify(current, known.clone()).await? {
            return Err(rules::wrong_current_password());
        }
        let (hash, now) = (self.passwords.hash(new).await?, self.clock.now());
        self.commit(move |conn| {
            // Another change may have come first; then the password that was checked is no longer the current one.
            if store::password_hash(conn, user)? != known {
                return Err(rules::wrong_current_password());
            }
            store::set_password_hash(conn, user, &hash)?;
            let ended = store::end_sessions(conn, user, Some(actor.session), now)?;
            Ok((ended.len(), ended))
        })
        .await
    }

    /// Ends one session; gives how many that were, 1 or 0. Its access tokens stop working at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self, session: SessionId) -> Result<usize, Error> {
        let now = self.clock.now();
        self.commit(move |conn| {
            let ended = store::end_session(conn, session, now)?;
            Ok((usize::from(ended), vec![session]))
        })
        .await
    }

    /// Ends all of a user's sessions; gives how many that were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout_all(&self, user: UserId) -> Result<usize, Error> {
        let now = self.clock.now();
        self.commit(move |conn| {
            let ended = store::end_sessions(conn, user, None, now)?;
            Ok((ended.len(), ended))
        })
        .await
    }

    /// An access token for a user, without a password and without a refresh token: for scripts and tests, from the command
    /// line. It lives `lifetime_s`, or as long as a login's.
    ///
    /// # Errors
    /// `404 user_not_found`, `409 account_deleted`, `403 account_blocked`, `422` on `lifetime`.
    pub async fn token(&self, user: UserId, lifetime_s: Option<u32>) -> Result<String, Error> {
        let life = self.token_life(lifetime_s)?;
        let session = SessionId::fresh();
        let user = self
            .db
            .write(move |conn| {
                let user = store::by_id(conn, user)?.ok_or_else(user_not_found)?;
                may_change(&user)?;
                may_act(user.state)?;
                store::insert_session(conn, &for_one_token(session, user.id, life))?;
                let became = json!({ "session": session.to_string(), "expiresAt": life.1.to_string() });
                trail::write(conn, By::Console, life.0, &Deed::new(Action::UserToken, user.id, became))?;
                Ok(user)
            })
            .await?;
        self.tokens.sign(Actor { user: user.id, role: user.role, session, token_ends_at: life.1 }, Use::Access)
    }

    /// An access token for each active user, by number; gives how many. Tokens are handed on as their sessions are
    /// committed, so memory does not grow with the number of users.
    ///
    /// # Errors
    /// `422` on `lifetime`, what `on_token` returns, and when the database fails.
    pub async fn tokens_for_all(
        &self,
        lifetime_s: Option<u32>,
        mut on_token: impl FnMut(UserId, String) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let life = self.token_life(lifetime_s)?;
        let (mut after, mut count) = (UserId(0), 0);
        loop {
            let actors = self.begin_sessions(after, life).await?;
            let Some(last) = actors.last() else { return Ok(count) };
            after = last.user;
            count += actors.len();
            for actor in actors {
                on_token(actor.user, self.tokens.sign(actor, Use::Access)?)?;
            }
        }
    }

    async fn begin_sessions(&self, after: UserId, life: (Timestamp, Timestamp)) -> Result<Vec<Actor>, Error> {
        self.db
            .write(move |conn| {
                let users = store::active_after(conn, after, SESSIONS_PER_COMMIT.into())?;
                // One entry for all of them, with the first.
                if after == UserId(0) && !users.is_empty() {
                    let deed = Deed::new(
                        Action::UserToken,
                        Thing::all(Kind::User),
                        json!({ "expiresAt": life.1.to_string() }),
                    );
                    trail::write(conn, By::Console, life.0, &deed)?;
                }
                let begin = |(user, role)| {
                    let session = SessionId::fresh();
                    store::insert_session(conn, &for_one_token(session, user, life))?;
                    Ok(Actor { user, role, session, token_ends_at: life.1 })
                };
                users.into_iter().map(begin).collect()
            })
            .await
    }

    /// From when until when a token made on the command line lives.
    fn token_life(&self, lifetime_s: Option<u32>) -> Result<(Timestamp, Timestamp), Error> {
        let lifetime_s = lifetime_s.unwrap_or_else(|| self.access_lifetime_s());
        if !(1..=TOKEN_LIFETIME_S_MAX).contains(&lifetime_s) {
            let detail = Text::made(
                format!("From 1 to {TOKEN_LIFETIME_S_MAX} seconds."),
                format!("1초부터 {TOKEN_LIFETIME_S_MAX}초까지입니다."),
            );
            return Err(Error::invalid_field("lifetime", "out_of_range", detail));
        }
        let now = self.clock.now();
        Ok((now, now.plus_seconds(lifetime_s.into())))
    }

    fn access_lifetime_s(&self) -> u32 {
        self.jwt.access_minutes.saturating_mul(60)
    }

    /// Keeps the view of who may act up to date with what other processes commit; runs until the database is closed.
    pub async fn follow(self: Arc<Self>) {
        let mut changed = self.db.changed_elsewhere();
        loop {
            if let Ok(Err(_closed)) = tokio::time::timeout(REREAD_INTERVAL, changed.changed()).await {
                return;
            }
            while let Err(error) = self.read_standing().await {
                tracing::error!(%error, "reading who is locked out failed; trying again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Reads the view of who may act, again when this process changed something meanwhile. That ends: a change costs a
    /// commit, a read only microseconds.
    pub(super) async fn read_standing(&self) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            let changes = self.standing.changes();
            let exceptions = self.db.read(move |conn| Ok(store::exceptions(conn, now)?)).await?;
            if self.standing.replace(exceptions, changes) {
                return Ok(());
            }
        }
    }
}

/// A session that lives as long as its one token, and can't be refreshed.
pub(super) fn for_one_token(id: SessionId, user: UserId, life: (Timestamp, Timestamp)) -> SessionRow<'static> {
    let (created_at, expires_at) = life;
    SessionRow { id, user, refresh_hash: None, created_at, expires_at, token_ends_at: expires_at }
}
