//! Something in the store's directory that does not belong there.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;

use crate::real::claims::Owed;
use crate::real::crew::Crew;
use crate::real::mounts::tool;
use crate::real::process::{Process, wait_for_any};
use crate::real::said::{Order, Promise, Said};
use crate::run::Failure;
use crate::support::in_memory;

/// Names of the store, names that nearly are, and names that no store has.
const NAMES: &[&[u8]] = &[
    b"00000001.log",
    b"00000002.log",
    b"00000003.log",
    b"00000000.log",
    b"99999999.log",
    b"4294967295.log",
    b"4294967296.log",
    b"00000001.hint",
    b"00000002.hint",
    b"00000000.hint",
    b"4294967295.hint",
    b"1.hint",
    b".half-written-0000000000000000",
    b"1.log",
    b"000000001.log",
    b"-0000001.log",
    b"+0000002.log",
    b"00000002.LOG",
    b"00000002.log.",
    b"00000002.log~",
    b".log",
    b"00000002.log\n",
    b"\xff\xfe.log",
    b"0000\xff002.log",
    b"tail.page",
    b"tail.page.tmp",
    b"opening.lock",
    b"users.lock",
    b"writer.lock",
    b"quarantine",
    b"lost+found",
    b" ",
    b"\x1b[2J",
    b"...",
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// To a file that others may read, and no process may change.
    Symlink,
    SymlinkToDirectory,
    Dangling,
    ToItself,
    Fifo,
    Directory,
    Empty,
    Garbage,
    LetsOthersIn,
}

const KINDS: &[Kind] = &[
    Kind::Symlink,
    Kind::SymlinkToDirectory,
    Kind::Dangling,
    Kind::ToItself,
    Kind::Fifo,
    Kind::Directory,
    Kind::Empty,
    Kind::Garbage,
    Kind::LetsOthersIn,
];

/// One thing is planted, the store is opened, and the thing is taken away again.
pub fn open_with_something(rng: &mut Rng) -> Result<(), Failure> {
    let name = *rng.choice(NAMES).expect("there is a choice");
    let kind = *rng.choice(KINDS).expect("there is a choice");
    let shown = String::from_utf8_lossy(name).into_owned();
    planted(name, kind, rng).map_err(|failure| format!("planted {shown:?} as {kind:?}: {failure}"))
}

fn planted(name: &[u8], kind: Kind, rng: &mut Rng) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("it could not be planted: {error}");
    let directory = in_memory().map_err(|error| format!("no directory could be made: {error}"))?;
    let place = directory.path().join("sessions");
    let mut crew = Crew::new(&place, 1, 64 << 10);
    crew.start(0, Promise::Never, rng)?;
    crew.set_to_work(&[0])?;
    let mut done = 0;
    crew.watch(crate::real::HANGS, |_, said| {
        done += u32::from(matches!(said, Said::Done { .. }));
        done > 20
    })?;
    crew.kill(0)?;
    let last = place.join("00000001.log");
    let torn = rng.bool() && last.exists();
    let before = fs::metadata(&last).map(|metadata| metadata.len()).unwrap_or(0);
    if torn {
        // Something to set aside, so that the quarantine is used.
        OpenOptions::new().append(true).open(&last).and_then(|mut file| file.write_all(b"torn")).map_err(failed)?;
    }

    let outside = Outside::make(directory.path())?;
    let (at, kept) = (place.join(OsStr::from_bytes(name)), directory.path().join("kept"));
    let replaced = fs::rename(&at, &kept).is_ok();
    plant(&at, kind, &outside)?;
    let opened = open(&crew, rng)?;
    outside.check()?;
    if let Err(error) = &opened
        && !error.contains(&place.display().to_string())
    {
        return Err(format!("the error does not say what is in the way: {error}"));
    }

    // Taken away, everything is there. Where it replaced a segment, what was opened without it was another log.
    let is_log = name.ends_with(b".log") && replaced;
    if is_log && opened.is_ok() && !matches!(kind, Kind::LetsOthersIn) {
        return Ok(());
    }
    // A hint that is none may be removed or written anew by an opener, and so may what a crash left of one.
    let may_go = name.ends_with(b".hint") || name.starts_with(b".half-written-");
    if may_go && fs::symlink_metadata(&at).is_err() {
        return crew.check(if torn { Owed::Durable } else { Owed::Acknowledged });
    }
    if replaced || opened.is_err() || !matches!(kind, Kind::Empty | Kind::Garbage) {
        let metadata = fs::symlink_metadata(&at).map_err(|error| format!("what was planted has gone: {error}"))?;
        let removed = if metadata.is_dir() { fs::remove_dir_all(&at) } else { fs::remove_file(&at) };
        removed.map_err(failed)?;
    }
    if replaced {
        fs::rename(&kept, &at).map_err(failed)?;
    }
    if torn && opened.is_err() && fs::metadata(&last).is_ok_and(|metadata| metadata.len() > before) {
        OpenOptions::new().write(true).open(&last).and_then(|file| file.set_len(before)).map_err(failed)?;
    }
    crew.check(if torn { Owed::Durable } else { Owed::Acknowledged })
}

/// What symlinks point to, and must be as it was.
struct Outside {
    file: PathBuf,
    directory: PathBuf,
}

const SECRET: &[u8] = b"no process is to read or write this";

impl Outside {
    fn make(at: &Path) -> Result<Self, Failure> {
        let (file, directory) = (at.join("outside"), at.join("elsewhere"));
        // Of modes that the store would take, so that nothing but the link is against it.
        let private = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        let made = fs::write(&file, SECRET)
            .and_then(|()| private(&file, 0o600))
            .and_then(|()| fs::create_dir(&directory))
            .and_then(|()| private(&directory, 0o700));
        made.map_err(|error| format!("it could not be planted: {error}"))?;
        Ok(Self { file, directory })
    }

    fn check(&self) -> Result<(), Failure> {
        let unchanged = fs::read(&self.file).is_ok_and(|bytes| bytes == SECRET);
        let empty = fs::read_dir(&self.directory).is_ok_and(|mut entries| entries.next().is_none());
        let dangling = self.file.with_file_name("nowhere").exists();
        if unchanged && empty && !dangling { Ok(()) } else { Err("a symlink was followed".into()) }
    }
}

fn plant(at: &Path, kind: Kind, outside: &Outside) -> Result<(), Failure> {
    let planted = match kind {
        Kind::Symlink => symlink(&outside.file, at),
        Kind::SymlinkToDirectory => symlink(&outside.directory, at),
        Kind::Dangling => symlink(outside.file.with_file_name("nowhere"), at),
        Kind::ToItself => symlink(at, at),
        Kind::Fifo => return tool_at("mkfifo", at),
        Kind::Directory => fs::create_dir(at),
        Kind::Empty => fs::write(at, []),
        Kind::Garbage => fs::write(at, [0x5a; 5000]),
        Kind::LetsOthersIn => {
            fs::write(at, []).and_then(|()| fs::set_permissions(at, fs::Permissions::from_mode(0o666)))
        }
    };
    planted.map_err(|error| format!("it could not be planted: {error}"))
}

fn tool_at(name: &str, at: &Path) -> Result<(), Failure> {
    match at.to_str() {
        Some(at) => tool(name, &["--", at]),
        // No argument that is text names it; a directory does as well.
        None => fs::create_dir(at).map_err(|error| format!("it could not be planted: {error}")),
    }
}

/// Opens the store in a process that would hang in the parent's stead, and looks around; its error, if it has one.
fn open(crew: &Crew, rng: &mut Rng) -> Result<Result<(), String>, Failure> {
    let mut job = crew.job(0, Promise::Always, rng);
    job.open_wait = Duration::from_secs(2);
    let mut process = Process::start(&job)?;
    process.tell(&Order::Look);
    process.dismiss();
    let begun = std::time::Instant::now();
    let mut error = None;
    let mut answered = false;
    while !process.is_over() {
        if begun.elapsed() > crate::real::HANGS {
            return Err("opening hangs".into());
        }
        for said in process.hear() {
            match said {
                Said::Looked { .. } => answered = true,
                Said::Failed { error: told } => error = Some(told.error),
                _ => {}
            }
        }
        if !process.is_over() {
            wait_for_any([&process].into_iter(), Duration::from_secs(1));
        }
    }
    let status = process.end()?;
    match error {
        Some(error) => Ok(Err(error)),
        None if answered => Ok(Ok(())),
        None => Err(format!("opening ended with {status}")),
    }
}
