//! Reading the log into an index: what each segment says, in the order of the log.
//!
//! One thread reads and checks while another applies: where there are two processors, a large log takes half the time so. What is
//! read is handed over in pieces, so the memory that reading takes does not depend on how much is read.

use std::sync::mpsc::sync_channel;
use std::thread;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::DiskFile;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{HEAD, Head, Kind};
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::index::Index;
use crate::store::file::log::hint_files::Hints;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::log::segments::Segments;

/// How many items a piece has, and how many pieces may be read ahead: some hundred KiB.
const PIECE: usize = 256;
const AHEAD: usize = 4;

/// To start a thread takes as long as to read so many bytes.
const WORTH_A_THREAD: u64 = 1 << 20;

/// What stands at the next place of a segment, taken out of the file's bytes.
pub(crate) enum Item {
    /// What a frame does, or one of those in a batch.
    Effect(Effect),
    BadBody(Position, Head),
    Gap(u32, u32),
}

/// What was read.
pub(crate) enum Piece {
    /// All that stands up to a place.
    Items(Vec<Item>, Position),
    /// The segment ends, and the log goes on in the one with this number.
    End(End, u32),
}

/// Takes what was read.
pub(crate) type Take<'a> = &'a mut dyn FnMut(Piece);

/// Where the frames of a segment end.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) frames: u32,
    /// Up to here something is written all the same.
    written: u32,
}

/// The last segment as a recovery finds it.
pub(crate) struct LastSegment {
    /// Where the log ends.
    pub(crate) end: u32,
    /// The highest statement of what was durable.
    pub(crate) durable: u32,
    /// Up to where something is written beyond the end; the end itself if nothing is.
    pub(crate) written: u32,
    /// Whether the last frame says that all before it was durable.
    pub(crate) clean: bool,
}

impl LastSegment {
    /// Whether something is written beyond the end.
    pub(crate) fn is_cut(&self) -> bool {
        self.written > self.end
    }
}

/// Applies all segments but the last, and goes on to that one, which `last` reads. A segment that a removal left there, or
/// one that is missing, makes no difference to any reader: each applies what there is, and a trim forgets what stands
/// before it.
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
    let read = |take: Take<'_>| {
        let mut reader = Reader { segments, hints, believes: hints.are_used };
        for pair in numbers.windows(2) {
            reader.read(pair[0], pair[1], take)?;
        }
        last(take)
    };
    if bytes < WORTH_A_THREAD {
        return read(&mut |piece| apply(segments, index, piece));
    }
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        // The receiver is gone only if the thread that applies has panicked.
        let reading = scope.spawn(move || read(&mut |piece| drop(sender.send(piece))));
        receiver.into_iter().for_each(|piece| apply(segments, index, piece));
        reading.join().unwrap_or_else(|_| {
            let why = "the thread that reads it has panicked";
            Err(Error::new(ErrorKind::Io, "reading the log").at(&segments.path).because(why))
        })
    })
}

/// Applies the log from where the index is to the tail. Never reads beyond the tail, and never stalls: what cannot be
/// read below it is damage (rule 16).
pub(crate) fn follow(segments: &Segments, index: &mut Index) -> Result<()> {
    loop {
        let (at, tail) = (index.applied, segments.tail());
        if at >= tail {
            return Ok(());
        }
        let number = at.segment();
        let file = segments.file(number)?;
        let is_last = number == tail.segment();
        let length = if is_last { tail.offset() } else { segments.length_of(number, &*file)? };
        let (end, _) = read_frames(segments, &*file, at, length, &mut |piece| apply(segments, index, piece))?;
        if !is_last {
            apply(segments, index, Piece::End(end, number + 1));
            continue;
        }
        if end.frames < tail.offset() {
            segments.report(number, end.frames, tail.offset(), None);
            index.doubt(tail);
        }
        index.applied = tail;
    }
}

/// Applies what was read, and reports what is not as it was written.
fn apply(segments: &Segments, index: &mut Index, piece: Piece) {
    let number = index.applied.segment();
    match piece {
        Piece::Items(items, until) => {
            for item in items {
                match item {
                    Item::Effect(effect) => index.apply(effect),
                    Item::BadBody(at, head) => {
                        index.apply_damaged(at, &head);
                        segments.report(number, at.offset(), at.plus(head.frame_bytes()).offset(), Some(head.key));
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
            // Without a seal the segment was cut at the end of a frame, which no look at the frames would tell.
            if end.written > end.frames || !index.sealed() {
                segments.report(number, end.frames, end.written, None);
                index.doubt(segment::start(next));
            }
            if next != number + 1 {
                // Whether a trim let it go is known when all is read.
                index.doubt_missing(next);
            }
            index.go_on(next, end.frames);
        }
    }
}

/// Reports the segments that are not there, though no trim let them go. A crash may take back the removal of some that
/// one did, and of others not.
pub(crate) fn report_missing(segments: &Segments, index: &Index, numbers: &[u32]) {
    let mut expected = index.trimmed();
    for number in numbers.iter().filter(|number| **number >= index.trimmed()) {
        if *number > expected {
            segments.report(expected, 0, 0, None);
        }
        expected = number.saturating_add(1);
    }
}

/// Reads a segment from a place on, to its seal or to this offset. Says whether all that stands there are whole frames.
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
        if items.len() >= PIECE || end.is_some() {
            take(Piece::Items(std::mem::take(&mut items), Position::new(number, end_of(&step))));
        }
        if let Some(end) = end {
            return Ok((end, is_whole));
        }
    }
}

/// Takes in what a scan has come to. Says where the frames end, if they end here.
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

/// Reads the last segment as a recovery finds it.
///
/// A bad place below the highest statement of what was durable is damage, and what follows it is part of the log. At or
/// above it the log ends there: what follows may have been written after something that was lost (rule 2). Which of both
/// it is, a later frame may say; until then what follows the place is kept back.
pub(crate) fn read_last(segments: &Segments, number: u32, take: Take<'_>) -> Result<LastSegment> {
    let file = segments.file(number)?;
    let failed = |error| segments.segment_io("recovering the last segment", number, error);
    let length = segments.length_of(number, &*file)?;
    // Not closed properly: what the page cache says is no witness of what is on disk (rule 4).
    let mut trusts_cache = ends_clean(&*file, number, length, segments.salt).map_err(failed)?;
    if !trusts_cache {
        file.drop_cache().map_err(failed)?;
    }
    let mut scan = Scan::new(&*file, segment::start(number), length, segments.salt);
    let (mut durable, mut marked, mut is_whole) = (segment::HEADER, false, true);
    let mut items = Vec::new();
    // Bad places that nothing has said to be damage yet, and how many items come before each.
    let mut bad: Vec<(u32, u32, usize)> = Vec::new();
    let end = loop {
        let step = scan.next().map_err(failed)?;
        let place = match step {
            Step::BadBody(at, _) => Some(at.offset()),
            Step::Gap { from, .. } => Some(from),
            Step::End { from, to } => Some(from).filter(|from| to > *from),
            Step::Frame(_) => None,
        };
        if let Some(from) = place.filter(|_| trusts_cache) {
            // Damage in front of a clean end may be the cache's as well.
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
            // Its head is whole, and so is what it states.
            Step::BadBody(_, head) => durable = durable.max(head.durable),
            Step::Gap { .. } | Step::End { .. } => {}
        }
        if bad.last().is_some_and(|(_, to, _)| *to <= durable) {
            bad.clear();
        }
        is_whole &= place.is_none();
        bad.extend(place.filter(|from| *from < end_of(&step)).map(|from| (from, end_of(&step), items.len())));
        let end = read_step(segments, &step, &mut items);
        if items.len() >= PIECE && bad.is_empty() {
            take(Piece::Items(std::mem::take(&mut items), Position::new(number, end_of(&step))));
        }
        if let Some(end) = end {
            break end;
        }
    };
    let mut last = LastSegment { end: end.frames, durable, written: end.written, clean: marked && is_whole };
    // A gap may be damage in front and a hole behind: what was known to be durable ends where the hole begins.
    if let Some((from, _, before)) = bad.into_iter().find(|(_, to, _)| *to > durable) {
        let hole = from.max(durable);
        let damaged = items.drain(before..).next().filter(|_| from < hole);
        items.extend(damaged.map(|damaged| match damaged {
            // Its session is known all the same.
            Item::BadBody(at, head) if from + HEAD as u32 <= hole => Item::BadBody(at, head.cut_to(hole - from)),
            _ => Item::Gap(from, hole),
        }));
        last.written = end.frames.max(end.written);
        last.end = hole;
    }
    take(Piece::Items(items, Position::new(number, last.end)));
    Ok(last)
}

/// Where what a scan has come to ends.
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
    /// Whether hints are believed. Beyond damage they are not: each frame may be news of a session that is in doubt, and a hint
    /// has the last of them only.
    believes: bool,
}

impl Reader<'_> {
    /// Reads a segment that the one with the number `next` follows.
    fn read(&mut self, number: u32, next: u32, take: Take<'_>) -> Result<()> {
        let file = self.segments.file(number)?;
        let length = self.segments.length_of(number, &*file)?;
        let hint = self.believes.then(|| Hints::of(self.segments, number, &*file, length)).flatten();
        let end = match hint {
            Some(hint) => {
                let effects = hint.effects.into_iter().chain([Effect::Seal]);
                // One piece, for all of it is in memory already.
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
