//! The table of mutants, as it stands in `docs/reliability.md`.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::mutant::Mutant;
use crate::ledger::root;

/// A mutant that was caught.
pub struct Row {
    pub name: String,
    pub what: String,
    pub rule: String,
    pub promise: String,
    /// The commands that caught it, and after how many cases.
    pub caught: Vec<(String, u64)>,
}

impl Row {
    /// Its cells.
    pub fn as_line(&self) -> String {
        let Self { name, what, rule, promise, caught } = self;
        let caught: Vec<_> = caught.iter().map(|(command, after)| format!("`{command}`, {after}")).collect();
        format!("{name} | {what} | {rule} | {promise} | {}", caught.join("; "))
    }
}

/// The lines of a run's mutants, by their names; of one that was not caught there is none.
pub type Lines = BTreeMap<String, Option<String>>;

/// As a table.
pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let mut table = String::from(
        "| mutant | taken away | rule | promise | caught by, after so many cases |\n|---|---|---|---|---|\n",
    );
    for line in lines {
        table += &format!("| {line} |\n");
    }
    table
}

const BEGIN: &str = "<!-- mutants: made by `-- mutants` -->";
const END: &str = "<!-- end of mutants -->";

/// Puts a run's lines among those that stand between the marks, if there is a page. What is no mutant any more leaves it.
pub fn write(lines: &Lines, mutants: &[Mutant]) -> io::Result<()> {
    let page = root().join("docs/reliability.md");
    let text = match fs::read_to_string(&page) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "there are no marks for the mutants");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (stands, after) = rest.split_once(END).ok_or_else(missing)?;
    let stands = stands.lines().filter_map(|line| {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some((line.split(" | ").next()?, line))
    });
    let stands: BTreeMap<&str, &str> = stands.collect();
    let lines = mutants.iter().filter_map(|mutant| match lines.get(&mutant.name) {
        Some(line) => line.as_deref(),
        None => stands.get(mutant.name.as_str()).copied(),
    });
    fs::write(page, format!("{before}{BEGIN}\n\n{}\n{END}{after}", of(lines)))
}
