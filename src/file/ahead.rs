//! Reading ahead: when a large log is read, one thread reads and checks the sealed segments while another applies them.
//! Opening takes half the time so, where there are two processors.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::frame::{Frame, Head, Kind};
use super::index::Index;
use super::log::Log;
use super::position::Position;
use super::scan::{Scan, Step};
use super::segment;
use super::slot::Slot;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SessionKey;

/// What stands at the next place, taken out of the file's bytes.
enum Read {
    /// A put: nearly everything in most logs.
    Put(SessionKey, Slot),
    /// Any other frame, as it is.
    Other(Position, Head, Vec<u8>),
    BadBody(Position, Head),
    Gap(u32, u32),
}

/// A piece of a segment.
#[derive(Default)]
struct Piece {
    read: Vec<Read>,
    /// With the last piece: where the frames end, and up to where there is something all the same.
    end: Option<(u32, u32)>,
}

/// How many frames a piece has, and how many pieces may be read ahead: some hundred KiB.
const PIECE: usize = 1024;
const AHEAD: usize = 4;

/// Starting a thread takes as long as reading so many bytes.
const WORTH_A_THREAD: u64 = 1 << 20;

impl Log {
    /// Applies all segments but the last, and goes on to that one. What a removal left behind, or one that is missing,
    /// makes no difference to who reads it: everybody applies what there is, and a trim forgets what stands before it.
    pub(crate) fn replay_sealed(&self, index: &mut Index, segments: &[u32], bytes: u64) -> Result<()> {
        if bytes < WORTH_A_THREAD {
            return self.apply_sealed(index, segments, |number, apply| {
                self.read_segment(number, &mut |piece| {
                    apply(piece);
                    ControlFlow::Continue(())
                })
            });
        }
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(AHEAD);
            scope.spawn(move || {
                let sealed = segments.split_last().map_or(segments, |(_, sealed)| sealed);
                for number in sealed {
                    // Nobody listens any more only if the applying has failed already.
                    let mut listens = true;
                    let read = self.read_segment(*number, &mut |piece| {
                        listens = sender.send(Ok(piece)).is_ok();
                        if listens { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                    });
                    if let Err(error) = read {
                        let _ = sender.send(Err(error));
                        return;
                    }
                    if !listens {
                        return;
                    }
                }
            });
            self.apply_sealed(index, segments, |_, apply| {
                loop {
                    let piece: Result<Piece> = receiver.recv().unwrap_or_else(|_| Err(self.reader_is_gone()));
                    let piece = piece?;
                    let is_last = piece.end.is_some();
                    apply(piece);
                    if is_last {
                        return Ok(());
                    }
                }
            })
        })
    }

    /// Applies the pieces of each sealed segment, which `pieces` hands over in order.
    fn apply_sealed(
        &self,
        index: &mut Index,
        segments: &[u32],
        mut pieces: impl FnMut(u32, &mut dyn FnMut(Piece)) -> Result<()>,
    ) -> Result<()> {
        for pair in segments.windows(2) {
            let &[number, next] = pair else { unreachable!("windows of two") };
            let mut last = (0, 0);
            pieces(number, &mut |piece| {
                piece.read.into_iter().for_each(|read| self.apply_read(index, number, read));
                last = piece.end.unwrap_or(last);
            })?;
            let (end, written) = last;
            // Cut at the end of a frame, which no look at the frames would tell; or something else stands there.
            if written > end || !index.sealed() {
                self.report(number, end, written, None);
                index.doubt(segment::start(next));
            }
            if next != number + 1 {
                // Whether a trim let it go is known when all is read.
                index.doubt_missing(next);
            }
            index.go_on(next, end);
        }
        Ok(())
    }

    /// Reports the segments that are not there, though no trim let them go. A crash may take back the removal of some that
    /// one did, and of others not.
    pub(crate) fn report_missing(&self, index: &Index, segments: &[u32]) {
        let mut expected = index.trimmed();
        for number in segments.iter().filter(|number| **number >= index.trimmed()) {
            if *number > expected {
                self.report(expected, 0, 0, None);
            }
            expected = number.saturating_add(1);
        }
    }

    fn read_segment(&self, number: u32, take: &mut dyn FnMut(Piece) -> ControlFlow<()>) -> Result<()> {
        let failed = |error| self.segment_io("reading the log", number, error);
        let file = self.file(number)?;
        let length = file.len().map_err(failed)?.min(u64::from(u32::MAX)) as u32;
        let mut scan = Scan::new(&*file, segment::start(number), length, self.salt);
        let mut piece = Piece::default();
        while piece.end.is_none() {
            match scan.next().map_err(failed)? {
                Step::Frame(frame) => match frame.head.kind {
                    Kind::Put => piece.read.push(Read::Put(frame.head.key, Slot::of(&frame))),
                    kind => {
                        let end = frame.at.plus(frame.head.frame_bytes()).offset();
                        piece.read.push(Read::Other(frame.at, frame.head, frame.body.to_vec()));
                        piece.end = (kind == Kind::Seal).then_some((end, end));
                    }
                },
                Step::BadBody(at, head) => piece.read.push(Read::BadBody(at, head)),
                Step::Gap { from, to } => piece.read.push(Read::Gap(from, to)),
                Step::End { from, to } => piece.end = Some((from, to)),
            }
            if piece.read.len() == PIECE || piece.end.is_some() {
                let is_last = piece.end.is_some();
                if take(std::mem::take(&mut piece)).is_break() || is_last {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn apply_read(&self, index: &mut Index, number: u32, read: Read) {
        match read {
            Read::Put(key, slot) => index.place(Kind::Put, key, slot),
            Read::Other(at, head, body) => index.apply(&Frame { at, head, body: &body }),
            Read::BadBody(at, head) => {
                index.apply_damaged(at, &head);
                self.report(number, at.offset(), at.plus(head.frame_bytes()).offset(), Some(head.key));
            }
            Read::Gap(from, to) => {
                self.report(number, from, to, None);
                index.doubt(Position::new(number, to));
            }
        }
    }

    fn reader_is_gone(&self) -> Error {
        Error::new(ErrorKind::Io, "reading the log").at(&self.path).because("the thread that reads it has ended")
    }
}
