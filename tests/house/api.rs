//! The public interface: it is listed in a file, so that a review sees each change of it, and each part of it has its docs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::items::{Item, public_items};
use super::root;

const RENEW: &str = "RENEW_API=1 cargo test --test house the_public_interface";

fn items() -> Vec<Item> {
    let items = public_items(&root().join("src"));
    assert!(items.len() > 500, "the sources were read: {} items", items.len());
    items
}

/// The whole interface as text: what stands by itself, then the parts of each type, trait and implementation.
fn listed(items: &[Item]) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in items {
        groups.entry(&item.of).or_default().push(&item.text);
    }
    let mut text = format!("The public interface of cloakroom. To renew it: {RENEW}\n");
    for (of, mut parts) in groups {
        parts.sort_unstable();
        parts.dedup();
        write!(text, "\n{of}\n").unwrap();
        for part in parts {
            writeln!(text, "    {part}").unwrap();
        }
    }
    text
}

#[test]
fn the_public_interface_is_the_one_that_is_written_down() {
    let file = root().join("docs/api.txt");
    let now = listed(&items());
    if std::env::var_os("RENEW_API").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let differs = |one: &str, other: &str, sign: char| {
        let lines: Vec<&str> = other.lines().collect();
        let only: Vec<String> =
            one.lines().filter(|line| !lines.contains(line)).map(|line| format!("{sign} {}", line.trim())).collect();
        only.join("\n")
    };
    assert!(
        written == now,
        "the public interface changed; if it should, write it down: {RENEW}\n{}\n{}",
        differs(&written, &now, '-'),
        differs(&now, &written, '+')
    );
}

#[test]
fn every_public_function_that_fails_says_how() {
    for Item { of, text, docs } in items() {
        let fails = text.split_once("->").is_some_and(|(_, answer)| answer.contains("Result<")) && text.contains("fn ");
        // The contract of stores says it for all of their operations.
        if fails && of != "trait Store" {
            assert!(docs.contains("# Errors"), "{of}: {text}");
        }
    }
}

#[test]
fn every_public_type_and_trait_shows_its_use() {
    let is_type = |text: &str| ["pub struct ", "pub enum ", "pub trait "].iter().any(|kind| text.contains(kind));
    for Item { text, docs, .. } in items().iter().filter(|item| item.of.is_empty() && is_type(&item.text)) {
        let shows = ["```", "has an example", "shows its use"].iter().any(|word| docs.contains(word));
        assert!(shows, "{text}");
    }
}
