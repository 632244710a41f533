//! What every face calls: accounts. Sessions and tokens are in `sessions`.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Mutex;

use super::codes::store::{self as codes, Addressee};
use super::gauges::Counted;
use super::images::Images;
use super::mail::Mailer;
use super::model::{NewUser, SeedUser, Session, User, UserFilter, UserState};
use super::password::PasswordPool;
use super::rules::{check_new_user, check_password, email_not_verified, email_taken, may_change, user_not_found};
use super::seal::Seals;
use super::standing::{Change, Standing};
use super::store::{self, UserRow};
use super::tokens::Tokens;
use super::{Email, secret};
use crate::config::{Config, JwtConfig};
use crate::kernel::actor::{By, Role};
use crate::kernel::clock::Clock;
use crate::kernel::error::Error;
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::page::{Cursors, Page, PageRequest};
use crate::store::{Conn, Db};
use crate::trail::{self, Action, Deed};

/// Rows that a seeding transaction adds, so that others get their turn at the writer.
const SEED_ROWS_MAX: usize = 5_000;

/// Sessions that a list shows.
const SESSIONS_SHOWN_MAX: u32 = 100;

const CURSORS: Cursors = Cursors("users");

/// Accounts and sessions.
pub struct Users {
    pub(super) db: Db,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) jwt: JwtConfig,
    pub(super) passwords: PasswordPool,
    pub(super) tokens: Tokens,
    pub(super) seals: Arc<Seals>,
    pub(super) mailer: Mailer,
    signup_verified_email: bool,
    pub(super) images: Images,
    pub(super) standing: Arc<Standing>,
    pub(super) counted: Arc<Counted>,
    /// Held by a change of what somebody may do from its commit until the view in memory shows it.
    turn: Arc<Mutex<()>>,
}

impl Users {
    /// Opens the room: reads or makes the signing secret, starts the hashing threads, and reads who is locked out.
    ///
    /// # Errors
    /// When the secret or the password parameters are no good, or the database does not answer.
    pub async fn open(db: Db, clock: Arc<dyn Clock>, config: &Config) -> Result<Self, Error> {
        let (set, location) = (config.jwt.secret.clone(), config.db.clone());
        let secret = tokio::task::spawn_blocking(move || secret::open(set.as_deref(), &location))
            .await
            .map_err(|panic| Error::internal(format!("opening the signing secret: {panic}")))??;
        let users = Self {
            db,
            clock,
            jwt: config.jwt.clone(),
            passwords: PasswordPool::start(&config.password)?,
            tokens: Tokens::new(&secret),
            seals: Arc::new(Seals::new(&secret)),
            mailer: Mailer::start(&config.mail)?,
            signup_verified_email: config.signup_verified_email,
            images: Images::open(&config.media)?,
            standing: Arc::default(),
            counted: Arc::default(),
            turn: Arc::default(),
        };
        users.read_standing().await?;
        Ok(users)
    }

    /// Makes an account for somebody; when the settings ask for it, only for who proved to read the address's mail.
    ///
    /// # Errors
    /// As [`Self::add`], and `403 email_not_verified`.
    pub async fn sign_up(&self, new: NewUser) -> Result<User, Error> {
        self.add_proven(new, Role::User, self.signup_verified_email, None).await
    }

    /// Whether only those may sign up who proved to read the address's mail.
    #[must_use]
    pub fn wants_verified_email(&self) -> bool {
        self.signup_verified_email
    }

    /// Adds a user, from the command line.
    ///
    /// # Errors
    /// `422` with every fault, `409 email_taken`, `429 login_busy` when too many passwords wait to be hashed.
    pub async fn add(&self, new: NewUser, role: Role) -> Result<User, Error> {
        self.add_proven(new, role, false, Some(By::Console)).await
    }

    /// The same for a seeding, which has an entry in the audit log for all that it adds.
    ///
    /// # Errors
    /// Those of [`Self::add`].
    pub async fn seed(&self, new: NewUser, role: Role) -> Result<User, Error> {
        self.add_proven(new, role, false, None).await
    }

    async fn add_proven(&self, new: NewUser, role: Role, needs_proof: bool, noted: Option<By>) -> Result<User, Error> {
        let checked = check_new_user(new)?;
        let hash = self.passwords.hash(checked.password).await?;
        let (created_at, addressee) = (self.clock.now(), Addressee::of(&checked.email, &self.seals));
        let work = move |conn: &Conn<'_>| {
            // Before anything is said about the address: only who reads its mail may learn that it is taken.
            if needs_proof && !codes::take_proof(conn, &addressee, created_at)? {
                return Err(email_not_verified());
            }
            let row = UserRow {
                email: &checked.email,
                name: &checked.name,
                greeting: &checked.greeting,
                password_hash: &hash,
                role,
                created_at,
            };
            let id = store::insert(conn, &row)?.ok_or_else(email_taken)?;
            if let Some(by) = noted {
                let became = json!({ "role": role.as_str() });
                trail::write(conn, by, created_at, &Deed::new(Action::UserAdd, id, became))?;
            }
            store::by_id(conn, id)?.ok_or_else(user_not_found)
        };
        match role {
            // Nothing about a user is an exception, so there is nothing to show.
            Role::User => self.commit(move |conn| Ok((work(conn)?, Vec::new()))).await,
            Role::Admin => {
                let shown = |user: User| (user.clone(), vec![Change::User(user.id, user.role, user.state)]);
                self.commit_in_turn(move |conn| work(conn).map(shown)).await
            }
        }
    }

    /// The hash of a password that many seed users share; see [`Self::add_many`].
    ///
    /// # Errors
    /// `422` for a password that nobody may have, `429 login_busy`.
    pub async fn hash_password(&self, password: String) -> Result<String, Error> {
        self.passwords.hash(check_password(password)?).await
    }

    /// Adds seed users, skipping those whose e-mail is there already; gives how many were added.
    ///
    /// # Errors
    /// When the database fails; what was added before stays.
    pub async fn add_many(&self, users: Vec<SeedUser>, password_hash: &str) -> Result<usize, Error> {
        let mut added = 0;
        let mut users = users.into_iter();
        loop {
            let rows: Vec<_> = users.by_ref().take(SEED_ROWS_MAX).collect();
            if rows.is_empty() {
                return Ok(added);
            }
            added += self.add_some(rows, password_hash.to_owned()).await?;
        }
    }

    async fn add_some(&self, users: Vec<SeedUser>, password_hash: String) -> Result<usize, Error> {
        let created_at = self.clock.now();
        self.commit_in_turn(move |conn| {
            let mut changes = Vec::new();
            for SeedUser { email, name, greeting, role } in &users {
                let (role, password_hash) = (*role, &*password_hash);
                let row = UserRow { email, name, greeting, password_hash, role, created_at };
                let id = store::insert(conn, &row)?;
                changes.extend(id.map(|id| Change::User(id, role, UserState::Active)));
            }
            Ok((changes.len(), changes))
        })
        .await
    }

    /// Users by number.
    ///
    /// # Errors
    /// `422` for a cursor that is not this list's.
    pub async fn list(&self, filter: UserFilter, page: PageRequest) -> Result<Page<User>, Error> {
        let after = UserId(CURSORS.open(page.after.as_deref())?.unwrap_or_default());
        let users = self.db.read(move |conn| Ok(store::list(conn, filter, after, page.limit + 1)?)).await?;
        Ok(CURSORS.page(users, page.limit, |user| user.id))
    }

    /// Every active user, by number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn active(&self) -> Result<Vec<UserId>, Error> {
        let users = self.db.read(|conn| Ok(store::active_after(conn, UserId(0), i64::MAX)?)).await?;
        Ok(users.into_iter().map(|(user, _)| user).collect())
    }

    /// The user with this number.
    ///
    /// # Errors
    /// `404 user_not_found`.
    pub async fn get(&self, id: UserId) -> Result<User, Error> {
        self.db.read(move |conn| store::by_id(conn, id)?.ok_or_else(user_not_found)).await
    }

    /// The user with this e-mail or number, as somebody typed it.
    ///
    /// # Errors
    /// `404 user_not_found`.
    pub async fn find(&self, typed: &str) -> Result<User, Error> {
        if let Ok(number) = typed.parse() {
            return self.get(UserId(number)).await;
        }
        let email: Email = typed.parse().map_err(|_| user_not_found())?;
        self.db.read(move |conn| store::by_email(conn, &email)?.ok_or_else(user_not_found)).await
    }

    /// A user's latest sessions, the newest first.
    ///
    /// # Errors
    /// `404 user_not_found`.
    pub async fn sessions(&self, id: UserId) -> Result<Vec<Session>, Error> {
        self.db
            .read(move |conn| {
                store::by_id(conn, id)?.ok_or_else(user_not_found)?;
                Ok(store::sessions(conn, id, None, SESSIONS_SHOWN_MAX)?)
            })
            .await
    }

    /// Changes a password and ends all of the user's sessions, from the command line.
    ///
    /// # Errors
    /// `422` on `password`, `404 user_not_found`, `409 account_deleted`, `429 login_busy`.
    pub async fn set_password(&self, id: UserId, password: String) -> Result<User, Error> {
        let hash = self.passwords.hash(check_password(password)?).await?;
        let now = self.clock.now();
        self.commit(move |conn| {
            let user = store::by_id(conn, id)?.ok_or_else(user_not_found)?;
            may_change(&user)?;
            store::set_password_hash(conn, id, &hash)?;
            let ended = store::end_sessions(conn, id, None, now)?;
            let became = json!({ "endedSessions": ended.len() });
            trail::write(conn, By::Console, now, &Deed::new(Action::UserSetPassword, id, became))?;
            Ok((user, ended))
        })
        .await
    }

    /// Commits `work`, which changes what somebody may do, and shows it to the next request. Two such commits do not
    /// overlap, so that the changes of one user arrive in memory in their order; there are few of them.
    pub(super) async fn commit_in_turn<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<(T, Vec<Change>), Error> + Send + 'static,
    {
        let (turn, commit) = (Arc::clone(&self.turn), self.committing(work));
        self::seen_through(async move {
            let _turn = turn.lock().await;
            commit.await
        })
        .await
    }

    /// Commits `work`, which may end sessions, and shows that to the next request. What has ended stays so: such commits
    /// may come in any order, and those that wait together share one.
    pub(super) async fn commit<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<(T, Vec<SessionId>), Error> + Send + 'static,
    {
        let ended = |(value, ended): (T, Vec<_>)| (value, ended.into_iter().map(Change::SessionEnded).collect());
        let work = move |conn: &Conn<'_>| {
            conn.concerns(&[]); // nobody else is shown anything of it
            work(conn).map(ended)
        };
        self::seen_through(self.committing(work)).await
    }

    fn committing<T, F>(&self, work: F) -> impl Future<Output = Result<T, Error>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Conn<'_>) -> Result<(T, Vec<Change>), Error> + Send + 'static,
    {
        let (db, standing) = (self.db.clone(), Arc::clone(&self.standing));
        async move {
            let (value, changes) = db.write(work).await?;
            standing.apply(&changes);
            Ok(value)
        }
    }
}

/// Runs a commit as a task of its own: a client that hangs up after it must not leave the memory behind the database.
async fn seen_through<T: Send + 'static>(
    commit: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(commit).await.map_err(|error| Error::internal(format!("changing a user: {error}")))?
}
