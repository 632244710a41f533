//! A settings file to begin with, made from the table.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::Config;
use super::keys::SETTINGS;

/// How wide its lines are.
const WIDTH: usize = 110;

const HEAD: &str = "\
# Settings of preorder.
#
# Every setting stands here with its default, behind a '#': take that away and write another value. A flag counts for more than
# an environment variable, and that for more than this file. 'preorder config check' looks for mistakes, 'preorder config show'
# tells what is in effect. A running server reads this file anew on SIGHUP; what it says here of a restart waits for one.
#
# Secrets stand here in plain text: nobody but the server's user should be able to read this file.
";

/// The text of a file with every setting, what it does, what is allowed and its default.
#[must_use]
pub fn template() -> String {
    let defaults = Config::default();
    let mut text = HEAD.to_owned();
    for setting in SETTINGS {
        text.push('\n');
        comment(&mut text, setting.doc);
        let at_restart = if setting.is_live() { "" } else { " Takes a restart." };
        comment(&mut text, &format!("Allowed: {}. Variable: {}.{at_restart}", setting.allowed(), setting.variable()));
        let value = match setting.value(&defaults) {
            Json::Null => "\"\"".to_owned(),
            Json::String(text) => toml::Value::String(text).to_string(),
            other => other.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "#{} = {value}", setting.key);
    }
    text
}

/// Adds a sentence in lines of a bearable width.
fn comment(text: &mut String, sentence: &str) {
    let mut line = "#".to_owned();
    for word in sentence.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
