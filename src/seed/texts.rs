//! What generated people write: `community.toml`, in two languages.

use std::path::Path;

use serde::Deserialize;

use super::reader::{SeedError, text_of, with_line};

const COMMUNITY: &str = include_str!("../../data/seed/community.toml");

/// The longest text of the file, in characters: a post of several stays far below what a post may have.
const CHARS_MAX: usize = 200;
/// The longest thing, in characters: it stands in the middle of a title.
const THING_CHARS_MAX: usize = 40;
/// The longest title, in characters, before its thing is put in.
const TITLE_CHARS_MAX: usize = 60;

/// The texts of one language; no list is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// What a post is about; stands for `{thing}` in its title and sentences.
    pub things: Vec<String>,
    /// Titles of posts.
    pub titles: Vec<String>,
    /// What posts are made of.
    pub sentences: Vec<String>,
    /// Comments.
    pub comments: Vec<String>,
}

/// The texts of a community.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// For those who write Korean.
    pub korean: Words,
    /// For those who write English.
    pub english: Words,
}

impl Texts {
    /// The texts that ship with the program.
    ///
    /// # Errors
    /// Never, as a test shows; the type is that of [`Self::from_folder`].
    pub fn embedded() -> Result<Self, SeedError> {
        read("community.toml", COMMUNITY)
    }

    /// The texts of a folder's `community.toml`; those of the program when it has none.
    ///
    /// # Errors
    /// Every fault of the file, or why it can't be read.
    pub fn from_folder(folder: &Path) -> Result<Self, SeedError> {
        let path = folder.join("community.toml");
        text_of(&path)?.map_or_else(Self::embedded, |text| read(&path.display().to_string(), &text))
    }
}

fn read(file: &str, text: &str) -> Result<Texts, SeedError> {
    let texts: Texts = toml::from_str(text).map_err(|error| with_line(file, text, &error))?;
    let mut faults = Vec::new();
    for (language, words) in [("korean", &texts.korean), ("english", &texts.english)] {
        let lists = [
            ("things", &words.things, THING_CHARS_MAX),
            ("titles", &words.titles, TITLE_CHARS_MAX),
            ("sentences", &words.sentences, CHARS_MAX),
            ("comments", &words.comments, CHARS_MAX),
        ];
        for (name, list, max) in lists {
            if list.is_empty() {
                faults.push(format!("{file}, {language}.{name}: it takes at least one text"));
            }
            let length = |text: &String| text.trim().chars().count();
            faults.extend(list.iter().enumerate().filter(|(_, text)| !(1..=max).contains(&length(text))).map(
                |(index, _)| format!("{file}, {language}.{name}, text {}: it takes 1 to {max} characters", index + 1),
            ));
        }
    }
    if faults.is_empty() { Ok(texts) } else { Err(SeedError(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_texts_are_valid_and_of_both_languages() {
        let texts = Texts::embedded().unwrap();
        assert!(!texts.korean.sentences.iter().any(|text| text.is_ascii()));
        assert!(texts.english.titles.iter().all(|text| text.is_ascii()));
    }

    #[test]
    fn faults_name_file_and_place() {
        let faults = |text: &str| read("c.toml", text).unwrap_err().0;
        let english = "[english]\nthings = ['x']\ntitles = ['']\nsentences = []\ncomments = ['ok', '  ']\n";
        let korean = "[korean]\nthings = ['x']\ntitles = ['x']\nsentences = ['x']\ncomments = ['x']\n";
        assert_eq!(
            faults(&format!("{korean}{english}")),
            [
                "c.toml, english.titles, text 1: it takes 1 to 60 characters",
                "c.toml, english.sentences: it takes at least one text",
                "c.toml, english.comments, text 2: it takes 1 to 200 characters",
            ]
        );
        assert_eq!(faults(korean), ["c.toml, line 1: missing field `english`"]);
        let unknown = faults(&format!("{korean}colour = 'red'\n"));
        assert!(unknown[0].starts_with("c.toml, line 6: unknown field `colour`"), "{unknown:?}");
    }
}
