//! The command line as its users see it: exit code, stdout and stderr together.

mod audit;
mod db;
pub(crate) mod orders;
mod products;
mod seed;
mod users;
mod webhooks;

use std::process::Stdio;

use crate::support::{Shell, seen};

#[test]
fn help() {
    let shell = Shell::new();
    let plain = |line: String| seen(&line, &shell.output(&line));
    insta::assert_snapshot!("help", shell.run("--help"));
    insta::assert_snapshot!("help_config_show", shell.run("config show --help"));
    for group in ["db", "config", "user", "product", "order", "webhook", "seed", "serve", "audit", "completions"] {
        insta::assert_snapshot!(format!("help_{group}"), plain(format!("{group} --help")));
    }
    for (group, command) in [
        ("db", "backup"),
        ("db", "restore"),
        ("user", "add"),
        ("user", "token"),
        ("product", "add"),
        ("product", "edit"),
        ("order", "export"),
        ("webhook", "add"),
    ] {
        insta::assert_snapshot!(format!("help_{group}_{command}"), plain(format!("{group} {command} --help")));
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let shell = Shell::new();
    insta::assert_snapshot!("usage_nothing", shell.run(""));
    insta::assert_snapshot!("usage_unknown_command", shell.run("migrate"));
    insta::assert_snapshot!("usage_unknown_flag", shell.run("db migrate --forced"));
    insta::assert_snapshot!("usage_mistyped_flag", shell.run("db migrate --jso"));
    insta::assert_snapshot!("usage_bad_flag_value", shell.run("db migrate --db postgres://ann:secret@host/shop"));
}

#[test]
fn config_show_tells_every_value_and_where_it_comes_from() {
    let shell = Shell::new();
    insta::assert_snapshot!("config_show_defaults", shell.run("config show"));
    shell.write(
        "preorder.toml",
        "listen = \"127.0.0.1:9000\"\n\n[jwt]\nsecret = \"0123456789abcdef0123456789abcdef\"\n\n\
         [payment.simulated]\nabandon_rate = 0\nlatency_ms = 5\n",
    );
    let environment = [("PREORDER_JWT_ACCESS_MINUTES", "5"), ("PREORDER_LISTEN", "127.0.0.1:9001")];
    insta::assert_snapshot!("config_show_layers", shell.run_with("config show --db sqlite:elsewhere.db", &environment));
}

#[test]
fn config_show_for_programs_is_one_json_document() {
    let shell = Shell::new();
    insta::assert_snapshot!("config_show_json", shell.run("config show --json"));
    let document: serde_json::Value = serde_json::from_slice(&shell.output("config show --json").stdout).unwrap();
    assert_eq!(document["items"][0]["key"], "db");
}

#[test]
fn bad_settings_are_told_all_at_once() {
    let shell = Shell::new();
    insta::assert_snapshot!("config_check_fine", shell.run("config check"));
    shell.write(
        "preorder.toml",
        "listn = \"127.0.0.1:80\"\n[payment.simulated]\nabandon_rate = 1.5\nlatency_ms = \"5\"\n",
    );
    let environment = [("PREORDER_LISTEN", "localhost"), ("PREORDER_JWT_SECRET", "short"), ("PREORDER_COLOUR", "red")];
    insta::assert_snapshot!("config_check_faults", shell.run_with("config check", &environment));
}

#[test]
fn settings_files_that_cannot_be_used() {
    let shell = Shell::new();
    insta::assert_snapshot!("config_file_missing", shell.run("config show --config nowhere.toml"));
    shell.write("broken.toml", "listen = \"127.0.0.1:80\"\njwt.secret = \"never closed\n");
    insta::assert_snapshot!("config_file_broken", shell.run("config show --config broken.toml"));
    shell.write("together.toml", "[limits]\naddress_burst = 0\n");
    insta::assert_snapshot!("config_file_values_together", shell.run("config check --config together.toml"));
}

#[test]
fn db_migrate_is_idempotent() {
    let shell = Shell::new();
    insta::assert_snapshot!("db_migrate", shell.run("db migrate"));
    assert!(shell.path().join("data/preorder.db").is_file());
    assert_eq!(shell.run("db migrate"), shell.run("db migrate"));
    insta::assert_snapshot!("db_migrate_json", shell.run("db migrate --json"));
}

#[test]
fn databases_that_cannot_be_opened() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path().join("folder")).unwrap();
    insta::assert_snapshot!("db_is_a_folder", shell.run("db migrate --db sqlite:folder"));
    shell.write(
        "notes.txt",
        "These are no tables, only words; enough of them to be longer than a header. ".repeat(20).as_str(),
    );
    insta::assert_snapshot!("db_is_a_text", shell.run("db migrate --db sqlite:notes.txt"));
    insta::assert_snapshot!("db_below_a_file", shell.run("db migrate --db sqlite:notes.txt/preorder.db"));
}

#[test]
fn a_newer_schema_is_left_alone() {
    let shell = Shell::new();
    shell.output("db migrate");
    let database = shell.path().join("data/preorder.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 999).unwrap();
    drop(connection);
    insta::assert_snapshot!("db_schema_newer", shell.run("db migrate"));
    let version: i64 =
        rusqlite::Connection::open(&database).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 999);
}

#[test]
fn completions_need_no_valid_settings() {
    let shell = Shell::new();
    shell.write("preorder.toml", "half a line");
    for name in ["bash", "zsh", "fish"] {
        let output = shell.output(&format!("completions {name}"));
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("migrate"), "{name}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let shell = Shell::new();
    for line in ["config show", "config show --json", "completions bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = shell.command(line).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(seen(line, &output), format!("$ preorder {line}\nexit 0\n"));
    }
}
