//! Accounts and sessions: who somebody is, how they prove it, and how they are locked out.
//!
//! Logging in is expensive on purpose (`password`), asking is cheap on purpose: an access token (`tokens`) is checked
//! against its signature and against `Standing`, the view in memory of who is locked out, who is an admin and which
//! sessions have ended. No request reads the database to find out who is asking.
//!
//! `refresh` and `seal` are what a session is renewed by; `codes` and `mail` prove that somebody reads an address's mail;
//! `visits` is for people who come with a browser; `oversight` for whoever looks after their accounts; `profile` and `images` are what others see; `tidy` forgets what is over; `gauges` is
//! for whoever watches.

mod codes;
pub mod doc;
mod gauges;
pub mod http;
mod images;
mod mail;
mod model;
mod names;
mod oversight;
mod password;
mod profile;
mod refresh;
mod rules;
mod seal;
mod secret;
mod service;
mod sessions;
mod standing;
mod store;
mod tidy;
mod tokens;
mod visits;

pub use images::Upload;
pub use model::{Counts, Email, NewUser, SeedUser, Session, User, UserFilter, UserSearch, UserState};
pub use names::shown_name;
pub use profile::{ImageChange, Profile, ProfileChange};
pub use rules::{TOKEN_LIFETIME_S_MAX, image_path, session_not_found, user_not_found};
pub use service::Users;
pub use sessions::LoggedIn;
pub use visits::SignedIn;
