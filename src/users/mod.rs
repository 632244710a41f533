//! Accounts and sessions: who somebody is, how they prove it, and how they are locked out.
//!
//! Logging in is expensive on purpose (`password`), asking is cheap on purpose: an access token (`tokens`) is checked
//! against its signature and against `Standing`, the view in memory of who is locked out, who is an admin and which
//! sessions have ended. No request reads the database to find out who is asking.

pub mod http;
mod model;
mod password;
mod rules;
mod secret;
mod service;
mod sessions;
mod standing;
mod store;
mod tokens;

pub use model::{Email, NewUser, SeedUser, Session, User, UserFilter, UserState};
pub use service::Users;
pub use sessions::{LoggedIn, TOKEN_LIFETIME_S_MAX};
