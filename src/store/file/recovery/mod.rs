//! Opening a directory: who comes first puts the log in order, who comes later joins.
//!
//! Recovery runs only while nobody uses the directory. It reads the whole log, finds where it ends, sets aside what is
//! there and does not belong to it, and makes all that it keeps durable.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::{Disk, DiskFile, DiskLock};
use crate::store::file::engine::Engine;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment::{self, BadHeader, Header};
use crate::store::file::index::Index;
use crate::store::file::index::cache::Cache;
use crate::store::file::log::Log;
use crate::store::file::log::hint_files::Hints;
use crate::store::file::log::replay::{self, LastSegment};
use crate::store::file::log::segments::{Segments, is_not_found};
use crate::store::file::settings::{OnDamage, Settings};
use crate::store::file::threads::wait;
use crate::store::file::writer::op::Op;
use crate::store::file::writer::{LockedWriter, Writer};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;

/// What the page says about its own format, so that no process takes another version's page for its own.
const PAGE_VERSION: u64 = 1;

/// Opens the log in a directory, to write and to read.
pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path, settings: Settings) -> Result<Engine> {
    let Locks { opening, users, writer } = Locks::on(&*disk, path)?;
    let failed = |error| Error::io(OPENING, error).at(path);
    // One opener at a time. Whoever gets the users' lock exclusively is alone; holding it shared from then on always means
    // that a recovery was finished (rule 9).
    await_opening(&settings, path, || opening.try_exclusive())?;
    let alone = users.try_exclusive().map_err(failed)?;
    let log = if alone { recover(disk, path, &settings)? } else { join(disk, path, &settings)? };
    if !wait::until(settings.open_wait, || users.try_shared()).map_err(failed)? {
        let why = "the lock of its users is held exclusively";
        return Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why));
    }
    opening.unlock().map_err(failed)?;
    Ok(Engine::new(log, settings, writer, users))
}

/// Opens the log to read it only, and changes nothing (rule 21).
///
/// Beside processes that write it is as any other, but for the writing. Alone, it reads what a recovery would keep, and has
/// no page to follow; so it holds the openers' lock shared as long as it is open, and nobody begins to write meanwhile.
pub(crate) fn open_to_read(disk: Arc<dyn Disk>, path: &Path, settings: Settings) -> Result<Engine> {
    let Locks { opening, users, writer } = Locks::on(&*disk, path)?;
    let failed = |error| Error::io(OPENING, error).at(path);
    await_opening(&settings, path, || opening.try_shared())?;
    // One at a time looks whether anybody writes: else two who only read would take each other for writers.
    if !wait::until(settings.lock_wait, || writer.try_exclusive()).map_err(failed)? {
        let why = "another process held the writer lock all the time";
        return Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why));
    }
    let alone = users.try_exclusive().map_err(failed)?;
    if alone {
        users.unlock().map_err(failed)?;
    } else if !users.try_shared().map_err(failed)? {
        return Err(Error::new(ErrorKind::Timeout, OPENING)
            .at(path)
            .because("the lock of its users is held exclusively"));
    }
    writer.unlock().map_err(failed)?;
    let (log, locked) = if alone {
        (Found::read(disk, path, &settings)?.publish(), opening)
    } else {
        (join(disk, path, &settings)?, users)
    };
    Ok(Engine::new(log, settings, writer, locked).read_only())
}

const OPENING: &str = "opening the session store";

/// How often joining begins again because the segment it was to begin with is gone.
const TRIMS_FOLLOWED: u32 = 10;

struct Locks {
    opening: Box<dyn DiskLock>,
    users: Box<dyn DiskLock>,
    writer: Box<dyn DiskLock>,
}

impl Locks {
    fn on(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let lock = |name: &str| disk.lock(name).map_err(|error| Error::io("opening a lock", error).at(path.join(name)));
        Ok(Self {
            opening: lock(names::OPENING_LOCK)?,
            users: lock(names::USERS_LOCK)?,
            writer: lock(names::WRITER_LOCK)?,
        })
    }
}

fn await_opening(settings: &Settings, path: &Path, attempt: impl FnMut() -> io::Result<bool>) -> Result<()> {
    let failed = |error| Error::io("waiting to open the session store", error).at(path);
    if wait::until(settings.open_wait, attempt).map_err(failed)? {
        return Ok(());
    }
    let why = "another process has been opening it for longer than this waits, or has it open to read only";
    Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why))
}

/// Joins those who use the directory already.
fn join(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    for _ in 0..TRIMS_FOLLOWED {
        match try_join(disk.clone(), path, settings) {
            // The segment that the page named was trimmed before it was opened: the page names another by now (rule 15).
            Err(error) if is_not_found(&error) => {}
            joined => return joined,
        }
    }
    try_join(disk, path, settings)
}

/// The page says how far the log reaches.
fn try_join(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    let tail = disk
        .shared_page(names::SHARED_PAGE, false)
        .map_err(|error| Error::io("mapping the shared page", error).at(path.join(names::SHARED_PAGE)))?;
    let version = tail.page().version.get();
    if version != PAGE_VERSION {
        let why = format!(
            "processes that use it now run a version of cloakroom with another shared page ({version}, this one has \
             {PAGE_VERSION}); stop them first"
        );
        return Err(Error::new(ErrorKind::NewerFormat, OPENING).at(path).because(why));
    }
    let end = Position::from_u64(tail.page().tail.get());
    let file = disk.open(&names::segment(end.segment()));
    let file = file
        .map_err(|error| Error::io("opening the last segment", error).at(path.join(names::segment(end.segment()))))?;
    let header = header(&*file, path, end.segment())?;
    let salt = header.map_err(|bad| bad_header(path, end.segment(), bad))?.salt;
    let log = new_log(disk, path, salt, tail, 0, settings);
    log.start()?;
    Ok(log)
}

/// A log of which nothing is read yet.
fn new_log(disk: Arc<dyn Disk>, path: &Path, salt: u64, tail: SharedPage, first: u32, settings: &Settings) -> Log {
    let segments = Segments::new(disk, path.to_path_buf(), salt, tail, settings.sizes.files_open);
    Log::new(segments, Hints::new(settings.uses_hints), Index::new(first), Cache::new(settings.cache_bytes))
}

fn header(file: &dyn DiskFile, path: &Path, number: u32) -> Result<Result<Header, BadHeader>> {
    let mut bytes = [0; segment::HEADER as usize];
    let read = file.read_at(&mut bytes, 0);
    read.map_err(|error| Error::io("reading a segment's header", error).at(path.join(names::segment(number))))?;
    Ok(Header::parse(&bytes))
}

fn bad_header(path: &Path, number: u32, bad: BadHeader) -> Error {
    let kind = match bad {
        BadHeader::Newer(_) => ErrorKind::NewerFormat,
        BadHeader::Damaged => ErrorKind::Damaged,
    };
    Error::new(kind, "opening the session store").at(path.join(names::segment(number))).because(bad)
}

/// Puts the log in order; nobody else uses it.
fn recover(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    if segments(&*disk, path)?.is_empty() || is_unfinished(&*disk, path)? {
        first_segment(&*disk, path)?;
    }
    let found = Found::read(disk, path, settings)?;
    found.repair()?;
    let (goes_on, first, last) = (found.goes_on_in_a_new_segment(), found.first, found.index.applied.segment());
    let log = found.publish();
    let doubtful: Vec<SessionKey> = match settings.on_damage {
        OnDamage::EndOlder => log.read()?.index.doubtful().copied().collect(),
        OnDamage::Report => Vec::new(),
    };
    if goes_on || !doubtful.is_empty() {
        let lock = log
            .segments
            .disk
            .lock(names::WRITER_LOCK)
            .map_err(|error| log.segments.io("opening the writer lock", error))?;
        let mut writer = Writer::new(lock, settings.clone());
        let Some(mut locked) = writer.try_lock(&log)? else {
            let why = "its writer lock is held by a process that has not opened it";
            return Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why));
        };
        if goes_on {
            locked.roll()?;
        }
        end_doubtful(&log, &mut locked, &doubtful)?;
    }
    log.hints.remove_stray(&*log.segments.disk, last);
    // Left by a process that died between a trim and the removal (rule 7).
    if first < log.read()?.index.oldest {
        log.remove_trimmed()?;
    }
    Ok(log)
}

/// Ends the sessions that a damaged frame may have ended (rule 11), durably before anybody can load one.
fn end_doubtful(log: &Log, locked: &mut LockedWriter<'_>, doubtful: &[SessionKey]) -> Result<()> {
    const GROUP: usize = 10_000;
    for keys in doubtful.chunks(GROUP) {
        let ended = locked.write(&[&Op::End { keys: keys.to_vec() }], true);
        for (answer, _) in ended.unwrap_or_default() {
            answer?;
        }
    }
    if doubtful.is_empty() { Ok(()) } else { log.segments.sync() }
}

/// What stands in a directory that nobody writes to, read and not yet changed.
struct Found {
    log: Log,
    index: Index,
    /// The oldest segment there is.
    first: u32,
    /// A last segment that has no header: a roll died before it was anything.
    unfinished: Option<u32>,
    /// Segments whose header does not say the salt.
    headless: Vec<u32>,
    file: Arc<dyn DiskFile>,
    last: LastSegment,
}

impl Found {
    fn read(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Self> {
        let mut segments = segments(&*disk, path)?;
        let unfinished = unfinished(&*disk, path, &segments)?;
        segments.truncate(segments.len() - usize::from(unfinished.is_some()));
        let Some(&first) = segments.first() else {
            let why = "there is no session store in this directory";
            return Err(Error::io(OPENING, io::Error::new(io::ErrorKind::NotFound, why)).at(path));
        };
        let (salt, headless) = salt(&*disk, path, &segments)?;
        let tail = disk.shared_page(names::SHARED_PAGE, true);
        let tail =
            tail.map_err(|error| Error::io("making the shared page", error).at(path.join(names::SHARED_PAGE)))?;
        tail.page().version.set(PAGE_VERSION);
        let log = new_log(disk, path, salt, tail, first, settings);
        for number in &headless {
            log.segments.report(*number, 0, segment::HEADER, None);
        }
        let mut index = Index::new(first);
        let number = segments[segments.len() - 1];
        let last = replay::replay(&log.segments, &log.hints, &mut index, &segments, |take| {
            replay::read_last(&log.segments, number, take)
        })?;
        index.shrink_to_fit();
        replay::report_missing(&log.segments, &index, &segments);
        if last.is_cut() && !index.sealed() {
            log.segments.report(number, last.end, last.written, None);
        }
        let file = log.segments.file(number)?;
        Ok(Self { log, index, first, unfinished, headless, file, last })
    }

    /// Whether something stands behind the end, so that no position there is used again (rule 5); or whoever sealed the
    /// segment did not come to begin the next.
    fn goes_on_in_a_new_segment(&self) -> bool {
        self.last.is_cut() || self.index.sealed()
    }

    /// Makes durable what is kept, and sets aside what is not.
    fn repair(&self) -> Result<()> {
        let Self { log, index, file, last, .. } = self;
        if let Some(number) = self.unfinished {
            let removed = log.segments.disk.remove(&names::segment(number));
            removed.map_err(|error| log.segments.segment_io("removing an unfinished segment", number, error))?;
        }
        for number in &self.headless {
            // Else nobody could join; and if it is the last, nobody would know the salt when the others have gone.
            let (file, header) = (log.segments.file(*number)?, Header { number: *number, salt: log.segments.salt });
            let written = file.write_at(&header.to_bytes(), 0);
            written.map_err(|error| log.segments.segment_io("writing a segment's header again", *number, error))?;
        }
        let number = index.applied.segment();
        let failed = |error| log.segments.segment_io("recovering the last segment", number, error);
        if last.durable == segment::HEADER {
            // Who made the segment may have died before its header was durable. Without it the first segment is no store.
            let header = Header { number, salt: log.segments.salt };
            file.write_at(&header.to_bytes(), 0).map_err(failed)?;
        }
        // Kept, but nobody knows whether it was synced: written again, so that the sync means something (rule 4). Behind a
        // clean close that is the mark alone. It vouches for what is before it and not for itself, and what comes behind it
        // will state that it was durable.
        let mut bytes = vec![0; (last.end - last.durable) as usize];
        file.read_at(&mut bytes, u64::from(last.durable)).map_err(failed)?;
        file.write_at(&bytes, u64::from(last.durable)).map_err(failed)?;
        if last.is_cut() && !index.sealed() {
            let mut bytes = vec![0; (last.written - last.end) as usize];
            file.read_at(&mut bytes, u64::from(last.end)).map_err(failed)?;
            log.segments.set_aside(Position::new(number, last.end), &bytes)?;
            // What is behind the end goes before the end is sealed: a crash in between finds a shorter log, never a longer one.
            file.cut(u64::from(last.end)).map_err(failed)?;
        }
        file.sync().map_err(failed)?;
        if !last.clean {
            // Who made the last segment may have died before its name was durable, and all that is synced from now on goes
            // by that name (rule 6).
            log.segments
                .disk
                .sync_names()
                .map_err(|error| log.segments.io("making the segments' names durable", error))?;
        }
        Ok(())
    }

    /// The log as it was read.
    fn publish(self) -> Log {
        let Self { log, index, .. } = self;
        let end = index.applied.as_u64();
        log.change(|state| {
            state.index = index;
            log.segments.page().durable.set(end);
            log.segments.page().tail.set(end);
        });
        log
    }
}

/// The numbers of the segments, in order.
fn segments(disk: &dyn Disk, path: &Path) -> Result<Vec<u32>> {
    let names = disk.names().map_err(|error| Error::io("listing the session directory", error).at(path))?;
    let mut segments: Vec<u32> = names.iter().filter_map(|name| names::segment_number(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// A last segment that has no header yet.
fn unfinished(disk: &dyn Disk, path: &Path, segments: &[u32]) -> Result<Option<u32>> {
    let [.., _, last] = *segments else { return Ok(None) };
    let name = names::segment(last);
    let length = disk.open(&name).and_then(|file| file.len());
    let length = length.map_err(|error| Error::io("looking at a segment", error).at(path.join(&name)))?;
    Ok((length < u64::from(segment::HEADER)).then_some(last))
}

/// The salt that all segments share, and those whose header does not say it.
fn salt(disk: &dyn Disk, path: &Path, segments: &[u32]) -> Result<(u64, Vec<u32>)> {
    let mut salt = None;
    let mut headless = Vec::new();
    for number in segments.iter().rev() {
        let file = disk.open(&names::segment(*number));
        let file =
            file.map_err(|error| Error::io("opening a segment", error).at(path.join(names::segment(*number))))?;
        match header(&*file, path, *number)? {
            Ok(header) => salt = salt.or(Some(header.salt)),
            // A damaged header costs nothing but itself, as long as another segment has the salt.
            Err(BadHeader::Damaged) => headless.push(*number),
            Err(newer) => return Err(bad_header(path, *number, newer)),
        }
    }
    let salt = salt.ok_or_else(|| bad_header(path, segments[0], BadHeader::Damaged))?;
    Ok((salt, headless))
}

/// Whether creating the store was interrupted before anything could be saved: its only segment holds nothing at all.
fn is_unfinished(disk: &dyn Disk, path: &Path) -> Result<bool> {
    if segments(disk, path)? != [1] {
        return Ok(false);
    }
    let failed = |error| Error::io("reading a segment's header", error).at(path.join(names::segment(1)));
    let file = disk.open(&names::segment(1)).map_err(failed)?;
    if header(&*file, path, 1)?.is_ok() {
        return Ok(false);
    }
    // The header is durable before anything else is written: behind it stands nothing, or somebody's sessions.
    Ok(file.len().map_err(failed)? <= u64::from(segment::HEADER))
}

fn first_segment(disk: &dyn Disk, path: &Path) -> Result<()> {
    let mut salt = [0; 8];
    crate::model::id::fill(&mut salt)?;
    let header = Header { number: 1, salt: u64::from_le_bytes(salt) };
    // Recovery makes it durable, as it would if this one died here.
    let made = disk.create(&names::segment(1)).and_then(|file| file.write_at(&header.to_bytes(), 0));
    made.map_err(|error| Error::io("creating the session store", error).at(path.join(names::segment(1))))
}
