//! Calls that fail because strace makes them.

use std::time::Duration;

use fastrand::Rng;

use super::scene::{directory, get_done, working};
use crate::real::claims::Owed;
use crate::real::crew::Crew;
use crate::real::mounts::{Stage, tool};
use crate::real::process::Process;
use crate::real::said::{Order, Promise, Said};
use crate::run::{CannotRun, Failure};

/// Which call fails how, which time.
fn strace(call: &str, error: &str, when: &str) -> Vec<String> {
    strace_all(&[(call, error, when)])
}

/// The same of several calls.
pub fn strace_all(failing: &[(&str, &str, &str)]) -> Vec<String> {
    let words = ["strace", "-f", "-qqq", "--seccomp-bpf", "-o", "/dev/null", "-e"];
    let calls: Vec<&str> = failing.iter().map(|(call, ..)| *call).collect();
    let inject = failing
        .iter()
        .flat_map(|(call, error, when)| ["-e".to_owned(), format!("inject={call}:error={error}:when={when}")]);
    words.iter().map(|word| (*word).to_owned()).chain([format!("trace={}", calls.join(","))]).chain(inject).collect()
}

/// Whether strace may trace here.
pub fn try_strace() -> Result<(), CannotRun> {
    tool("strace", &["-f", "-qqq", "-o", "/dev/null", "true"]).map_err(CannotRun)
}

/// One sync fails, in one process: from then on every save of every process is refused, and all that comes later.
pub fn failed_sync(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let place = directory.path().join("sessions");
    let mut crew = working(&place, 32 << 10, rng)?;
    crew.kill(0)?;
    crew.check(Owed::Acknowledged)?;
    // The first syncs are those of the opening, which fails as a whole when one of them does.
    let when = rng.u32(6..60).to_string();
    crew.start_under(&strace("fdatasync", "EIO", &when), 0, Promise::Always, rng)?;
    crew.set_to_work(&[0])?;
    let mut ended = Vec::new();
    crew.watch(crate::real::HANGS, |_, said| {
        if let Said::Unknown { lane, error } = said {
            ended.push((*lane, error.kind.clone()));
        }
        ended.len() == 4
    })?;
    if ended.len() < 4 || ended.iter().any(|(_, kind)| kind != "Poisoned") {
        return Err(format!("after a failed sync the lanes that had ended were {ended:?}"));
    }
    // Who comes now may load and not save.
    let mut late = Process::start(&crew.job(0, Promise::Never, rng))?;
    late.tell(&Order::Look);
    late.tell(&Order::Go);
    late.end()?;
    match &late.hear()[..] {
        [Said::Opened { .. }, Said::Looked { .. }, Said::Failed { error }, ..] if error.kind == "Poisoned" => {}
        other => return Err(format!("who came after a failed sync said {other:?}")),
    }
    // Opened anew when all have gone, everything is there and is saved to again.
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)?;
    for worker in crew.numbers() {
        crew.start(worker, Promise::Always, rng)?;
    }
    crew.set_to_work(&[0, 1])?;
    get_done(&mut crew, &[0, 1], 5)?;
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)
}

/// Calls and their errors.
const FAILING: &[(&str, &[&str])] = &[
    ("pwrite64", &["EIO", "ENOSPC", "EINTR", "EDQUOT"]),
    ("pread64", &["EIO", "EINTR"]),
    ("fallocate", &["ENOSPC", "EIO", "EINTR", "EOPNOTSUPP"]),
    ("openat", &["EIO", "EMFILE", "ENFILE", "ENOSPC", "EINTR"]),
    ("ftruncate", &["EIO", "EINTR"]),
    ("fsync", &["EIO"]),
    ("fdatasync", &["EINTR"]),
    ("unlinkat", &["EIO", "EACCES"]),
    ("flock", &["EINTR", "ENOLCK"]),
    ("getdents64", &["EIO"]),
    ("fadvise64", &["EIO"]),
];

/// A call fails once or a few times, in one of two processes.
pub fn failing_call(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let place = directory.path().join("sessions");
    let mut crew = Crew::new(&place, 2, 4 << 10);
    let (call, errors) = rng.choice(FAILING).expect("there is a choice");
    let error = rng.choice(*errors).expect("there is a choice");
    // The calls of a program's beginning are not the store's.
    let from = rng.u32(if *call == "openat" {
        12..40
    } else if *call == "pread64" {
        6..40
    } else {
        1..40
    });
    let when = format!("{from}..{}", from + rng.u32(0..4));
    let what = format!("{call} fails with {error}, {when}");
    let explain = |failure: Failure| format!("{what}: {failure}");
    crew.start(1, Promise::Never, rng).map_err(explain)?;
    crew.set_to_work(&[1]).map_err(explain)?;
    // It may fail to open, with an error.
    crew.tolerant = true;
    crew.start_under(&strace(call, error, &when), 0, Promise::Always, rng).map_err(explain)?;
    crew.set_to_work(&[0]).map_err(explain)?;
    get_done(&mut crew, &[0, 1], 60).map_err(explain)?;
    crew.watch(Duration::from_millis(rng.u64(..10)), |_, _| false).map_err(explain)?;
    crew.kill_all().map_err(explain)?;
    crew.check(Owed::Acknowledged).map_err(explain)
}
