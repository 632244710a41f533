//! `preorder user`: accounts, from the console of the machine that runs the sale.

use serde::Serialize;

use super::output::Table;
use super::password::PasswordArgs;
use crate::kernel::actor::Role;
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{SessionId, UserId};

/// What `user` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Add a user.
    Add(AddArgs),
    /// List the users.
    List,
    /// Show one user.
    Show(WhoArgs),
    /// Make somebody an admin, or a user again.
    SetRole(SetRoleArgs),
    /// Give a user another password; every session of theirs ends.
    SetPassword(SetPasswordArgs),
    /// Lock a user out; every session of theirs ends at once.
    Block(WhoArgs),
    /// Let a blocked user in again.
    Unblock(WhoArgs),
    /// Withdraw a user: the account ends and its e-mail is forgotten, its orders stay.
    Delete(WhoArgs),
    /// List a user's sessions.
    Sessions(WhoArgs),
    /// Print an access token, for scripts and tests against a local server.
    Token(TokenArgs),
}

/// One user.
#[derive(Debug, clap::Args)]
pub(super) struct WhoArgs {
    /// The user's e-mail address.
    pub(super) email: String,
}

/// What `user add` takes.
#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// The e-mail address to log in with.
    #[arg(long)]
    pub(super) email: String,
    /// The name that others see.
    #[arg(long)]
    pub(super) name: String,
    /// What the user may do.
    #[arg(long, value_parser = role(), default_value = "user")]
    pub(super) role: Role,
    /// A line about the user.
    #[arg(long, default_value = "")]
    pub(super) greeting: String,
    #[command(flatten)]
    pub(super) password: PasswordArgs,
}

/// What `user set-role` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SetRoleArgs {
    #[command(flatten)]
    pub(super) who: WhoArgs,
    /// What the user may do from now on.
    #[arg(value_parser = role())]
    pub(super) role: Role,
}

/// What `user set-password` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SetPasswordArgs {
    #[command(flatten)]
    pub(super) who: WhoArgs,
    #[command(flatten)]
    pub(super) password: PasswordArgs,
}

/// What `user token` takes: one user, or all of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct TokenArgs {
    /// The user's e-mail address.
    pub(super) email: Option<String>,
    /// Print a token for every active user, one a line.
    #[arg(long)]
    pub(super) all: bool,
}

fn role() -> impl clap::builder::TypedValueParser<Value = Role> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new([Role::User.as_str(), Role::Admin.as_str()])
        .try_map(|text| text.parse::<Role>())
}

/// A user, as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: i64,
    name: String,
    /// `null` once the user has withdrawn.
    email: Option<String>,
    greeting: String,
    role: &'static str,
    state: &'static str,
    created_at: String,
}

impl UserView {
    pub(super) fn new(
        id: UserId,
        (email, name, greeting): (Option<&str>, &str, &str),
        role: Role,
        state: &'static str,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id: id.0,
            name: name.to_owned(),
            email: email.map(str::to_owned),
            greeting: greeting.to_owned(),
            role: role.as_str(),
            state,
            created_at: created_at.to_string(),
        }
    }

    fn email(&self) -> String {
        self.email.clone().unwrap_or_else(|| "-".to_owned())
    }
}

/// A session, as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    id: String,
    state: &'static str,
    created_at: String,
    expires_at: String,
}

impl SessionView {
    /// `now` tells a session that expired from one that is live.
    pub(super) fn new(
        id: SessionId,
        created_at: Timestamp,
        expires_at: Timestamp,
        revoked: bool,
        now: Timestamp,
    ) -> Self {
        let state = match (revoked, now < expires_at) {
            (true, _) => "revoked",
            (false, true) => "live",
            (false, false) => "expired",
        };
        Self { id: id.to_string(), state, created_at: created_at.to_string(), expires_at: expires_at.to_string() }
    }
}

/// `user list` for people.
pub(super) fn user_table(users: &[UserView]) -> Table {
    let mut table = Table::new(&["id", "email", "name", "role", "state", "created"]).numbers([0]);
    for user in users {
        let (id, role, state) = (user.id.to_string(), user.role.to_owned(), user.state.to_owned());
        table.row([id, user.email(), user.name.clone(), role, state, user.created_at.clone()]);
    }
    table
}

/// `user show` for people: a line for each fact.
pub(super) fn user_sheet(user: &UserView) -> Table {
    let mut table = Table::untitled();
    for (name, value) in [
        ("id", user.id.to_string()),
        ("email", user.email()),
        ("name", user.name.clone()),
        ("greeting", user.greeting.clone()),
        ("role", user.role.to_owned()),
        ("state", user.state.to_owned()),
        ("created", user.created_at.clone()),
    ] {
        table.row([name.to_owned(), value]);
    }
    table
}

/// `user sessions` for people.
pub(super) fn session_table(sessions: &[SessionView]) -> Table {
    let mut table = Table::new(&["id", "state", "created", "expires"]);
    for session in sessions {
        let (state, created) = (session.state.to_owned(), session.created_at.clone());
        table.row([session.id.clone(), state, created, session.expires_at.clone()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(line.split_whitespace()).map(|line| line.args)
    }

    #[test]
    fn lines_from_the_contract_are_understood() {
        let add = parse("user add --email a@b.c --name Ann --role admin --password-stdin --greeting Hi").unwrap();
        assert!(matches!(add, Args::Add(AddArgs { role: Role::Admin, .. })));
        assert!(matches!(parse("user set-role a@b.c user").unwrap(), Args::SetRole(_)));
        assert!(matches!(parse("user token a@b.c").unwrap(), Args::Token(TokenArgs { all: false, .. })));
        assert!(matches!(parse("user token --all").unwrap(), Args::Token(TokenArgs { all: true, .. })));
        for wrong in ["user token", "user token a@b.c --all", "user add --name Ann", "user set-role a@b.c king"] {
            parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn passwords_are_never_an_argument() {
        parse("user set-password a@b.c --password secret").unwrap_err();
        parse("user set-password a@b.c secret").unwrap_err();
    }

    #[test]
    fn tables_line_up_in_both_languages() {
        let user = |id, email, name| {
            UserView::new(UserId(id), (email, name, "Hi"), Role::User, "active", Timestamp(1_700_000_000_000_000))
        };
        let users = [user(1, Some("1@naver.com"), "홍길동"), user(12, None, "Ann")];
        insta::assert_snapshot!(user_table(&users), @r"
        ID  EMAIL        NAME    ROLE  STATE   CREATED
         1  1@naver.com  홍길동  user  active  2023-11-14T22:13:20Z
        12  -            Ann     user  active  2023-11-14T22:13:20Z
        ");
        insta::assert_snapshot!(user_sheet(&users[0]), @r"
        id        1
        email     1@naver.com
        name      홍길동
        greeting  Hi
        role      user
        state     active
        created   2023-11-14T22:13:20Z
        ");
    }

    #[test]
    fn a_session_is_live_until_it_expires_or_is_revoked() {
        let state = |revoked, now| {
            SessionView::new(SessionId::fresh(), Timestamp(0), Timestamp(10), revoked, Timestamp(now)).state
        };
        assert_eq!([state(false, 9), state(false, 10), state(true, 9)], ["live", "expired", "revoked"]);
    }
}
