//! The snapshot that a clean close has left: whether it is believed, and what it says, as a replay of all the log would say
//! it. `engine/snapshot_maker` makes it.
//!
//! No snapshot is ever needed, so no failure with one is an error: one that cannot be read counts as missing.

use std::sync::Arc;

use crate::store::file::disk::DiskFile;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::hint::effects::Decoder;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::format::snapshot::{self, BLOCK_HEAD, Chain, HEADER, Header};
use crate::store::file::index::Index;
use crate::store::file::log::closing_mark;
use crate::store::file::log::replay::{self, End, Item, LastSegment, Piece, Take};
use crate::store::file::log::segments::Segments;

/// A snapshot whose header fits the log. What its blocks say is not known yet.
pub(crate) struct Snapshot {
    file: Arc<dyn DiskFile>,
    length: u64,
    header: Header,
}

impl Snapshot {
    /// The snapshot of the log that ends in this segment, if there is one. Whatever is written to the log outdates it: its
    /// closing mark is the last frame no more.
    pub(crate) fn of(segments: &Segments, last: u32) -> Option<Self> {
        let file = segments.disk.open(names::SNAPSHOT).ok()?;
        let mut bytes = [0; HEADER];
        let is_whole = file.read_at(&mut bytes, 0).ok()? == HEADER;
        let header = is_whole.then(|| Header::parse(&bytes, segments.salt))??;
        let (log, length) = (segments.file(last).ok()?, file.len().ok()?);
        let end = segments.length_of(last, &*log).ok()?;
        let mark = closing_mark::find(&*log, last, end, segments.salt).ok()??;
        let fits = header.end == Position::new(last, mark).plus(HEAD)
            && header.last == closing_mark::checksum_of_last(&*log, header.end.offset(), segments.salt).ok()?;
        fits.then_some(Self { file, length, header })
    }

    /// Applies all of it to an empty index. `None` if it is damaged, or if these are not the segments of its log. The index
    /// holds any part of it then.
    pub(crate) fn replay(&self, segments: &Segments, index: &mut Index, numbers: &[u32]) -> Option<LastSegment> {
        const FEWEST: u64 = 18;
        // The number is a claim, and the file's length bounds it.
        index.expect(u64::from(self.header.sessions).min(self.length / FEWEST) as usize);
        replay::stream(segments, index, self.length, |take| Ok(self.read(segments, numbers, take))).ok()?
    }

    fn read(&self, segments: &Segments, numbers: &[u32], take: Take<'_>) -> Option<LastSegment> {
        let Header { end, trimmed, .. } = self.header;
        let (mut at, mut chain) = (HEADER as u64, Chain::new(segments.salt));
        let listed = self.block(&mut at, &mut chain)?;
        let mut listed = listed.chunks_exact(8);
        for pair in numbers.windows(2) {
            let length = segments.length_of(pair[0], &*segments.file(pair[0]).ok()?).ok()?;
            if listed.next()? != [pair[0].to_le_bytes(), length.to_le_bytes()].concat() {
                return None;
            }
            take(Piece::Items(vec![Item::Effect(Effect::Seal)], Position::new(pair[0], length)));
            take(Piece::End(End { frames: length, written: length }, pair[1]));
        }
        let mut sessions = 0;
        while at < self.length {
            let block = self.block(&mut at, &mut chain)?;
            let mut decoder = Decoder::new(&block, trimmed, end);
            let mut items = Vec::new();
            while !decoder.is_empty() {
                items.push(Item::Effect(decoder.next().ok()?));
            }
            sessions += items.len();
            take(Piece::Items(items, segment::start(end.segment())));
        }
        let is_whole = listed.next().is_none()
            && sessions == self.header.sessions as usize
            && chain.checksum() == self.header.blocks;
        take(Piece::Items(vec![Item::Effect(Effect::Trim(trimmed))], end));
        let mark = end.offset() - HEAD as u32;
        is_whole.then_some(LastSegment { end: end.offset(), durable: mark, written: end.offset(), clean: true })
    }

    /// What the next block holds.
    fn block(&self, at: &mut u64, chain: &mut Chain) -> Option<Vec<u8>> {
        let mut head = [0; BLOCK_HEAD];
        self.file.read_at(&mut head, *at).ok()?;
        *at += BLOCK_HEAD as u64;
        // The length is a claim, so the file bounds it.
        let length =
            Some(snapshot::length(&head)).filter(|length| *length as u64 <= self.length.saturating_sub(*at))?;
        let mut block = vec![0; length];
        self.file.read_at(&mut block, *at).ok()?;
        *at += length as u64;
        chain.vouches_for(&head, &block).then_some(block)
    }
}
