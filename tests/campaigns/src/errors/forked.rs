//! A process that forks with an open store: parent and child share every lock, and each would believe that it has them.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use cloakroom::{Durability, Error, FileStore, Lifetime, Record, Revision, Store as _};
use fastrand::Rng;

use super::scene::directory;
use crate::real::NOW;
use crate::real::mounts::Stage;
use crate::run::Failure;
use crate::support::{block_on, key};

/// The first argument that makes this binary the process that forks; the second is the store's directory.
pub const FORKER: &str = "forker";

/// What both say when all is well.
const CHILD: &str = "child: create Forked, update Forked, touch Forked, destroy Forked, close Forked, create in the store opened anew done";
const PARENT: &str =
    "parent: its own session, and of the child's the one that it saved in the store opened anew; saved, closed";

/// The child may not save, end or close anything until it has opened the store anew; the parent goes on as if there were none.
pub fn forked(stage: &Stage, _: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let failed = |error| format!("the process that forks could not be run: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let said = Command::new(program).arg(FORKER).arg(directory.path().join("sessions")).output().map_err(failed)?;
    let lines = String::from_utf8_lossy(&said.stdout);
    if said.status.success() && lines.lines().eq([CHILD, PARENT]) {
        return Ok(());
    }
    Err(format!("{}:\n{lines}{}", said.status, String::from_utf8_lossy(&said.stderr)))
}

fn record(n: u32) -> Record {
    Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW)
}

/// The process that forks.
pub fn fork_in(place: &Path) -> ExitCode {
    match fork(place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("parent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn fork(place: &Path) -> Result<(), Error> {
    // In the child no thread would sync for a save that waits.
    let store = FileStore::options().durability(Durability::Never).open(place)?;
    let (ours, theirs) = (record(1), record(2));
    let revision = block_on(store.create(&ours, &[], NOW))?;
    // SAFETY: the child runs until `_exit` and touches nothing that another thread may have been changing: the store
    // refuses before it takes any lock, which is what is to be seen.
    let child = unsafe { libc::fork() };
    if child == 0 {
        say_as_child(&store, place, &ours, &theirs, revision);
        // SAFETY: ends the process; nothing of the parent's is flushed or closed twice.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made, and writes to a variable of its own.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    let all_is_well = block_on(store.load(ours.key(), NOW))?.is_some()
        && block_on(store.load(theirs.key(), NOW))?.is_none()
        && block_on(store.load(&key(4), NOW))?.is_some()
        && block_on(store.create(&record(3), &[], NOW)).is_ok();
    store.close()?;
    println!("{}", if all_is_well { PARENT } else { "parent: its sessions are not as it left them" });
    Ok(())
}

fn say_as_child(store: &FileStore, place: &Path, ours: &Record, theirs: &Record, revision: Revision) {
    fn kind<T>(outcome: Result<T, Error>) -> String {
        outcome.map_or_else(|error| format!("{:?}", error.kind()), |_| "done".into())
    }
    let refused = [
        ("create", kind(block_on(store.create(theirs, &[], NOW)))),
        ("update", kind(block_on(store.update(ours, revision, NOW)))),
        ("touch", kind(block_on(store.touch(ours.key(), NOW.plus(Duration::from_secs(100)))))),
    ];
    let mut said: Vec<_> = refused.into_iter().map(|(what, kind)| format!("{what} {kind}")).collect();
    // What always waits is asked for only if nothing was done so far.
    if said.iter().all(|said| said.ends_with("Forked")) {
        said.push(format!("destroy {}", kind(block_on(store.destroy(ours.key(), None)))));
        said.push(format!("close {}", kind(store.close())));
        // It has a thread of its own there, so it may wait for the disk.
        let anew = FileStore::open(place).and_then(|anew| {
            block_on(anew.create(&record(4), &[], NOW))?;
            anew.close()
        });
        said.push(format!("create in the store opened anew {}", kind(anew)));
    }
    println!("child: {}", said.join(", "));
}
