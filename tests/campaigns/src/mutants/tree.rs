//! A copy of the sources to be edited and built, below the directory that cargo builds in.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::mutant::{self, Mutant, Texts};
use crate::ledger::root;
use crate::run::Failure;

pub struct Tree {
    target: PathBuf,
    root: PathBuf,
}

impl Tree {
    /// A fresh copy of all files that git knows or would know, as they are now. It always has the same place, so that only
    /// what differs is built.
    pub fn copy() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).ok_or(io::ErrorKind::NotFound)?.to_owned();
        let tree = Self { root: target.join("tmp/mutants"), target };
        match fs::remove_dir_all(&tree.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Command::new("git").arg("-C").arg(root()).args(list).output()?;
        if !listed.status.success() {
            return Err(io::Error::other("git did not list the project's files"));
        }
        for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (root().join(name), tree.root.join(name));
            // One that was deleted and not yet forgotten is none.
            if from.is_file() {
                fs::create_dir_all(to.parent().unwrap_or(&tree.root))?;
                fs::copy(from, to)?;
            }
        }
        Ok(tree)
    }

    /// Makes a mutant's edits; says what stood in the files before.
    pub fn edit(&self, mutant: &Mutant) -> Result<Texts, Failure> {
        let sources = mutant::sources(&self.root.join("src")).map_err(|error| format!("reading the copy: {error}"))?;
        let changed = mutant.applied_to(&sources)?;
        self.restore(&changed)?;
        let before = sources.into_iter().filter(|(path, _)| changed.contains_key(path));
        Ok(before.map(|(path, code)| (path, code.whole)).collect())
    }

    /// Writes these files as they are given.
    pub fn restore(&self, files: &Texts) -> Result<(), Failure> {
        files.iter().try_for_each(|(path, text)| {
            fs::write(path, text).map_err(|error| format!("writing {}: {error}", path.display()))
        })
    }

    /// Builds the campaigns; says where the program is.
    pub fn build(&self) -> Result<PathBuf, Failure> {
        let mut cargo = self.cargo("tests/campaigns/Cargo.toml", &["build", "--quiet", "--profile", "mutants"]);
        // What is taken away may leave something unused.
        built(cargo.env("RUSTFLAGS", "-Awarnings"))?;
        Ok(self.target.join("mutants/cloakroom-campaigns"))
    }

    /// Builds a test of the crate.
    pub fn build_test(&self, name: &str) -> Result<(), Failure> {
        built(self.test(name).arg("--no-run"))
    }

    /// What runs a test of the crate.
    pub fn test(&self, name: &str) -> Command {
        self.cargo("Cargo.toml", &["test", "--quiet", "--all-features", "--test", name])
    }

    fn cargo(&self, manifest: &str, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(arguments).arg("--manifest-path").arg(self.root.join(manifest));
        cargo.env("CARGO_TARGET_DIR", &self.target);
        cargo
    }
}

fn built(cargo: &mut Command) -> Result<(), Failure> {
    let output = cargo.output().map_err(|error| format!("it does not build: cargo: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("it does not build:\n{}", String::from_utf8_lossy(&output.stderr))),
    }
}
