//! The pages: what they show to readers, and where their links lead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::root;

/// README and the other pages at the top and in docs/.
fn pages() -> Vec<PathBuf> {
    let files = ["", "docs"].into_iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let pages = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.collect()
}

/// The labels that a page defines, and what they stand for: `[label]: target`.
fn definitions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "))
}

/// What README's definitions are in the built documentation: its pictures themselves, and the files where docs.rs shows them.
fn for_rustdoc() -> String {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let there = definitions(&text).map(|(label, target)| match target.rsplit_once('.') {
        Some((_, "svg")) => format!("[{label}]: data:image/svg+xml;base64,{}\n", encoded(target)),
        Some((_, "png")) => format!("[{label}]: data:image/png;base64,{}\n", encoded(target)),
        _ => format!("[{label}]: https://docs.rs/crate/cloakroom/latest/source/{target}\n"),
    });
    there.collect::<String>() + "\n"
}

fn encoded(picture: &str) -> String {
    STANDARD.encode(fs::read(root().join(picture)).unwrap())
}

/// Built documentation has no files but its own, so a picture that it shows has to be in its text.
#[test]
fn the_built_documentation_has_the_pictures_of_readme() {
    let (file, now) = (root().join("docs/rustdoc.md"), for_rustdoc());
    if std::env::var_os("RENEW_PICTURES").is_some() {
        fs::write(&file, &now).unwrap();
    }
    assert_eq!(now.matches("data:image/").count(), 3);
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == now, "renew it: RENEW_PICTURES=1 cargo test --test house the_built_documentation");
}

/// The files of this repository that a page links to, as paths from its top.
fn linked(page: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(page).unwrap();
    let inline = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let targets = inline.chain(definitions(&text).map(|(_, target)| target));
    let files = targets.map(|target| target.split('#').next().unwrap()).filter(|file| !file.is_empty());
    let from = page.parent().unwrap().strip_prefix(root()).unwrap();
    files
        .filter(|file| !file.contains("://") && !file.starts_with("data:") && !file.contains(char::is_whitespace))
        .map(|file| match file.strip_prefix("../") {
            Some(file) => PathBuf::from(file),
            None => from.join(file),
        })
        .collect()
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let pages = pages();
    assert!(pages.len() > 8);
    let links: Vec<_> = pages.iter().flat_map(|page| linked(page).into_iter().map(move |link| (page, link))).collect();
    assert!(links.len() > 15);
    for (page, link) in links {
        assert!(root().join(&link).exists(), "{} links to {}", page.display(), link.display());
    }
}

/// Code hosts and registries show the lines that rustdoc hides.
#[test]
fn no_page_has_lines_that_only_rustdoc_hides() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for code in text.split("```rust").skip(1).filter_map(|rest| rest.split_once("```")) {
            let hidden: Vec<_> = code.0.lines().filter(|line| *line == "#" || line.starts_with("# ")).collect();
            assert!(hidden.is_empty(), "{}: {hidden:?}", page.display());
        }
    }
}

#[test]
fn the_package_has_every_file_that_its_pages_link_to() {
    let cargo = Command::new(env!("CARGO")).current_dir(root()).args(["package", "--list", "--allow-dirty"]).output();
    let output = cargo.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packed = String::from_utf8(output.stdout).unwrap();
    for file in pages().iter().flat_map(|page| linked(page)) {
        let file = file.to_str().unwrap();
        let is_in =
            |packed: &str| packed == file || packed.strip_prefix(file).is_some_and(|rest| rest.starts_with('/'));
        assert!(packed.lines().any(is_in), "{file} is not in the package");
    }
}
