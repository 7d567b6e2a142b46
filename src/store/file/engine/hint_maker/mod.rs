//! Making hints: the store's thread reads sealed segments that have none, one step at a time. A failure costs the hint only.

use crate::store::file::engine::Engine;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{HEAD, Kind};
use crate::store::file::format::hint::{self, Seal};
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::format::summary::Summary;
use crate::store::file::log::Log;
use crate::store::file::log::hint_files::Hints;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::settings::Sizes;

/// The hint that is being made, if any.
#[derive(Default)]
pub(crate) struct HintMaker(Option<Making>);

/// A hint that is being made.
struct Making {
    /// Up to here the segment was read.
    at: Position,
    summary: Summary,
}

impl HintMaker {
    /// Reads one step of the segment whose hint is being made, or begins with the next segment. Says whether there was work.
    pub(crate) fn step(&mut self, engine: &Engine) -> bool {
        let log = &engine.log;
        log.hints.remove_spoilt(&*log.segments.disk);
        let making = self.0.take().or_else(|| {
            let number = log.hints.next(log.read_unchecked().index.oldest)?;
            Some(Making { at: segment::start(number), summary: Summary::of_segment(number) })
        });
        let has_begun = making.is_some();
        self.0 = making.and_then(|making| making.go_on(log, &engine.settings.sizes));
        has_begun
    }
}

impl Making {
    /// One step. `None` when the hint is made, or cannot be made.
    fn go_on(mut self, log: &Log, sizes: &Sizes) -> Option<Self> {
        let (segments, number, begun) = (&log.segments, self.at.segment(), self.at.offset());
        let file = segments.file(number).ok()?;
        let length = segments.length_of(number, &*file).ok()?;
        // Another process may have made the hint already.
        if begun == segment::HEADER && Hints::of(segments, number, &*file, length).is_some() {
            return None;
        }
        // A longer hint is not worth its memory and its place: to read such a segment takes as long as to apply it.
        let most = (length / sizes.hint_part) as usize;
        let mut scan = Scan::new(&*file, self.at, length, segments.salt);
        while self.at.offset() - begun < sizes.hint_step {
            if self.summary.fewest_bytes() > most {
                return None;
            }
            // A damaged segment gets no hint, so that each process that opens the store reads the damage and reports it.
            let Step::Frame(frame) = scan.next().ok()? else { return None };
            self.at = frame.at.plus(frame.head.frame_bytes());
            Effect::each_of(&frame, segments.salt, &mut |effect| self.summary.add(effect));
            if frame.head.kind == Kind::Seal {
                let is_last = self.at.offset() == length;
                let mut seal: Seal = [0; HEAD];
                let read = file.read_at(&mut seal, u64::from(frame.at.offset())).ok()?;
                if is_last && read == HEAD {
                    let effects = self.summary.into_effects();
                    let bytes = hint::to_bytes(&effects, number, length, &seal, segments.salt);
                    if bytes.len() < most {
                        let _ = segments.disk.replace(&names::hint(number), &bytes);
                    }
                }
                return None;
            }
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests;
