//! What needs a process of its own: the program starts itself, with a job for its argument.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use cloakroom::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contender::{Class, Kind};
use crate::operations::{mixed, save::Saver};
use crate::race::{self, Entrant};
use crate::session::{self, Model};
use crate::system;
use crate::workers;

/// The argument before a job.
pub(crate) const CHILD: &str = "--child";

#[derive(Serialize, Deserialize)]
struct Job {
    role: Role,
    contender: String,
    directory: std::path::PathBuf,
    now_millis: u64,
    sessions: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Role {
    /// Opens it, loads all, and says what that took.
    Memory,
    /// Saves something, and waits to be killed.
    Victim,
    /// One of two that share it.
    Partner(u64),
}

/// Bytes of memory, beyond what the process has anyway.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) opened: u64,
    pub(crate) loaded: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Ready {
    server: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Batch {
    begun: u64,
    ended: u64,
    samples: Vec<f64>,
}

/// Does the job that this process was started for.
pub(crate) fn work(job: &str) {
    let job: Job = serde_json::from_str(job).unwrap();
    let kind = Kind::named(&job.contender).unwrap();
    let model = Model { now: Timestamp::from_millis(job.now_millis), sessions: job.sessions };
    match job.role {
        Role::Memory => tell_memory(kind, &job.directory, model),
        Role::Victim => save_until_killed(kind, &job.directory, model),
        Role::Partner(nth) => share(kind, &job.directory, model, nth),
    }
}

fn tell(what: &impl Serialize) {
    println!("{}", serde_json::to_string(what).unwrap());
}

fn tell_memory(kind: Kind, directory: &Path, model: Model) {
    let before = system::own_memory(std::process::id());
    let contender = kind.open(directory, Class::Relaxed);
    if !kind.is_stored() {
        contender.fill(&mut (0..model.sessions).map(|n| model.session(n)), model.now);
    }
    let memory = || match contender.server() {
        Some(server) => system::own_memory(server),
        None => system::own_memory(std::process::id()).saturating_sub(before),
    };
    let opened = memory();
    let mut load = |n| contender.load(&session::key(n), model.now).map(drop);
    let loaded = (0..model.sessions).try_for_each(&mut load).map(|()| memory());
    tell(&Memory { opened, loaded });
    contender.close();
}

fn save_until_killed(kind: Kind, directory: &Path, model: Model) {
    let contender = kind.open(directory, Class::Relaxed);
    let mut saver = Saver::new(&*contender, model, 0, 1);
    (0..100).for_each(|_| saver.save().unwrap());
    tell(&Ready { server: contender.server() });
    loop {
        std::thread::park();
    }
}

fn share(kind: Kind, directory: &Path, model: Model, nth: u64) {
    let contender = kind.join(directory, Class::Relaxed).unwrap();
    let mut worker = mixed::worker(&*contender, model, nth, 2);
    worker().unwrap();
    tell(&Ready { server: None });
    for line in std::io::stdin().lines() {
        let times = line.unwrap().parse().unwrap();
        let begun = system::monotonic_nanos();
        workers::batch(&mut worker, times);
        let ended = system::monotonic_nanos();
        let samples = workers::timed_one_by_one(&mut worker, (times / 4).clamp(1, 1_000));
        tell(&Batch { begun, ended, samples });
    }
}

/// Another process, that ends with this value.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: Role, kind: Kind, directory: &Path, model: Model) -> Self {
        let job = Job {
            role,
            contender: kind.name().to_owned(),
            directory: directory.to_owned(),
            now_millis: model.now.as_millis(),
            sessions: model.sessions,
        };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(CHILD).arg(serde_json::to_string(&job).unwrap());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn hear<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one takes that is opened in a process of its own.
pub(crate) fn memory(kind: Kind, directory: &Path, model: Model) -> Memory {
    let mut process = Process::start(Role::Memory, kind, directory, model);
    let memory = process.hear();
    process.child.wait().unwrap();
    memory
}

/// Leaves the directory as a process leaves it that was killed in the middle of its work.
pub(crate) fn be_killed(kind: Kind, directory: &Path, model: Model) {
    let mut process = Process::start(Role::Victim, kind, directory, model);
    let Ready { server } = process.hear();
    if let Some(server) = server {
        system::kill(server);
    }
}

/// Two processes that share a directory.
pub(crate) struct Partners {
    processes: [Process; 2],
    times: Option<u64>,
}

impl Partners {
    pub(crate) fn start(kind: Kind, directory: &Path, model: Model) -> Self {
        let mut processes = [0, 1].map(|nth| Process::start(Role::Partner(nth), kind, directory, model));
        for process in &mut processes {
            let Ready { .. } = process.hear();
        }
        Self { processes, times: None }
    }

    /// From when the first begins until the last ends.
    fn batch(&mut self, times: u64) -> (Duration, Vec<f64>) {
        for process in &mut self.processes {
            writeln!(process.input, "{times}").unwrap();
        }
        let batches = [0, 1].map(|nth| self.processes[nth].hear::<Batch>());
        let begun = batches.iter().map(|batch| batch.begun).min().unwrap();
        let ended = batches.iter().map(|batch| batch.ended).max().unwrap();
        (Duration::from_nanos(ended - begun), batches.into_iter().flat_map(|batch| batch.samples).collect())
    }
}

impl Entrant for Partners {
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let times = self.times.unwrap_or_else(|| race::calibrated(slice, |times| self.batch(times).0));
        self.times = Some(times);
        let (took, timed) = self.batch(times);
        samples.extend(timed);
        Some(race::nanos(took) / (2 * times) as f64)
    }
}
