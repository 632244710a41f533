//! What every face calls: what others see of a user, how that changes, and the end of it.

use std::sync::Arc;

use serde_json::json;

use super::codes::store::Addressee;
use super::images::{Images, Upload, store as images};
use super::model::{Counts, User, UserState};
use super::names;
use super::oversight::note_change;
use super::rules::{self, may_change, user_not_found};
use super::seal::Seals;
use super::service::Users;
use super::standing::Change;
use super::{codes, store};
use crate::kernel::actor::By;
use crate::kernel::check::Check;
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::UserId;
use crate::store::Conn;
use crate::trail::{self, Action, Deed};

/// A user, and what the community sees of them in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// The numbers.
    pub counts: Counts,
}

/// What somebody wants to change of their profile; `None` stays as it is.
#[derive(Debug, Default)]
pub struct ProfileChange {
    /// Another name.
    pub name: Option<String>,
    /// Another greeting.
    pub greeting: Option<String>,
    /// Another image.
    pub image: ImageChange,
}

/// What becomes of a profile's image.
#[derive(Debug, Default)]
pub enum ImageChange {
    /// Nothing.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// What was sent takes its place, if it is an image.
    Replace(Upload),
    /// Something was given that can't be one.
    NotAnImage,
}

impl Users {
    /// A user with their counts; one who has withdrawn is still there, without a name.
    ///
    /// # Errors
    /// `404 user_not_found`.
    pub async fn profile(&self, id: UserId) -> Result<Profile, Error> {
        self.db
            .read(move |conn| {
                let user = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
                Ok(Profile { user, counts: store::counts(conn, id)? })
            })
            .await
    }

    /// Changes what others see of a user, all of it or nothing. The image that was shown before is deleted.
    ///
    /// # Errors
    /// `422` with every fault, `404 user_not_found`, `409 account_deleted`, `503 media_unavailable`.
    pub async fn change_profile(&self, id: UserId, change: ProfileChange) -> Result<User, Error> {
        let mut check = Check::new();
        let name = change.name.map(|name| names::name(&mut check, Some(&name)));
        let greeting = change.greeting.map(|greeting| rules::greeting(&mut check, Some(&greeting)));
        let image = match change.image {
            ImageChange::Keep => None,
            ImageChange::Remove => Some(None),
            ImageChange::Replace(sent) => match self.images.recode(sent).await? {
                Ok(ready) => Some(Some(ready)),
                Err(fault) => {
                    check.noted(fault);
                    None
                }
            },
            ImageChange::NotAnImage => {
                check.noted(super::images::not_an_image());
                None
            }
        };
        check.done()?;

        let image = match image {
            Some(Some(ready)) => {
                let name = Images::fresh_name(&ready);
                let (noted, now) = (name.clone(), self.clock.now());
                self.db.write(move |conn| Ok(images::note_coming(conn, &noted, now)?)).await?;
                self.images.put(&name, ready).await?;
                Some(Some(name))
            }
            other => other.map(|_| None),
        };
        let now = self.clock.now();
        let (user, old) = self
            .db
            .write(move |conn| {
                let before = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
                may_change(&before)?;
                let name = name.as_deref().unwrap_or(&before.name);
                store::set_texts(conn, id, name, greeting.as_deref().unwrap_or(&before.greeting))?;
                let mut old = None;
                if let Some(image) = image {
                    if let Some(name) = &image
                        && !images::forget_unused(conn, name)?
                    {
                        return Err(Error::internal("an image was left behind before its user could show it"));
                    }
                    images::set_image(conn, id, image.as_deref())?;
                    old = before.profile_image;
                    if let Some(old) = &old {
                        images::note_leaving(conn, old, now)?;
                    }
                }
                let user = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
                Ok((user, old))
            })
            .await?;
        if let Some(old) = old {
            self.images.discard(&self.db, old).await;
        }
        Ok(user)
    }

    /// Withdraws a user at their own wish: the number stays, with state `deleted`, and no personal data; every session is gone. Orders stay.
    ///
    /// # Errors
    /// `404 user_not_found`, `409 account_deleted`.
    pub async fn withdraw(&self, id: UserId) -> Result<User, Error> {
        self.end_account(id, None).await
    }

    /// The same from the command line.
    ///
    /// # Errors
    /// Those of [`Self::withdraw`].
    pub async fn delete(&self, id: UserId) -> Result<User, Error> {
        self.end_account(id, Some((Action::UserDelete, By::Console))).await
    }

    /// Begins to erase a user: withdraws them, if they have not withdrawn before, and lets the rest of what is personal about
    /// them go. Gives whether they could still act until now.
    ///
    /// # Errors
    /// `404 user_not_found`.
    pub async fn begin_erasure(&self, id: UserId, by: By) -> Result<bool, Error> {
        let (now, seals) = (self.clock.now(), Arc::clone(&self.seals));
        let (could_act, image) = self
            .commit_in_turn(move |conn| {
                conn.overwriting(|| {
                    let before = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
                    let could_act = before.state != UserState::Deleted;
                    let user = if could_act { end(conn, &before, &seals, now)? } else { before.clone() };
                    // Going on with one that was cut short, or looking again, is no new deed.
                    if store::begin_erasure(conn, id, now)? {
                        let was = json!({ "role": before.role.as_str(), "state": before.state.as_str() });
                        let deed = Deed::new(Action::UserErase, id, json!({ "state": user.state.as_str() }));
                        trail::write(conn, by, now, &deed.instead_of(was))?;
                    }
                    let change = Change::User(id, user.role, user.state);
                    Ok(((could_act, before.profile_image), vec![change]))
                })
            })
            .await?;
        if let Some(image) = image {
            self.images.discard(&self.db, image).await;
        }
        Ok(could_act)
    }

    /// Notes that nothing personal is left of a user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_erasure(&self, id: UserId) -> Result<(), Error> {
        let now = self.clock.now();
        self.db.write(move |conn| Ok(store::end_erasure(conn, id, now)?)).await
    }

    async fn end_account(&self, id: UserId, noted: Option<(Action, By)>) -> Result<User, Error> {
        let (now, seals) = (self.clock.now(), Arc::clone(&self.seals));
        let (user, image) = self
            .commit_in_turn(move |conn| {
                let before = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
                may_change(&before)?;
                let user = end(conn, &before, &seals, now)?;
                if let Some(deed) = noted {
                    note_change(conn, deed, (&before, &user), now)?;
                }
                let change = Change::User(id, user.role, user.state);
                Ok(((user, before.profile_image), vec![change]))
            })
            .await?;
        if let Some(image) = image {
            self.images.discard(&self.db, image).await;
        }
        Ok(user)
    }
}

/// Ends an account: the number stays, and nothing that says whose it was.
fn end(conn: &Conn<'_>, before: &User, seals: &Seals, now: Timestamp) -> Result<User, Error> {
    if let Some(image) = &before.profile_image {
        images::note_leaving(conn, image, now)?;
    }
    if let Some(email) = &before.email {
        codes::store::forget(conn, &Addressee::of(email, seals))?;
    }
    store::erase(conn, before.id, now)?;
    store::by_id(conn, before.id)?.ok_or_else(user_not_found)
}
