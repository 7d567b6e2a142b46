//! The table of mutants, as it stands in `docs/reliability.md`.

use std::fs;
use std::io;

use crate::ledger::root;

/// A mutant that was caught.
pub struct Row {
    pub name: String,
    pub what: String,
    pub rule: String,
    /// The commands that caught it, and after how many cases.
    pub caught: Vec<(String, u64)>,
}

pub fn of(rows: &[Row]) -> String {
    let mut table = String::from("| mutant | taken away | rule | caught by | after |\n|---|---|---|---|---:|\n");
    for Row { name, what, rule, caught } in rows {
        let commands: Vec<_> = caught.iter().map(|(command, _)| format!("`{command}`")).collect();
        let after: Vec<_> = caught.iter().map(|(_, after)| after.to_string()).collect();
        table += &format!("| {name} | {what} | {rule} | {} | {} |\n", commands.join(", "), after.join(", "));
    }
    table
}

const BEGIN: &str = "<!-- mutants: made by `-- mutants --size N` with all of them -->";
const END: &str = "<!-- end of mutants -->";

/// Puts the table between its marks, if there is a page.
pub fn write(rows: &[Row]) -> io::Result<()> {
    let page = root().join("docs/reliability.md");
    let text = match fs::read_to_string(&page) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "there are no marks for the mutants");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(page, format!("{before}{BEGIN}\n\n{}\n{END}{after}", of(rows)))
}
