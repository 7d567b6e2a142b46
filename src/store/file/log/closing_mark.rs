//! The mark with which a clean close ends the log: where it stands, and which log it ends. Nothing here reads a frame before
//! it.

use std::io;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::store::file::disk::DiskFile;
use crate::store::file::disk::unreadable::read_past;
use crate::store::file::format::frame::{HEAD, Head, Kind};
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::format::snapshot::LAST;

/// Where the mark stands that ended this segment, if a clean close ended it: its last frame is a whole mark, which states
/// that all before it was durable. Zeros may follow the mark.
pub(crate) fn find(file: &dyn DiskFile, number: u32, length: u32, salt: u64) -> io::Result<Option<u32>> {
    const CHUNK: u32 = 64 * 1024;
    let mut to = length;
    while to > segment::HEADER {
        let from = to.saturating_sub(CHUNK).max(segment::HEADER);
        let mut bytes = vec![0; (to - from) as usize];
        read_past(file, &mut bytes, u64::from(from))?;
        let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else {
            to = from;
            continue;
        };
        // A mark has no key and no body, so its kind is its last byte that is not zero.
        let at = (from + last as u32).checked_sub(Head::KIND).filter(|at| *at >= segment::HEADER);
        return at.map_or(Ok(None), |at| Ok(stands_at(file, Position::new(number, at), salt)?.then_some(at)));
    }
    Ok(None)
}

/// Whether a mark stands here, which states that all before it was durable.
pub(crate) fn stands_at(file: &dyn DiskFile, at: Position, salt: u64) -> io::Result<bool> {
    let mut mark = [0; HEAD];
    let read = read_past(file, &mut mark, u64::from(at.offset()))?;
    let head = Head::parse(&mark[..read], at, salt);
    Ok(head.is_some_and(|head| head.kind == Kind::Mark && head.durable == at.offset() && head.body == 0))
}

/// The checksum of the log's last bytes in this segment, as a snapshot's header has it.
pub(crate) fn checksum_of_last(file: &dyn DiskFile, end: u32, salt: u64) -> io::Result<u64> {
    let from = end.saturating_sub(LAST).max(segment::HEADER);
    let mut bytes = vec![0; (end - from) as usize];
    read_past(file, &mut bytes, u64::from(from))?;
    Ok(xxh3_64_with_seed(&bytes, salt))
}
