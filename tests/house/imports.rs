//! Which file imports which, as the `use` lines and the paths in the code say.
//!
//! Comments and tests do not count. What cannot be seen: a method that another file adds to a type, a trait's method, a macro's
//! expansion, and a type that is used without being named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The Rust files below a folder, but for tests.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file's code: without comments, and without the tests at its end.
pub fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_tests = line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.starts_with("mod tests"));
        if is_tests {
            break;
        }
        // Two slashes in a string look like a comment; no import is lost by that.
        code += line.split("//").next().unwrap_or_default();
        code.push('\n');
    }
    code
}

/// The imports between the files of a crate, by their paths below its root.
pub struct Imports(BTreeMap<String, BTreeSet<String>>);

impl Imports {
    /// Those of the crate whose `lib.rs` or `main.rs` stands in this folder.
    pub fn of(root: &Path) -> Self {
        let is_test =
            |file: &String| file.ends_with("/tests.rs") || file.contains("/tests/") || file.starts_with("tests");
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let files: BTreeMap<String, PathBuf> =
            sources(root).into_iter().map(|path| (name(&path), path)).filter(|(file, _)| !is_test(file)).collect();
        let codes: BTreeMap<&String, String> =
            files.iter().map(|(file, path)| (file, code(&fs::read_to_string(path).unwrap()))).collect();
        // A module of a file elsewhere imports nothing that is looked at here.
        let elsewhere = codes.iter().flat_map(|(file, code)| {
            let names = code.split("#[path").skip(1).filter_map(|rest| rest.split_once("mod ")?.1.split_once(';'));
            names.map(|(name, _)| ([&module(file)[..], &[name.to_owned()]].concat(), None))
        });
        let modules: BTreeMap<Vec<String>, Option<&String>> =
            elsewhere.chain(files.keys().map(|file| (module(file), Some(file)))).collect();
        let imports = codes.iter().map(|(file, code)| {
            let own = module(file);
            let is_child = |name: &str| modules.contains_key(&[&own[..], &[name.to_owned()]].concat());
            let targets = paths(code, &own, &is_child).into_iter().filter_map(|path| {
                // The longest part of the path that is a file.
                *(0..=path.len()).rev().find_map(|length| modules.get(&path[..length]))?
            });
            ((*file).clone(), targets.filter(|target| target != file).cloned().collect())
        });
        Self(imports.collect())
    }

    /// Each file, and one that it imports.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(file, imports)| imports.iter().map(move |import| (&**file, &**import)))
    }

    /// Files that import each other in a circle, in groups.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> = self.0.keys().map(|file| (&**file, self.reach(file))).collect();
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for file in reach.keys().filter(|file| reach[*file].contains(*file)) {
            let both = |other: &&str| reach[file].contains(other) && reach[other].contains(file);
            let circle: Vec<&str> = reach.keys().copied().filter(both).collect();
            if !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    /// All files that a file imports, directly or by way of others.
    fn reach(&self, file: &str) -> BTreeSet<&str> {
        let mut reach = BTreeSet::new();
        let mut next: Vec<&str> = self.0[file].iter().map(String::as_str).collect();
        while let Some(file) = next.pop() {
            if reach.insert(file) {
                next.extend(self.0[file].iter().map(String::as_str));
            }
        }
        reach
    }
}

/// The path of the module that a file holds.
fn module(file: &str) -> Vec<String> {
    let parts: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let (last, folders) = parts.split_last().unwrap();
    let name = (!["mod", "lib", "main"].contains(last)).then_some(*last);
    folders.iter().copied().chain(name).map(str::to_owned).collect()
}

/// The paths in some code that begin with `crate`, `self`, `super` or the name of a child module, seen from the crate's root.
fn paths(code: &str, module: &[String], is_child: &dyn Fn(&str) -> bool) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let before = code[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        let is_first = !code[..at - before.len()].ends_with("::");
        let base = match before {
            "crate" if is_first => Vec::new(),
            "self" if is_first => module.to_vec(),
            "super" if is_first => module[..module.len().saturating_sub(1)].to_vec(),
            child if is_first && is_child(child) => [module, &[child.to_owned()]].concat(),
            _ => continue,
        };
        tree(&code[at + 2..], base, &mut found);
    }
    found
}

/// Reads what comes after `::`: a name and what comes after that, or several in braces. Says what is left.
fn tree<'a>(code: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut rest) = code.strip_prefix('{') {
        loop {
            rest = tree(rest, path.clone(), found).trim_start();
            match rest.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => rest = more,
                Some(end) => return end.trim_start().strip_prefix('}').unwrap_or(end),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let (name, mut rest) = code.split_at(end);
    match name {
        "super" => drop(path.pop()),
        "self" | "" => {}
        _ => path.push(name.to_owned()),
    }
    if let Some(more) = rest.strip_prefix("::") {
        return tree(more, path, found);
    }
    if let Some(alias) = rest.trim_start().strip_prefix("as ") {
        rest = alias.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    }
    found.push(path);
    rest
}

#[test]
fn paths_are_read_whole_with_braces_and_from_where_they_stand() {
    let module: Vec<String> = ["a", "b"].map(str::to_owned).into();
    let code = code(
        "use crate::x::{self, y::{Z, w as v}, super_thing};\n// use crate::no;\nuse super::c::D; fn f() { self::e::g(); std::fs::h(); i::j() }\n#[cfg(test)]\nmod tests {\n    use crate::no;\n}\n",
    );
    let found: Vec<String> = paths(&code, &module, &|name| name == "i").iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["x", "x::y::Z", "x::y::w", "x::super_thing", "a::c::D", "a::b::e::g", "a::b::i::j"]);
}
