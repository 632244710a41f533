//! Documentation that is made from the program, so that it cannot fall behind.

use std::collections::BTreeSet;
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
         comes from.\nKeys with dots may be written as TOML tables.\n\n\
         | key | variable | default | allowed | what it does |\n| --- | --- | --- | --- | --- |\n",
    );
    for entry in Settings::load(&Sources::default()).unwrap().entries() {
        let setting = entry.setting;
        let (key, variable, allowed, doc) = (setting.key, setting.variable(), setting.allowed(), setting.doc);
        writeln!(page, "| `{key}` | `{variable}` | `{}` | {allowed} | {doc} |", entry.default).unwrap();
    }
    up_to_date("docs/settings.md", &page);
}

#[test]
fn the_readme_says_the_same_in_both_languages() {
    let [english, korean] = ["README.md", "README.ko.md"].map(|file| {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        Bones::of(&text)
    });
    assert_eq!(english, korean);
}

/// What of a text is the same in every language.
#[derive(Debug, PartialEq, Eq)]
struct Bones {
    headings: usize,
    rows: usize,
    commands: Vec<String>,
    words_of_code: BTreeSet<String>,
    links: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

impl Bones {
    fn of(text: &str) -> Self {
        let blocks: Vec<&str> = text.split("```").collect();
        let prose: String = blocks.iter().step_by(2).copied().collect();
        let commands = blocks.iter().skip(1).step_by(2).filter(|block| !block.contains('▶'));
        let between = |open: &str, close: char| -> BTreeSet<String> {
            prose.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(it, _)| it.to_owned()).collect()
        };
        let is_digit = |letter: char| letter.is_ascii_digit() || ",.".contains(letter);
        Self {
            headings: prose.lines().filter(|line| line.starts_with('#')).count(),
            rows: prose.lines().filter(|line| line.starts_with('|')).count(),
            commands: commands
                .flat_map(|block| block.lines())
                .map(|line| line.split(" # ").next().unwrap_or_default().trim_end().to_owned())
                .collect(),
            words_of_code: prose.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            links: between("](", ')').into_iter().filter(|link| !link.starts_with("README")).collect(),
            numbers: prose
                .split(|letter| !is_digit(letter))
                .map(|number| number.trim_matches([',', '.']).to_owned())
                .filter(|number| number.len() > 1)
                .collect(),
        }
    }
}

#[test]
fn every_page_that_the_documents_lead_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["docs", "loadtest"]
        .map(|folder| root.join(folder))
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    let top = ["README.md", "README.ko.md", "SECURITY.md"].map(|file| root.join(file));
    for page in pages.chain(top).filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let told = std::fs::read(&target).unwrap_or_else(|_| panic!("{} leads to {link}", page.display()));
            let told = String::from_utf8_lossy(&told).to_lowercase();
            let headings = told.lines().filter(|line| line.starts_with('#')).map(|line| anchor_of(line));
            assert!(anchor.is_empty() || headings.into_iter().any(|it| it == anchor), "{}: #{anchor}", page.display());
        }
    }
}

/// A heading's anchor, as code hosts make it.
fn anchor_of(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().replace(' ', "-")
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
