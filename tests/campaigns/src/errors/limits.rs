//! Limits of a process, and a directory that is no more.

use std::fs;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::scene::{a_while, creation, directory, done, failed, get_done, working};
use crate::real::HANGS;
use crate::real::claims::Owed;
use crate::real::crew::Crew;
use crate::real::mounts::{Stage, tool};
use crate::real::op::Op;
use crate::real::said::Promise;
use crate::run::Failure;

/// Sets a limit of a worker that runs.
fn limit(crew: &Crew, worker: usize, what: &str, value: u64) -> Result<(), Failure> {
    let pid = crew.worker(worker).worker().ok_or("the worker has not opened the store")?;
    // The soft limit alone, so that it can be raised again.
    tool("prlimit", &["--pid", &pid.as_raw_nonzero().to_string(), &format!("--{what}={value}:")])
}

const MANY: u64 = 1 << 10;
const LARGE: u64 = 1 << 40;

pub fn handles(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let mut crew = working(&directory.path().join("sessions"), 4 << 10, rng)?;
    get_done(&mut crew, &[0, 1], 5)?;
    let mut errors = Vec::new();
    for _ in 0..20 {
        // Fewer than it has open: it may keep them, and gets no other.
        limit(&crew, 0, "nofile", rng.u64(0..8))?;
        crew.watch(Duration::from_millis(rng.u64(5..40)), |by, said| {
            use crate::real::said::Said::{NotDone, Visible};
            if let NotDone { error, .. } | Visible { error, .. } = said
                && by == 0
                && error.kind == "Io"
            {
                errors.push(error.error.clone());
            }
            false
        })?;
        limit(&crew, 0, "nofile", MANY)?;
        errors.extend(get_done(&mut crew, &[0, 1], 5)?.into_iter().filter(|kind| kind == "Io"));
    }
    if errors.is_empty() {
        return Err("no call failed for want of a handle".into());
    }
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)
}

pub fn file_size(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let mut crew = working(&directory.path().join("sessions"), 64 << 10, rng)?;
    crew.kill(0)?;
    crew.check(Owed::Acknowledged)?;
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned);
    crew.start_under(&ignoring, 0, Promise::Always, rng)?;
    crew.set_to_work(&[0])?;
    get_done(&mut crew, &[0], 5)?;
    for _ in 0..5 {
        limit(&crew, 0, "fsize", rng.u64(0..8192))?;
        a_while(&mut crew, rng)?;
        limit(&crew, 0, "fsize", LARGE)?;
        get_done(&mut crew, &[0, 1], 5)?;
    }
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)
}

pub fn file_size_signal(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let mut crew = working(&directory.path().join("sessions"), 64 << 10, rng)?;
    get_done(&mut crew, &[0, 1], 5)?;
    crew.tolerant = true;
    // Less than any write needs.
    limit(&crew, 0, "fsize", rng.u64(0..64))?;
    let begun = Instant::now();
    while crew.is_running(0) && begun.elapsed() < HANGS {
        crew.watch(Duration::from_millis(5), |_, _| false)?;
    }
    get_done(&mut crew, &[1], 5)?;
    if crew.is_running(0) {
        return Err("a worker whose files may not grow goes on writing".into());
    }
    crew.check(Owed::Acknowledged)?;
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)
}

pub fn directory_removed(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let place = directory.path().join("sessions");
    let mut crew = Crew::new(&place, 2, 64 << 10);
    for worker in crew.numbers() {
        crew.start(worker, Promise::Always, rng)?;
        let creation = creation(&crew, rng);
        done(crew.perform(worker, creation)?)?;
    }
    fs::remove_dir_all(&place).map_err(|error| format!("the directory could not be removed: {error}"))?;
    for worker in crew.numbers() {
        for _ in 0..3 {
            let creation = creation(&crew, rng);
            failed(&crew.perform(worker, creation)?, &["FilesLost"])?;
            failed(&crew.perform(worker, Op::DestroyOwned { owner: 1, except: None })?, &["FilesLost"])?;
        }
    }
    crew.kill_all()?;
    // Who opens it now finds a new one, with nothing in it.
    let mut anew = Crew::new(&place, 2, 64 << 10);
    anew.check(Owed::Acknowledged)?;
    anew.start(0, Promise::Always, rng)?;
    let creation = creation(&anew, rng);
    done(anew.perform(0, creation)?)?;
    anew.kill_all()?;
    anew.check(Owed::Acknowledged)
}
