//! Replay: reading the log into an index, in the order of the log. Nothing here writes to a file.
//!
//! One thread reads and checks while another applies: with two processors, a large log takes half the time. The reading
//! thread hands over pieces of bounded size, so the memory does not depend on how much is read.

use std::sync::mpsc::sync_channel;
use std::thread;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::DiskFile;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{HEAD, Head, Kind};
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::index::Index;
use crate::store::file::index::deadlines::Place;
use crate::store::file::log::closing_mark;
use crate::store::file::log::hint_files::Hints;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::log::segments::Segments;

/// How many items a piece has, and how many pieces may be read ahead: a few hundred KiB in all.
const PIECE: usize = 256;
const AHEAD: usize = 4;

/// Starting a thread takes as long as reading this many bytes.
const WORTH_A_THREAD: u64 = 1 << 20;

/// A frame's effect or a bad place, detached from the file's bytes.
pub(crate) enum Item {
    /// What a frame does, or what one frame of a batch does.
    Effect(Effect),
    BadBody(Position, Head),
    Gap(u32, u32),
}

/// What the reading thread hands to the applying one.
pub(crate) enum Piece {
    /// All items up to this position.
    Items(Vec<Item>, Position),
    /// The segment ends, and the log goes on in the segment with this number.
    End(End, u32),
}

impl Piece {
    /// The sweep in this piece, which is its last item.
    pub(crate) fn sweep(&self) -> Option<Place> {
        match self {
            Self::Items(items, _) => match items.last()? {
                Item::Effect(Effect::Sweep(end, key)) => Some((*end, *key)),
                _ => None,
            },
            Self::End(..) => None,
        }
    }

    /// Whether segments leave the log in this piece.
    pub(crate) fn trims(&self) -> bool {
        matches!(self, Self::Items(items, _) if items.iter().any(|item| matches!(item, Item::Effect(Effect::Trim(_)))))
    }
}

/// Receives the pieces.
pub(crate) type Take<'a> = &'a mut dyn FnMut(Piece);

/// Where the frames of a segment end.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) frames: u32,
    /// Bytes that are no frames and not zeros reach up to here.
    pub(crate) written: u32,
}

/// What recovery finds in the last segment.
pub(crate) struct LastSegment {
    /// Where the log ends.
    pub(crate) end: u32,
    /// The highest statement of what was durable.
    pub(crate) durable: u32,
    /// Up to where bytes other than zeros stand beyond the end; equal to `end` if there are none.
    pub(crate) written: u32,
    /// Whether the segment was closed cleanly: it is whole, and its last frame is a mark.
    pub(crate) clean: bool,
}

impl LastSegment {
    /// Whether something is written beyond the end.
    pub(crate) fn is_cut(&self) -> bool {
        self.written > self.end
    }
}

/// Applies all segments but the last, and then the last one, which `last` reads. After a crash in the middle of a removal,
/// some trimmed segments may be there and others not. Every reader gets the same index: it applies what is there, and the
/// trim frame discards what stands before it.
pub(crate) fn replay<T: Send>(
    segments: &Segments,
    hints: &Hints,
    index: &mut Index,
    numbers: &[u32],
    last: impl FnOnce(Take<'_>) -> Result<T> + Send,
) -> Result<T> {
    let length = |number: &u32| segments.length_of(*number, &*segments.file(*number)?).map(u64::from);
    let bytes = numbers.iter().map(length).sum::<Result<u64>>()?;
    index.expect_bytes(bytes);
    stream(segments, index, bytes, |take| {
        let mut reader = Reader { segments, hints, believes: hints.are_used };
        for pair in numbers.windows(2) {
            reader.read(pair[0], pair[1], take)?;
        }
        last(take)
    })
}

/// Applies the pieces that `read` hands over while it reads about so many bytes.
pub(crate) fn stream<T: Send>(
    segments: &Segments,
    index: &mut Index,
    bytes: u64,
    read: impl FnOnce(Take<'_>) -> Result<T> + Send,
) -> Result<T> {
    if bytes < WORTH_A_THREAD {
        return read(&mut |piece| apply_alone(segments, index, piece));
    }
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        // A send fails only if the thread that applies has panicked.
        let reading = scope.spawn(move || read(&mut |piece| drop(sender.send(piece))));
        receiver.into_iter().for_each(|piece| apply_alone(segments, index, piece));
        reading.join().unwrap_or_else(|_| {
            let why = "the thread that reads it has panicked";
            Err(Error::new(ErrorKind::Io, "reading the log").at(&segments.path).because(why))
        })
    })
}

/// Reads the log from a position up to the tail. It never reads beyond the tail, and always reaches it: what cannot be read
/// below the tail is damage (rule 16).
pub(crate) fn follow(segments: &Segments, mut at: Position, tail: Position, take: Take<'_>) -> Result<()> {
    while at < tail {
        let number = at.segment();
        let file = segments.file(number)?;
        let is_last = number == tail.segment();
        let length = if is_last { tail.offset() } else { segments.length_of(number, &*file)? };
        let (end, _) = read_frames(segments, &*file, at, length, take)?;
        if is_last {
            if end.frames < tail.offset() {
                take(Piece::Items(vec![Item::Gap(end.frames, tail.offset())], tail));
            }
            break;
        }
        take(Piece::End(end, number + 1));
        at = segment::start(number + 1);
    }
    Ok(())
}

/// Applies a piece to an index that nothing else looks at.
pub(crate) fn apply_alone(segments: &Segments, index: &mut Index, piece: Piece) {
    apply(segments, index, piece);
    index.let_go(usize::MAX);
}

/// Applies a piece to the index, and reports the damage in it.
pub(crate) fn apply(segments: &Segments, index: &mut Index, piece: Piece) {
    let number = index.applied.segment();
    match piece {
        Piece::Items(items, until) => {
            index.look_ahead(items.iter().filter_map(|item| match item {
                Item::Effect(Effect::Put(key, _)) => Some(key),
                _ => None,
            }));
            for item in items {
                match item {
                    Item::Effect(effect) => index.apply(effect),
                    Item::BadBody(at, head) => {
                        index.apply_damaged(at, &head);
                        // The key of an end of an owner's sessions is that of another session.
                        let key = (head.kind != Kind::EndOwned).then_some(head.key);
                        segments.report(number, at.offset(), at.plus(head.frame_bytes()).offset(), key);
                    }
                    Item::Gap(from, to) => {
                        segments.report(number, from, to, None);
                        index.doubt(Position::new(number, to));
                    }
                }
            }
            index.applied = until;
        }
        Piece::End(end, next) => {
            // A segment that was cut between two frames looks whole; only its seal is missing.
            if end.written > end.frames || !index.sealed() {
                segments.report(number, end.frames, end.written, None);
                index.doubt(segment::start(next));
            }
            if next != number + 1 {
                // Whether a trim removed the segments between is known only when all of the log is read.
                index.doubt_missing(next);
            }
            index.go_on(next, end.frames);
        }
    }
}

/// Reports the segments that are missing although no trim removed them. Gaps below the trim are no damage: a crash may take
/// back the removal of some trimmed segments and not of others.
pub(crate) fn report_missing(segments: &Segments, index: &Index, numbers: &[u32]) {
    let mut expected = index.trimmed();
    for number in numbers.iter().filter(|number| **number >= index.trimmed()) {
        if *number > expected {
            segments.report(expected, 0, 0, None);
        }
        expected = number.saturating_add(1);
    }
}

/// Reads a segment from a position to its seal, or to the offset `to`. Says whether it met whole frames only.
fn read_frames(
    segments: &Segments,
    file: &dyn DiskFile,
    from: Position,
    to: u32,
    take: Take<'_>,
) -> Result<(End, bool)> {
    let number = from.segment();
    let mut scan = Scan::new(file, from, to, segments.salt);
    let (mut items, mut is_whole) = (Vec::new(), true);
    loop {
        let step = scan.next().map_err(|error| segments.segment_io("reading the log", number, error))?;
        is_whole &= matches!(step, Step::Frame(_));
        let end = read_step(segments, &step, &mut items);
        // A sweep ends its piece: it is as much work as a piece. So may be what the end of an owner's sessions leaves.
        let is_last = matches!(items.last(), Some(Item::Effect(Effect::Sweep(..) | Effect::EndOwned(..))));
        let is_full = items.len() >= PIECE || is_last;
        if is_full || end.is_some() {
            take(Piece::Items(std::mem::take(&mut items), Position::new(number, end_of(&step))));
        }
        if let Some(end) = end {
            return Ok((end, is_whole));
        }
    }
}

/// Turns a step of a scan into items. Says where the frames end, if this step ends them.
fn read_step(segments: &Segments, step: &Step<'_>, items: &mut Vec<Item>) -> Option<End> {
    match *step {
        Step::Frame(frame) => {
            Effect::each_of(&frame, segments.salt, &mut |effect| items.push(Item::Effect(effect)));
            let end = frame.at.plus(frame.head.frame_bytes()).offset();
            (frame.head.kind == Kind::Seal).then_some(End { frames: end, written: end })
        }
        Step::BadBody(at, head) => {
            items.push(Item::BadBody(at, head));
            None
        }
        Step::Gap { from, to } => {
            items.push(Item::Gap(from, to));
            None
        }
        Step::End { from, to } => Some(End { frames: from, written: to }),
    }
}

/// Reads the last segment for recovery, and finds the end of the log.
///
/// A bad place below the highest statement is damage, and what follows it is part of the log. A bad place at or above the
/// highest statement is a hole, and the log ends there: what follows may have been written after something that was lost
/// (rule 2). A later frame may still raise the statement. So the items from the first undecided bad place on are held back.
pub(crate) fn read_last(segments: &Segments, number: u32, take: Take<'_>) -> Result<LastSegment> {
    let file = segments.file(number)?;
    let failed = |error| segments.segment_io("recovering the last segment", number, error);
    let length = segments.length_of(number, &*file)?;
    // After an unclean close, the page cache is no witness of what is on disk (rule 4).
    let mut trusts_cache = closing_mark::find(&*file, number, length, segments.salt).map_err(failed)?.is_some();
    if !trusts_cache {
        file.drop_cache().map_err(failed)?;
    }
    let mut scan = Scan::new(&*file, segment::start(number), length, segments.salt);
    let (mut durable, mut marked, mut is_whole) = (segment::HEADER, false, true);
    let mut items = Vec::new();
    // Bad places that no statement covers yet.
    let mut bad: Vec<BadPlace> = Vec::new();
    let end = loop {
        let step = scan.next().map_err(failed)?;
        let place = match step {
            Step::BadBody(at, _) => Some(at.offset()),
            Step::Gap { from, .. } => Some(from),
            Step::End { from, to } => Some(from).filter(|from| to > *from),
            Step::Frame(_) => None,
        };
        if let Some(from) = place.filter(|_| trusts_cache) {
            // The end is clean and yet there is a bad place: it may be in the page cache only, so the disk is asked.
            trusts_cache = false;
            file.drop_cache().map_err(failed)?;
            scan = Scan::new(&*file, Position::new(number, from), length, segments.salt);
            continue;
        }
        match &step {
            Step::Frame(frame) => {
                durable = durable.max(frame.head.durable);
                marked = frame.head.kind == Kind::Mark && frame.head.durable == frame.at.offset();
            }
            // The head has a check of its own, so its statement counts although the body is bad.
            Step::BadBody(_, head) => durable = durable.max(head.durable),
            Step::Gap { .. } | Step::End { .. } => {}
        }
        if bad.last().is_some_and(|last| last.to <= durable) {
            bad.clear();
        }
        is_whole &= place.is_none();
        let (to, before) = (end_of(&step), items.len());
        bad.extend(place.filter(|from| *from < to).map(|from| BadPlace { from, to, before }));
        let end = read_step(segments, &step, &mut items);
        if items.len() >= PIECE && bad.is_empty() {
            take(Piece::Items(std::mem::take(&mut items), Position::new(number, end_of(&step))));
        }
        if let Some(end) = end {
            break end;
        }
    };
    let mut last = LastSegment { end: end.frames, durable, written: end.written, clean: marked && is_whole };
    // A bad place may span the statement: it is damage up to the statement, and a hole from there on (rule 2).
    if let Some(BadPlace { from, before, .. }) = bad.into_iter().find(|place| place.to > durable) {
        let hole = from.max(durable);
        let damaged = items.drain(before..).next().filter(|_| from < hole);
        items.extend(damaged.map(|damaged| match damaged {
            // The part that is damage still holds the head, so the session is known by name.
            Item::BadBody(at, head) if from + HEAD as u32 <= hole => Item::BadBody(at, head.cut_to(hole - from)),
            _ => Item::Gap(from, hole),
        }));
        last.written = end.frames.max(end.written);
        last.end = hole;
    }
    take(Piece::Items(items, Position::new(number, last.end)));
    Ok(last)
}

/// A place in the last segment that is not what was written there.
struct BadPlace {
    from: u32,
    to: u32,
    /// How many items come before it.
    before: usize,
}

/// Where a step of a scan ends.
fn end_of(step: &Step<'_>) -> u32 {
    match step {
        Step::Frame(frame) => frame.at.plus(frame.head.frame_bytes()).offset(),
        Step::BadBody(at, head) => at.plus(head.frame_bytes()).offset(),
        Step::Gap { to, .. } => *to,
        Step::End { from, .. } => *from,
    }
}

/// Reads sealed segments, one after another.
struct Reader<'a> {
    segments: &'a Segments,
    hints: &'a Hints,
    /// Whether hints are believed. Beyond damage they are not: there each frame may be news of a session in doubt, and a
    /// hint holds only the last effect for each key (rule 8).
    believes: bool,
}

impl Reader<'_> {
    /// Reads the segment `number`; the next one in the directory is `next`.
    fn read(&mut self, number: u32, next: u32, take: Take<'_>) -> Result<()> {
        let file = self.segments.file(number)?;
        let length = self.segments.length_of(number, &*file)?;
        let hint = self.believes.then(|| Hints::of(self.segments, number, &*file, length)).flatten();
        let end = match hint {
            Some(hint) => {
                let effects = hint.effects.into_iter().chain([Effect::Seal]);
                // A hint is in memory as a whole, so cutting it into pieces would save nothing.
                take(Piece::Items(effects.map(Item::Effect).collect(), Position::new(number, length)));
                End { frames: length, written: length }
            }
            None => {
                let (end, is_whole) = read_frames(self.segments, &*file, segment::start(number), length, take)?;
                self.believes &= is_whole;
                if !is_whole {
                    self.hints.spoil(number);
                } else if self.believes && end.frames == length {
                    self.hints.want(number);
                }
                end
            }
        };
        take(Piece::End(end, next));
        self.believes &= next == number + 1;
        Ok(())
    }
}
