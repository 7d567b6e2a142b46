//! The two sides of races: threads with a handle each, or processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cloakroom::{Durability, FileStore};
use serde::{Deserialize, Serialize};

use super::pair::Side;
use crate::history::spec::Event;
use crate::history::store::Group;
use crate::history::{Call, now, wait_until};
use crate::run::Failure;

/// The first argument of a process that is the other side.
pub const WORKER: &str = "races-worker";

/// What one side of one race did.
pub type Raced = Result<Vec<Call<Event>>, Failure>;

pub fn open(place: &Path) -> Result<FileStore, Failure> {
    let options = FileStore::options().durability(Durability::Never).segment_bytes(256 << 10);
    options.open(place).map_err(|error| format!("opening the store: {error}"))
}

impl Side {
    fn race(&self, store: &FileStore, start: u64) -> Raced {
        wait_until(start + self.delay);
        self.ops.iter().map(|op| Group(self.group).call(store, *op)).collect()
    }
}

/// Two threads run all races, each through its own handle. They wait for each other before each.
pub fn race_threads(stores: [&FileStore; 2], sides: [Vec<Side>; 2]) -> [Vec<Raced>; 2] {
    let (arrived, begun, start) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let run = |store: &FileStore, sides: Vec<Side>| -> Vec<Raced> {
        let races = (1..=sides.len() as u64).zip(&sides).map(|(n, side)| {
            // Whoever comes last names the moment.
            if arrived.fetch_add(1, Ordering::AcqRel) + 1 == 2 * n {
                start.store(now() + 500, Ordering::Release);
                begun.store(n, Ordering::Release);
            }
            let mut spins = 0u64;
            while begun.load(Ordering::Acquire) < n {
                spins += 1;
                if spins.is_multiple_of(1000) { thread::yield_now() } else { std::hint::spin_loop() }
            }
            side.race(store, start.load(Ordering::Acquire))
        });
        races.collect()
    };
    let [one, other] = sides;
    thread::scope(|scope| {
        let other = scope.spawn(|| run(stores[1], other));
        [run(stores[0], one), other.join().expect("a side ends")]
    })
}

/// The other side, if it is a process.
pub struct Opponent {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

#[derive(Serialize, Deserialize)]
struct Order {
    start: u64,
    sides: Vec<Side>,
}

/// Between processes each race has a moment of its own, by the clock that they share.
const SLOT: u64 = 60_000;

impl Opponent {
    pub fn start(place: &Path) -> Result<Self, Failure> {
        let failed = |error| format!("starting a process: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        let mut child =
            command.arg(WORKER).arg(place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let input = child.stdin.take().expect("it was piped");
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        Ok(Self { child, input, output })
    }

    /// This process runs one side of all races, the opponent the other.
    pub fn race(&mut self, store: &FileStore, sides: [Vec<Side>; 2]) -> Result<[Vec<Raced>; 2], Failure> {
        let broken = |error: std::io::Error| format!("the other process is gone: {error}");
        let [ours, theirs] = sides;
        let start = now() + 1_000_000;
        let mut order = serde_json::to_vec(&Order { start, sides: theirs }).expect("an order can be written");
        order.push(b'\n');
        self.input.write_all(&order).map_err(broken)?;
        let ours = race_in_slots(store, start, &ours);
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).map_err(broken)?;
        let theirs = serde_json::from_slice(&line).map_err(|error| format!("a broken report: {error}"))?;
        Ok([ours, theirs])
    }
}

fn race_in_slots(store: &FileStore, start: u64, sides: &[Side]) -> Vec<Raced> {
    (0..).zip(sides).map(|(n, side)| side.race(store, start + n * SLOT)).collect()
}

impl Drop for Opponent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other side's process.
pub fn work(place: &Path) -> ExitCode {
    let store = open(place).expect("the parent has it open as well");
    for line in std::io::stdin().lock().lines() {
        let order =
            serde_json::from_str::<Order>(&line.expect("the parent is there")).expect("the parent sends orders");
        let raced = race_in_slots(&store, order.start, &order.sides);
        let mut report = serde_json::to_vec(&raced).expect("a report can be written");
        report.push(b'\n');
        std::io::stdout().lock().write_all(&report).expect("the parent listens");
    }
    ExitCode::SUCCESS
}
