//! `full-disks`: real file systems that are filled to the last byte while eight threads save and log out, and emptied again.
//!
//! Each ground (ext4, xfs, btrfs with a snapshot, tmpfs, an overlay on ext4 and one on btrfs) is used by root and by another
//! user in turn. The file system is full for as long as this has them save and log out, and whatever the store gives back
//! is taken again. What this machine has no file system for is named, and counts as not tried.
//!
//! btrfs does not keep preallocated space for those who write to it: once a snapshot shares the blocks, or the metadata are
//! full, a sync fails, and the store is poisoned until it is opened again. There the promise is less: no signal, and what was
//! acknowledged is there; the store is opened again when there is room, and saves go on.
//!
//! Promises: 5 (a full disk costs no session: no signal ends the process, every logout is acknowledged while it is full, saves
//! are refused as `Full` and in no other way, saves go on when there is room, and what was acknowledged is there when the
//! store is opened again).

mod ground;
mod worker;

use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use fastrand::Rng;

use self::ground::{GROUNDS, Ground};
pub use self::worker::{WORKER, work};
use crate::real::HANGS;
use crate::real::mounts::{Stage, need_tool};
use crate::run::{Campaign, CannotRun, Failure, Run};

pub const CAMPAIGN: Campaign = Campaign {
    name: "full-disks",
    what: "ext4, xfs, btrfs, tmpfs and overlays, filled while eight threads save and log out",
    size: 12,
    run,
};

/// The user as whom every other case runs, and its group.
const NOBODY: u32 = 65_534;

fn run(run: &mut Run) -> Result<(), CannotRun> {
    need_tool("mount", "mount")?;
    need_tool("umount", "mount")?;
    need_tool("setpriv", "util-linux")?;
    let stage = Stage::enter(2_048)?;
    // The other user has to come by, to its own program and to its own directory.
    let opened = std::fs::set_permissions(stage.path(), Permissions::from_mode(0o711))
        .and_then(|()| std::env::current_exe())
        .and_then(|program| std::fs::copy(program, stage.path().join("worker")));
    opened.map_err(|error| CannotRun(format!("the worker's program could not be copied: {error}")))?;
    let mut grounds = Vec::new();
    for ground in GROUNDS {
        match ground.try_out(stage.path()) {
            Ok(()) => grounds.push(ground),
            Err(why) => run.leave_out(ground.name, &why),
        }
    }
    if grounds.is_empty() {
        return Err(CannotRun("no file system could be made".into()));
    }
    run.each(|seed| {
        // By the seed, so that a case can be replayed alone.
        let (ground, is_root) = (grounds[seed as usize / 2 % grounds.len()], seed % 2 == 0);
        fill(&stage, ground, is_root, &mut Rng::with_seed(seed))
            .map_err(|why| format!("{}, as {}: {why}", ground.name, if is_root { "root" } else { "another user" }))
    });
    Ok(())
}

fn fill(stage: &Stage, ground: &Ground, is_root: bool, rng: &mut Rng) -> Result<(), Failure> {
    let made = ground.make(stage.path())?;
    let place = made.at().join("store");
    let failed = |error| format!("the directory could not be made: {error}");
    std::fs::create_dir(&place)
        .and_then(|()| std::fs::set_permissions(&place, Permissions::from_mode(0o700)))
        .and_then(|()| if is_root { Ok(()) } else { chown(&place, Some(NOBODY), Some(NOBODY)) })
        .map_err(failed)?;
    let mut worker = Worker::start(&stage.path().join("worker"), &place, is_root, ground.keeps_space(), rng)?;
    worker.expect(&format!("page {:?}", ground.page()))?;
    worker.expect("works")?;
    made.snapshot()?;
    for _ in 0..2 {
        let mut ballast = Ballast::new(made.at().join("ballast"))?;
        // From here on the file system stays full: whatever the store gives back is taken.
        worker.tell("full");
        worker.expect_while("was full", || {
            // On a full btrfs each attempt holds up all others for long.
            if !ground.keeps_space() {
                std::thread::sleep(Duration::from_millis(300));
            }
            ballast.fill()
        })?;
        worker.tell("room");
        ballast.remove()?;
        worker.expect("saves go on")?;
    }
    worker.tell("end");
    worker.expect("sound")?;
    worker.end()
}

/// What fills a file system to its last byte.
struct Ballast {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Ballast {
    fn new(path: PathBuf) -> Result<Self, Failure> {
        let file = File::create(&path).map_err(|error| format!("the ballast could not be made: {error}"))?;
        Ok(Self { path, file, length: 0 })
    }

    /// Takes what there is: large pieces are reserved, and the last ones written.
    fn fill(&mut self) -> Result<(), Failure> {
        use std::os::unix::fs::FileExt as _;
        for piece in [64 << 20, 4 << 20, 256 << 10, 16 << 10, 4 << 10] {
            while rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), self.length, piece).is_ok() {
                self.length += piece;
            }
        }
        for piece in [4 << 10, 512, 1] {
            // An overlay may hand out a few bytes again and again.
            for _ in 0..1_000 {
                match self.file.write_at(&vec![1; piece], self.length) {
                    Ok(written) if written > 0 => self.length += written as u64,
                    _ => break,
                }
            }
        }
        Ok(())
    }

    fn remove(self) -> Result<(), Failure> {
        let emptied = self.file.set_len(0).and_then(|()| std::fs::remove_file(&self.path));
        // A copy-on-write file system that is full may refuse to cut a file, and still removes it.
        emptied
            .or_else(|_| std::fs::remove_file(&self.path))
            .map_err(|error| format!("the ballast could not be removed: {error}"))
    }
}

/// The process that uses the store. It is killed when this is dropped.
struct Worker {
    child: Child,
    lines: Receiver<String>,
}

impl Worker {
    fn start(program: &Path, place: &Path, is_root: bool, keeps_space: bool, rng: &mut Rng) -> Result<Self, Failure> {
        let mut command = if is_root {
            Command::new(program)
        } else {
            let mut command = Command::new("setpriv");
            let user = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
            command.args(user).arg("--clear-groups").arg(program);
            command
        };
        let child = command
            .arg(WORKER)
            .arg(place)
            .arg(rng.u64(..).to_string())
            .arg(keeps_space.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| format!("the worker could not be started: {error}"))?;
        let (said, lines) = channel();
        let output: ChildStdout = child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    fn tell(&mut self, line: &str) {
        // Whether it can hear no more shows when it is listened to.
        let _ = writeln!(self.child.stdin.as_mut().expect("it is piped"), "{line}");
    }

    fn expect(&mut self, line: &str) -> Result<(), Failure> {
        self.expect_while(line, || Ok(()))
    }

    /// Waits for a line, and does something over and over meanwhile.
    fn expect_while(
        &mut self,
        expected: &str,
        mut meanwhile: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < 4 * HANGS {
            meanwhile()?;
            match self.lines.recv_timeout(Duration::from_millis(2)) {
                Ok(said) if said == expected => return Ok(()),
                Ok(said) => return Err(said),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.end().and(Err("it ended too soon".into())),
            }
        }
        Err(format!("it never said {expected:?}"))
    }

    fn end(&mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(|error| format!("the worker could not be waited for: {error}"))?;
        match status.signal() {
            Some(signal) => Err(format!("signal {signal} ended the process")),
            None if status.success() => Ok(()),
            None => Err(format!("the process ended with {status}")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
