//! The rules of the house that a compiler does not know.

#![allow(clippy::unwrap_used, reason = "a test")]

mod api;
#[allow(unreachable_pub, reason = "a part of this test alone")]
mod imports;
#[allow(unreachable_pub, reason = "a part of this test alone")]
mod items;
mod pages;
#[allow(unreachable_pub, reason = "a part of this test alone")]
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use imports::{Imports, sources};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `src` whose code (comments apart) contains a word.
fn files_with(word: &str) -> Vec<String> {
    let src = root().join("src");
    let files = sources(&src);
    assert!(files.len() > 100, "the sources were found");
    let has_word = |path: &&PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|code| code.contains(word))
    };
    let with = files.iter().filter(has_word);
    with.map(|path| path.strip_prefix(&src).unwrap().display().to_string()).collect()
}

#[test]
fn exactly_one_file_imports_each_dependency_that_may_have_to_go() {
    assert_eq!(files_with("bincode::"), ["model/codec.rs"]);
    assert_eq!(files_with("fs2::"), ["store/file/disk/lock.rs"]);
    assert_eq!(files_with("triomphe::"), ["model/bytes.rs"]);
}

#[test]
fn only_the_shared_tail_is_unsafe_and_it_is_short() {
    assert_eq!(files_with("unsafe "), ["store/file/disk/mapping.rs"]);
    assert_eq!(files_with("allow(unsafe_code)"), ["store/file/disk/mapping.rs"]);
    let tail = root().join("src/store/file/disk/mapping.rs");
    let text = fs::read_to_string(tail).unwrap();
    assert!(text.lines().count() < 80);
    assert_eq!(text.matches("unsafe {").count(), text.matches("// SAFETY:").count());
}

#[test]
fn only_the_system_clock_reads_the_clock() {
    assert_eq!(files_with("SystemTime::now"), ["model/time.rs"]);
    assert_eq!(files_with("Timestamp::now"), ["model/time.rs"]);
    assert_eq!(files_with("UtcDateTime::now"), [""; 0]);
    assert_eq!(files_with("OffsetDateTime::now"), [""; 0]);
}

/// What the lines of docs/operations.md are shown by: the names in the brackets at a line's end.
fn shown_by(line: &str) -> Vec<&str> {
    let Some((_, brackets)) = line.trim_end().strip_suffix(']').and_then(|line| line.rsplit_once('[')) else {
        return Vec::new();
    };
    brackets.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_line_about_operations_names_what_shows_it_and_that_exists() {
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let mut code: String =
        ["src", "tests"].iter().flat_map(|folder| sources(&root().join(folder))).map(|path| text(&path)).collect();
    code.retain(|letter| letter != '\r');
    let page = text(&root().join("docs/operations.md"));
    let lines: Vec<String> =
        page.split("\n- ").skip(1).map(|item| item.split("\n\n").next().unwrap().replace('\n', " ")).collect();
    assert!(lines.len() > 30, "the page was read: {} lines", lines.len());
    for line in lines {
        let names = shown_by(&line);
        assert!(!names.is_empty(), "nothing shows this: {line}");
        for name in names {
            let is_there = code.contains(&format!("fn {name}(")) || code.contains(&format!("name: \"{name}\""));
            assert!(is_there, "{name} is neither a test nor a campaign: {line}");
        }
    }
}

/// The layers, from the lowest up: a file imports files of its own layer and of those before it.
const LAYERS: &[&[&str]] = &[&["model/"], &["cookie/"], &["store/"], &["session/"], &["sessions/"], &["adapters/"]];

/// The floors of the file store. Two folders of one floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &["store/file/format/", "store/file/threads/"],
    &["store/file/settings.rs"],
    &["store/file/disk/", "store/file/index/"],
    &["store/file/log/"],
    &["store/file/writer/"],
    &["store/file/engine/"],
    &["store/file/recovery/"],
];

/// What a file imports from a floor above its own, or from its neighbour.
fn upward<'a>(imports: &'a Imports, floors: &[&[&str]]) -> Vec<(&'a str, &'a str)> {
    let place = |file: &str| {
        floors.iter().enumerate().find_map(|(floor, folders)| {
            folders.iter().position(|folder| file.starts_with(folder)).map(|folder| (floor, folder))
        })
    };
    let is_upward = |(file, import): &(&str, &str)| match (place(file), place(import)) {
        (Some(from), Some(to)) => to.0 > from.0 || to.0 == from.0 && to.1 != from.1,
        _ => false,
    };
    imports.iter().filter(is_upward).collect()
}

#[test]
fn imports_point_downward_only() {
    let imports = Imports::of(&root().join("src"));
    assert!(imports.iter().count() > 300, "the imports were found");
    assert_eq!(upward(&imports, LAYERS), []);
    assert_eq!(upward(&imports, FLOORS), []);
    let knows =
        |from: &str, to: &str| imports.iter().any(|(file, import)| file.starts_with(from) && import.starts_with(to));
    assert!(!knows("store/", "cookie/"), "no store knows of cookies");
    assert!(!knows("cookie/", "store/"), "no cookie knows of stores");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for root in ["src", "benches/rivals/src", "tests/campaigns/src", "tests/campaigns/scheduling/src"]
        .map(|path| root().join(path))
    {
        assert_eq!(Imports::of(&root).circles(), [[""; 0]; 0], "below {}", root.display());
    }
}

#[test]
fn each_folder_has_a_mod_rs_that_says_what_belongs_there() {
    for root in ["src", "benches/rivals/src", "tests/campaigns/src"].map(|path| root().join(path)) {
        for file in sources(&root) {
            let folder = file.parent().unwrap();
            if folder == root {
                continue;
            }
            let text = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
            assert!(text.starts_with("//! "), "{} says nothing", folder.join("mod.rs").display());
            assert!(!folder.with_extension("rs").exists(), "{} has two files", folder.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    for file in sources(&root().join("src")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}

#[test]
fn the_types_of_frameworks_stay_in_their_adapters() {
    for word in ["http::", "tower_service::", "axum_core::", "tokio::"] {
        let files = files_with(word);
        // The stores on other machines wait for sockets and deadlines of the runtime.
        let may_wait = ["store/remote/link.rs", "store/postgres/", "store/mysql/", "store/redis/"];
        let stays = |file: &String| {
            file.starts_with("adapters/") || word == "tokio::" && may_wait.iter().any(|place| file.starts_with(place))
        };
        assert!(files.iter().all(stays), "{word} in {files:?}");
    }
    let clients =
        [("tokio_postgres::", "store/postgres/"), ("mysql_async::", "store/mysql/"), (" redis::", "store/redis/")];
    for (word, place) in clients {
        assert!(files_with(word).iter().all(|file| file.starts_with(place)), "{word} outside of {place}");
    }
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let files = ["src", "tests"].map(|folder| sources(&root().join(folder))).concat();
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2);
    let tests: Vec<&str> = quoted.filter(|name| name.len() > 14 && !name.contains(['/', '.', ' ', ':', '-'])).collect();
    assert!(tests.len() > 50, "the page was read");
    for test in tests {
        assert!(code.contains(&format!("fn {test}()")), "{test}");
    }
    for place in
        page.split('`').skip(1).step_by(2).filter(|name| name.starts_with("src/") || name.starts_with("tests/"))
    {
        assert!(root().join(place).exists(), "{place}");
    }
    // Up to the next kind of proof, or the end of the row.
    let contract = page.split("contract: ").skip(1).filter_map(|rest| rest.split([';', '|']).next());
    let promises: Vec<&str> = contract.flat_map(|part| part.split('"').skip(1).step_by(2)).collect();
    assert!(promises.len() >= 6, "the promises were read");
    for promise in promises {
        assert!(code.contains(&format!("{promise:?} => ")), "{promise}");
    }
    let rows: Vec<u32> = page.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
    assert!(rows.len() >= 38 && rows.iter().copied().eq(1..=rows.len() as u32), "each row has the next number");
}
