//! What the pages call: signing in with a browser, who a page's cookie speaks for, and the seals of forms.
//!
//! A browser's session lives as long as its one token, which is no access token and can't be refreshed: two tabs that ask at
//! the same time would else be taken for a thief and the robbed. It ends like any other, at once.

use super::model::User;
use super::seal::Purpose;
use super::sessions::for_one_token;
use super::tokens::{Use, hex, unhex};
use super::{Users, rules, store};
use crate::kernel::actor::Actor;
use crate::kernel::error::Error;
use crate::kernel::ids::SessionId;

/// A browser that was signed in. Not `Debug`: it holds a token.
pub struct SignedIn {
    /// Who it was.
    pub user: User,
    /// What the cookie holds.
    pub token: String,
    /// How long it is good, in seconds.
    pub expires_in_s: u32,
}

impl Users {
    /// Begins a browser's session for whoever knows the password. It ends when a login's would.
    ///
    /// # Errors
    /// As [`Self::login`].
    pub async fn sign_in(&self, email: &str, password: String) -> Result<SignedIn, Error> {
        let (user, hash) = self.prove(email, password).await?;
        let (now, session, expires_in_s) = (self.clock.now(), SessionId::fresh(), self.jwt.refresh_hours * 3600);
        let ends_at = now.plus_seconds(i64::from(expires_in_s));
        let user_id = user.id;
        self.db
            .write(move |conn| {
                conn.concerns(&[]);
                // The password may have been changed while this one was checked; the change has ended every session.
                if store::password_hash(conn, user_id)?.as_ref() != Some(&hash) {
                    return Err(rules::invalid_credentials());
                }
                Ok(store::insert_session(conn, &for_one_token(session, user_id, (now, ends_at)))?)
            })
            .await?;
        let actor = Actor { user: user.id, role: user.role, session, token_ends_at: ends_at };
        Ok(SignedIn { token: self.tokens.sign(actor, Use::Page)?, user, expires_in_s })
    }

    /// Who a page's cookie speaks for. Looks at memory only.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn authenticate_page(&self, token: &str) -> Result<Actor, Error> {
        self.judge(self.tokens.verify(token, Use::Page, self.clock.now())?)
    }

    /// Seals a form for whoever is known by `visitor`, so that no other site can make one.
    #[must_use]
    pub fn seal_form(&self, visitor: &str) -> String {
        hex(&self.seals.of(Purpose::Form, visitor))
    }

    /// Whether a form was sealed for whoever is known by `visitor`.
    #[must_use]
    pub fn is_sealed_form(&self, visitor: &str, seal: &str) -> bool {
        unhex::<32>(seal).is_some_and(|seal| self.seals.fits(Purpose::Form, visitor, &seal))
    }

    /// Whether cookies go over TLS only, as the settings say.
    #[must_use]
    pub fn wants_secure_cookies(&self) -> bool {
        self.jwt.secure_cookies
    }
}
