//! What is read of a segment before it is applied, a piece at a time.

use super::effect::Effect;
use super::frame::{Head, Kind};
use super::index::Index;
use super::log::Log;
use super::position::Position;
use super::scan::Step;

/// What stands at the next place, taken out of the file's bytes.
pub(crate) enum Read {
    /// What a frame does, or one of those in a batch.
    Effect(Effect),
    BadBody(Position, Head),
    Gap(u32, u32),
}

/// A piece of a segment.
#[derive(Default)]
pub(crate) struct Piece {
    pub(crate) read: Vec<Read>,
    /// With the last piece: where the frames end, and up to where there is something all the same.
    pub(crate) end: Option<(u32, u32)>,
}

impl Piece {
    /// Takes in what a scan has come to.
    pub(crate) fn take(&mut self, step: &Step<'_>, salt: u64) {
        match *step {
            Step::Frame(frame) => {
                Effect::each_of(&frame, salt, &mut |effect| self.read.push(Read::Effect(effect)));
                if frame.head.kind == Kind::Seal {
                    let end = frame.at.plus(frame.head.frame_bytes()).offset();
                    self.end = Some((end, end));
                }
            }
            Step::BadBody(at, head) => self.read.push(Read::BadBody(at, head)),
            Step::Gap { from, to } => self.read.push(Read::Gap(from, to)),
            Step::End { from, to } => self.end = Some((from, to)),
        }
    }
}

impl Log {
    /// Applies what was read of a segment, and reports what is not as it was written.
    pub(crate) fn apply_read(&self, index: &mut Index, number: u32, read: Read) {
        match read {
            Read::Effect(effect) => effect.apply(index, number),
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
}
