//! Room: space that is held on the disk (preallocation), so that a full disk still ends sessions and frees itself (rules 7
//! and 24). Nothing here decides what is written into it.
//!
//! Two files hold it: the segment that is written to, beyond the tail, and the *spare*, an empty file that the next roll makes
//! the next segment. A save is refused unless the spare is left with room to end every session, and to move what lives in any
//! segment. Ends of sessions take what is there. A move leaves room for all of them. So an end is never refused, whether
//! the log can be compacted or not; and the oldest segment can leave the log, although that frees its space only afterwards.
//!
//! A file system that cannot preallocate holds nothing, and says that it does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::unreadable::is_of_the_disk;
use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment::{self, Header};
use crate::store::file::index::Index;
use crate::store::file::log::Log;

/// Left by each save in the segment that is written to: for its seal, for trims, and for the first ends of sessions on a disk
/// that has filled up.
pub(crate) const RESERVE: u64 = 64 * 1024;

/// The frame with which a segment ends: without room for it, no other can be begun.
pub(crate) const SEAL: u64 = HEAD as u64;

/// How much is held at a time beyond what is needed.
const STEP: u64 = 256 * 1024;

/// What the end of a session takes at most: its frame, and half of the head of a batch of two.
const END: u64 = HEAD as u64 * 3 / 2 + 1;

/// How much longer a record gets when it is moved: by its revision, and by the time at which it was last seen.
const MOVED: u64 = 24;

/// What has to be held.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    /// To end every session.
    pub(crate) ends: u64,
    /// To move what lives in the segment in which the most may live.
    cut: u64,
}

impl Needs {
    /// What a log with this index needs after a write of so many bytes that begins so many sessions.
    pub(crate) fn of(index: &Index, bytes: u64, sessions: usize) -> Self {
        let sessions = (index.len() + sessions) as u64;
        let frames = sessions + index.traces().len() as u64;
        let longest = u64::from(index.longest_sealed()).max(u64::from(index.applied.offset()) + bytes);
        let moved = frames.min(longest / HEAD as u64) * MOVED;
        Self { ends: RESERVE + sessions * END, cut: longest.min(index.live_bytes() + bytes) + moved }
    }

    pub(crate) fn all(self) -> u64 {
        self.ends + self.cut
    }
}

/// What this process knows of the space that is held. Each writer has one.
#[derive(Default)]
pub(crate) struct Room {
    /// Space is held in the segment that is written to up to here.
    until: Position,
    /// The bytes of the spare, and the segment that it will follow. Any process may have made it, or may make it a segment.
    spare: (u32, u64),
    /// The spare cannot be had, and is not looked for again before the log ends here.
    barred_until: Position,
    /// A segment in which an append met a full disk, although space was held there.
    doubted: u32,
    /// A segment could not be begun. The one that is full is written to further, and the next is tried again from here on.
    pub(crate) rolls_from: Position,
}

impl Room {
    /// Holds room for a group that saves so many bytes. Says whether there is.
    pub(crate) fn hold(&mut self, log: &Log, index: &Index, bytes: u64, sessions: usize) -> Result<bool> {
        let needs = Needs::of(index, bytes, sessions);
        let spare = self.hold_spare(log, index.applied, needs, bytes + RESERVE);
        let left = match spare {
            Some(true) => RESERVE,
            // Without a spare, what lives in an old segment can be moved into the one that is written to.
            Some(false) if index.oldest < index.applied.segment() => needs.all(),
            Some(false) => u64::MAX,
            // This process begins no segment, so it cannot free the disk. Its users can log out.
            None => needs.ends,
        };
        let has_room = left < u64::MAX && self.reach(log, index.applied, bytes + left)?;
        let is_full = !has_room || spare == Some(false);
        if log.is_full.swap(is_full, Ordering::Relaxed) && !is_full {
            self.rolls_from = Position::default();
        }
        Ok(has_room)
    }

    /// Whether so many bytes can be moved so that every session can still be ended.
    pub(crate) fn takes_moves(&mut self, log: &Log, index: &Index, bytes: u64) -> Result<bool> {
        // Trims, seals and marks take little of the reserve before it is filled up.
        let ends = Needs::of(index, 0, 0).ends - RESERVE / 2;
        Ok(self.spare_after(index.applied) >= ends && self.reach(log, index.applied, bytes + RESERVE / 2)?
            || self.reach(log, index.applied, bytes + ends)?)
    }

    /// Whether the segment that is written to has room for so many bytes after `end`. Takes more of the disk if need be.
    pub(crate) fn reach(&mut self, log: &Log, end: Position, bytes: u64) -> Result<bool> {
        self.grow(log, end, bytes, STEP)
    }

    /// The same, with so much more if the disk has it.
    fn grow(&mut self, log: &Log, end: Position, bytes: u64, more: u64) -> Result<bool> {
        if self.until.segment() != end.segment() || self.until < end {
            self.until = end;
        }
        let wanted = u64::from(end.offset()) + bytes;
        let reaches = |until: Position| u64::from(until.offset()) >= wanted;
        if reaches(self.until) {
            return Ok(true);
        }
        let number = end.segment();
        let file = log.segments.file(number)?;
        // Zeros ahead are space already. To preallocate more would change the file's extents, and the next sync would take
        // longer.
        let length = log.segments.length_of(number, &*file)?;
        self.until = self.until.max(Position::new(number, length));
        if !reaches(self.until) {
            let failed = |error| log.segments.segment_io("reserving space", number, error);
            let held = match preallocate(&*file, self.until.offset().into(), wanted, more).map_err(failed)? {
                Some(held) => held,
                None if self.doubted == number => length.into(),
                None => file.allocated().map_err(failed)?,
            };
            self.until = self.until.max(Position::new(number, held.min(u32::MAX.into()) as u32));
        }
        Ok(reaches(self.until))
    }

    /// The spare, with the name of the segment after `end` whose number is above `used` too, if it has room for so many bytes.
    /// Nothing has begun if it has not. Meanwhile `ends` bytes stay held, to end sessions with.
    pub(crate) fn next_segment(
        &mut self,
        log: &Log,
        end: Position,
        ends: u64,
        used: u32,
        bytes: u64,
    ) -> Result<(u32, Arc<dyn DiskFile>)> {
        self.rolls_from = end.plus(STEP as usize);
        let segments = &log.segments;
        let next = end.segment().max(used).checked_add(1).ok_or_else(|| {
            let why = "all segment numbers are used";
            Error::new(ErrorKind::Full, "beginning a segment").at(&segments.path).because(why)
        })?;
        let failed = |error| segments.segment_io("beginning a segment", next, error);
        let bytes = bytes + u64::from(segment::HEADER);
        let mut spare = open_spare(&*segments.disk, next).map_err(failed)?;
        // A process that died in the roll may have given it its header already, and the space stays with it. Anything else is no
        // spare: after a power loss a segment may have this name, too. So the name goes, and not what is in the file.
        if !is_spare(&*spare, &Header { number: next, salt: segments.salt }).map_err(failed)? {
            segments.disk.remove(names::SPARE).map_err(failed)?;
            spare = segments.disk.create(names::SPARE).map_err(failed)?;
            self.spare = Default::default();
        }
        let mut held = self.spare_after(end);
        if held < bytes {
            held = self.fill_spare(log, end, &*spare, bytes, ends, SEAL)?;
        }
        if held < bytes {
            return Err(failed(io::ErrorKind::StorageFull.into()));
        }
        segments.disk.rename(names::SPARE, &names::segment(next)).map_err(failed)?;
        // Opened by its new name: another program may have put a copy in the spare's place.
        drop(spare);
        let begun = segments.disk.open(&names::segment(next)).map_err(failed)?;
        *self = Self { until: Position::new(next, held.min(u32::MAX.into()) as u32), ..Self::default() };
        Ok((next, begun))
    }

    /// An append to this segment has failed, so what was believed of the disk is doubtful.
    pub(crate) fn doubt(&mut self, segment: u32) {
        *self = Self { doubted: segment, ..Self::default() };
    }

    /// The bytes of the spare, if this process knows of one.
    pub(crate) fn spare_after(&self, end: Position) -> u64 {
        if self.spare.0 == end.segment() { self.spare.1 } else { 0 }
    }

    /// Holds all that is needed in the spare, and leaves so many bytes in the segment that is written to. Says whether the spare
    /// has it; `None` if it cannot be had, for another reason than a full disk.
    fn hold_spare(&mut self, log: &Log, end: Position, needs: Needs, left: u64) -> Option<bool> {
        let bytes = needs.all() + u64::from(segment::HEADER);
        if self.spare_after(end) >= bytes {
            return Some(true);
        }
        if end < self.barred_until {
            return None;
        }
        let spare = open_spare(&*log.segments.disk, end.segment() + 1);
        let failed =
            |error| Error::io("holding space for the next segment", error).at(log.segments.path.join(names::SPARE));
        let held = spare.map_err(failed).and_then(|spare| self.fill_spare(log, end, &*spare, bytes, needs.ends, left));
        match held {
            Ok(held) => {
                self.spare = (end.segment(), held);
                Some(held >= bytes)
            }
            Err(error) if *error.kind() == ErrorKind::Full => Some(false),
            Err(error) => {
                self.barred_until = end.plus(STEP as usize);
                log.failed_roll.keep(Err(error));
                None
            }
        }
    }

    /// Gives the spare so many bytes, if the disk has them. On a full disk the segment that is written to may hold more than it
    /// needs, from the time when it was the spare: then it keeps `left` bytes, and the spare gets the rest. Returns what the
    /// spare has.
    fn fill_spare(
        &mut self,
        log: &Log,
        end: Position,
        spare: &dyn DiskFile,
        bytes: u64,
        ends: u64,
        left: u64,
    ) -> Result<u64> {
        let failed =
            |error| Error::io("holding space for the next segment", error).at(log.segments.path.join(names::SPARE));
        let fill = |held: u64, wanted: u64, more: u64| {
            let filled = preallocate(spare, held, wanted, more);
            filled.and_then(|held| held.map_or_else(|| spare.allocated(), Ok)).map_err(failed)
        };
        let mut held = spare.allocated().map_err(failed)?;
        if held < bytes {
            held = fill(held, bytes, bytes / 8)?;
        }
        if held >= bytes || !self.grow(log, end, left + bytes - held + ROUNDING, 0)? {
            return Ok(held);
        }
        let last = log.segments.file(end.segment())?;
        while held < bytes {
            // What is given back, another program may take before the spare has it. So at no time is more given than the ends of
            // all sessions can do without.
            let has = u64::from(self.until.offset() - end.offset());
            let given = (has + held).saturating_sub(ends).min(has.saturating_sub(left)).min(bytes - held + ROUNDING);
            if given <= ROUNDING {
                break;
            }
            self.until = end.plus((has - given) as usize);
            // The length comes first: a cut to the log's end would give all back for a moment. A cut to the length that the file
            // has already gives back what is beyond. So the zeros that it has from then on are space (see `grow`).
            let cut = || last.cut(self.until.offset().into());
            cut().and_then(|()| cut()).map_err(failed)?;
            let wanted = held + given - ROUNDING;
            held = fill(held, wanted, 0)?;
            if held < wanted {
                break;
            }
        }
        Ok(held)
    }
}

/// What two files may lose to whole blocks.
const ROUNDING: u64 = 2 * 4096;

/// The spare that is to become the segment with this number. Only with the writer lock held.
fn open_spare(disk: &dyn Disk, next: u32) -> io::Result<Arc<dyn DiskFile>> {
    let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match disk.open(names::SPARE) {
        Err(error) if is_absent(&error) => {}
        opened => return opened,
    }
    // A process that died in a roll may have named it already.
    match disk.rename(&names::segment(next), names::SPARE) {
        Ok(()) => disk.open(names::SPARE),
        Err(error) if is_absent(&error) => disk.create(names::SPARE),
        Err(error) => Err(error),
    }
}

/// Whether a file is empty, or holds what a roll has written of this header before it died. No segment of the log has that
/// header: the log ends before it.
fn is_spare(file: &dyn DiskFile, header: &Header) -> io::Result<bool> {
    let mut bytes = vec![0; segment::HEADER as usize + 1];
    match file.read_at(&mut bytes, 0) {
        Ok(length) => Ok(header.to_bytes().starts_with(&bytes[..length])),
        Err(error) if is_of_the_disk(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes space of the disk for a file up to `wanted`, and for so much more if there is room. Returns up to where the file has
/// space; `None` if the disk is full. Another process, or an earlier one, may have taken the space before.
fn preallocate(file: &dyn DiskFile, from: u64, wanted: u64, more: u64) -> io::Result<Option<u64>> {
    for until in [wanted + more, wanted] {
        match file.reserve(from, until - from) {
            Ok(()) => return Ok(Some(until)),
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
