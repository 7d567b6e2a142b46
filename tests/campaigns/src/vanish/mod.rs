//! `vanish`: files that others take from under open stores, or change while no process runs.
//!
//! Injects, one a case: a file of the directory, or the directory itself, is removed, renamed, cut, replaced by a copy, by an
//! empty one, or by what stood there earlier; or what stood there earlier is written into the file that is there, or into all
//! files; or the directory that it stands in is replaced by a copy, or the page by that of another store. Between two
//! operations, while threads save, or after all have closed. One or two handles have the store open, which are as good as
//! processes, and one more comes late. In half of the cases saves wait for the disk.
//!
//! Checks that a handle that has lost a file it relies on acknowledges nothing more that waits for the disk, says so, and does
//! not close as if nothing were; that one whose saves do not wait hears of it within moments; that whatever was acknowledged
//! after the harm is there for the next opener; that harm to locks, page, hints and snapshots costs nothing; and that what is
//! missing at open is damage, and an ended session that lives again in doubt. Where a page went back under open stores, alone or
//! with all other files, a handle that had read no farther than the page says now cannot tell, and its saves are there; if
//! anything that was acknowledged is not, some handle has said so, unless none has saved since, or another that could not tell.

mod harm;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Lifetime, Record, Store as _};
use fastrand::Rng;

use self::harm::{Harm, copy, segments};
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
const PAGE: &str = "tail.page";
const RELIED_ON: [&str; 3] = ["users.lock", "writer.lock", PAGE];

/// What becomes of open stores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They rely on what is another by the harm, or less.
    Lost,
    Kept,
    /// A handle may have read no farther than the page, which went back.
    Either,
}

/// A segment of so many bytes is never full here.
const NEVER_FULL: u32 = 1 << 20;

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
    /// Whether there is one segment, and never another.
    has_one_segment: bool,
    /// Whether a handle has said that files were lost.
    is_said: bool,
    /// Whether a page that went back may have been noticed by nobody: no handle has written or waited since, or another has, that
    /// had read no farther, so that the page may name a later end by now than a handle knew.
    is_unnoticed: bool,
    was_open: bool,
    /// What is drawn here moves no other draw: what a seed's case was before, it is still, unless it is of these.
    others: Rng,
}

fn failed(error: io::Error) -> Failure {
    format!("the harm could not be done: {error}")
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
        let others = Rng::with_seed(!rng.get_seed());
        let saves_wait = rng.bool();
        let segment_bytes = *rng.choice(&[4 << 10, NEVER_FULL]).expect("there are two");
        let options = FileStore::options()
            .durability(if saves_wait { Durability::Always } else { Durability::Never })
            .segment_bytes(segment_bytes)
            .zeros_ahead(rng.bool())
            .open_wait(Duration::from_millis(2));
        let (parent, earlier) = (directory.join("parent"), directory.join("earlier"));
        let place = parent.join("sessions");
        let (target, harm, sessions) = (place.clone(), Harm::Remove, BTreeMap::new());
        Self {
            parent,
            place,
            earlier,
            options,
            saves_wait,
            target,
            harm,
            sessions,
            are_durable: saves_wait,
            has_one_segment: segment_bytes == NEVER_FULL,
            is_said: false,
            is_unnoticed: false,
            was_open: true,
            others,
        }
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
                (self.are_durable, self.was_open) = (true, false);
                self.draw(rng).map_err(failed)?;
                if self.target.ends_with(PAGE) && rng.bool() {
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
        if self.harm == Harm::Cut && (is_directory || self.target.ends_with(PAGE))
            || self.harm == Harm::Earlier && (is_directory || !self.earlier_of_target().exists())
        {
            self.harm = Harm::Remove;
        }
        if rng.u8(..24) == 0 {
            (self.target, self.harm) = (self.parent.clone(), Harm::Copy);
        } else if self.others.u8(..6) == 0 {
            if self.others.u8(..3) == 0 {
                self.target = self.place.clone();
            }
            if self.earlier_of_target().exists() {
                self.harm = Harm::Over;
            }
        }
        Ok(())
    }

    fn earlier_of_target(&self) -> PathBuf {
        if self.target == self.place {
            return self.earlier.clone();
        }
        self.earlier.join(self.target.file_name().expect("it has a name"))
    }

    fn do_harm(&self, rng: &mut Rng) -> io::Result<()> {
        self.harm.do_to(&self.target, &self.earlier_of_target(), rng)
    }

    fn is_segment(&self) -> bool {
        self.target.extension().is_some_and(|extension| extension == "log")
    }

    /// Whether the page is an earlier one now, in the same file.
    fn went_back(&self) -> bool {
        self.harm == Harm::Over && (self.target == self.place || self.target.ends_with(PAGE))
    }

    /// `last` is the current segment of the open stores.
    fn fate(&self, last: &Path) -> Fate {
        let is_lost = if RELIED_ON.iter().any(|name| self.target.ends_with(name)) {
            // A lock's file holds nothing that could be cut or written over.
            ![Harm::Cut, Harm::Over].contains(&self.harm)
        } else {
            [last, &self.place, &self.parent].contains(&&*self.target)
        };
        match is_lost {
            _ if self.went_back() => Fate::Either,
            true => Fate::Lost,
            false => Fate::Kept,
        }
    }

    /// Whether all that was acknowledged before the harm is in the directory.
    fn costs_nothing(&self) -> bool {
        // An older page beside the log says nothing, and neither does a missing one.
        self.harm == Harm::Copy || self.target != self.place && !self.is_segment()
    }

    /// A process that comes after the harm, and saves this session. What it is told, holds.
    fn come_late(&mut self, n: u32, after: &mut Vec<u32>) {
        if let Ok(late) = self.options.clone().durability(Durability::Always).open(&self.place)
            && create(&late, n).is_ok()
        {
            after.push(n);
            self.is_unnoticed = true;
        }
    }

    fn between_two_operations(&mut self, stores: Vec<FileStore>, rng: &mut Rng) -> Result<Vec<u32>, Failure> {
        self.draw(rng).map_err(failed)?;
        let last = segments(&self.place).map_err(failed)?.pop().expect("there is one");
        self.do_harm(rng).map_err(failed)?;
        let fate = self.fate(&last);
        let is_lost = fate == Fate::Lost;
        let mut after = Vec::new();
        if rng.bool() {
            self.come_late(2_000_000, &mut after);
        }
        let mut has_saved = false;
        for (n, store) in (1_000_000..).zip(&stores) {
            // One that saves nothing more looks when it closes.
            if fate == Fate::Either && self.others.bool() {
                continue;
            }
            match create(store, n) {
                Ok(()) if fate == Fate::Kept => after.push(n),
                Ok(()) if fate == Fate::Either => {
                    has_saved = true;
                    if self.saves_wait {
                        after.push(n);
                    }
                }
                // It promises nothing yet.
                Ok(()) if !self.saves_wait => {}
                Err(error) if fate != Fate::Kept && *error.kind() == ErrorKind::FilesLost => self.is_said = true,
                other => return Err(format!("a save ended with {other:?}")),
            }
        }
        self.is_unnoticed |= fate == Fate::Either && (stores.len() > 1 || !has_saved);
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
            let is_told = closed.as_ref().is_err_and(|error| *error.kind() == ErrorKind::FilesLost);
            self.is_said |= is_told;
            let is_as_it_should_be = if fate == Fate::Either { is_told || closed.is_ok() } else { is_told == is_lost };
            if !is_as_it_should_be {
                return Err(format!("closing ended with {closed:?}"));
            }
        }
        Ok(after)
    }

    fn under_threads(&mut self, stores: Vec<FileStore>, rng: &mut Rng) -> Result<Option<Vec<u32>>, Failure> {
        const SAVES: u32 = 60;
        self.draw(rng).map_err(failed)?;
        // A segment may be rolled and trimmed meanwhile. And which of the threads had read no farther than an earlier page
        // nobody knows.
        if self.is_segment() && !self.has_one_segment || self.went_back() {
            self.target = self.place.join("users.lock");
            self.harm = Harm::Remove;
        }
        let is_lost = self.is_segment() || self.fate(Path::new("")) == Fate::Lost;
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
        let is_certain = !self.went_back() || !self.is_said && !self.is_unnoticed;
        if self.costs_nothing() && is_told && is_certain {
            return Err(format!("damage where nothing was damaged: {:?}", store.damage()));
        }
        for n in after {
            if !block_on(store.load(&key(*n), NOW)).is_ok_and(|found| found.is_some()) {
                return Err(format!("session {n} was acknowledged after the harm and is not there"));
            }
        }
        // Another directory is another store. An earlier one is, too, and nobody was there to say so, or somebody has.
        let is_another = self.target == self.place && self.harm != Harm::Copy;
        if is_another && !(self.went_back() && self.was_open) || !is_certain {
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
