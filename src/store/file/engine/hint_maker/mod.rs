//! Making hints: sealed segments that have none are read, one after another. A failure costs the hint only.
//!
//! A large segment's summary takes up to a third of a second to sort, encode and write, and no save that waits for a sync
//! may wait for that. So a short-lived thread makes each hint, which needs no lock: a sealed segment does not change.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::file::engine::Engine;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{HEAD, Kind};
use crate::store::file::format::hint::effects::Encoder;
use crate::store::file::format::hint::{self, Seal};
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::format::summary::Summary;
use crate::store::file::log::Log;
use crate::store::file::log::hint_files::Hints;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::settings::Sizes;
use crate::store::file::threads::{self, AtomicBool, JoinHandle};

/// The hint that is being made, if any: step by step, or on a thread of its own. Dropping it waits for that thread.
#[derive(Default)]
pub(crate) struct HintMaker {
    making: Option<Making>,
    thread: Option<JoinHandle<()>>,
    /// Whether the thread is at work.
    is_busy: Arc<AtomicBool>,
}

/// A hint that is being made.
struct Making {
    /// Up to here the segment was read.
    at: Position,
    summary: Summary,
    /// The hint, once the segment is read for the second time.
    hint: Option<Encoder>,
}

impl HintMaker {
    /// Reads one step of the segment whose hint is being made, or begins with the next segment. Says whether there was work.
    /// For a caller that runs the store's rounds by hand.
    pub(crate) fn step(&mut self, engine: &Engine) -> bool {
        let making = self.making.take().or_else(|| Making::next(&engine.log));
        let has_begun = making.is_some();
        self.making = making.and_then(|making| making.go_on(&engine.log, &engine.settings.sizes));
        has_begun
    }

    /// Begins to make the next hint on a thread of its own, unless one is being made. The thread wakes the store's thread
    /// when it is done, for the hint after that.
    pub(crate) fn make_aside(&mut self, engine: &Arc<Engine>) {
        if self.is_busy.load(Ordering::Acquire) {
            return;
        }
        self.join();
        let Some(begun) = Making::next(&engine.log) else { return };
        let (engine, is_busy) = (engine.clone(), self.is_busy.clone());
        is_busy.store(true, Ordering::Release);
        let made = threads::Builder::new().name("cloakroom-hint".into()).spawn(move || {
            let mut making = Some(begun);
            // A closing store does not wait for a whole segment.
            while let Some(begun) = making.take_if(|_| !engine.is_closed()) {
                making = begun.go_on(&engine.log, &engine.settings.sizes);
            }
            is_busy.store(false, Ordering::Release);
            engine.wake_background();
        });
        match made {
            Ok(thread) => self.thread = Some(thread),
            Err(_) => self.is_busy.store(false, Ordering::Release),
        }
    }

    /// Waits for the thread that has made a hint. Its panic costs that hint and all later ones of this process.
    fn join(&mut self) {
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for HintMaker {
    fn drop(&mut self) {
        self.join();
    }
}

impl Making {
    /// Begins with the next segment that needs a hint.
    fn next(log: &Log) -> Option<Self> {
        log.hints.remove_spoilt(&*log.segments.disk);
        let number = log.hints.next(log.read_unchecked().index.oldest)?;
        Some(Self { at: segment::start(number), summary: Summary::of_segment(number), hint: None })
    }

    /// One step. `None` when the hint is made, or cannot be made.
    fn go_on(mut self, log: &Log, sizes: &Sizes) -> Option<Self> {
        let (segments, number, begun) = (&log.segments, self.at.segment(), self.at.offset());
        let file = segments.file(number).ok()?;
        let length = segments.length_of(number, &*file).ok()?;
        // Another process may have made the hint already.
        if begun == segment::HEADER && self.hint.is_none() && Hints::of(segments, number, &*file, length).is_some() {
            return None;
        }
        // A longer hint is not worth its memory and its place: to read such a segment takes as long as to apply it.
        let most = (length / sizes.hint_part) as usize;
        let mut scan = Scan::new(&*file, self.at, length, segments.salt);
        while self.at.offset() - begun < sizes.hint_step {
            if self.hint.as_ref().map_or(self.summary.fewest_bytes(), Encoder::len) > most {
                return None;
            }
            // A damaged segment gets no hint, so that each process that opens the store reads the damage and reports it.
            let Step::Frame(frame) = scan.next().ok()? else { return None };
            self.at = frame.at.plus(frame.head.frame_bytes());
            Effect::each_of(&frame, segments.salt, &mut |effect| match &mut self.hint {
                Some(hint) => self.summary.record(effect).iter().for_each(|record| hint.push(record)),
                None => self.summary.add(effect),
            });
            if frame.head.kind == Kind::Seal {
                let is_last = self.at.offset() == length;
                let Some(mut hint) = self.hint.take() else {
                    let mut hint = hint::encoder(number);
                    self.summary.begin(&mut |effect| hint.push(&effect));
                    let again = Self { at: segment::start(number), hint: Some(hint), ..self };
                    return is_last.then_some(again);
                };
                let mut seal: Seal = [0; HEAD];
                let read = file.read_at(&mut seal, u64::from(frame.at.offset())).ok()?;
                if is_last && read == HEAD {
                    self.summary.end().iter().for_each(|effect| hint.push(effect));
                    let bytes = hint::to_bytes(hint, number, length, &seal, segments.salt);
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
