//! What a worker and its parent say to each other: a line of JSON each.

use std::io::BufRead as _;
use std::time::Duration;

use cloakroom::{Durability, Error};
use rustix::fd::AsFd as _;
use serde::{Deserialize, Serialize};

use super::op::Op;

/// What a worker is to do; its argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub place: std::path::PathBuf,
    pub durability: Promise,
    pub segment_bytes: u32,
    pub lock_wait: Duration,
    pub open_wait: Duration,
    pub lanes: Vec<u32>,
    /// All that is random about it.
    pub seed: u64,
    /// The first name that was never used.
    pub names_from: u64,
    /// Whether some rotations and endings leave traces.
    pub leaves_traces: bool,
    /// A lane rests so long between two operations.
    pub rest: Duration,
}

/// A [`Durability`] that can be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    Always,
    Every(Duration),
    Never,
}

impl From<Promise> for Durability {
    fn from(promise: Promise) -> Self {
        match promise {
            Promise::Always => Self::Always,
            Promise::Every(interval) => Self::Every(interval),
            Promise::Never => Self::Never,
        }
    }
}

/// What the parent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The lanes begin.
    Go,
    /// The first lane does this, and says so.
    Do(Op),
    /// Whether what the first lane can load is what it should have.
    Look,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// The store is open.
    Opened { pid: i32 },
    /// What the dead had left is in order, and the lanes begin.
    Working,
    /// It could not be opened, or closed.
    Failed { error: Told },
    /// Before an operation.
    Begun { lane: u32, op: Op },
    /// It was acknowledged.
    Done { lane: u32 },
    /// It failed, and was not done.
    NotDone { lane: u32, error: Told },
    /// It failed, and is visible.
    Visible { lane: u32, error: Told },
    /// It failed, and whether it will be there is not known; the lane has ended with it.
    Unknown { lane: u32, error: Told },
    /// The lane saw what it should.
    Looked { lane: u32 },
    /// It could not look.
    NotLooked { lane: u32, error: Told },
    /// A promise was broken.
    Broken { what: String },
    /// The store was closed, as the parent wished.
    Closed,
}

/// An error, as far as it goes through a pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The name of the [`ErrorKind`](cloakroom::ErrorKind).
    pub kind: String,
    pub error: String,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        let kind = format!("{:?}", error.kind());
        Self { kind, error: error.to_string().chars().take(400).collect() }
    }
}

/// In the worker: says something to the parent, in one write, so that a kill leaves it whole or out; it is in the pipe
/// when this returns, and outlives the worker there.
pub fn say(said: &Said) {
    let mut line = serde_json::to_vec(said).expect("it can be written");
    line.push(b'\n');
    let stdout = std::io::stdout();
    let mut rest = &line[..];
    while !rest.is_empty() {
        match rustix::io::write(stdout.as_fd(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Nobody listens any more.
            Err(_) => std::process::exit(3),
        }
    }
}

/// In the worker: the next order; `None` when there is none to come.
pub fn listen() -> Option<Order> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    line.ends_with('\n').then(|| serde_json::from_str(&line).expect("the parent gives orders"))
}
