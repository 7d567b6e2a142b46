//! The mutants of `tests/campaigns/mutants.toml` fit the sources. Whether the campaigns notice them, `-- mutants` shows.

#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(unreachable_pub, reason = "the campaigns use it, too")]
#[path = "campaigns/src/mutants/mutant.rs"]
mod mutant;

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn each_text_that_a_mutant_replaces_occurs_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mutants = mutant::all(&root.join("tests/campaigns/mutants.toml")).unwrap();
    let sources = mutant::sources(&root.join("src")).unwrap();
    assert!(mutants.len() > 70 && sources.len() > 50, "the table and the sources were found");
    let wrong: Vec<String> = mutants.iter().filter_map(|mutant| mutant.applied_to(&sources).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_mutant_says_what_it_takes_away_and_which_campaign_must_notice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mutants = mutant::all(&root.join("tests/campaigns/mutants.toml")).unwrap();
    let names: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.name).collect();
    assert_eq!(names.len(), mutants.len(), "two have one name");
    for mutant in &mutants {
        let says_all = [&mutant.what, &mutant.rule, &mutant.promise].iter().all(|field| !field.is_empty());
        assert!(says_all && !mutant.caught_by.is_empty(), "{}", mutant.name);
    }
}
