//! `preorder user`: accounts, from the console of the machine that runs the sale.

use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use super::output::{self, Items, Table, fields};
use super::password::PasswordArgs;
use super::personal::{self, EraseArgs, ExportArgs};
use crate::app::App;
use crate::kernel::actor::{By, Role};
use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::kernel::ids::{SessionId, UserId};
use crate::kernel::page::PageRequest;
use crate::users::http::{ProfileView, UserView};
use crate::users::{Email, NewUser, Session, User, UserFilter};

/// Users that a list reads at a time.
const LIST_PAGE: u32 = 1_000;

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
    /// Lock a user out at once; their sessions are of no use until they are let in again.
    Block(WhoArgs),
    /// Let a blocked user in again.
    Unblock(WhoArgs),
    /// Withdraw a user: nothing personal is left of the account, its orders stay.
    Delete(WhoArgs),
    /// List a user's sessions, and end one or all of them.
    Sessions(SessionsArgs),
    /// Hand out all that is kept of a user, as one JSON document.
    Export(ExportArgs),
    /// Withdraw a user, and erase all that is personal: what they wrote, their likes, follows and image. Orders stay.
    Erase(EraseArgs),
    /// Print an access token, for scripts and tests against a local server.
    Token(TokenArgs),
}

/// One user.
#[derive(Debug, clap::Args)]
pub(super) struct WhoArgs {
    /// The user's e-mail address, or number.
    #[arg(value_name = "EMAIL", value_parser = somebody)]
    pub(super) user: String,
}

/// What `user sessions` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SessionsArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// End this session at once, and list what there is then.
    #[arg(long, value_name = "ID", conflicts_with = "revoke_all")]
    revoke: Option<SessionId>,
    /// End every session at once, and list what there is then.
    #[arg(long)]
    revoke_all: bool,
}

/// What `user add` takes.
#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// The e-mail address to log in with.
    #[arg(long)]
    email: String,
    /// The name that others see.
    #[arg(long)]
    name: String,
    /// What the user may do.
    #[arg(long, value_parser = role(), default_value = "user")]
    role: Role,
    /// A line about the user.
    #[arg(long, default_value = "")]
    greeting: String,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What `user set-role` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SetRoleArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// What the user may do from now on.
    #[arg(value_parser = role())]
    role: Role,
}

/// What `user set-password` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SetPasswordArgs {
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What `user token` takes: one user, or all of them.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct TokenArgs {
    /// The user's e-mail address, or number.
    #[arg(value_name = "EMAIL", value_parser = somebody)]
    user: Option<String>,
    /// Print a token for every active user, one a line.
    #[arg(long)]
    all: bool,
}

/// What can name a user, as it was typed.
pub(super) fn somebody(typed: &str) -> Result<String, &'static str> {
    let names = typed.parse::<i64>().is_ok() || typed.parse::<Email>().is_ok();
    if names { Ok(typed.to_owned()) } else { Err("an e-mail address, such as ann@example.com, or a user's number") }
}

fn role() -> impl clap::builder::TypedValueParser<Value = Role> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new([Role::User.as_str(), Role::Admin.as_str()])
        .try_map(|text| text.parse::<Role>())
}

/// Runs it.
///
/// # Errors
/// What the services refuse.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    // Before anything is awaited: see `password`.
    let password = match &args {
        Args::Add(AddArgs { password, .. }) | Args::SetPassword(SetPasswordArgs { password, .. }) => {
            Some(password.new_password()?)
        }
        Args::Erase(args) => {
            args.ask()?;
            None
        }
        _ => None,
    };
    let app = context.app().await?;
    let id = async |WhoArgs { user }: WhoArgs| app.users.find(&user).await.map(|user| user.id);
    let changed = match args {
        Args::Add(AddArgs { email, name, role, greeting, .. }) => {
            let new = NewUser { email: Some(email), name: Some(name), password, greeting: Some(greeting) };
            app.users.add(new, role).await.map_err(Failure::of_values)?
        }
        Args::List => return list(context, &app).await,
        Args::Sessions(SessionsArgs { who, revoke, revoke_all }) => {
            let user = id(who).await?;
            if let Some(session) = revoke {
                app.users.revoke(user, session, By::Console).await?;
            }
            if revoke_all {
                app.users.revoke_all(user, By::Console).await?;
            }
            return sessions(context, &app, user).await;
        }
        Args::Token(args) => return tokens(&app, args).await,
        Args::Export(args) => return personal::export(args, context, &app).await,
        Args::Erase(args) => return personal::erase(args, context, &app).await,
        Args::Show(who) => {
            let document = ProfileView::from(app.users.profile(id(who).await?).await?);
            return context.output().answer(&document, || fields(&document));
        }
        Args::SetRole(SetRoleArgs { who, role }) => app.users.set_role(id(who).await?, role).await?,
        Args::SetPassword(SetPasswordArgs { who, .. }) => {
            let id = id(who).await?;
            app.users.set_password(id, password.unwrap_or_default()).await.map_err(Failure::of_values)?
        }
        Args::Block(who) => app.users.block(id(who).await?).await?,
        Args::Unblock(who) => app.users.unblock(id(who).await?).await?,
        Args::Delete(who) => app.users.delete(id(who).await?).await?,
    };
    let document = UserView::from(changed);
    context.output().answer(&document, || fields(&document))
}

async fn list(context: &Context, app: &App) -> Result<(), Failure> {
    let mut users = Vec::new();
    let mut page = PageRequest { limit: LIST_PAGE, after: None };
    loop {
        let found = app.users.list(UserFilter::default(), page.clone()).await?;
        users.extend(found.items);
        page.after = found.next_cursor;
        if page.after.is_none() {
            break;
        }
    }
    let table = user_table(&users);
    let items: Vec<_> = users.into_iter().map(UserView::from).collect();
    context.output().answer(&Items { items }, || table)
}

async fn sessions(context: &Context, app: &App, user: UserId) -> Result<(), Failure> {
    let now = app.clock.now();
    let sessions: Vec<_> =
        app.users.sessions(user).await?.iter().map(|session| SessionView::new(session, now)).collect();
    let table = session_table(&sessions);
    context.output().answer(&Items { items: sessions }, || table)
}

/// Prints tokens and nothing else, one a line.
async fn tokens(app: &App, args: TokenArgs) -> Result<(), Failure> {
    if let Some(user) = args.user {
        let user = app.users.find(&user).await?.id;
        return output::line(app.users.token(user, None).await?);
    }
    let mut told = Ok(());
    let counted = app
        .users
        .tokens_for_all(None, |_, token| {
            told = output::line(token);
            if told.is_ok() { Ok(()) } else { Err(Error::internal("standard output is closed")) }
        })
        .await;
    told?;
    counted.map(drop).map_err(Failure::from)
}

/// A session, as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    id: String,
    state: &'static str,
    created_at: String,
    expires_at: String,
}

impl SessionView {
    /// `now` tells a session that expired from one that is live.
    fn new(session: &Session, now: Timestamp) -> Self {
        let state = match (session.revoked_at, now < session.expires_at) {
            (Some(_), _) => "revoked",
            (None, true) => "live",
            (None, false) => "expired",
        };
        Self {
            id: session.id.to_string(),
            state,
            created_at: session.created_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}

/// `user list` for people.
fn user_table(users: &[User]) -> Table {
    let mut table = Table::new(&["id", "email", "name", "role", "state", "created"]).numbers([0]);
    for user in users {
        table.row([
            user.id.to_string(),
            user.email.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            user.name.clone(),
            user.role.to_string(),
            user.state.to_string(),
            user.created_at.to_string(),
        ]);
    }
    table
}

/// `user sessions` for people.
fn session_table(sessions: &[SessionView]) -> Table {
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
    use crate::users::UserState;

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
        assert!(matches!(parse("user sessions a@b.c --revoke-all").unwrap(), Args::Sessions(_)));
        parse("user sessions a@b.c --revoke 1").unwrap_err();
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
        let user = |id, email: Option<&str>, name: &str| User {
            id: UserId(id),
            email: email.map(|email| email.parse().unwrap()),
            name: name.to_owned(),
            greeting: String::new(),
            profile_image: None,
            role: Role::User,
            state: UserState::Active,
            created_at: Timestamp(1_700_000_000_000_000),
        };
        let users = [user(1, Some("1@naver.com"), "홍길동"), user(12, None, "Ann")];
        insta::assert_snapshot!(user_table(&users), @r"
        ID  EMAIL        NAME    ROLE  STATE   CREATED
         1  1@naver.com  홍길동  user  active  2023-11-14T22:13:20Z
        12  -            Ann     user  active  2023-11-14T22:13:20Z
        ");
    }

    #[test]
    fn a_session_is_live_until_it_expires_or_is_revoked() {
        let state = |revoked: bool, now| {
            let session = Session {
                id: SessionId::fresh(),
                refreshable: true,
                created_at: Timestamp(0),
                expires_at: Timestamp(10),
                revoked_at: revoked.then_some(Timestamp(5)),
            };
            SessionView::new(&session, Timestamp(now)).state
        };
        assert_eq!([state(false, 9), state(false, 10), state(true, 9)], ["live", "expired", "revoked"]);
    }
}
