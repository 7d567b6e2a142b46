//! A child process, for what cannot be measured in this one. The program starts itself, with a job as its argument.
//!
//! What a child does in its role belongs to the operation that starts it. This file knows no operation: `main` reads a
//! child's job and calls the operation.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cloakroom::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::contender::Class;
use crate::session::Model;

/// The argument before a job.
pub(crate) const CHILD: &str = "--child";

/// What a child is started for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) role: Role,
    /// The name of a contender, or of a server without one.
    pub(crate) contender: String,
    pub(crate) directory: PathBuf,
    pub(crate) class: Class,
    now_millis: u64,
    sessions: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Opens a contender, loads all sessions, and tells how much memory that took.
    Memory,
    /// Saves some sessions, and waits until it is killed.
    Victim,
    /// Is one of two processes that share a contender and do the same work.
    Partner { nth: u64, work: Work },
    /// Shares a contender with its parent, and saves now and then.
    Neighbour,
    /// Answers requests.
    Server,
}

/// What both partners do.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Work {
    Mixed,
    Save,
}

impl Job {
    pub(crate) fn parse(argument: &str) -> Self {
        serde_json::from_str(argument).unwrap()
    }

    pub(crate) fn model(&self) -> Model {
        Model { now: Timestamp::from_millis(self.now_millis), sessions: self.sessions, bytes: self.bytes }
    }
}

/// Tells the parent something, in one line of JSON.
pub(crate) fn tell(what: &impl Serialize) {
    println!("{}", serde_json::to_string(what).unwrap());
}

/// Waits until this process is killed, or its parent is gone.
pub(crate) fn wait_for_the_end() {
    std::io::stdin().lines().for_each(drop);
}

/// A child, as its parent sees it. The child is killed when this value is dropped.
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
            class,
            now_millis: model.now.as_millis(),
            sessions: model.sessions,
            bytes: model.bytes,
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

    /// Waits until the child ends by itself.
    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killing fails where the child has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
