//! Opening a directory: who comes first puts the log in order, who comes later joins.
//!
//! Recovery runs only while nobody uses the directory. It reads the whole log, finds where it ends, sets aside what is
//! there and does not belong to it, and makes all that it keeps durable.

use std::path::Path;
use std::sync::Arc;

use super::cache::Cache;
use super::disk::{Disk, DiskFile};
use super::engine::Engine;
use super::frame::Kind;
use super::index::Index;
use super::log::{Log, MOVES_FOLLOWED, State};
use super::position::Position;
use super::scan::{Scan, Step};
use super::segment::{self, BadHeader, Header};
use super::settings::Settings;
use super::wait;
use super::writer::Writer;
use super::{OPENING_LOCK, TAIL_PAGE, USERS_LOCK, WRITER_LOCK};
use crate::error::{Error, ErrorKind, Result};

/// What the page says about its own format, so that no process takes another version's page for its own.
const PAGE_VERSION: u64 = 1;

/// Opens the log in a directory.
pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path, settings: Settings) -> Result<Engine> {
    let io = |doing: &'static str| move |error| Error::io(doing, error).at(path);
    let doing = "opening the session store";
    let lock = |name: &str| disk.lock(name).map_err(|error| Error::io("opening a lock", error).at(path.join(name)));
    let (opening, users, writer) = (lock(OPENING_LOCK)?, lock(USERS_LOCK)?, lock(WRITER_LOCK)?);
    // One opener at a time. Whoever gets the users' lock exclusively is alone; holding it shared from then on always means
    // that a recovery was finished (rule 9).
    if !wait::until(settings.open_wait, || opening.try_exclusive()).map_err(io("waiting to open the session store"))? {
        let why = "another process has been opening it for longer than this waits";
        return Err(Error::new(ErrorKind::Timeout, doing).at(path).because(why));
    }
    let alone = users.try_exclusive().map_err(io(doing))?;
    let log = if alone { recover(disk, path, &settings)? } else { join(disk, path, &settings)? };
    if !wait::until(settings.open_wait, || users.try_shared()).map_err(io(doing))? {
        return Err(Error::new(ErrorKind::Timeout, doing)
            .at(path)
            .because("the lock of its users is held exclusively"));
    }
    opening.unlock().map_err(io(doing))?;
    Ok(Engine::new(log, settings, Writer::new(writer), users))
}

fn state(index: Index, settings: &Settings) -> State {
    State { index, cache: Cache::new(settings.cache_bytes) }
}

/// Joins those who use the directory already: the page says how far the log reaches.
fn join(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    let tail = disk
        .tail(TAIL_PAGE, false)
        .map_err(|error| Error::io("mapping the shared page", error).at(path.join(TAIL_PAGE)))?;
    let version = tail.page().version.get();
    if version != PAGE_VERSION {
        let why = format!(
            "processes that use it now run a version of cloakroom with another shared page ({version}, this one has \
             {PAGE_VERSION}); stop them first"
        );
        return Err(Error::new(ErrorKind::NewerFormat, "opening the session store").at(path).because(why));
    }
    let mut attempts = 0;
    let (end, file) = loop {
        let end = Position::from_u64(tail.page().tail.get());
        let name = segment::name(end.segment());
        match disk.open(&name) {
            Ok(file) => break (end, file),
            // The others have gone on and trimmed it since the tail was read: what was its end is its beginning now (rule 15).
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && Position::from_u64(tail.page().tail.get()).segment() != end.segment()
                    && attempts < MOVES_FOLLOWED =>
            {
                attempts += 1;
            }
            Err(error) => return Err(Error::io("opening the last segment", error).at(path.join(name))),
        }
    };
    let header = header(&*file, path, end.segment())?;
    let salt = header.map_err(|bad| bad_header(path, end.segment(), bad))?.salt;
    let log = Log::new(disk, path.to_path_buf(), salt, tail, state(Index::new(salt, 0), settings));
    log.start()?;
    Ok(log)
}

fn header(file: &dyn DiskFile, path: &Path, number: u32) -> Result<Result<Header, BadHeader>> {
    let mut bytes = [0; segment::HEADER as usize];
    let read = file.read_at(&mut bytes, 0);
    read.map_err(|error| Error::io("reading a segment's header", error).at(path.join(segment::name(number))))?;
    Ok(Header::parse(&bytes))
}

fn bad_header(path: &Path, number: u32, bad: BadHeader) -> Error {
    let kind = match bad {
        BadHeader::Newer(_) => ErrorKind::NewerFormat,
        BadHeader::Damaged => ErrorKind::Damaged,
    };
    Error::new(kind, "opening the session store").at(path.join(segment::name(number))).because(bad)
}

/// Puts the log in order; nobody else uses it.
fn recover(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    let names = disk.names().map_err(|error| Error::io("listing the session directory", error).at(path))?;
    let mut segments: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
    segments.sort_unstable();
    drop_unfinished(&*disk, path, &mut segments)?;
    let (salt, headless) = salt(&*disk, path, &mut segments)?;
    let tail = disk.tail(TAIL_PAGE, true);
    let tail = tail.map_err(|error| Error::io("making the shared page", error).at(path.join(TAIL_PAGE)))?;
    tail.page().version.set(PAGE_VERSION);
    let index = Index::new(salt, segments[0]);
    let log = Log::new(disk, path.to_path_buf(), salt, tail, state(index, settings));

    for number in headless {
        // Else nobody could join, or know the salt when the other segments have gone.
        let file = log.file(number)?;
        let written = file.write_at(&Header { number, salt }.to_bytes(), 0).and_then(|()| file.sync());
        written.map_err(|error| log.segment_io("writing a segment's header again", number, error))?;
        log.report(number, 0, segment::HEADER, None);
    }
    let mut index = Index::new(salt, segments[0]);
    let bytes = log.bytes_of(&segments)?;
    index.expect_bytes(bytes);
    log.replay_sealed(&mut index, &segments, bytes)?;
    let last = index.applied.segment();
    let new_segment = recover_last(&log, &mut index, last)?;
    index.settle();
    let end = index.applied;
    log.change(|state| {
        state.index = index;
        log.page().durable.set(end.as_u64());
        log.page().tail.set(end.as_u64());
    });
    if new_segment {
        let lock = log.disk.lock(WRITER_LOCK).map_err(|error| log.io("opening the writer lock", error))?;
        let mut writer = Writer::new(lock);
        let Some(mut held) = writer.try_hold(&log)? else {
            let why = "its writer lock is held by a process that has not opened it";
            return Err(Error::new(ErrorKind::Timeout, "opening the session store").at(path).because(why));
        };
        held.roll(&log)?;
    }
    // Left by a process that died between a trim and the removal (rule 7).
    if segments[0] < log.read()?.index.oldest {
        log.remove_trimmed()?;
    }
    Ok(log)
}

/// Removes a last segment that has no header yet: a roll died before it was anything.
fn drop_unfinished(disk: &dyn Disk, path: &Path, segments: &mut Vec<u32>) -> Result<()> {
    let [.., _, last] = segments[..] else { return Ok(()) };
    let name = segment::name(last);
    let failed = |error| Error::io("removing an unfinished segment", error).at(path.join(&name));
    if disk.open(&name).and_then(|file| file.len()).map_err(failed)? < u64::from(segment::HEADER) {
        disk.remove(&name).and_then(|()| disk.sync_names()).map_err(failed)?;
        segments.pop();
    }
    Ok(())
}

/// The salt that all segments share, and those whose header does not say it. Makes the first segment if there is none.
fn salt(disk: &dyn Disk, path: &Path, segments: &mut Vec<u32>) -> Result<(u64, Vec<u32>)> {
    let mut salt = None;
    let mut headless = Vec::new();
    for number in segments.iter().rev() {
        let file = disk.open(&segment::name(*number));
        let file = file.map_err(|error| Error::io("opening a segment", error).at(path.join(segment::name(*number))))?;
        match header(&*file, path, *number)? {
            Ok(header) => salt = salt.or(Some(header.salt)),
            // A damaged header costs nothing but itself, as long as another segment has the salt.
            Err(BadHeader::Damaged) => headless.push(*number),
            Err(newer) => return Err(bad_header(path, *number, newer)),
        }
    }
    match (salt, &segments[..]) {
        (Some(salt), _) => Ok((salt, headless)),
        (None, []) => {
            segments.push(1);
            Ok((first_segment(disk, path)?, Vec::new()))
        }
        // Creating the store was interrupted before anything could be saved.
        (None, [1]) if is_unfinished(disk, path)? => Ok((first_segment(disk, path)?, Vec::new())),
        (None, [number, ..]) => Err(bad_header(path, *number, BadHeader::Damaged)),
    }
}

/// Whether the first segment holds nothing at all.
fn is_unfinished(disk: &dyn Disk, path: &Path) -> Result<bool> {
    let failed = |error| Error::io("reading a segment's header", error).at(path.join(segment::name(1)));
    let file = disk.open(&segment::name(1)).map_err(failed)?;
    let length = file.len().map_err(failed)?;
    let mut bytes = vec![0; length.min(4096) as usize];
    file.read_at(&mut bytes, 0).map_err(failed)?;
    Ok(length <= u64::from(segment::HEADER) || bytes.iter().all(|byte| *byte == 0))
}

fn first_segment(disk: &dyn Disk, path: &Path) -> Result<u64> {
    let mut salt = [0; 8];
    crate::id::fill(&mut salt)?;
    let header = Header { number: 1, salt: u64::from_le_bytes(salt) };
    let made = disk.create(&segment::name(1)).and_then(|file| {
        file.write_at(&header.to_bytes(), 0)?;
        file.sync()?;
        disk.sync_names()
    });
    made.map_err(|error| Error::io("creating the session store", error).at(path.join(segment::name(1))))?;
    Ok(header.salt)
}

/// Finds the end of the last segment and applies it up to there. Says whether the log has to go on in a new segment,
/// because something stands behind the end (rule 5).
fn recover_last(log: &Log, index: &mut Index, number: u32) -> Result<bool> {
    let file = log.file(number)?;
    let failed = |error| log.segment_io("recovering the last segment", number, error);
    let length = file.len().map_err(failed)?.min(u64::from(u32::MAX)) as u32;
    let mut survey = Survey::of(log, &*file, number, length)?;
    if !survey.clean {
        // Not closed properly: what the page cache says is no witness of what is on disk (rule 4).
        file.drop_cache().map_err(failed)?;
        survey = Survey::of(log, &*file, number, length)?;
    }
    index.applied = segment::start(number);
    log.replay(&*file, index, survey.end)?;
    index.applied = Position::new(number, survey.end);
    if !survey.clean && survey.durable < survey.end {
        // Kept, but nobody knows whether it was synced: written again, so that the sync below means something.
        let mut bytes = vec![0; (survey.end - survey.durable) as usize];
        file.read_at(&mut bytes, u64::from(survey.durable)).map_err(failed)?;
        file.write_at(&bytes, u64::from(survey.durable)).map_err(failed)?;
        file.sync().map_err(failed)?;
    }
    if survey.behind == survey.end || index.sealed() {
        return Ok(index.sealed());
    }
    let mut bytes = vec![0; (survey.behind - survey.end) as usize];
    file.read_at(&mut bytes, u64::from(survey.end)).map_err(failed)?;
    log.set_aside(Position::new(number, survey.end), &bytes)?;
    log.report(number, survey.end, survey.behind, None);
    // What is behind the end goes before the end is sealed: a crash in between finds a shorter log, never a longer one.
    file.cut(u64::from(survey.end)).map_err(failed)?;
    file.sync().map_err(failed)?;
    Ok(true)
}

/// What the last segment holds.
struct Survey {
    /// Where the log ends.
    end: u32,
    /// The highest statement of what was durable.
    durable: u32,
    /// Up to where there is something behind the end; the end itself if there is nothing.
    behind: u32,
    /// Whether the last frame says that all before it was durable.
    clean: bool,
}

impl Survey {
    /// A bad place below the highest statement is damage, and what follows it is part of the log. At or above it the log
    /// ends there: what follows may have been written after something that was lost (rule 2).
    fn of(log: &Log, file: &dyn DiskFile, number: u32, length: u32) -> Result<Self> {
        let mut scan = Scan::new(file, segment::start(number), length, log.salt);
        let mut durable = segment::HEADER;
        let mut bad: Vec<u32> = Vec::new();
        let mut clean = false;
        let (end, behind) = loop {
            match scan.next().map_err(|error| log.segment_io("recovering the last segment", number, error))? {
                Step::Frame(frame) => {
                    durable = durable.max(frame.head.durable);
                    let after = frame.at.plus(frame.head.frame_bytes()).offset();
                    clean = frame.head.kind == Kind::Mark && frame.head.durable == frame.at.offset();
                    if frame.head.kind == Kind::Seal {
                        break (after, after);
                    }
                }
                // Its head is whole, and so is what it states.
                Step::BadBody(at, head) => {
                    durable = durable.max(head.durable);
                    bad.push(at.offset());
                }
                Step::Gap { from, .. } => bad.push(from),
                Step::End { from, to } => break (from, to),
            }
        };
        // A mark torn or cut behind whole frames leaves `clean` as the last whole frame says.
        let clean = clean && behind == end && bad.is_empty();
        let hole = bad.into_iter().find(|place| *place >= durable);
        let last_written = end.max(behind);
        Ok(match hole {
            Some(hole) => Self { end: hole, durable, behind: last_written, clean: false },
            None => Self { end, durable, behind: last_written, clean },
        })
    }
}
