//! Who may act, in memory: who is locked out, who is an admin, and which sessions have ended.
//!
//! It holds the exceptions only, so it stays small however many users there are. This process's own changes are applied
//! after their commit; another process's are seen when the whole view is read again.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::model::UserState;
use super::rules::{may_act, session_revoked};
use crate::kernel::actor::{Actor, Role};
use crate::kernel::error::Error;
use crate::kernel::ids::{SessionId, UserId};

/// The exceptions, as one snapshot of the database shows them.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    /// Users who are not active.
    pub(super) locked_out: HashMap<UserId, UserState>,
    /// Users who are admins.
    pub(super) admins: HashSet<UserId>,
    /// Sessions that were ended while an access token of theirs may still live.
    pub(super) ended: HashSet<SessionId>,
}

/// What a commit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// What a user may do now.
    User(UserId, Role, UserState),
    /// A session is over.
    SessionEnded(SessionId),
}

/// The view that every request is held against.
#[derive(Debug, Default)]
pub(super) struct Standing {
    view: RwLock<View>,
}

#[derive(Debug, Default)]
struct View {
    exceptions: Exceptions,
    /// Counts this process's own changes: a snapshot taken before one of them must not undo it.
    changes: u64,
}

impl Standing {
    /// The actor with the role that it has now, which may not be its token's.
    ///
    /// # Errors
    /// `401 session_revoked`, `403 account_blocked` or `account_inactive`.
    pub(super) fn judge(&self, actor: Actor) -> Result<Actor, Error> {
        let Exceptions { locked_out, admins, ended } = &self.read().exceptions;
        if let Some(state) = locked_out.get(&actor.user) {
            may_act(*state)?;
        }
        if ended.contains(&actor.session) {
            return Err(session_revoked());
        }
        let role = if admins.contains(&actor.user) { Role::Admin } else { Role::User };
        Ok(Actor { role, ..actor })
    }

    /// Applies committed changes. Those of one user must come in their order; sessions end in any.
    pub(super) fn apply(&self, changes: &[Change]) {
        if changes.is_empty() {
            return; // a snapshot that is being read stays good
        }
        let mut view = self.write();
        view.changes += 1;
        let Exceptions { locked_out, admins, ended } = &mut view.exceptions;
        for change in changes {
            match *change {
                Change::SessionEnded(session) => drop(ended.insert(session)),
                Change::User(user, role, state) => {
                    match state {
                        UserState::Active => locked_out.remove(&user),
                        _ => locked_out.insert(user, state),
                    };
                    match role {
                        Role::Admin => admins.insert(user),
                        Role::User => admins.remove(&user),
                    };
                }
            }
        }
    }

    /// How many changes this process has applied; [`Self::replace`] wants the number from before its snapshot.
    pub(super) fn changes(&self) -> u64 {
        self.read().changes
    }

    /// Takes a snapshot's exceptions in place of the view, unless this process has changed something since `changes`
    /// were counted. Gives whether it did.
    pub(super) fn replace(&self, exceptions: Exceptions, changes: u64) -> bool {
        let mut view = self.write();
        if view.changes != changes {
            return false;
        }
        view.exceptions = exceptions;
        true
    }

    // Nothing in here can panic halfway through a change, so a poisoned lock still guards a whole view.
    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::Timestamp;

    fn ann() -> Actor {
        Actor { user: UserId(1), role: Role::User, session: SessionId::fresh(), token_ends_at: Timestamp(1) }
    }

    #[test]
    fn the_role_is_todays_and_not_the_tokens() {
        let (standing, ann) = (Standing::default(), ann());
        standing.apply(&[Change::User(ann.user, Role::Admin, UserState::Active)]);
        assert_eq!(standing.judge(ann).unwrap().role, Role::Admin);
        standing.apply(&[Change::User(ann.user, Role::User, UserState::Active)]);
        assert_eq!(standing.judge(Actor { role: Role::Admin, ..ann }).unwrap().role, Role::User);
    }

    #[test]
    fn somebody_locked_out_may_come_back() {
        let (standing, ann) = (Standing::default(), ann());
        for (state, code) in [
            (UserState::Blocked, "account_blocked"),
            (UserState::Inactive, "account_inactive"),
            (UserState::Deleted, "session_revoked"),
        ] {
            standing.apply(&[Change::User(ann.user, Role::User, state)]);
            assert_eq!(standing.judge(ann).unwrap_err().code(), code);
        }
        standing.apply(&[Change::User(ann.user, Role::User, UserState::Active)]);
        assert!(standing.judge(ann).is_ok());
    }

    #[test]
    fn a_snapshot_from_before_a_change_does_not_undo_it() {
        let (standing, ann) = (Standing::default(), ann());
        let before = standing.changes();
        standing.apply(&[Change::SessionEnded(ann.session)]);
        assert!(!standing.replace(Exceptions::default(), before));
        assert_eq!(standing.judge(ann).unwrap_err().code(), "session_revoked");
        assert!(standing.replace(Exceptions::default(), standing.changes()));
        assert!(standing.judge(ann).is_ok());
    }
}
