//! Documentation that is made from the program, so that it cannot fall behind.

use std::fmt::Write as _;
use std::path::Path;

use preorder::config::{Settings, Sources};

#[test]
fn the_page_of_settings_is_up_to_date() {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Made from the table in src/config/keys.rs by the test in tests/it/docs.rs. -->\n\n\
         A value comes from the first of these that has one: a flag, an environment variable, the file `preorder.toml` in \
         the working\nfolder (or `--config FILE`), the default. `preorder config show` prints what is in effect and where it \
         comes from.\nKeys with dots may be written as TOML tables. A running server takes what is marked \"on SIGHUP\" when \
         it is sent that signal;\nthe rest waits for a restart.\n\n\
         | key | variable | default | allowed | what it does | when it changes |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for entry in Settings::load(&Sources::default()).unwrap().entries() {
        let setting = entry.setting;
        let (key, variable, allowed, doc) = (setting.key, setting.variable(), setting.allowed(), setting.doc);
        let when = if setting.is_live() { "on SIGHUP" } else { "at a restart" };
        writeln!(page, "| `{key}` | `{variable}` | `{}` | {allowed} | {doc} | {when} |", entry.default).unwrap();
    }
    up_to_date("docs/settings.md", &page);
}

/// Writes the file anew when it differs, and fails, so that the change is seen and committed.
fn up_to_date(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::fs::read_to_string(&path).is_ok_and(|current| current == text) {
        return;
    }
    std::fs::write(&path, text).unwrap();
    panic!("{file} was out of date and has been written anew; look at it and commit it");
}
