//! Crash recovery, while no process uses the directory.
//!
//! Recovery reads the whole log and finds its end. It sets aside what does not belong to the log, and makes durable what it
//! keeps. It reads everything before it changes anything. So a store can also be read where nothing can be written.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::store::file::disk::unreadable::{cut_past, read_past, write_past};
use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment::{self, BadHeader, Header};
use crate::store::file::index::Index;
use crate::store::file::log::Log;
use crate::store::file::log::replay::{self, LastSegment};
use crate::store::file::log::snapshot_file::Snapshot;
use crate::store::file::recovery::first_look::{OPENING, bad_header, header, new_log};
use crate::store::file::recovery::gap;
use crate::store::file::settings::{OnDamage, Settings};
use crate::store::file::threads::wait;
use crate::store::file::writer::op::Op;
use crate::store::file::writer::{LockedWriter, Writer};

/// Recovers the log. No other process may use the directory meanwhile.
pub(crate) fn recover(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    let is_new = segments(&*disk, path)?.is_empty() || is_half_created(&*disk, path)?;
    if is_new {
        first_segment(&*disk, path)?;
    }
    let mut found = Found::read(disk, path, settings)?;
    if is_new {
        // Whatever store the page tells of, it was here.
        found.gap = gap::find(found.log.segments.page().legacy(), found.index.applied);
        found.report_gap();
    }
    found.repair()?;
    let (goes_on, first, last) = (found.goes_on_in_a_new_segment(), found.first, found.index.applied.segment());
    let used = found.gap.map_or(0, Position::segment);
    if !found.is_snapshot {
        // Whatever snapshot there is tells of another log.
        let _ = found.log.segments.disk.remove(names::SNAPSHOT);
    }
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
        // A handle that was closed a moment ago may hold the lock for a last look.
        let is_locked = wait::until(settings.open_wait, || lock.try_exclusive());
        let mut writer = Writer::new(lock, settings.clone());
        let mut locked = match is_locked.map_err(|error| log.segments.io("taking the writer lock", error))? {
            true => writer.try_lock(&log)?,
            false => None,
        };
        let Some(locked) = &mut locked else {
            let why = "its writer lock is held by a process that has not opened it";
            return Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why));
        };
        if goes_on {
            locked.leave_segment(used)?;
        }
        end_doubtful(&log, locked, &doubtful)?;
    }
    // Not before: a crash until here leaves the gap to the next recovery.
    log.segments.page().begin(log.segments.salt);
    log.hints.remove_stray(&*log.segments.disk, last);
    // A process that died between a trim and the removal left these files (rule 7).
    if first < log.read()?.index.oldest {
        log.remove_trimmed()?;
    }
    Ok(log)
}

/// Ends the sessions that a damaged frame may have ended (rule 11), durably and before any load.
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

/// What recovery has read in a directory to which no process writes. Nothing is changed yet.
pub(crate) struct Found {
    log: Log,
    index: Index,
    /// The number of the oldest segment.
    first: u32,
    /// A last segment without a header: the roll that created it died early, and it is no part of the log.
    unfinished: Option<u32>,
    /// Segments with a damaged header.
    headless: Vec<u32>,
    file: Arc<dyn DiskFile>,
    last: LastSegment,
    /// Whether a snapshot said all this.
    is_snapshot: bool,
    /// Up to here the log was durable, and it ends before.
    gap: Option<Position>,
}

impl Found {
    pub(crate) fn read(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Self> {
        let mut segments = segments(&*disk, path)?;
        let unfinished = unfinished(&*disk, path, &segments)?;
        segments.truncate(segments.len() - usize::from(unfinished.is_some()));
        let Some(&first) = segments.first() else {
            let why = "there is no session store in this directory";
            return Err(Error::io(OPENING, io::Error::new(io::ErrorKind::NotFound, why)).at(path));
        };
        let (salt, headless) = salt(&*disk, path, &segments)?;
        let shared = disk.shared_page(names::SHARED_PAGE, true);
        let shared =
            shared.map_err(|error| Error::io("making the shared page", error).at(path.join(names::SHARED_PAGE)))?;
        shared.page().files.set(disk.number());
        let log = new_log(disk, path, salt, shared, first, settings);
        for number in &headless {
            log.segments.report(*number, 0, segment::HEADER, None);
        }
        let mut index = log.read_unchecked().index.anew(first);
        let number = segments[segments.len() - 1];
        // A clean close may have left all that this log says.
        let snapshot = log.hints.are_used.then(|| Snapshot::of(&log.segments, number)).flatten();
        let said = snapshot.and_then(|snapshot| snapshot.replay(&log.segments, &mut index, &segments));
        let is_snapshot = said.is_some();
        let last = match said {
            Some(last) => last,
            None => {
                index = index.anew(first);
                replay::replay(&log.segments, &log.hints, &mut index, &segments, |take| {
                    replay::read_last(&log.segments, number, take)
                })?
            }
        };
        index.shrink_to_fit();
        replay::report_missing(&log.segments, &index, &segments);
        if last.is_cut() && !index.sealed() {
            log.segments.report(number, last.end, last.written, None);
        }
        let file = log.segments.file(number)?;
        let legacy = Some(log.segments.page().legacy()).filter(|legacy| legacy.salt == salt);
        let gap = legacy.and_then(|legacy| gap::find(legacy, index.applied));
        let mut found = Self { log, index, first, unfinished, headless, file, last, is_snapshot, gap };
        found.report_gap();
        Ok(found)
    }

    /// Reports what the page knew and the log does not hold. Any session may have been ended there (rules 11 and 28).
    fn report_gap(&mut self) {
        let Some(gap) = self.gap else { return };
        let Self { log, index, .. } = self;
        let from = if gap.segment() == index.applied.segment() { index.applied.offset().min(gap.offset()) } else { 0 };
        log.segments.report(gap.segment(), from, gap.offset(), None);
        index.doubt(gap);
        log.segments.page().gap.set(gap.as_u64());
    }

    /// Whether the log goes on in a new segment. Either bytes stand or stood beyond the end, and their positions must not be
    /// used twice (rule 5); or a process died after it had sealed the segment and before it had begun the next.
    fn goes_on_in_a_new_segment(&self) -> bool {
        self.last.is_cut() || self.index.sealed() || self.gap.is_some_and(|gap| gap > self.index.applied)
    }

    /// Makes durable what is kept, and sets the rest aside.
    fn repair(&self) -> Result<()> {
        let Self { log, index, file, last, .. } = self;
        if let Some(number) = self.unfinished {
            // Its space is kept: on a full disk there may be no other (rule 24).
            let renamed = log.segments.disk.rename(&names::segment(number), names::SPARE);
            renamed.map_err(|error| log.segments.segment_io("taking back an unfinished segment", number, error))?;
        }
        for number in &self.headless {
            // A process that joins reads the salt in the last segment's header. And once the other segments are trimmed,
            // only this header can say the salt.
            let (file, header) = (log.segments.file(*number)?, Header { number: *number, salt: log.segments.salt });
            let written = write_past(&*file, &header.to_bytes());
            written.map_err(|error| log.segments.segment_io("writing a segment's header again", *number, error))?;
        }
        let number = index.applied.segment();
        let failed = |error| log.segments.segment_io("recovering the last segment", number, error);
        if last.durable == segment::HEADER {
            // The process that made the segment may have died before its header was durable. The first segment is no store
            // without its header.
            let header = Header { number, salt: log.segments.salt };
            file.write_at(&header.to_bytes(), 0).map_err(failed)?;
        }
        // It is not known whether the bytes from the statement to the end were synced. They are written again, so that the
        // sync means something (rule 4). After a clean close that is the mark alone, which vouches for what stands before
        // it and not for itself. The next frame will state that the mark is durable.
        let mut bytes = vec![0; (last.end - last.durable) as usize];
        file.read_at(&mut bytes, u64::from(last.durable)).map_err(failed)?;
        file.write_at(&bytes, u64::from(last.durable)).map_err(failed)?;
        if last.is_cut() && !index.sealed() {
            let mut bytes = vec![0; (last.written - last.end) as usize];
            read_past(&**file, &mut bytes, u64::from(last.end)).map_err(failed)?;
            log.segments.set_aside(Position::new(number, last.end), &bytes)?;
            // The bytes beyond the end go before the end is sealed. A crash in between leaves a shorter log, never a
            // longer one.
            cut_past(&**file, u64::from(last.end)).map_err(failed)?;
        }
        file.sync().map_err(failed)?;
        if !last.clean {
            // The process that made the last segment may have died before the segment's name was durable. All that is synced
            // from now on depends on that name (rule 6).
            log.segments
                .disk
                .sync_names()
                .map_err(|error| log.segments.io("making the segments' names durable", error))?;
        }
        Ok(())
    }

    /// The log as it was read, with the index and the shared page set to its end.
    pub(crate) fn publish(self) -> Log {
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

/// The numbers of the segments in the directory, in order.
fn segments(disk: &dyn Disk, path: &Path) -> Result<Vec<u32>> {
    let names = disk.names().map_err(|error| Error::io("listing the session directory", error).at(path))?;
    let mut segments: Vec<u32> = names.iter().filter_map(|name| names::segment_number(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The last segment, if it has no header yet. A first segment never counts.
fn unfinished(disk: &dyn Disk, path: &Path, segments: &[u32]) -> Result<Option<u32>> {
    let [.., _, last] = *segments else { return Ok(None) };
    let name = names::segment(last);
    let length = disk.open(&name).and_then(|file| file.len());
    let length = length.map_err(|error| Error::io("looking at a segment", error).at(path.join(&name)))?;
    Ok((length < u64::from(segment::HEADER)).then_some(last))
}

/// The salt, which all headers share, and the segments whose header is damaged.
fn salt(disk: &dyn Disk, path: &Path, segments: &[u32]) -> Result<(u64, Vec<u32>)> {
    let mut salt = None;
    let mut headless = Vec::new();
    for number in segments.iter().rev() {
        let file = disk.open(&names::segment(*number));
        let file =
            file.map_err(|error| Error::io("opening a segment", error).at(path.join(names::segment(*number))))?;
        match header(&*file, path, *number)? {
            Ok(header) => salt = salt.or(Some(header.salt)),
            // A damaged header does no harm as long as another segment's header says the salt.
            Err(BadHeader::Damaged) => headless.push(*number),
            Err(newer) => return Err(bad_header(path, *number, newer)),
        }
    }
    let salt = salt.ok_or_else(|| bad_header(path, segments[0], BadHeader::Damaged))?;
    Ok((salt, headless))
}

/// Whether the process that created the store died before anything could be saved: the only segment holds no valid header
/// and nothing beyond it.
fn is_half_created(disk: &dyn Disk, path: &Path) -> Result<bool> {
    if segments(disk, path)? != [1] {
        return Ok(false);
    }
    let failed = |error| Error::io("reading a segment's header", error).at(path.join(names::segment(1)));
    let file = disk.open(&names::segment(1)).map_err(failed)?;
    if header(&*file, path, 1)?.is_ok() {
        return Ok(false);
    }
    // The header is durable before anything else is written. So bytes beyond a bad header are sessions, and must be kept.
    Ok(file.len().map_err(failed)? <= u64::from(segment::HEADER))
}

fn first_segment(disk: &dyn Disk, path: &Path) -> Result<()> {
    let mut salt = [0; 8];
    crate::model::id::fill(&mut salt)?;
    let header = Header { number: 1, salt: u64::from_le_bytes(salt) };
    // No sync here: recovery comes next and makes the header durable, as it would after a crash at this point.
    let made = disk.create(&names::segment(1)).and_then(|file| file.write_at(&header.to_bytes(), 0));
    made.map_err(|error| Error::io("creating the session store", error).at(path.join(names::segment(1))))
}
