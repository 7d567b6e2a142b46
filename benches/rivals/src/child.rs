//! What needs a process of its own: the program starts itself, with a job for its argument.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cloakroom::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contender::{Class, Kind};
use crate::operations::partners::Work;
use crate::operations::{http, neighbour, partners, save::Saver};
use crate::session::{self, Model};
use crate::system;

/// The argument before a job.
pub(crate) const CHILD: &str = "--child";

#[derive(Serialize, Deserialize)]
struct Job {
    role: Role,
    contender: String,
    directory: PathBuf,
    now_millis: u64,
    sessions: u64,
    class: Class,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Opens it, loads all, and says what that took.
    Memory,
    /// Saves something, and waits to be killed.
    Victim,
    /// One of two that share it.
    Partner { nth: u64, work: Work },
    /// Shares it, and saves now and then.
    Neighbour,
    /// Answers requests.
    Server,
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

/// Does the job that this process was started for.
pub(crate) fn work(job: &str) {
    let Job { role, contender, directory, now_millis, sessions, class } = serde_json::from_str(job).unwrap();
    let model = Model { now: Timestamp::from_millis(now_millis), sessions };
    // Only a server may be without one.
    let kind = || Kind::named(&contender).unwrap();
    match role {
        Role::Memory => tell_memory(kind(), &directory, model),
        Role::Victim => save_until_killed(kind(), &directory, model),
        Role::Partner { nth, work } => partners::work(kind(), &directory, model, class, work, nth),
        Role::Neighbour => neighbour::save_when_asked(kind(), &directory, model, class),
        Role::Server => http::serve(Kind::named(&contender), &directory, model, class),
    }
}

/// Says something to the process that started this one.
pub(crate) fn tell(what: &impl Serialize) {
    println!("{}", serde_json::to_string(what).unwrap());
}

/// Waits until this process is killed, or the one that started it is gone.
pub(crate) fn wait_for_the_end() {
    std::io::stdin().lines().for_each(drop);
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
    let mut load = |n| contender.load(&session::hash_like_key(n), model.now).map(drop);
    let loaded = (0..model.sessions).try_for_each(&mut load).map(|()| memory());
    tell(&Memory { opened, loaded });
    contender.close();
}

fn save_until_killed(kind: Kind, directory: &Path, model: Model) {
    let contender = kind.open(directory, Class::Relaxed);
    let mut saver = Saver::new(&*contender, model, 0, 1);
    (0..100).for_each(|_| saver.save().unwrap());
    tell(&Ready { server: contender.server() });
    wait_for_the_end();
}

/// Another process, that ends with this value.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(role: Role, contender: &str, directory: &Path, model: Model, class: Class) -> Self {
        let job = Job {
            role,
            contender: contender.to_owned(),
            directory: directory.to_owned(),
            now_millis: model.now.as_millis(),
            sessions: model.sessions,
            class,
        };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(CHILD).arg(serde_json::to_string(&job).unwrap());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> T {
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
    let mut process = Process::start(Role::Memory, kind.name(), directory, model, Class::Relaxed);
    let memory = process.hear();
    process.child.wait().unwrap();
    memory
}

/// Leaves the directory as a process leaves it that was killed in the middle of its work.
pub(crate) fn be_killed(kind: Kind, directory: &Path, model: Model) {
    let mut process = Process::start(Role::Victim, kind.name(), directory, model, Class::Relaxed);
    let Ready { server } = process.hear();
    if let Some(server) = server {
        system::kill(server);
    }
}
