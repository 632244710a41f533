//! A settings file to begin with, every mistake at once, and man pages.

use std::os::unix::fs::PermissionsExt as _;

use preorder::config::SETTINGS;

use crate::support::{Identity, Shell, hidden, seen};

#[test]
fn a_file_to_begin_with_holds_every_setting_and_is_never_overwritten() {
    let shell = Shell::new();
    insta::assert_snapshot!("config_init", shell.runs(["config init", "config init", "config init nowhere/p.toml"]));
    let path = shell.path().join("preorder.toml");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().all(|line| line.len() <= 130 && (line.is_empty() || line.starts_with('#'))), "{text}");
    // As it is, it changes nothing.
    let defaults = Shell::new().ok("config show --json");
    assert_eq!(shell.ok("config show --json"), defaults);
    // With every '#' taken away before a name, it says what was true before.
    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    let uncommented = text.lines().map(|line| if is_setting(line) { &line[1..] } else { line });
    shell.write("preorder.toml", &uncommented.collect::<Vec<_>>().join("\n"));
    let (shown, defaults) =
        (shell.json("config show --json"), serde_json::from_str::<serde_json::Value>(&defaults).unwrap());
    for (shown, default) in shown["items"].as_array().unwrap().iter().zip(defaults["items"].as_array().unwrap()) {
        // What tests set in the environment counts for more than the file.
        let origin = if default["origin"] == "environment" { "environment" } else { "file" };
        assert_eq!((&shown["value"], &shown["origin"]), (&default["value"], &origin.into()), "{shown}");
    }
    assert_eq!(shown["items"].as_array().unwrap().len(), SETTINGS.len());
    assert_eq!(shell.json("config init --json other.toml")["file"], "other.toml");
}

#[test]
fn a_file_can_be_begun_beside_one_that_is_broken() {
    let shell = Shell::new();
    shell.write("preorder.toml", "half a line");
    shell.ok("config init new.toml");
    assert!(shell.path().join("new.toml").is_file());
}

#[test]
fn every_mistake_is_found_at_once() {
    let shell = Shell::new();
    shell.write("notes.txt", "only words");
    shell.write("cert.pem", &Identity::new().certificate);
    shell.write("key.pem", &Identity::new().key);
    shell.write(
        "preorder.toml",
        "db = 'sqlite:notes.txt/preorder.db'\nhalf a line\nlisten = '192.0.2.1:8080'\nmedia.url = 'file:notes.txt'\n\
         colour = 'red'\nbackup.url =\nlimits.address_burst = 0\nlimits.account_burst = 0\ntls.cert_file = 'cert.pem'\n\
         tls.key_file = 'key.pem'\nmail.smtp.ca_file = 'notes.txt'\nmail.smtp.user = 'ann'\nproxy.trusted = '10.0.0.0/33'\n",
    );
    let environment =
        [("PREORDER_LIMITS_ACCOUNT_PER_SECOND", "many"), ("PREORDER_MAIL_SMTP_PASSWORD_FILE", "nowhere.txt")];
    insta::assert_snapshot!("config_check_everything", shell.run_with("config check", &environment));
    let mut command = shell.command("config check --json");
    let output = command.envs(environment).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["ok"], false);
    let told = String::from_utf8(output.stderr).unwrap();
    let faults = document["faults"].as_array().unwrap();
    assert_eq!(faults.len(), told.matches("error: ").count());
    for fault in faults {
        assert!(told.contains(fault["what"].as_str().unwrap()) && told.contains(fault["hint"].as_str().unwrap()));
    }
    insta::assert_snapshot!("config_check_named_file", shell.run("config check --config nowhere.toml"));
    insta::assert_snapshot!(
        "config_check_flag",
        hidden(&seen("config check", &shell.output("config check --db nothing")))
    );
}

#[test]
fn good_settings_have_no_faults() {
    let shell = Shell::new();
    let identity = Identity::new();
    shell.write("cert.pem", &identity.certificate);
    shell.write("key.pem", &identity.key);
    shell.write(
        "preorder.toml",
        "tls.cert_file = 'cert.pem'\ntls.key_file = 'key.pem'\nlisten = '0.0.0.0:8443'\nbackup.url = 'file:a/b/c'\n\
         mail.smtp.ca_file = 'cert.pem'\nproxy.trusted = '127.0.0.1, 10.1.2.3/8 ,::1'\n",
    );
    assert_eq!(shell.json("config check --json")["ok"], true);
    let trusted = shell.json("config show --json");
    let trusted = trusted["items"].as_array().unwrap().iter().find(|item| item["key"] == "proxy.trusted").unwrap();
    assert_eq!(trusted["value"], "127.0.0.1, 10.0.0.0/8, ::1");
    assert!(!shell.path().join("a").exists() && !shell.path().join("data").exists(), "looking makes nothing");
}

#[test]
fn man_pages_for_the_program_and_each_of_its_commands() {
    let shell = Shell::new();
    shell.write("preorder.toml", "half a line");
    shell.ok("man pages/man1");
    let page = |name: &str| std::fs::read_to_string(shell.path().join("pages/man1").join(name)).unwrap();
    for name in ["preorder.1", "preorder-serve.1", "preorder-config-init.1", "preorder-db-backup.1", "preorder-man.1"] {
        assert!(page(name).contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(page("preorder-serve.1").contains("Where to listen"));
    assert!(!page("preorder-serve.1").contains("stdin"), "hidden flags stay hidden");
    shell.write("taken", "");
    insta::assert_snapshot!("man_unwritable", shell.run("man taken"));
}
