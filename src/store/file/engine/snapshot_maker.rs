//! Making the snapshot of a log that was just closed cleanly, so that the next opener need not read the log. A failure costs
//! the snapshot only.

use crate::store::file::disk::DiskFile;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::hint::effects::Encoder;
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::snapshot::{BLOCK_HEAD, Chain, HEADER, Header};
use crate::store::file::index::slot::MetaRef;
use crate::store::file::log::Log;
use crate::store::file::log::closing_mark;
use crate::store::file::log::snapshot_file::Snapshot;

/// Makes the snapshot. For a process that has just appended the closing mark and synced it, and is the last user of the
/// directory. If another one opens it meanwhile and writes, the snapshot is outdated before it is whole, and does no harm.
pub(crate) fn make(log: &Log, worth_it: u64) -> Option<()> {
    let (segments, salt) = (&log.segments, log.segments.salt);
    let (end, trimmed, listed) = {
        let state = log.read_unchecked();
        let index = &state.index;
        // What is damaged is to be met by each process that opens the store. A short log is read as fast.
        if index.has_doubts() || !segments.damage.list().is_empty() || index.log_bytes() < worth_it {
            return None;
        }
        let listed = index.lengths().map(|(number, length)| [number.to_le_bytes(), length.to_le_bytes()].concat());
        (index.applied, index.trimmed(), listed.collect::<Vec<_>>().concat())
    };
    let last = segments.file(end.segment()).ok()?;
    let mark = Position::new(end.segment(), end.offset().checked_sub(HEAD as u32)?);
    let ends_the_log = end == segments.tail() && end <= segments.durable();
    if !ends_the_log
        || !closing_mark::stands_at(&*last, mark, salt).ok()?
        || Snapshot::of(segments, end.segment()).is_some()
    {
        return None;
    }
    let file = segments.disk.create(names::SNAPSHOT).ok()?;
    let mut blocks = Blocks { file: &*file, at: HEADER as u64, chain: Chain::new(salt) };
    blocks.push([&[0; BLOCK_HEAD], &listed[..]].concat())?;
    let (mut sessions, mut to) = (0, Some(u32::MAX));
    while let Some(before) = to {
        let mut encoder = Encoder::appending_to(vec![0; BLOCK_HEAD], trimmed);
        {
            let state = log.read_unchecked();
            if state.index.applied != end {
                return None;
            }
            let (metas, next) = state.index.many_before(before);
            metas.for_each(|meta| encoder.push(&put(&meta)));
            to = next;
        }
        sessions += encoder.count();
        blocks.push(encoder.into_bytes())?;
    }
    let last = closing_mark::checksum_of_last(&*last, end.offset(), salt).ok()?;
    let header = Header { sessions, end, last, trimmed, blocks: blocks.chain.checksum() };
    // Without a header the file is no snapshot, so the header comes last.
    file.write_at(&header.to_bytes(salt), 0).ok()
}

fn put(meta: &MetaRef<'_>) -> Effect {
    let (at, bytes, revision, expiry) = (meta.at(), meta.bytes(), meta.revision(), *meta.expiry());
    let (owner, is_trace) = (meta.owner().cloned(), meta.is_trace());
    Effect::Put(*meta.key(), RecordMeta { at, bytes, revision, expiry, owner, is_trace })
}

/// The blocks of a snapshot, on their way into its file.
struct Blocks<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    chain: Chain,
}

impl Blocks<'_> {
    fn push(&mut self, mut block: Vec<u8>) -> Option<()> {
        self.chain.write(&mut block);
        self.file.write_at(&block, self.at).ok()?;
        self.at += block.len() as u64;
        Some(())
    }
}
