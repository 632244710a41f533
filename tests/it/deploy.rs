//! What is in `deploy/` fits the program, and does what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use preorder::config::{Settings, Sources};

use crate::support::not_tested;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

#[test]
fn the_settings_of_the_example_are_all_known_and_allowed() {
    let path = deploy("preorder.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let sources = Sources { file: Some((path, text)), ..Sources::default() };
    let config = Settings::load(&sources).unwrap().config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080", "where nginx looks for it");
}

#[test]
fn the_unit_starts_what_the_program_understands_and_gives_it_no_rights() {
    let unit = std::fs::read_to_string(deploy("preorder.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/preorder ")).unwrap();
    // Help is given only for words that are understood.
    let help = Command::new(env!("CARGO_BIN_EXE_preorder")).args(start.split(' ')).arg("--help").output().unwrap();
    assert!(help.status.success(), "{start}: {}", String::from_utf8_lossy(&help.stderr));
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", "--threshold=15"])
        .arg(deploy("preorder.service"))
        .output();
    match judged {
        Ok(judged) => assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout)),
        Err(_) => not_tested("the service's unit is not judged: install Debian's 'systemd'"),
    }
}
