//! A mutant: edits that take something away, and the campaigns that must notice. Read from `mutants.toml`, which says what each
//! field means.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// See the module.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// A number, and what it is called.
    pub name: String,
    /// What is taken away.
    pub what: String,
    /// The protocol's rules, or none.
    pub rule: String,
    /// The promises that it helps to keep.
    pub promise: String,
    /// The commands that must notice, behind `--`, each of them; or tests of the crate, `test NAME`.
    pub caught_by: Vec<String>,
    #[serde(rename = "edit")]
    pub edits: Vec<Edit>,
}

/// A place in the sources, and what stands there in the mutant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    find: String,
    replace: String,
}

/// Files and their texts.
pub type Texts = BTreeMap<PathBuf, String>;

/// Files, as edits are looked for in them.
pub type Sources = BTreeMap<PathBuf, Code>;

/// All mutants, in their order.
pub fn all(table: &Path) -> Result<Vec<Mutant>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        mutant: Vec<Mutant>,
    }
    let wrong = |why: String| format!("{}: {why}", table.display());
    let text = fs::read_to_string(table).map_err(|error| wrong(error.to_string()))?;
    let Table { mutant } = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(mutant)
}

/// The Rust files below a folder.
pub fn sources(folder: &Path) -> io::Result<Sources> {
    let mut sources = Sources::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources.extend(self::sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            sources.insert(path, Code::of(text));
        }
    }
    Ok(sources)
}

impl Mutant {
    /// The files that are other ones in this mutant.
    pub fn applied_to(&self, sources: &Sources) -> Result<Texts, String> {
        let places = self.edits.iter().map(|edit| Ok((edit.place_in(sources)?, &edit.replace)));
        let mut places: Vec<_> =
            places.collect::<Result<_, _>>().map_err(|why: String| format!("{}: {why}", self.name))?;
        // The last place of a file first, so that no edit moves another's place.
        places.sort_by_key(|((path, range), _)| (*path, Reverse(range.start)));
        let mut changed = Texts::new();
        for ((path, range), replace) in places {
            changed.entry(path.clone()).or_insert_with(|| sources[path].whole.clone()).replace_range(range, replace);
        }
        Ok(changed)
    }
}

impl Edit {
    /// Where its text stands, which is in one place only.
    fn place_in<'a>(&self, sources: &'a Sources) -> Result<(&'a PathBuf, Range<usize>), String> {
        let find = Code::of(self.find.clone()).text;
        let mut places = Vec::new();
        for (path, code) in sources {
            places.extend(code.text.match_indices(&find).map(|(at, _)| {
                let last = code.offsets[at + find.len() - 1];
                let last_char = code.whole[last..].chars().next().map_or(1, char::len_utf8);
                (path, code.offsets[at]..last + last_char)
            }));
        }
        match &places[..] {
            [place] => Ok(place.clone()),
            _ => {
                let files: Vec<_> = places.iter().map(|(path, _)| path.display().to_string()).collect();
                Err(format!("this occurs {} times, and not once ({}):\n{}", files.len(), files.join(", "), self.find))
            }
        }
    }
}

/// A text without what a formatter or the author of a comment may change: white space, comment lines, and commas before a
/// closing bracket.
pub struct Code {
    pub whole: String,
    text: String,
    /// Of each byte of it, where its character stands in the whole text.
    offsets: Vec<usize>,
}

impl Code {
    fn of(whole: String) -> Self {
        let mut code = Self { whole: String::new(), text: String::new(), offsets: Vec::new() };
        let mut from = 0;
        for line in whole.split_inclusive('\n') {
            let is_comment = line.trim_start().starts_with("//");
            for (at, character) in
                line.char_indices().filter(|(_, character)| !is_comment && !character.is_whitespace())
            {
                if matches!(character, ')' | ']' | '}') && code.text.ends_with(',') {
                    code.text.pop();
                    code.offsets.pop();
                }
                code.text.push(character);
                code.offsets.resize(code.text.len(), from + at);
            }
            from += line.len();
        }
        Self { whole, ..code }
    }
}
