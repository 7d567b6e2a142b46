//! The last segment as a recovery finds it: what it holds, and where the log ends in it.

use super::disk::DiskFile;
use super::frame::{HEAD, Head, Kind};
use super::log::Log;
use super::piece::{Piece, Read};
use super::position::Position;
use super::scan::{Scan, Step};
use super::segment;
use crate::error::Result;

/// What the last segment holds.
pub(crate) struct Survey {
    /// Where the log ends.
    pub(crate) end: u32,
    /// The highest statement of what was durable.
    pub(crate) durable: u32,
    /// Up to where there is something behind the end; the end itself if there is nothing.
    pub(crate) behind: u32,
    /// Whether the last frame says that all before it was durable.
    pub(crate) clean: bool,
    /// What stands before the end, in order.
    pub(crate) read: Vec<Read>,
}

impl Survey {
    /// Whether something stands behind the end.
    pub(crate) fn is_cut(&self) -> bool {
        self.behind > self.end
    }

    /// Reads the last segment, once if nothing is wrong with it.
    pub(crate) fn of(log: &Log, number: u32) -> Result<Self> {
        let file = log.file(number)?;
        let failed = |error| log.segment_io("recovering the last segment", number, error);
        let length = file.len().map_err(failed)?.min(u64::from(u32::MAX)) as u32;
        // Not closed properly: what the page cache says is no witness of what is on disk (rule 4).
        let mut trusts_cache = ends_clean(&*file, number, length, log.salt).map_err(failed)?;
        loop {
            if !trusts_cache {
                file.drop_cache().map_err(failed)?;
            }
            let survey = Self::read(log, &*file, number, length)?;
            // Damage in front of a clean end may be the cache's as well.
            if survey.clean || !trusts_cache {
                return Ok(survey);
            }
            trusts_cache = false;
        }
    }

    /// A bad place below the highest statement is damage, and what follows it is part of the log. At or above it the log
    /// ends there: what follows may have been written after something that was lost (rule 2).
    fn read(log: &Log, file: &dyn DiskFile, number: u32, length: u32) -> Result<Self> {
        let mut scan = Scan::new(file, segment::start(number), length, log.salt);
        let mut durable = segment::HEADER;
        let mut piece = Piece::default();
        // Bad places, and how much was read before each.
        let mut bad: Vec<(u32, u32, usize)> = Vec::new();
        let mut clean = false;
        let (end, behind) = loop {
            let step = scan.next().map_err(|error| log.segment_io("recovering the last segment", number, error))?;
            match &step {
                Step::Frame(frame) => {
                    durable = durable.max(frame.head.durable);
                    clean = frame.head.kind == Kind::Mark && frame.head.durable == frame.at.offset();
                }
                // Its head is whole, and so is what it states.
                Step::BadBody(at, head) => {
                    durable = durable.max(head.durable);
                    bad.push((at.offset(), at.plus(head.frame_bytes()).offset(), piece.read.len()));
                }
                Step::Gap { from, to } => bad.push((*from, *to, piece.read.len())),
                Step::End { .. } => {}
            }
            piece.take(&step, log.salt);
            if let Some(end) = piece.end {
                break end;
            }
        };
        let mut read = piece.read;
        // A mark torn or cut behind whole frames leaves `clean` as the last whole frame says.
        let clean = clean && behind == end && bad.is_empty();
        // A gap may be damage in front and a hole behind: what was known to be durable ends where the hole begins.
        let Some((from, _, before)) = bad.into_iter().find(|(_, to, _)| *to > durable) else {
            return Ok(Self { end, durable, behind, clean, read });
        };
        let (hole, last_written) = (from.max(durable), end.max(behind));
        let damaged = read.drain(before..).next().filter(|_| from < hole);
        read.extend(damaged.map(|damaged| match damaged {
            // Its session is known all the same.
            Read::BadBody(at, head) if from + HEAD as u32 <= hole => Read::BadBody(at, head.cut_to(hole - from)),
            _ => Read::Gap(from, hole),
        }));
        Ok(Self { end: hole, durable, behind: last_written, clean: false, read })
    }
}

/// Whether the last thing in a segment is a whole mark that says that all before it was durable: what a clean close leaves.
/// Zeros may follow.
fn ends_clean(file: &dyn DiskFile, number: u32, length: u32, salt: u64) -> std::io::Result<bool> {
    const CHUNK: u32 = 64 * 1024;
    let mut to = length;
    while to > segment::HEADER {
        let from = to.saturating_sub(CHUNK).max(segment::HEADER);
        let mut bytes = vec![0; (to - from) as usize];
        file.read_at(&mut bytes, u64::from(from))?;
        let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else {
            to = from;
            continue;
        };
        // Of a mark, only zeros stand behind its kind.
        let Some(at) = (from + last as u32).checked_sub(Head::KIND).filter(|at| *at >= segment::HEADER) else {
            return Ok(false);
        };
        let mut mark = [0; HEAD];
        let read = file.read_at(&mut mark, u64::from(at))?;
        let head = Head::parse(&mark[..read], Position::new(number, at), salt);
        return Ok(head.is_some_and(|head| head.kind == Kind::Mark && head.durable == at && head.body == 0));
    }
    Ok(false)
}
