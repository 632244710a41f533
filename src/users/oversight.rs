//! What every face calls that looks after other people's accounts: finding them, and taking rights away without leaving the
//! shop to nobody.

use super::model::{User, UserSearch, UserState};
use super::rules::keeps_an_admin;
use super::service::Users;
use super::store;
use crate::kernel::actor::Role;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::kernel::page::{Cursors, Page, PageRequest};

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

    /// Changes what a user may do, unless that leaves the shop without an admin who can act.
    ///
    /// # Errors
    /// As [`Self::set_role`]; `409 last_admin`.
    pub async fn entrust(&self, id: UserId, role: Role) -> Result<User, Error> {
        self.change(id, move |conn, user| {
            if role != Role::Admin {
                keeps_an_admin(user, store::other_admins(conn, id)?)?;
            }
            Ok(store::set_role(conn, id, role)?)
        })
        .await
    }

    /// Locks a user out at once, unless that leaves the shop without an admin who can act.
    ///
    /// # Errors
    /// As [`Self::block`]; `409 last_admin`.
    pub async fn lock_out(&self, id: UserId) -> Result<User, Error> {
        self.change(id, move |conn, user| {
            keeps_an_admin(user, store::other_admins(conn, id)?)?;
            Ok(store::set_state(conn, id, UserState::Blocked)?)
        })
        .await
    }
}
