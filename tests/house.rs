//! The rules of the house that a compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files below `src` whose code (comments apart) contains a word.
fn files_with(word: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources were found");
    let has_word = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|code| code.contains(word))
    };
    let mut names: Vec<String> = files
        .iter()
        .filter(|path| has_word(path))
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn exactly_one_file_imports_each_dependency_that_may_have_to_go() {
    assert_eq!(files_with("bincode::"), ["codec.rs"]);
    assert_eq!(files_with("fs2::"), ["store/file/disk/lock.rs"]);
    assert_eq!(files_with("triomphe::"), ["bytes.rs"]);
}

#[test]
fn only_the_shared_tail_is_unsafe_and_it_is_short() {
    assert_eq!(files_with("unsafe "), ["store/file/disk/mapping.rs"]);
    assert_eq!(files_with("allow(unsafe_code)"), ["store/file/disk/mapping.rs"]);
    let tail = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/file/disk/mapping.rs");
    let text = fs::read_to_string(tail).unwrap();
    assert!(text.lines().count() < 80);
    assert_eq!(text.matches("unsafe {").count(), text.matches("// SAFETY:").count());
}

#[test]
fn only_the_system_clock_reads_the_clock() {
    assert_eq!(files_with("SystemTime::now"), ["time.rs"]);
    assert_eq!(files_with("UtcDateTime::now"), [""; 0]);
    assert_eq!(files_with("OffsetDateTime::now"), [""; 0]);
}

#[test]
fn no_store_knows_of_cookies_and_no_cookie_of_stores() {
    for file in files_with("crate::cookie") {
        assert!(!file.starts_with("file/") && !file.starts_with("memory") && !file.starts_with("store/"), "{file}");
    }
    for word in ["crate::store", "crate::file", "crate::session", "crate::record", "crate::memory"] {
        let files = files_with(word);
        assert!(files.iter().all(|file| !file.starts_with("cookie/")), "{word} in {files:?}");
    }
}

#[test]
fn the_types_of_frameworks_stay_in_their_adapters() {
    for word in ["http::", "tower_service::", "axum_core::", "tokio::"] {
        let files = files_with(word);
        let stays = |file: &String| file.starts_with("tower/") || file == "axum.rs";
        assert!(files.iter().all(stays), "{word} in {files:?}");
    }
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for directory in ["src", "tests"] {
        sources(&root.join(directory), &mut files);
    }
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2);
    let tests: Vec<&str> = quoted.filter(|name| name.len() > 14 && !name.contains(['/', '.', ' ', ':', '-'])).collect();
    assert!(tests.len() > 50, "the page was read");
    for test in tests {
        assert!(code.contains(&format!("fn {test}()")), "{test}");
    }
    let rows =
        page.lines().filter(|line| line.split('|').nth(1).is_some_and(|number| number.trim().parse::<u32>().is_ok()));
    assert_eq!(rows.count(), 38);
}
