//! What every face calls that looks after other people's accounts: finding them, changing what they may do, and taking rights
//! away without leaving the shop to nobody. All that changes something is noted in the audit log; what changes nothing is not.

use serde_json::{Value, json};

use super::model::{Session, User, UserSearch, UserState};
use super::rules::{keeps_an_admin, may_change, session_not_found, user_not_found};
use super::service::Users;
use super::standing::Change;
use super::store;
use crate::kernel::actor::{By, Role};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::{Conn, StoreError};
use crate::trail::{self, Action, Deed, changed};

/// Sessions that a part of all of them holds.
const SESSIONS_A_PART: u32 = 1_000;

const FOUND: Cursors = Cursors("found-users");

impl Users {
    /// Users whose names begin as they do in `search`, by name; without a name, all, by number.
    ///
    /// # Errors
    /// `422` for a cursor that is not this list's.
    pub async fn search(&self, search: UserSearch, page: PageRequest) -> Result<Page<User>, Error> {
        let UserSearch { name, filter } = search;
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() {
            return self.list(filter, page).await;
        }
        // The number alone says where it goes on: the name is its user's.
        let after = FOUND.open::<i64>(page.after.as_deref())?.map(UserId);
        let found = self.db.read(move |conn| Ok(store::named(conn, &name, filter, after, page.limit + 1)?)).await?;
        Ok(FOUND.page(found, page.limit, |user| user.id))
    }

    /// A part of all of a user's sessions, the latest first, and where it goes on.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn kept_sessions(
        &self,
        id: UserId,
        before: Option<SessionId>,
    ) -> Result<(Vec<Session>, Option<SessionId>), Error> {
        let part = self.db.read(move |conn| Ok(store::sessions(conn, id, before, SESSIONS_A_PART)?)).await?;
        let next = part.last().map(|session| session.id).filter(|_| part.len() == SESSIONS_A_PART as usize);
        Ok((part, next))
    }

    /// A profile's image, by its name; `None` when it is not where the settings lead to.
    ///
    /// # Errors
    /// `503 media_unavailable`.
    pub async fn image(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.images.read(name).await
    }

    /// Changes what a user may do, from the command line. It counts at once, for tokens made before as well.
    ///
    /// # Errors
    /// `404 user_not_found`, `409 account_deleted`.
    pub async fn set_role(&self, id: UserId, role: Role) -> Result<User, Error> {
        let deed = (Action::UserSetRole, By::Console);
        self.change(id, deed, move |conn, _| Ok(store::set_role(conn, id, role)?)).await
    }

    /// The same, unless that leaves the shop without an admin who can act.
    ///
    /// # Errors
    /// As [`Self::set_role`]; `409 last_admin`.
    pub async fn entrust(&self, id: UserId, role: Role, by: By) -> Result<User, Error> {
        self.change(id, (Action::UserSetRole, by), move |conn, user| {
            if role != Role::Admin {
                keeps_an_admin(user, store::other_admins(conn, id)?)?;
            }
            Ok(store::set_role(conn, id, role)?)
        })
        .await
    }

    /// Locks a user out at once, from the command line. Sessions are kept, for [`Self::unblock`].
    ///
    /// # Errors
    /// `404 user_not_found`, `409 account_deleted`.
    pub async fn block(&self, id: UserId) -> Result<User, Error> {
        let deed = (Action::UserBlock, By::Console);
        self.change(id, deed, move |conn, _| Ok(store::set_state(conn, id, UserState::Blocked)?)).await
    }

    /// The same, unless that leaves the shop without an admin who can act.
    ///
    /// # Errors
    /// As [`Self::block`]; `409 last_admin`.
    pub async fn lock_out(&self, id: UserId, by: By) -> Result<User, Error> {
        self.change(id, (Action::UserBlock, by), move |conn, user| {
            keeps_an_admin(user, store::other_admins(conn, id)?)?;
            Ok(store::set_state(conn, id, UserState::Blocked)?)
        })
        .await
    }

    /// Lets a blocked user in again, from the command line; one who is not blocked stays as they are.
    ///
    /// # Errors
    /// `404 user_not_found`, `409 account_deleted`.
    pub async fn unblock(&self, id: UserId) -> Result<User, Error> {
        self.let_in(id, By::Console).await
    }

    /// The same for whoever it is.
    ///
    /// # Errors
    /// Those of [`Self::unblock`].
    pub async fn let_in(&self, id: UserId, by: By) -> Result<User, Error> {
        self.change(id, (Action::UserUnblock, by), move |conn, user| {
            if user.state == UserState::Blocked {
                store::set_state(conn, id, UserState::Active)?;
            }
            Ok(())
        })
        .await
    }

    /// Ends one session of a user; one that has ended stays as it is.
    ///
    /// # Errors
    /// `404 session_not_found` when the user has no such session.
    pub async fn revoke(&self, user: UserId, session: SessionId, by: By) -> Result<(), Error> {
        let now = self.clock.now();
        self.commit(move |conn| {
            if !store::has_session(conn, user, session)? {
                return Err(session_not_found());
            }
            if store::end_session(conn, session, now)? {
                let became = json!({ "endedSessions": 1, "session": session.to_string() });
                trail::write(conn, by, now, &Deed::new(Action::UserRevoke, user, became))?;
            }
            Ok(((), vec![session]))
        })
        .await
    }

    /// Ends all of a user's sessions; gives how many that were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_all(&self, user: UserId, by: By) -> Result<usize, Error> {
        let now = self.clock.now();
        self.commit(move |conn| {
            let ended = store::end_sessions(conn, user, None, now)?;
            if !ended.is_empty() {
                let became = json!({ "endedSessions": ended.len() });
                trail::write(conn, by, now, &Deed::new(Action::UserRevoke, user, became))?;
            }
            Ok((ended.len(), ended))
        })
        .await
    }

    async fn change<F>(&self, id: UserId, (action, by): (Action, By), change: F) -> Result<User, Error>
    where
        F: FnOnce(&Conn<'_>, &User) -> Result<(), Error> + Send + 'static,
    {
        let now = self.clock.now();
        self.commit_in_turn(move |conn| {
            let before = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
            may_change(&before)?;
            change(conn, &before)?;
            let user = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
            note_change(conn, (action, by), (&before, &user), now)?;
            let change = Change::User(id, user.role, user.state);
            Ok((user, vec![change]))
        })
        .await
    }
}

/// Writes down what somebody may do since, if it is something else than before.
pub(super) fn note_change(
    conn: &Conn<'_>,
    (action, by): (Action, By),
    (before, user): (&User, &User),
    now: Timestamp,
) -> Result<(), StoreError> {
    match changed(shown(before), shown(user)) {
        Some((was, became)) => trail::write(conn, by, now, &Deed::new(action, user.id, became).instead_of(was)),
        None => Ok(()),
    }
}

/// What the audit log tells of a user: nothing that says who it is.
fn shown(user: &User) -> Value {
    json!({ "role": user.role.as_str(), "state": user.state.as_str() })
}
