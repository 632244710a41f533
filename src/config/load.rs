//! Layers of values become a [`Config`]: defaults < file < environment < flags.

use std::fmt;
use std::io;
use std::path::Path;

use serde_json::Value as Json;

use super::Config;
use super::joint::joint_faults;
use super::keys::{SETTINGS, Setting};
use super::sources::{Origin, PREFIX, Sources};

/// How alike a mistyped key and a real one must be for a suggestion, from 0 to 1.
const LIKENESS_MIN: f64 = 0.8;

/// Lines of a file that are told when they are not TOML; more are not worth reading.
const SYNTAX_FAULTS_MAX: usize = 20;

/// The effective settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the rest of the program reads.
    pub config: Config,
    /// One for each of [`SETTINGS`], in the same order.
    origins: Vec<Origin>,
}

/// One setting's effective value, fit to be shown.
pub struct Entry<'a> {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value; a secret's is a word in parentheses.
    pub value: Json,
    /// Its default, with a secret's as above.
    pub default: Json,
    /// Where the value came from.
    pub origin: &'a Origin,
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, the value, where it came from and what is allowed.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// Whether the command line is to blame.
    pub on_command_line: bool,
}

/// Every fault of the settings, at least one.
#[derive(Debug)]
pub struct SettingsError(pub Vec<Fault>);

impl Settings {
    /// Reads the sources in the order of their weight.
    ///
    /// # Errors
    /// Every unknown key and every value that is not allowed, at once.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let Examined { settings, faults, .. } = Self::examine(sources);
        if faults.is_empty() { Ok(settings) } else { Err(SettingsError(faults)) }
    }

    /// Reads the sources, and goes on where one is at fault.
    #[must_use]
    pub fn examine(sources: &Sources) -> Examined {
        let settings = Self { config: Config::default(), origins: vec![Origin::Default; SETTINGS.len()] };
        let mut loading = Examined { settings, faults: Vec::new(), unsound: Vec::new() };
        if let Some((path, text)) = &sources.file {
            loading.file(path, text);
        }
        for (name, value) in &sources.environment {
            loading.variable(name, value.to_str());
        }
        for flag in &sources.flags {
            let setting = Setting::find(flag.key).expect("flags name settings of the table");
            loading.set(setting, &flag.value, &quoted(&flag.value), Origin::Flag(flag.name));
        }
        let joint = joint_faults(&loading.settings.config, |key| loading.is_sound(key));
        loading.faults.extend(joint);
        loading
    }

    /// Every setting with its value and origin; secrets are hidden.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let defaults = Config::default();
        SETTINGS.iter().zip(&self.origins).map(move |(setting, origin)| Entry {
            setting,
            value: shown(setting, &self.config),
            default: shown(setting, &defaults),
            origin,
        })
    }
}

fn shown(setting: &Setting, config: &Config) -> Json {
    match setting.value(config) {
        Json::Null => format!("({})", unset(setting)).into(),
        _ if setting.secret => "(hidden)".into(),
        value => value,
    }
}

/// What stands for a value that nobody set.
fn unset(setting: &Setting) -> &'static str {
    if setting.key == "jwt.secret" { "made on first start" } else { "not set" }
}

/// What the sources hold, as far as it can be read.
pub struct Examined {
    /// The values that are allowed; defaults stand where one is not.
    pub settings: Settings,
    /// Every fault, in the order in which they stand.
    pub faults: Vec<Fault>,
    /// Keys whose values are not allowed, or can't be read; of those in a file perhaps only the end.
    unsound: Vec<String>,
}

impl Examined {
    /// Whether the value that somebody wanted for `key` is the one that is there.
    #[must_use]
    pub fn is_sound(&self, key: &str) -> bool {
        !self
            .unsound
            .iter()
            .any(|end| key.strip_suffix(end.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }

    /// Reads a file. A line that is not TOML is told, and left out, so that the others are looked at as well.
    fn file(&mut self, path: &Path, text: &str) {
        let mut lines: Vec<&str> = text.lines().collect();
        for _ in 0..SYNTAX_FAULTS_MAX {
            let rest = lines.join("\n");
            let error = match rest.parse::<toml::Table>() {
                Ok(table) => return self.table(path, "", &table),
                Err(error) => error,
            };
            self.faults.push(Fault::not_toml(path, &rest, &error));
            let at_fault = lines.get_mut(line_of(&rest, &error) - 1);
            let Some(line) = at_fault.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('['))
            else {
                return;
            };
            let key = line.split('=').next().unwrap_or_default().trim();
            self.unsound.push(key.to_owned());
            *line = "";
        }
    }

    fn table(&mut self, path: &Path, prefix: &str, table: &toml::Table) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let origin = Origin::File(path.to_owned());
            match (value, Setting::find(&key)) {
                // A known section may be empty, such as when all of its lines are commented out.
                (toml::Value::Table(inner), None) if !inner.is_empty() || is_section(&key) => {
                    self.table(path, &format!("{key}."), inner);
                }
                (_, None) => self.faults.push(Fault::unknown(&key, &origin)),
                (value, Some(setting)) => {
                    let written = value.to_string();
                    if let Some(text) = setting.text_of(value) {
                        self.set(setting, &text, &written, origin);
                    } else {
                        let quotes = if value.is_str() { ", without quotes" } else { "" };
                        let allowed = format!("{}{quotes}", setting.allowed());
                        self.unsound.push(key);
                        self.faults.push(Fault::refused(setting, &written, &origin, &allowed));
                    }
                }
            }
        }
    }

    fn variable(&mut self, name: &str, value: Option<&str>) {
        #[cfg(debug_assertions)]
        if name == crate::kernel::planted::VARIABLE {
            return self.plant(value.unwrap_or_default());
        }
        let origin = Origin::Environment(name.to_owned());
        let setting = SETTINGS.iter().find(|setting| setting.variable() == name);
        match (setting, value) {
            (None, _) => self.faults.push(Fault::unknown(name, &origin)),
            (Some(setting), Some(text)) => self.set(setting, text, &quoted(text), origin),
            (Some(setting), None) => {
                let fault = Fault::refused(setting, "bytes that are not UTF-8", &origin, &setting.allowed());
                self.unsound.push(setting.key.to_owned());
                self.faults.push(fault);
            }
        }
    }

    #[cfg(debug_assertions)]
    fn plant(&mut self, text: &str) {
        let variable = crate::kernel::planted::VARIABLE;
        match text.parse() {
            Ok(fault) => self.settings.config.planted_fault = Some(fault),
            Err(allowed) => self.faults.push(Fault::joint(
                format!("{variable}: \"{text}\" is not allowed. Allowed: {allowed}."),
                format!("Change {variable}, or unset it."),
            )),
        }
    }

    /// Takes `text` as the value of `setting`; `written` is how it stands in its source.
    fn set(&mut self, setting: &'static Setting, text: &str, written: &str, origin: Origin) {
        let place = SETTINGS.iter().position(|other| other.key == setting.key).expect("it is one of the table's");
        match setting.set(&mut self.settings.config, text) {
            Ok(()) => self.settings.origins[place] = origin,
            Err(allowed) => {
                self.faults.push(Fault::refused(setting, written, &origin, &allowed));
                self.unsound.push(setting.key.to_owned());
            }
        }
    }
}

/// The line, from 1 on, in which a parser gave up.
fn line_of(text: &str, error: &toml::de::Error) -> usize {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

impl Fault {
    fn refused(setting: &Setting, written: &str, origin: &Origin, allowed: &str) -> Self {
        let value = if setting.secret { "the value".to_owned() } else { masked(written) };
        let default = match setting.value(&Config::default()) {
            Json::Null => unset(setting).to_owned(),
            Json::String(text) => text,
            other => other.to_string(),
        };
        let hint = match origin {
            Origin::Default | Origin::Flag(_) => format!("Change it, or leave it out (default: {default})."),
            Origin::File(path) => format!("Change it in {}, or remove it (default: {default}).", path.display()),
            Origin::Environment(name) => format!("Change {name}, or unset it (default: {default})."),
        };
        Self {
            what: format!("Setting {}: {value} ({}) is not allowed. Allowed: {allowed}.", setting.key, told(origin)),
            hint,
            on_command_line: matches!(origin, Origin::Flag(_)),
        }
    }

    fn unknown(name: &str, origin: &Origin) -> Self {
        let (what, remove, known) = match origin {
            Origin::Environment(_) => (
                format!("Unknown environment variable {name}; every {PREFIX}… variable must name a setting."),
                "Unset",
                nearest(&name.replacen(PREFIX, "", 1).to_ascii_lowercase()).map(Setting::variable),
            ),
            _ => (
                format!("Unknown setting {name} ({}).", told(origin)),
                "Remove",
                nearest(&name.replace('.', "_")).map(|setting| setting.key.to_owned()),
            ),
        };
        let hint = match known {
            Some(known) => format!("Did you mean {known}?"),
            None => format!("{remove} it; 'preorder config show' then lists every setting."),
        };
        Self { what, hint, on_command_line: false }
    }

    /// Tells the place, but not the line itself: it may hold a secret.
    fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = line_of(text, error);
        Self {
            what: format!("{} is not TOML: line {line}: {}.", path.display(), error.message().trim_end_matches('.')),
            hint: "A setting is written as in: db = \"sqlite:data/preorder.db\".".to_owned(),
            on_command_line: false,
        }
    }

    pub(super) fn unreadable(path: &Path, named: bool, error: &io::Error) -> Self {
        Self {
            what: format!("The settings file {} can't be read: {error}.", path.display()),
            hint: "Name a file that exists and that you may read with --config FILE.".to_owned(),
            on_command_line: named,
        }
    }

    pub(super) fn joint(what: String, hint: String) -> Self {
        Self { what, hint, on_command_line: false }
    }
}

fn told(origin: &Origin) -> String {
    match origin {
        Origin::Default => "the default".to_owned(),
        Origin::File(path) => format!("from the file {}", path.display()),
        Origin::Environment(name) => format!("from the environment variable {name}"),
        Origin::Flag(name) => format!("from the flag {name}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Hides the password of an address such as `postgres://ann:secret@host/db`.
fn masked(value: &str) -> String {
    match value.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, host)) => format!("{scheme}://(hidden)@{host}"),
        None => value.to_owned(),
    }
}

/// The setting that `name`, written with `_` for `.`, was probably meant to be.
fn nearest(name: &str) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .map(|setting| (strsim::jaro(name, &setting.key.replace('.', "_")), setting))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, setting)| setting)
}

impl From<Fault> for SettingsError {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self.0.iter().map(|fault| fault.what.as_str()).collect();
        f.write_str(&faults.join(" "))
    }
}

impl std::error::Error for SettingsError {}
