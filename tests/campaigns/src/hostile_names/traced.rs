//! The strings go through a process whose every call that names a file is written down.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, Stdio};

use cloakroom::{Durability, FileStore};
use fastrand::Rng;

use super::entries::Entries;
use super::strings::hostile;
use crate::run::Failure;
use crate::support::in_memory;

/// The first argument that makes this binary the process through which the strings go.
pub const WORKER: &str = "hostile-worker";

/// A name that stands in the trace where the strings begin and end.
const MARK: &str = "/cloakroom-campaign-mark";

/// What glibc's allocator reads when it first gives memory of a thread's arena back. No string leads there.
const ALLOCATOR: &str = "\"/proc/sys/vm/overcommit_memory\", O_RDONLY|O_CLOEXEC";

/// Passes the strings of so many seeds; the seed of one that failed, if one did, and how.
pub fn pass(from: u64, strings: u64) -> Result<(), (u64, Failure)> {
    let all = |failure: Failure| (from, failure);
    let directory = in_memory().map_err(|error| all(format!("no directory could be made: {error}")))?;
    let (place, trace) = (directory.path().join("sessions"), directory.path().join("trace"));
    let worker = std::env::current_exe().map_err(|error| all(format!("this binary was not found: {error}")))?;
    let output = Command::new("strace")
        .args(["-f", "-qqq", "-y", "--seccomp-bpf", "-s", "4096", "-e", "trace=%file", "-e", "signal=none", "-o"])
        .arg(&trace)
        .arg(worker)
        .args([WORKER, &place.display().to_string(), &from.to_string(), &strings.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| all(format!("strace could not be run: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some((seed, failure)) = said.trim().split_once(' ') {
        return Err((seed.parse().unwrap_or(from), failure.to_owned()));
    }
    if !output.status.success() {
        return Err(all(format!(
            "the process ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let trace = fs::read(&trace).map_err(|error| all(format!("the trace could not be read: {error}")))?;
    check(&String::from_utf8_lossy(&trace), &place.display().to_string()).map_err(all)
}

/// Every call between the marks is about the store's directory, or a plain name in it.
fn check(trace: &str, place: &str) -> Result<(), Failure> {
    let mut marks = 0;
    let mut calls = 0;
    for line in whole_calls(trace) {
        if line.contains(MARK) {
            marks += 1;
            continue;
        }
        if marks != 1 || line.contains("+++ ") {
            continue;
        }
        calls += 1;
        if !is_inside(&line, place) && !line.contains(ALLOCATOR) {
            return Err(format!("a call outside of the directory: {line}"));
        }
    }
    if marks != 2 || calls == 0 {
        return Err(format!("the trace has {marks} marks and {calls} calls between them"));
    }
    Ok(())
}

/// The lines of a trace, each call in one: where another thread called meanwhile, a call has a line for its beginning and
/// one for its end.
fn whole_calls(trace: &str) -> Vec<String> {
    let mut begun = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let thread = line.split_whitespace().next().unwrap_or_default();
        if let Some(beginning) = line.strip_suffix("<unfinished ...>") {
            begun.insert(thread, beginning);
        } else if let Some((_, end)) = line.split_once(" resumed>") {
            calls.push(format!("{}{end}", begun.remove(thread).unwrap_or_default()));
        } else {
            calls.push(line.to_owned());
        }
    }
    calls.extend(begun.into_values().map(str::to_owned));
    calls
}

fn is_inside(line: &str, place: &str) -> bool {
    let Some((_, arguments)) = line.split_once('(') else { return false };
    let names: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
    let of_open = |is_it: &dyn Fn(&str) -> bool| {
        arguments.starts_with(|digit: char| digit.is_ascii_digit())
            && arguments.split_once('<').is_some_and(|(_, path)| is_it(path))
    };
    let in_directory =
        of_open(&|path| path.starts_with(&format!("{place}>")) || path.starts_with(&format!("{place}/quarantine>")));
    // What is open is asked about itself.
    let of_file = of_open(&|path| path.starts_with(&format!("{place}/")));
    // Whether the place still leads to the directory is asked without following a link.
    let parent = place.rsplit_once('/').map(|(parent, name)| format!("<{parent}>, \"{name}\","));
    if parent.is_some_and(|looked_at| arguments.contains(&looked_at) && arguments.contains("AT_SYMLINK_NOFOLLOW")) {
        return line.contains("newfstatat(");
    }
    names.iter().all(|name| {
        let plain = in_directory && !name.contains('/') && *name != "..";
        plain
            || of_file && name.is_empty()
            || *name == place
            || name.strip_prefix(place).is_some_and(|rest| rest.starts_with('/') && !rest.contains(".."))
    })
}

/// In the worker: the place, the first seed and how many. Says the seed and the failure of the first that fails.
pub fn worker(args: &[String]) -> ExitCode {
    let [place, from, strings] = args else { return ExitCode::from(2) };
    let (Ok(from), Ok(strings)) = (from.parse::<u64>(), strings.parse::<u64>()) else { return ExitCode::from(2) };
    // Small segments: the store opens, creates and removes files all the time.
    let options = FileStore::options().segment_bytes(64 << 10).durability(Durability::Never).cache_bytes(1 << 16);
    let entries = options.open(place).map_err(|error| error.to_string()).and_then(Entries::new);
    let entries = match entries {
        Ok(entries) => entries,
        Err(failure) => return said(from, &failure),
    };
    let mark = || drop(fs::metadata(MARK));
    mark();
    for seed in (0..strings).map(|case| from.wrapping_add(case)) {
        let string = hostile(&mut Rng::with_seed(seed));
        let passed = catch_unwind(AssertUnwindSafe(|| entries.pass(&string)));
        let shown = || String::from_utf8_lossy(&string[..string.len().min(200)]).into_owned();
        match passed {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return said(seed, &format!("{:?}: {failure}", shown())),
            Err(_) => return said(seed, &format!("{:?}: it panicked", shown())),
        }
    }
    mark();
    ExitCode::SUCCESS
}

fn said(seed: u64, failure: &str) -> ExitCode {
    println!("{seed} {failure}");
    ExitCode::FAILURE
}
