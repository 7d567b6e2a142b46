//! `vanish`: files that others take from under open stores, or change while no process runs.
//!
//! Injects, one a case: a file of the directory, or the directory itself, is removed, renamed, cut, replaced by a copy, by an
//! empty one, or by what stood there earlier; or the directory that it stands in is replaced by a copy, or the page by that of
//! another store. Between two operations, while threads save, or after all have closed. One or two handles have the store open,
//! which are as good as processes, and one more comes late. In half of the cases saves wait for the disk.
//!
//! Checks that a handle that has lost a file it relies on acknowledges nothing more that waits for the disk, says so, and does
//! not close as if nothing were; that one whose saves do not wait hears of it within moments; that whatever was acknowledged after the harm is there for the next opener; that harm to locks, page, hints and
//! snapshots costs nothing; and that what is missing at open is damage, and an ended session that lives again in doubt.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Lifetime, Record, Store as _};
use fastrand::Rng;

use crate::real::{HANGS, NOW};
use crate::run::{Campaign, CannotRun, Failure, Run};
use crate::support::{block_on, in_memory, key};

pub const CAMPAIGN: Campaign =
    Campaign { name: "vanish", what: "files removed, cut, replaced or renamed under open stores", size: 600, run };

fn run(run: &mut Run) -> Result<(), CannotRun> {
    run.each(|seed| {
        let rng = &mut Rng::with_seed(seed);
        let directory = in_memory().map_err(|error| format!("no directory: {error}"))?;
        let mut case = Case::new(directory.path(), rng);
        case.run(rng).map_err(|what| format!("{what}\n    {:?} of {}", case.harm, case.target.display()))
    });
    Ok(())
}

/// What processes rely on, beside the segment that is written to and the directory.
const RELIED_ON: [&str; 3] = ["users.lock", "writer.lock", "tail.page"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Remove,
    Rename,
    Cut,
    Copy,
    Empty,
    Earlier,
    /// That of another store, of the page alone.
    Foreign,
}

struct Case {
    /// The directory that the store's directory stands in.
    parent: PathBuf,
    place: PathBuf,
    /// What stood in the directory earlier.
    earlier: PathBuf,
    options: FileOptions,
    saves_wait: bool,
    target: PathBuf,
    harm: Harm,
    /// The sessions that were acknowledged before the harm: whether they live.
    sessions: BTreeMap<u32, bool>,
    /// Whether they were durable by then.
    are_durable: bool,
}

fn failed(error: io::Error) -> Failure {
    format!("the harm could not be done: {error}")
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir(to)?;
    fs::set_permissions(to, from.metadata()?.permissions())?;
    fs::read_dir(from)?.try_for_each(|entry| entry.and_then(|entry| copy(&entry.path(), &to.join(entry.file_name()))))
}

fn segments(place: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(place)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let mut segments: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    segments.sort();
    Ok(segments)
}

fn create(store: &FileStore, n: u32) -> cloakroom::Result<()> {
    block_on(store.create(&Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW), &[], NOW)).map(drop)
}

/// Saves that do not wait go on until the store's thread has looked.
fn hears_of_it(store: &FileStore) -> Result<(), Failure> {
    let begun = Instant::now();
    for n in 3_000_000.. {
        match create(store, n) {
            Ok(()) if begun.elapsed() < HANGS => std::thread::sleep(Duration::from_millis(20)),
            Err(error) if *error.kind() == ErrorKind::FilesLost => break,
            other => return Err(format!("a save that does not wait ended with {other:?}")),
        }
    }
    Ok(())
}

impl Case {
    fn new(directory: &Path, rng: &mut Rng) -> Self {
        let saves_wait = rng.bool();
        let options = FileStore::options()
            .durability(if saves_wait { Durability::Always } else { Durability::Never })
            .segment_bytes(*rng.choice(&[4 << 10, 1 << 20]).expect("there are two"))
            .zeros_ahead(rng.bool())
            .open_wait(Duration::from_millis(2));
        let (parent, earlier) = (directory.join("parent"), directory.join("earlier"));
        let place = parent.join("sessions");
        let (target, harm, sessions) = (place.clone(), Harm::Remove, BTreeMap::new());
        Self { parent, place, earlier, options, saves_wait, target, harm, sessions, are_durable: saves_wait }
    }

    fn open(&self) -> cloakroom::Result<FileStore> {
        self.options.clone().open(&self.place)
    }

    fn run(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        fs::create_dir(&self.parent).map_err(failed)?;
        let opened = (0..rng.u32(1..=2)).map(|_| self.open()).collect::<cloakroom::Result<Vec<_>>>();
        let stores = opened.map_err(|error| error.to_string())?;
        self.work(&stores, rng)?;
        copy(&self.place, &self.earlier).map_err(failed)?;
        self.work(&stores, rng)?;
        let after = match rng.u8(..3) {
            0 => self.between_two_operations(stores, rng)?,
            1 => match self.under_threads(stores, rng)? {
                Some(after) => after,
                // The store has removed or renamed the file first.
                None => return Ok(()),
            },
            _ => {
                stores.iter().try_for_each(FileStore::close).map_err(|error| error.to_string())?;
                drop(stores);
                self.are_durable = true;
                self.draw(rng).map_err(failed)?;
                if self.target.ends_with("tail.page") && rng.bool() {
                    self.harm = Harm::Foreign;
                    self.make_foreign().map_err(|error| error.to_string())?;
                }
                self.do_harm(rng).map_err(failed)?;
                Vec::new()
            }
        };
        self.check(&after)
    }

    /// Saves and ends sessions, each acknowledged.
    fn work(&mut self, stores: &[FileStore], rng: &mut Rng) -> Result<(), Failure> {
        for _ in 0..rng.u32(1..40) {
            let store = rng.choice(stores).expect("there is one");
            let n = self.sessions.len() as u32;
            let ended = rng.u32(..n.max(1));
            if rng.u8(..3) == 0 && self.sessions.get(&ended) == Some(&true) {
                block_on(store.destroy(&key(ended), None)).map_err(|error| error.to_string())?;
                self.sessions.insert(ended, false);
            } else {
                create(store, n).map_err(|error| error.to_string())?;
                self.sessions.insert(n, true);
            }
        }
        Ok(())
    }

    /// Another store, whose log is longer, in the place of the earlier one.
    fn make_foreign(&self) -> cloakroom::Result<()> {
        let _ = fs::remove_dir_all(&self.earlier);
        let store = self.options.clone().open(&self.earlier)?;
        (0..400).try_for_each(|n| create(&store, n))?;
        store.close()
    }

    fn draw(&mut self, rng: &mut Rng) -> io::Result<()> {
        let files = fs::read_dir(&self.place)?.map(|entry| entry.map(|entry| entry.path()));
        let mut targets = files.collect::<io::Result<Vec<_>>>()?;
        targets.retain(|path| path.is_file());
        targets.push(self.place.clone());
        targets.sort();
        // What is written to, what processes rely on besides, and any: few files are of the first two kinds.
        self.target = match rng.u8(..5) {
            0 | 1 => segments(&self.place)?.pop().expect("there is one"),
            2 => self.place.join(rng.choice(&RELIED_ON).expect("there are some")),
            _ => rng.choice(&targets).expect("there is the directory").clone(),
        };
        let harms = [Harm::Remove, Harm::Rename, Harm::Cut, Harm::Copy, Harm::Empty, Harm::Earlier];
        self.harm = *rng.choice(&harms).expect("there are some");
        let is_directory = self.target == self.place;
        // A page that is cut under the process kills it: the documentation names that.
        if self.harm == Harm::Cut && (is_directory || self.target.ends_with("tail.page"))
            || self.harm == Harm::Earlier && (is_directory || !self.earlier_of_target().exists())
        {
            self.harm = Harm::Remove;
        }
        if rng.u8(..24) == 0 {
            (self.target, self.harm) = (self.parent.clone(), Harm::Copy);
        }
        Ok(())
    }

    fn earlier_of_target(&self) -> PathBuf {
        self.earlier.join(self.target.file_name().expect("it has a name"))
    }

    fn do_harm(&self, rng: &mut Rng) -> io::Result<()> {
        let (path, away) = (&self.target, self.target.with_extension("away"));
        match self.harm {
            // The threads may make a file in it meanwhile.
            Harm::Remove if path.is_dir() => loop {
                match fs::remove_dir_all(path) {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                    removed => break removed,
                }
            },
            Harm::Remove => fs::remove_file(path),
            Harm::Cut => {
                let written = fs::read(path)?.iter().rposition(|byte| *byte != 0).unwrap_or_default();
                File::options().write(true).open(path)?.set_len(rng.u64(..=written as u64))
            }
            Harm::Earlier | Harm::Foreign => {
                fs::copy(self.earlier_of_target(), &away)?;
                fs::rename(&away, path)
            }
            Harm::Rename | Harm::Copy | Harm::Empty => {
                let is_directory = path.is_dir();
                fs::rename(path, &away)?;
                match self.harm {
                    Harm::Copy => copy(&away, path),
                    Harm::Empty if is_directory => {
                        fs::create_dir(path)?;
                        fs::set_permissions(path, away.metadata()?.permissions())
                    }
                    Harm::Empty => File::create(path)?.set_permissions(away.metadata()?.permissions()),
                    _ => Ok(()),
                }
            }
        }
    }

    fn is_segment(&self) -> bool {
        self.target.extension().is_some_and(|extension| extension == "log")
    }

    /// Whether open stores rely on the target, and it is another by the harm, or less. `last` is their current segment.
    fn is_lost(&self, last: &Path) -> bool {
        if self.target == self.parent {
            return true;
        }
        if RELIED_ON.iter().any(|name| self.target.ends_with(name)) {
            self.harm != Harm::Cut
        } else {
            self.target == last || self.target == self.place
        }
    }

    /// Whether all that was acknowledged before the harm is in the directory.
    fn costs_nothing(&self) -> bool {
        // An older page beside the log says nothing, and neither does a missing one.
        self.harm == Harm::Copy || self.target != self.place && !self.is_segment()
    }

    /// A process that comes after the harm, and saves this session. What it is told, holds.
    fn come_late(&self, n: u32, after: &mut Vec<u32>) {
        if let Ok(late) = self.options.clone().durability(Durability::Always).open(&self.place)
            && create(&late, n).is_ok()
        {
            after.push(n);
        }
    }

    fn between_two_operations(&mut self, stores: Vec<FileStore>, rng: &mut Rng) -> Result<Vec<u32>, Failure> {
        self.draw(rng).map_err(failed)?;
        let last = segments(&self.place).map_err(failed)?.pop().expect("there is one");
        self.do_harm(rng).map_err(failed)?;
        let is_lost = self.is_lost(&last);
        let mut after = Vec::new();
        if rng.bool() {
            self.come_late(2_000_000, &mut after);
        }
        for (n, store) in (1_000_000..).zip(&stores) {
            match create(store, n) {
                Ok(()) if !is_lost => after.push(n),
                // It promises nothing yet.
                Ok(()) if !self.saves_wait => {}
                Err(error) if is_lost && *error.kind() == ErrorKind::FilesLost => {}
                other => return Err(format!("a save ended with {other:?}")),
            }
        }
        if is_lost {
            self.come_late(2_000_001, &mut after);
            if !self.saves_wait && rng.u8(..8) == 0 {
                hears_of_it(&stores[0])?;
            }
            let ended = block_on(stores[0].destroy(&key(0), None));
            // What the late process has made durable, it has looked at. A logout that has nothing to write rests on that.
            let rests_on_another = !after.is_empty() && self.sessions.get(&0) != Some(&true);
            let is_told = ended.as_ref().is_err_and(|error| *error.kind() == ErrorKind::FilesLost);
            let is_answered = rests_on_another && matches!(ended, Ok(false));
            if !is_told && !is_answered {
                return Err(format!("a logout ended with {ended:?}"));
            }
            if !self.saves_wait {
                // It is the first to hear of the harm, and what it wrote may stand in the log.
                self.sessions.remove(&0);
            }
        }
        for store in stores {
            let closed = store.close();
            if closed.as_ref().is_err_and(|error| *error.kind() == ErrorKind::FilesLost) != is_lost {
                return Err(format!("closing ended with {closed:?}"));
            }
        }
        Ok(after)
    }

    fn under_threads(&mut self, stores: Vec<FileStore>, rng: &mut Rng) -> Result<Option<Vec<u32>>, Failure> {
        const SAVES: u32 = 60;
        self.draw(rng).map_err(failed)?;
        // A segment may be rolled and trimmed meanwhile.
        if self.is_segment() {
            self.target = self.place.join("users.lock");
            self.harm = Harm::Remove;
        }
        let is_lost = self.is_lost(Path::new(""));
        let is_done = AtomicBool::new(false);
        let save = |store: &FileStore, from: u32| {
            let mut saved = Vec::new();
            for n in from..from + SAVES {
                let comes_after = is_done.load(Ordering::SeqCst);
                match create(store, n) {
                    Ok(()) => saved.push((n, comes_after)),
                    Err(_) => break,
                }
            }
            saved
        };
        let saved = std::thread::scope(|scope| -> Result<Option<Vec<(u32, bool)>>, Failure> {
            let threads: Vec<_> = (0..4_u32)
                .map(|thread| {
                    let (store, save) = (stores[thread as usize % stores.len()].clone(), &save);
                    scope.spawn(move || save(&store, 1_000_000 + thread * 10_000))
                })
                .collect();
            std::thread::sleep(Duration::from_micros(rng.u64(..3000)));
            let harmed = self.do_harm(rng);
            is_done.store(true, Ordering::SeqCst);
            let saved = threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect();
            match harmed {
                Ok(()) => Ok(Some(saved)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.target != self.place => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })?;
        for store in stores {
            let _ = store.close();
        }
        let Some(saved) = saved else { return Ok(None) };
        if is_lost && !self.saves_wait {
            return Ok(Some(Vec::new()));
        }
        if let Some((n, _)) = saved.iter().find(|(_, comes_after)| is_lost && *comes_after) {
            return Err(format!("session {n} was acknowledged in files that were lost"));
        }
        let stays = self.costs_nothing();
        Ok(Some(saved.into_iter().filter(|(_, comes_after)| stays || *comes_after).map(|(n, _)| n).collect()))
    }

    /// What the next opener finds.
    fn check(&self, after: &[u32]) -> Result<(), Failure> {
        let store = match self.open() {
            Ok(store) => store,
            // The only header of the log was in it.
            Err(error) if self.is_segment() && after.is_empty() && *error.kind() == ErrorKind::Damaged => return Ok(()),
            Err(error) => return Err(format!("opening it anew gave {error}")),
        };
        let doubtful = store.doubtful(NOW).map_err(|error| error.to_string())?;
        let is_told = !store.damage().is_empty();
        if self.costs_nothing() && is_told {
            return Err(format!("damage where nothing was damaged: {:?}", store.damage()));
        }
        for n in after {
            if !block_on(store.load(&key(*n), NOW)).is_ok_and(|found| found.is_some()) {
                return Err(format!("session {n} was acknowledged after the harm and is not there"));
            }
        }
        // Another directory is another store.
        if self.target == self.place && self.harm != Harm::Copy {
            return Ok(());
        }
        for (n, lives) in &self.sessions {
            match block_on(store.load(&key(*n), NOW)) {
                Ok(found) if found.is_some() == *lives => {}
                Ok(None) if is_told || self.is_segment() && !self.are_durable => {}
                Ok(Some(_)) if is_told && doubtful.contains(&key(*n)) => {}
                Err(_) if !self.costs_nothing() => {}
                other => {
                    return Err(format!(
                        "session {n} should live: {lives}; it is {other:?}, and damage was told: {is_told}"
                    ));
                }
            }
        }
        Ok(())
    }
}
