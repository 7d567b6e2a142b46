//! The processes of a case, as they come and go.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use super::worker::{Made, Order, Report, Setting, WORKER, Work};
use crate::run::Failure;

/// Nothing takes longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Party {
    setting: Setting,
    processes: Vec<Process>,
    /// How many there have been.
    born: u64,
}

impl Party {
    pub fn new(setting: Setting) -> Self {
        Self { setting, processes: Vec::new(), born: 0 }
    }

    /// New processes come until there are so many, each with a durability of its own.
    pub fn fill(&mut self, random: &mut Rng, processes: usize) -> Result<(), Failure> {
        while self.processes.len() < processes {
            let synced_after = [Some(0), Some(5), None][random.usize(..3)];
            self.processes.push(Process::start(self.born, &Setting { synced_after, ..self.setting.clone() })?);
            self.born += 1;
        }
        Ok(())
    }

    /// All work at the same time. Some leave when they are done, others come meanwhile and work as well.
    pub fn work(
        &mut self,
        random: &mut Rng,
        mut work: impl FnMut(&mut Rng, u64) -> Work,
    ) -> Result<Vec<Made>, Failure> {
        let staying = self.processes.len();
        for process in &mut self.processes {
            let work = work(random, process.number);
            process.leaves = random.u8(..16) == 0;
            process.tell(&Order::Work(work))?;
        }
        let leaving = self.processes.iter().filter(|process| process.leaves).count();
        self.fill(random, staying + leaving)?;
        for process in &mut self.processes[staying..] {
            process.tell(&Order::Work(work(random, process.number)))?;
        }
        let mut made = Vec::new();
        let mut stayed = Vec::new();
        for mut process in self.processes.drain(..) {
            made.extend(process.hear()?);
            if process.leaves {
                process.end()?;
            } else {
                stayed.push(process);
            }
        }
        self.processes = stayed;
        Ok(made)
    }

    /// The same for all, at the same time.
    pub fn all(&mut self, order: impl Fn() -> Order) -> Result<Vec<Made>, Failure> {
        for process in &mut self.processes {
            process.tell(&order())?;
        }
        let mut made = Vec::new();
        for process in &mut self.processes {
            made.extend(process.hear()?);
        }
        Ok(made)
    }

    /// How many processes there have been.
    pub fn opened(&self) -> u64 {
        self.born
    }

    /// All close the store and end, at the same time.
    pub fn end(mut self) -> Result<(), Failure> {
        for process in &mut self.processes {
            process.input = None;
        }
        self.processes.drain(..).try_for_each(Process::end)
    }
}

/// A process. It is killed, if it still runs, when this is dropped.
struct Process {
    number: u64,
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<Vec<u8>>,
    leaves: bool,
}

impl Process {
    fn start(number: u64, setting: &Setting) -> Result<Self, Failure> {
        let failed = |error| format!("starting a process: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        let mut child = command.arg(WORKER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let output = child.stdout.take().expect("it was piped");
        let input = child.stdin.take();
        // Read by a thread, so that a process that hangs is noticed.
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut process = Self { number, child, input, said, leaves: false };
        process.send(&serde_json::to_vec(setting).expect("a setting can be written"))?;
        Ok(process)
    }

    fn tell(&mut self, order: &Order) -> Result<(), Failure> {
        self.send(&serde_json::to_vec(order).expect("an order can be written"))
    }

    fn send(&mut self, line: &[u8]) -> Result<(), Failure> {
        let input = self.input.as_mut().expect("a process that is told something has not been let go");
        let sent = input.write_all(&[line, b"\n"].concat());
        sent.map_err(|error| format!("process {} does not listen any more: {error}", self.number))
    }

    fn hear(&mut self) -> Result<Vec<Made>, Failure> {
        let line = self.said.recv_timeout(PATIENCE);
        let line = line.map_err(|error| format!("process {} did not report: {error}", self.number))?;
        let report: Report = serde_json::from_slice(&line).map_err(|error| format!("a broken report: {error}"))?;
        report.map_err(|why| format!("in process {}: {why}", self.number))
    }

    /// Lets it end by itself, which it does when nothing more can be told to it.
    fn end(mut self) -> Result<(), Failure> {
        self.input = None;
        // When it has ended, it has nothing more to say.
        match self.said.recv_timeout(PATIENCE) {
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {}
            other => return Err(format!("process {} did not end: {other:?}", self.number)),
        }
        let status = self.child.wait().map_err(|error| format!("waiting for a process: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("process {} failed: {status}", self.number)) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
