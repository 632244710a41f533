//! What people can do about a failure, in one sentence each.

use crate::kernel::error::{Error, Kind};
use crate::loadtest::PRESETS;

/// About seed files.
pub(super) const OF_SEEDS: &str = "Mend the files, or leave --from out: the ones in this program are used then.";
/// About Ctrl-C.
pub(super) const OF_INTERRUPTION: &str = "Nothing is half done; run it again to go on.";

/// About values on the command line.
pub(super) fn of_values(command: &str) -> String {
    format!("See 'preorder {command} --help' for what is allowed.")
}

/// About what the services or the database refused.
pub(super) fn of(error: &Error, command: &str) -> String {
    let field = error.parts().fields.first().map_or("", |fault| fault.code);
    let known = of_database(error.code()).or_else(|| of_shop(error.code(), field)).or_else(|| of_run(error.code()));
    match (known, error.code(), error.kind()) {
        (Some(hint), ..) => hint.to_owned(),
        (None, "scenario_not_found", _) => {
            let presets = PRESETS.map(|(name, _)| name).join(", ");
            format!("Presets: {presets}; or give a TOML file.")
        }
        (None, _, Kind::Busy | Kind::TooMany) => "Try again in a moment.".to_owned(),
        (None, _, Kind::Internal) => "Run it again with -v to see more.".to_owned(),
        (None, ..) => of_values(command),
    }
}

/// The database and the disk.
fn of_database(code: &str) -> Option<&'static str> {
    Some(match code {
        "database_unavailable" => {
            "Check that the path is a preorder database that you may write to, or name another with --db sqlite:PATH."
        }
        "database_foreign" => "Name a file of preorder's own, or one that is not there yet, with --db sqlite:PATH.",
        "database_linked" => {
            "Find the other name ('find / -samefile FILE') and remove it; a copy is made with 'cp' while no server runs."
        }
        "database_served" => "Stop that server first, or name another database with --db sqlite:PATH.",
        "schema_newer" => "Use the preorder that wrote it, or name another database with --db sqlite:PATH.",
        "sqlite_too_old" => "Build it with the SQLite that it brings along.",
        "busy" | "database_locked" => "Try again in a moment; another process may be at work on this database.",
        "database_missing" => "Name another with --db sqlite:PATH, or make it: 'preorder db migrate'.",
        "database_in_use" => "End every program that works on it, then try again.",
        "backup_exists" => "Name another file, or replace it with --force.",
        "backup_target_in_use" => "Name another file.",
        "backup_unwritable" => "Name a file in a folder that is there and that you may write to.",
        "backup_failed" => "Look at the disk and at who may read the file, then try again.",
        "backup_missing" => "Name a file that 'preorder db backup' made and that you may read.",
        "backup_foreign" | "backup_in_use" => "Name a file that 'preorder db backup' made.",
        "backup_truncated" | "backup_altered" | "backup_damaged" => {
            "The database that is there was not changed. Get the backup anew from where it is kept, or take an older one; of a \
             database, 'preorder db check' tells more."
        }
        "backup_unavailable" => "'preorder config show' lists what is set under backup.",
        "storage_full" => "Free some space and try again.",
        "storage_failed" => "A full disk can look like this: free some space, or mend the disk, then try again.",
        "jwt_secret_unavailable" | "jwt_secret_too_short" => {
            "'preorder config show' tells where jwt.secret comes from."
        }
        "mail_settings" => "'preorder config show' lists what is set under mail.",
        "password_parameters" => "'preorder config show' lists what is set under password.",
        _ => return None,
    })
}

/// Products, orders, users. `field` is the first field's fault.
fn of_shop(code: &str, field: &str) -> Option<&'static str> {
    Some(match (code, field) {
        ("validation_failed", "too_many_units") => "Add fewer; 'preorder product show ID' tells how many there are.",
        ("validation_failed", "no_window" | "before_opening") => "'preorder product show ID' tells what it is now.",
        ("product_exists", _) => "Choose another --id, or change that product: 'preorder product edit ID'.",
        ("product_not_found", _) => "'preorder product list' shows every product.",
        ("stock_in_use", _) => "Take off fewer, or end orders first: 'preorder order list --product ID'.",
        ("limit_below_orders", _) => "Choose a higher limit, or end orders first: 'preorder order list --product ID'.",
        ("order_not_found", _) => "'preorder order list' shows every order.",
        ("order_held" | "order_completed" | "order_cancelled" | "order_refunded" | "in_progress", _) => {
            "'preorder order show ID' tells how it stands."
        }
        ("user_not_found", _) => "'preorder user list' shows every user.",
        ("webhook_not_found", _) => "'preorder webhook list' shows every webhook.",
        ("too_many_webhooks", _) => "Delete one first: 'preorder webhook delete ID'.",
        ("session_not_found", _) => "'preorder user sessions EMAIL' lists them.",
        ("email_taken", _) => "Choose another --email; 'preorder user show EMAIL' tells whose it is.",
        ("account_blocked", _) => "'preorder user unblock EMAIL' lets them in again.",
        ("account_deleted" | "account_inactive", _) => "'preorder user list' tells who is active.",
        ("too_few_members", _) => "Add some with --users.",
        ("seeding_elsewhere", _) => "Let the other one end, then run it again.",
        _ => return None,
    })
}

/// Servers and rehearsals.
fn of_run(code: &str) -> Option<&'static str> {
    Some(match code {
        "server_unreachable" => "Start one with 'preorder serve', or leave --url out: a temporary server is used then.",
        "not_preorder" => "'preorder serve' prints the URL to give here.",
        "other_server" => {
            "Name the server's own database with --db, or leave --url out: a temporary server is used then."
        }
        "server_failed" => "Run it again with -v to see more of what the server says.",
        "shutdown_timeout" => "Set limits.shutdown_timeout_s to more if they need longer.",
        "run_stuck" => "Look at the server's log, and whether its machine has enough memory and processors.",
        "scenario_invalid" => "loadtest/README.md lists every key and what is allowed.",
        "report_unwritable" | "report_unwritten" => "Choose another file with --report.",
        "too_few_users" => "Add some with 'preorder seed --users N', or send fewer with --users.",
        "too_few_files" => "Raise the system's hard limit ('ulimit -Hn'), or lower crowd.connections in the scenario.",
        "no_temporary_folder" => "Set TMPDIR to a folder that you may write to.",
        "interrupted" => OF_INTERRUPTION,
        _ => return None,
    })
}
