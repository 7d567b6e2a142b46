//! Reading ahead: when a large log is read, one thread reads and checks the sealed segments while another applies them.
//! Opening takes half the time so, where there are two processors.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::effect::Effect;
use super::hint::Hint;
use super::index::Index;
use super::log::Log;
use super::piece::{self, Piece, Read};
use super::scan::{Scan, Step};
use super::segment;
use crate::error::{Error, ErrorKind, Result};

/// How many frames a piece has, and how many pieces may be read ahead: some hundred KiB.
const PIECE: usize = 1024;
const AHEAD: usize = 4;

/// Starting a thread takes as long as reading so many bytes.
const WORTH_A_THREAD: u64 = 1 << 20;

/// Who takes the pieces, and whether there is to be another.
type Take<'a> = &'a mut dyn FnMut(Piece) -> ControlFlow<()>;

impl Log {
    /// Applies all segments but the last, and goes on to that one; and does what comes `behind` on the thread that reads. What
    /// a removal left behind, or one that is missing, makes no difference to who reads it: everybody applies what there is,
    /// and a trim forgets what stands before it.
    pub(crate) fn replay_sealed<T: Send>(
        &self,
        index: &mut Index,
        segments: &[u32],
        bytes: u64,
        behind: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        if bytes < WORTH_A_THREAD {
            let mut reader = Reader::new(self);
            self.apply_sealed(index, segments, |number, apply| {
                reader.read(number, &mut |piece| {
                    apply(piece);
                    ControlFlow::Continue(())
                })
            })?;
            return behind();
        }
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(AHEAD);
            let reading = scope.spawn(move || {
                let mut reader = Reader::new(self);
                let sealed = segments.split_last().map_or(segments, |(_, sealed)| sealed);
                for number in sealed {
                    // Nobody listens any more only if the applying has failed already.
                    let mut listens = true;
                    let read = reader.read(*number, &mut |piece| {
                        listens = sender.send(Ok(piece)).is_ok();
                        if listens { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                    });
                    if let Err(error) = read {
                        let _ = sender.send(Err(error));
                        return None;
                    }
                    if !listens {
                        return None;
                    }
                }
                Some(behind())
            });
            let applied = self.apply_sealed(index, segments, |_, apply| {
                loop {
                    let piece: Result<Piece> = receiver.recv().unwrap_or_else(|_| Err(self.reader_is_gone()));
                    let piece = piece?;
                    let is_last = piece.end.is_some();
                    apply(piece);
                    if is_last {
                        return Ok(());
                    }
                }
            });
            drop(receiver);
            applied?;
            reading.join().ok().flatten().unwrap_or_else(|| Err(self.reader_is_gone()))
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

    fn reader_is_gone(&self) -> Error {
        Error::new(ErrorKind::Io, "reading the log").at(&self.path).because("the thread that reads it has ended")
    }
}

/// Reads sealed segments, one after another.
struct Reader<'a> {
    log: &'a Log,
    /// Whether hints are believed. Behind damage they are not: each frame may be news of a session that is in doubt, and a hint
    /// has the last of them only.
    believes: bool,
    /// The segment that should come next.
    next: Option<u32>,
}

impl<'a> Reader<'a> {
    fn new(log: &'a Log) -> Self {
        Self { log, believes: log.hints.are_used, next: None }
    }

    fn read(&mut self, number: u32, take: Take<'_>) -> Result<()> {
        self.believes &= self.next.is_none_or(|next| next == number);
        self.next = number.checked_add(1);
        let failed = |error| self.log.segment_io("reading the log", number, error);
        let file = self.log.file(number)?;
        let length = file.len().map_err(failed)?.min(u64::from(u32::MAX)) as u32;
        if self.believes
            && let Some((bytes, seal)) = self.log.hint_of(number, &*file, length)
            && let Some(hint) = Hint::parse(&bytes, number, length, &seal, self.log.salt)
        {
            // One piece, for it is in memory already. Nobody who listens no more is waited for.
            let mut effects = hint.effects;
            effects.push(Effect::Seal);
            let mut read: Vec<Read> = effects.into_iter().map(Read::Effect).collect();
            piece::sort(&mut read);
            let _ = take(Piece { read, end: Some((length, length)) });
            return Ok(());
        }
        let mut scan = Scan::new(&*file, segment::start(number), length, self.log.salt);
        let (mut piece, mut is_whole) = (Piece::default(), true);
        while piece.end.is_none() {
            let step = scan.next().map_err(failed)?;
            is_whole &= matches!(step, Step::Frame(_));
            piece.take(&step, self.log.salt);
            if let Some((end, _)) = piece.end {
                self.believes &= is_whole;
                if !is_whole {
                    self.log.hints.spoil(number);
                } else if self.believes && end == length {
                    self.log.hints.want(number);
                }
            }
            if piece.read.len() >= PIECE || piece.end.is_some() {
                let is_last = piece.end.is_some();
                if take(std::mem::take(&mut piece)).is_break() || is_last {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
