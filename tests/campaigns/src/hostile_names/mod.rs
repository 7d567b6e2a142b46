//! `hostile-names`: strings that were made to be taken for something else, through every public entry that takes one; and
//! files of hostile names and kinds in the store's directory.
//!
//! A case is a string. Thousands of them are passed in a process of their own, under strace: each ends in a typed error or
//! comes back exactly as it went in, nothing panics, and no call names a file outside of the store's directory. For some seeds
//! something is planted in the directory of a store besides: symlinks, FIFOs and directories in the place of its files. Opening
//! neither follows nor waits nor fails without saying what is in the way, and nothing is lost.
//!
//! Promises: 4 and 5, as far as names go; requirements 6, 7, 22 and 23 of `docs/security.md`.
//!
//! Here stand the strings, the entries that take them and what is planted. Damage to a file of the right name and kind is
//! `corrupt`'s, and never here.

mod entries;
mod planted;
mod strings;
mod traced;

use fastrand::Rng;

use crate::real::mounts::need_tool;
use crate::run::{Campaign, CannotRun, Run};

pub use traced::{WORKER, worker};

pub const CAMPAIGN: Campaign = Campaign {
    name: "hostile-names",
    what: "hostile strings through every entry, hostile files in the directory",
    size: 20_000,
    run,
};

/// So many strings go through one process.
const STRINGS: u64 = 1000;
/// For so many of their seeds something is planted.
const PLANTED: u64 = 10;

fn run(run: &mut Run) -> Result<(), CannotRun> {
    need_tool("strace", "strace")?;
    need_tool("mkfifo", "coreutils")?;
    crate::errors::try_strace()?;
    let (mut from, mut left) = (run.seed, run.size);
    while left > 0 {
        let strings = left.min(STRINGS);
        let planted = strings.min(PLANTED);
        match traced::pass(from, strings) {
            Ok(()) => run.passed(strings - planted),
            Err((seed, failure)) => {
                if !run.count(seed, Err(failure)) {
                    return Ok(());
                }
            }
        }
        for seed in (0..planted).map(|case| from.wrapping_add(case)) {
            if !run.count(seed, planted::open_with_something(&mut Rng::with_seed(seed))) {
                return Ok(());
            }
        }
        from = from.wrapping_add(strings);
        left -= strings;
    }
    Ok(())
}
