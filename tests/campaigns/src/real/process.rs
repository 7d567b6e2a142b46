//! A worker as its parent sees it: started, heard, stopped, killed.

use std::io::{self, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd as _;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::HANGS;
use super::said::{Job, Order, Said};
use super::worker::WORKER;
use crate::run::Failure;

/// A worker, or a tool that runs one. It is killed when this is dropped.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// What was heard of a line that is not whole yet.
    line: Vec<u8>,
    /// Whether there is nothing more to hear.
    over: bool,
    /// The worker itself, which may be a tool's child.
    worker: Option<Pid>,
    works: bool,
}

impl Process {
    /// Starts a worker.
    pub fn start(job: &Job) -> Result<Self, Failure> {
        Self::start_under(&[], job)
    }

    /// Starts a worker under a tool, which is given the worker's command line behind its own.
    pub fn start_under(tool: &[String], job: &Job) -> Result<Self, Failure> {
        let worker = std::env::current_exe().map_err(|error| format!("this binary was not found: {error}"))?;
        let mut words = tool.iter().cloned().chain([worker.display().to_string(), WORKER.to_owned()]);
        let mut command = Command::new(words.next().expect("a command has a word"));
        command.args(words).arg(serde_json::to_string(job).expect("a job can be written"));
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Result<Self, Failure> {
        let failed = |error: io::Error| format!("a worker could not be started: {error}");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
        let flags = fcntl_getfl(&output).map_err(|error| failed(error.into()))?;
        fcntl_setfl(&output, flags | OFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
        Ok(Self { child, input, output, line: Vec::new(), over: false, worker: None, works: false })
    }

    /// What it has said by now. What it said before a kill is in the pipe, whole.
    pub fn hear(&mut self) -> Vec<Said> {
        let mut heard = Vec::new();
        let mut buffer = [0; 1 << 16];
        while !self.over {
            match rustix::io::read(&self.output, &mut buffer) {
                Ok(0) => self.over = true,
                Ok(read) => self.line.extend_from_slice(&buffer[..read]),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        let whole = self.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in self.line.drain(..whole).as_slice().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let not_a_line = |error| Said::Broken { what: format!("{:?} ({error})", String::from_utf8_lossy(line)) };
            heard.push(serde_json::from_slice(line).unwrap_or_else(not_a_line));
        }
        for said in &heard {
            if let Said::Opened { pid } = said {
                self.worker = Pid::from_raw(*pid);
            }
        }
        self.works |= heard.contains(&Said::Working);
        heard
    }

    /// Whether it has ended, and all that it said was heard.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it has said that its lanes begin.
    pub fn works(&self) -> bool {
        self.works
    }

    /// Tells it what to do.
    pub fn tell(&mut self, order: &Order) {
        let mut line = serde_json::to_vec(order).expect("an order can be written");
        line.push(b'\n');
        if let Some(input) = &mut self.input {
            // Whether it can hear no more shows when it is listened to.
            let _ = input.write_all(&line);
        }
    }

    /// Asks it to end by itself, which it does when there are no more orders.
    pub fn dismiss(&mut self) {
        self.input = None;
    }

    /// Kills it where it stands, and waits until it is gone.
    pub fn kill(&mut self) {
        // A tool ends with the worker that it runs; the other way round the worker would outlive it for a moment.
        let known = self.worker.filter(|worker| *worker != self.pid() && !self.over);
        if known.is_none_or(|worker| kill_process(worker, Signal::KILL).is_err()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    /// Waits for its end, which must come.
    pub fn end(&mut self) -> Result<ExitStatus, Failure> {
        self.dismiss();
        let begun = Instant::now();
        while begun.elapsed() < HANGS {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(format!("a worker could not be waited for: {error}")),
            }
        }
        self.kill();
        Err(format!("a worker did not end within {HANGS:?}"))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The worker, once it has opened the store.
    pub fn worker(&self) -> Option<Pid> {
        self.worker
    }

    /// Stops it where it stands, and waits until it does.
    pub fn stop(&self) -> Result<(), Failure> {
        let stopped = kill_process(self.pid(), Signal::STOP).and_then(|()| {
            waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        });
        stopped.map(drop).map_err(|error| format!("a worker could not be stopped: {error}"))
    }

    /// Lets it go on.
    pub fn go_on(&self) -> Result<(), Failure> {
        kill_process(self.pid(), Signal::CONT).map_err(|error| format!("a worker could not go on: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until one of them says something or ends, at most so long.
pub fn wait_for_any<'a>(processes: impl Iterator<Item = &'a Process>, wait: Duration) {
    let processes: Vec<_> = processes.filter(|process| !process.over).collect();
    let mut polled: Vec<_> =
        processes.iter().map(|process| PollFd::from_borrowed_fd(process.output.as_fd(), PollFlags::IN)).collect();
    let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
    // Interrupted or not, the caller looks and waits again.
    let _ = poll(&mut polled, Some(&wait));
}
