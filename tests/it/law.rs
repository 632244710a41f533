//! The dependency law of the architecture page, kept by reading the source: who may name whom, who may touch the outside
//! world, and how long a file may be.
//!
//! It reads tokens, not text, so that neither a comment nor a string breaks the law; and it takes `crate::` paths and
//! those `super::` paths that climb out of a room.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each part of the crate may name. A part that is not here may not exist; an edge that nobody uses may not stay.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("target", &[]),
    ("store", &["kernel"]),
    // Low, for all that it has a face: whoever changes something writes down that an admin did.
    ("trail", &["http", "kernel", "store"]),
    ("ledger", &["kernel", "store", "trail"]),
    ("seed", &["kernel"]),
    ("config", &["kernel", "store", "target"]),
    ("http", &["kernel"]),
    ("users", &["config", "http", "kernel", "store", "trail"]),
    ("products", &["http", "kernel", "ledger", "store", "trail"]),
    ("stock", &["http", "kernel", "ledger"]),
    ("purchases", &["http", "kernel", "ledger"]),
    // A payment is answered with the order as its buyer sees it.
    ("payments", &["config", "http", "kernel", "ledger", "purchases"]),
    ("activity", &["http", "kernel", "store", "trail", "users"]),
    ("newsfeed", &["activity", "http", "kernel", "store"]),
    ("upkeep", &["audit", "config", "kernel", "ledger", "store", "trail"]),
    // Everything that is kept of somebody, in whichever room.
    ("privacy", &["activity", "kernel", "ledger", "trail", "users"]),
    ("webhooks", &["config", "kernel", "ledger", "store", "trail"]),
    ("gateway", &["config", "http", "kernel", "users"]),
    ("audit", &["activity", "kernel", "ledger", "store", "webhooks"]),
    ("pulse", &["http", "kernel", "ledger"]),
    (
        "metrics",
        &[
            "config", "http", "kernel", "ledger", "newsfeed", "products", "pulse", "stock", "store", "upkeep", "users",
            "webhooks",
        ],
    ),
    // A face of every room at once.
    (
        "pages",
        &[
            "activity",
            "audit",
            "http",
            "kernel",
            "ledger",
            "newsfeed",
            "payments",
            "products",
            "pulse",
            "purchases",
            "stock",
            "trail",
            "users",
        ],
    ),
    (
        "app",
        &[
            "activity",
            "audit",
            "config",
            "http",
            "kernel",
            "metrics",
            "newsfeed",
            "ledger",
            "payments",
            "privacy",
            "products",
            "pulse",
            "purchases",
            "stock",
            "store",
            "trail",
            "upkeep",
            "users",
            "webhooks",
        ],
    ),
    (
        "server",
        &[
            "activity",
            "app",
            "config",
            "gateway",
            "http",
            "kernel",
            "metrics",
            "newsfeed",
            "pages",
            "payments",
            "products",
            "purchases",
            "stock",
            "store",
            "target",
            "trail",
            "users",
        ],
    ),
    // The rehearsal reaches the sale through a port that the command line fills in: it judges, so it shares no rules.
    ("loadtest", &["kernel", "store"]),
    (
        "cli",
        &[
            "activity",
            "app",
            "audit",
            "config",
            "kernel",
            "ledger",
            "loadtest",
            "privacy",
            "products",
            "purchases",
            "seed",
            "server",
            "stock",
            "store",
            "target",
            "trail",
            "upkeep",
            "users",
            "webhooks",
        ],
    ),
];

/// Who may do what only a few may: the tokens that do it, and the files (or folders) in which they may stand.
const ONLY_IN: &[(&str, &[&str], &[&str])] = &[
    // The rehearsal's own tests put up a server that misbehaves.
    (
        "names axum",
        &["axum"],
        &["src/http/", "src/server/", "src/gateway/", "src/pages/", "*/http.rs", "src/loadtest/tests/"],
    ),
    ("names a database driver", &["rusqlite"], &["src/store/", "src/ledger/sqlite.rs"]),
    ("prints", &["println !", "print !", "eprintln !", "eprint !", "dbg !", "io :: stdout"], &["src/cli/output.rs"]),
    // The log goes to stderr by itself.
    ("writes to stderr", &["io :: stderr"], &["src/cli/output.rs", "src/cli/logging/"]),
    ("reads the environment", &["env :: var", "env :: vars", "env :: var_os", "env :: vars_os"], &["src/config/"]),
    ("reads the time", &["SystemTime :: now", "Timestamp :: now", "Zoned :: now"], &["src/kernel/clock.rs"]),
];

/// The layers inside a room, from the bottom: a file names only those below it, in its own room and in others.
const LAYERS: &[(&str, u8)] =
    &[("model", 0), ("command", 0), ("rules", 0), ("store", 1), ("service", 2), ("http", 3), ("doc", 3), ("cli", 3)];

/// Lines of a file; a room's `tests.rs` may have some more.
const LINES_MAX: usize = 400;
const TEST_LINES_MAX: usize = 500;

/// What one file does that it should not.
fn faults(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut faults = Vec::new();
    let max = if path.ends_with("/tests.rs") { TEST_LINES_MAX } else { LINES_MAX };
    let lines = source.lines().count();
    if lines > max {
        faults.push(format!("{path} has {lines} lines; {max} are allowed"));
    }
    let code = format!(" {} ", tokens.join(" "));
    for (what, wanted, allowed) in ONLY_IN {
        let may = allowed.iter().any(|place| match place.strip_prefix('*') {
            Some(end) => path.ends_with(end),
            None => path.starts_with(place),
        });
        if !may && let Some(found) = wanted.iter().find(|words| code.contains(&format!(" {words} "))) {
            faults.push(format!("{path} {what}: '{}'", found.replace(' ', "")));
        }
    }
    let home = Home::of(path);
    for target in named(&home, &tokens) {
        faults.extend(home.fault(path, &target));
    }
    faults
}

/// Where a file stands.
struct Home {
    /// Its module path below the crate.
    module: Vec<String>,
    layer: Option<u8>,
}

impl Home {
    fn of(path: &str) -> Self {
        let path = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module: Vec<_> = path.split('/').map(str::to_owned).collect();
        let layer = if module.len() > 1 { layer(module.last().map_or("", String::as_str)) } else { None };
        Self { module, layer }
    }

    fn part(&self) -> &str {
        &self.module[0]
    }

    fn fault(&self, path: &str, target: &[String]) -> Option<String> {
        let written = target.join("::");
        let (part, own) = (target.first()?.as_str(), self.part());
        // The crate's root and the program stand above the law; they name nothing but doors.
        if matches!(own, "lib" | "bin") {
            return None;
        }
        if part != own {
            let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == own) else {
                return Some(format!("{path}: the part '{own}' is not in the law; add what it may name"));
            };
            if !allowed.contains(&part) {
                return Some(format!("{path} names {written}; '{own}' does not know '{part}'"));
            }
        }
        // The command line, the pages and the server stand above all rooms, with or without a layer.
        let over_all = matches!(own, "cli" | "pages" | "server" | "app");
        let (below, wanted) = (self.layer, layer(target.get(1)?));
        match (below, wanted) {
            _ if over_all => None,
            (Some(below), Some(wanted)) if wanted > below => Some(format!("{path} names {written}, which is above it")),
            (None, Some(3)) if self.module.len() > 1 => Some(format!("{path} names {written}; only faces name faces")),
            _ => None,
        }
    }
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(layer, _)| *layer == name).map(|(_, height)| *height)
}

/// Every path of this crate that the tokens name, from the crate's root.
fn named(home: &Home, tokens: &[String]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = matches!(tokens[at].as_str(), "crate" | "super")
            && tokens.get(at + 1).is_some_and(|next| next == "::")
            && (at == 0 || tokens[at - 1] != "::");
        if !begins {
            at += 1;
            continue;
        }
        let mut climbed = 0;
        while tokens.get(at).is_some_and(|token| token == "super") && tokens.get(at + 1).is_some_and(|t| t == "::") {
            climbed += 1;
            at += 2;
        }
        let mut base = Vec::new();
        if climbed > 0 {
            let left = home.module.len().saturating_sub(climbed);
            base.extend_from_slice(&home.module[..left]);
        } else {
            at += 2;
        }
        tree(tokens, &mut at, &base, &mut found);
    }
    // What is below the root is a part only if the law knows it: 'use super::*' in a test of a top file is not.
    found.retain(|path| path.first().is_some_and(|part| MAY_NAME.iter().any(|(name, _)| name == part)));
    found
}

/// Reads a path, or the tree of a `use`, that starts at `at`.
fn tree(tokens: &[String], at: &mut usize, base: &[String], found: &mut BTreeSet<Vec<String>>) {
    let mut path = base.to_vec();
    loop {
        match tokens.get(*at).map(String::as_str) {
            Some("{") => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    tree(tokens, at, &path, found);
                    if tokens.get(*at).is_some_and(|token| token == "as") {
                        *at += 2;
                    }
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            Some(word) => path.push(word.to_owned()),
            None => return,
        }
        *at += 1;
        if tokens.get(*at).is_none_or(|token| token != "::") {
            found.insert(path);
            return;
        }
        *at += 1;
        // A turbofish, as in `crate::x::f::<T>()`: what it names is looked at by itself.
        if tokens.get(*at).is_some_and(|token| token == "<") {
            found.insert(path);
            return;
        }
    }
}

/// The words and signs of some Rust, without comments and without what stands in quotes.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let (now, next) = (chars[at], chars.get(at + 1).copied().unwrap_or('\0'));
        if now.is_whitespace() {
            at += 1;
        } else if now == '/' && next == '/' {
            at += chars[at..].iter().position(|c| *c == '\n').unwrap_or(chars.len() - at);
        } else if now == '/' && next == '*' {
            at = after_comment(&chars, at);
        } else if let Some(end) = after_raw(&chars, at) {
            at = end;
        } else if now == '"' {
            at = after_quote(&chars, at + 1, '"');
        } else if now == '\'' && (next == '\\' || chars.get(at + 2) == Some(&'\'')) {
            at = after_quote(&chars, at + 1, '\'');
        } else if now.is_alphanumeric() || now == '_' {
            let length = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            tokens.push(chars[at..at + length].iter().collect());
            at += length;
        } else {
            let length = if now == ':' && next == ':' { 2 } else { 1 };
            tokens.push(chars[at..at + length].iter().collect());
            at += length;
        }
    }
    tokens
}

fn after_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_u32);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

/// The end of a raw string (`r"…"`, `r#"…"#`, also `br`), when one starts here.
fn after_raw(chars: &[char], at: usize) -> Option<usize> {
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return None;
    }
    let letters = if chars[at..].starts_with(&['b', 'r']) { 2 } else { usize::from(chars[at] == 'r') };
    let hashes = chars[at + letters..].iter().take_while(|c| **c == '#').count();
    let start = at + letters + hashes;
    if letters == 0 || chars.get(start) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = chars[start + 1..].windows(end.len()).position(|window| window == end)?;
    Some(start + 1 + length + end.len())
}

fn after_quote(chars: &[char], from: usize, quote: char) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Every source file, by its path from the crate's folder.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                sources.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(sources.len() > 50 && sources.contains_key("src/lib.rs"), "the source was not found");
    sources
}

#[test]
fn the_source_keeps_the_law() {
    let faults: Vec<_> = sources().iter().flat_map(|(path, source)| faults(path, source)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_law_allows_nothing_that_nobody_does() {
    let mut used = BTreeSet::new();
    for (path, source) in sources() {
        let home = Home::of(&path);
        let own = home.part().to_owned();
        used.extend(named(&home, &tokens(&source)).into_iter().map(|target| (own.clone(), target[0].clone())));
    }
    for (own, allowed) in MAY_NAME {
        for part in *allowed {
            assert!(used.contains(&((*own).to_owned(), (*part).to_owned())), "'{own}' no longer needs '{part}'");
        }
    }
}

#[test]
fn the_parts_know_each_other_without_circles() {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    while known.len() < MAY_NAME.len() {
        let next =
            MAY_NAME.iter().find(|(own, may)| !known.contains(own) && may.iter().all(|part| known.contains(part)));
        let stuck = || MAY_NAME.iter().map(|(own, _)| *own).filter(|own| !known.contains(own)).collect::<Vec<_>>();
        let Some((own, _)) = next else { panic!("these know each other in a circle: {:?}", stuck()) };
        known.insert(own);
    }
}

#[test]
fn every_breach_is_noticed() {
    let breaches = [
        ("src/kernel/ids.rs", "use crate::store::Db;", "'kernel' does not know 'store'"),
        ("src/ledger/rules.rs", "fn f() { crate::users::find() }", "'ledger' does not know 'users'"),
        ("src/ledger/mod.rs", "use super::products::Product;", "'ledger' does not know 'products'"),
        ("src/ledger/deep/er.rs", "use super::super::super::users;", "'ledger' does not know 'users'"),
        ("src/users/service.rs", "use crate::{kernel::ids, cli::output};", "'users' does not know 'cli'"),
        ("src/stock/service.rs", "use crate::{kernel::{ids::{UserId as U}, error}, server};", "does not know 'server'"),
        ("src/loadtest/plan.rs", "use crate::ledger::rules;", "'loadtest' does not know 'ledger'"),
        ("src/novelty/mod.rs", "use crate::kernel::ids;", "the part 'novelty' is not in the law"),
        ("src/users/rules.rs", "use super::store::find;", "which is above it"),
        ("src/users/model.rs", "use crate::users::service::Users;", "which is above it"),
        ("src/users/store.rs", "use super::{model::User, http::UserView};", "which is above it"),
        ("src/users/service.rs", "use super::http::UserView;", "which is above it"),
        ("src/payments/service.rs", "use crate::purchases::http::OrderView;", "which is above it"),
        ("src/users/sessions.rs", "use super::http::UserView;", "only faces name faces"),
        ("src/users/service.rs", "use axum::Router;", "names axum"),
        ("src/users/store.rs", "fn f(c: &rusqlite::Connection) {}", "names a database driver"),
        ("src/ledger/audit.rs", "use rusqlite::params;", "names a database driver"),
        ("src/cli/user.rs", "fn f() { println!(\"{}\", 1); }", "prints"),
        ("src/cli/user.rs", "fn f() { std::io::stdout(); }", "prints"),
        ("src/loadtest/mod.rs", "fn f() { eprint!(\"\"); }", "prints"),
        ("src/server/mod.rs", "fn f() { let _ = io::stderr(); }", "writes to stderr"),
        ("src/users/secret.rs", "fn f() { std::env::var_os(\"X\"); }", "reads the environment"),
        ("src/ledger/engine.rs", "fn f() { SystemTime::now(); }", "reads the time"),
        ("src/users/service.rs", "fn f() { jiff::Timestamp::now(); }", "reads the time"),
    ];
    for (path, source, expected) in breaches {
        let found = faults(path, source);
        assert!(found.len() == 1 && found[0].contains(expected), "{path}: {source}\ngave {found:?}, not '{expected}'");
    }
    assert_eq!(faults("src/users/store.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
    assert_eq!(faults("src/users/tests.rs", &"\n".repeat(TEST_LINES_MAX + 1)).len(), 1);
    assert!(faults("src/users/tests.rs", &"\n".repeat(TEST_LINES_MAX)).is_empty());
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (path, source) in [
        (
            "src/users/rules.rs",
            "// use crate::cli::output;\n/* crate::cli /* axum */ */ const A: &str = \"crate::cli\";",
        ),
        (
            "src/users/rules.rs",
            "const A: &str = r#\"println! \" axum\"#; const Q: char = '\"'; fn f<'a>(x: &'a str) {}",
        ),
        ("src/users/http.rs", "use axum::Router; use super::service::Users; use crate::http::Json;"),
        ("src/users/service.rs", "use super::model::User; use super::store; use crate::users::rules;"),
        ("src/users/mod.rs", "pub use self::service::Users; mod tests { use super::*; }"),
        ("src/ledger/tests.rs", "use super::rules; use super::super::ledger::model;"),
        ("src/cli/order.rs", "use crate::purchases::http::OrderView; use crate::app::App;"),
        ("src/payments/http.rs", "use crate::purchases::http::{answered, scoped};"),
        ("src/ledger/engine.rs", "fn f() { Instant::now(); Command::new(\"x\").stdout(Stdio::piped()); }"),
        ("src/lib.rs", "pub use crate::cli::main;"),
    ] {
        assert_eq!(faults(path, source), Vec::<String>::new(), "{path}: {source}");
    }
}
