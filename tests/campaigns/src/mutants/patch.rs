//! A patch that takes something away, and who must notice.
//!
//! What stands before the diff:
//!
//!     What: the sync of the segment that is sealed.
//!     Rule: 6
//!     Promise: 1
//!     Campaign: simulate --size 2000 --seed 1

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::CannotRun;

pub struct Patch {
    pub path: PathBuf,
    /// The file's name without its ending: a number and what it is called.
    pub name: String,
    /// What is taken away.
    pub what: String,
    /// The protocol's rule, or none.
    pub rule: String,
    /// Who must notice, each of them.
    pub witnesses: Vec<Witness>,
}

/// A campaign's command, behind `--`.
pub struct Witness {
    pub campaign: String,
    pub size: u64,
    pub seed: u64,
}

impl Witness {
    pub fn command(&self) -> String {
        format!("{} --size {} --seed {}", self.campaign, self.size, self.seed)
    }

    fn parse(words: &str) -> Option<Self> {
        match words.split_whitespace().collect::<Vec<_>>()[..] {
            [campaign, "--size", size, "--seed", seed] => {
                Some(Self { campaign: campaign.into(), size: size.parse().ok()?, seed: seed.parse().ok()? })
            }
            _ => None,
        }
    }
}

/// All patches of a directory, in the order of their names.
pub fn all(directory: &Path) -> Result<Vec<Patch>, CannotRun> {
    let failed = |error| CannotRun(format!("reading {}: {error}", directory.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Result<Patch, CannotRun> {
    let wrong = |why: &str| CannotRun(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| wrong(&error.to_string()))?;
    let (head, _) = text.split_once("diff --git ").ok_or_else(|| wrong("no diff"))?;
    let all = |field: &str| -> Vec<String> {
        let lines = head.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        lines.map(|line| line.trim().to_owned()).collect()
    };
    let one = |field: &str| all(field).pop().ok_or_else(|| wrong(&format!("no line \"{field}: ...\"")));
    let witnesses: Option<Vec<_>> = all("Campaign").iter().map(|words| Witness::parse(words)).collect();
    let witnesses = witnesses.filter(|witnesses| !witnesses.is_empty());
    Ok(Patch {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        what: one("What")?,
        rule: one("Rule")?,
        witnesses: witnesses.ok_or_else(|| wrong("no line \"Campaign: NAME --size N --seed S\""))?,
        path,
    })
}
