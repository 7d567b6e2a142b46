//! A copy of the sources to be patched and built, below the directory that cargo builds in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

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

    /// Applies a patch, or takes it back.
    pub fn apply(&self, patch: &Path, back: bool) -> Result<(), Failure> {
        let mut git = Command::new("git");
        // The copy is no repository, and must not be taken for a part of one that lies around it.
        git.arg("apply").args(back.then_some("-R")).arg(patch).current_dir(&self.root);
        git.env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap_or(&self.root));
        succeed(git, "git apply")
    }

    /// Builds the campaigns; says where the program is.
    pub fn build(&self) -> Result<PathBuf, Failure> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--quiet", "--profile", "mutants", "--manifest-path"]);
        cargo.arg(self.root.join("tests/campaigns/Cargo.toml")).env("CARGO_TARGET_DIR", &self.target);
        // What is taken away may leave something unused.
        cargo.env("RUSTFLAGS", "-Awarnings");
        succeed(cargo, "it does not build: cargo build")?;
        Ok(self.target.join("mutants/cloakroom-campaigns"))
    }
}

fn succeed(mut command: Command, what: &str) -> Result<(), Failure> {
    let output = command.output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}
