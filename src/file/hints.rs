//! The hints in the directory: looked at when the log is read, made by the store's thread, removed with their segments.
//!
//! A hint is never needed, so nothing about one is ever an error: what cannot be read is not there, and what cannot be written
//! is left to the next who opens the store.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::disk::{self, DiskFile};
use super::effect::Effect;
use super::engine::Engine;
use super::frame::{HEAD, Kind};
use super::hint::{self, Hint, Seal};
use super::log::Log;
use super::position::Position;
use super::scan::{Scan, Step};
use super::segment;
use super::summary::Summary;
use super::threads::{Mutex, MutexGuard};

/// What is known of the hints.
pub(crate) struct Hints {
    /// Whether they are believed: not by who wants to see every byte.
    pub(crate) are_used: bool,
    /// Sealed segments that have none.
    wanted: Mutex<BTreeSet<u32>>,
    /// Segments in which damage was met.
    spoilt: Mutex<BTreeSet<u32>>,
}

impl Hints {
    pub(crate) fn new(are_used: bool) -> Self {
        Self { are_used, wanted: Mutex::default(), spoilt: Mutex::default() }
    }

    /// A segment was sealed, or read without a hint, and no damage met in it.
    pub(crate) fn want(&self, segment: u32) {
        lock(&self.wanted).insert(segment);
    }

    /// A segment was read, and damage met in it.
    pub(crate) fn spoil(&self, segment: u32) {
        lock(&self.spoilt).insert(segment);
    }

    /// The next segment that needs one. It is asked for no more: who fails once would fail again and again.
    fn next(&self, oldest: u32) -> Option<u32> {
        let mut wanted = lock(&self.wanted);
        *wanted = wanted.split_off(&oldest);
        wanted.pop_first()
    }
}

fn lock(segments: &Mutex<BTreeSet<u32>>) -> MutexGuard<'_, BTreeSet<u32>> {
    segments.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hint that is being made.
pub(crate) struct Making {
    /// Up to here its segment was looked through.
    at: Position,
    summary: Summary,
}

impl Log {
    /// The bytes of a sealed segment's hint, and of the segment's last frame, if there are such.
    pub(crate) fn hint_of(&self, number: u32, segment: &dyn DiskFile, length: u32) -> Option<(Vec<u8>, Seal)> {
        let mut seal = [0; HEAD];
        let from = length.checked_sub(HEAD as u32)?;
        let read = segment.read_at(&mut seal, u64::from(from)).ok()?;
        let file = self.disk.open(&hint::name(number)).ok()?;
        // Of a longer one nobody knows what it is; it shall not cost more than the segment would.
        let size = file.len().ok().filter(|size| *size <= u64::from(length))?;
        let mut bytes = vec![0; size as usize];
        let whole = file.read_at(&mut bytes, 0).ok()? == bytes.len() && read == HEAD;
        whole.then_some((bytes, seal))
    }

    fn has_hint(&self, number: u32, segment: &dyn DiskFile, length: u32) -> bool {
        let found = self.hint_of(number, segment, length);
        found.is_some_and(|(bytes, seal)| Hint::parse(&bytes, number, length, &seal, self.salt).is_some())
    }

    /// Removes the hints of damaged segments: everybody is to hear of the damage, not only who reads them for another reason.
    fn remove_spoilt_hints(&self) {
        for number in std::mem::take(&mut *lock(&self.hints.spoilt)) {
            let _ = self.disk.remove(&hint::name(number));
        }
    }

    /// Removes the hints of segments that are damaged, not sealed or not there, and what a crash left of one that was being written.
    /// Nobody else may use the directory.
    pub(crate) fn remove_stray_hints(&self, last: u32) {
        self.remove_spoilt_hints();
        let Ok(names) = self.disk.names() else { return };
        let segments: BTreeSet<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
        for name in &names {
            let is_stray = hint::number(name).is_some_and(|number| number >= last || !segments.contains(&number));
            if is_stray || disk::is_half_written(name) {
                let _ = self.disk.remove(name);
            }
        }
    }

    /// Removes the hints of segments that have left the log.
    pub(crate) fn remove_trimmed_hints(&self, oldest: u32) {
        let names = self.disk.names().unwrap_or_default();
        for name in names.iter().filter(|name| hint::number(name).is_some_and(|number| number < oldest)) {
            let _ = self.disk.remove(name);
        }
    }
}

impl Engine {
    /// Looks a step further through the segment whose hint is being made, or begins with the next. Says whether there is more
    /// to do.
    pub(crate) fn hint_step(self: &Arc<Self>, making: &mut Option<Making>) -> bool {
        self.log.remove_spoilt_hints();
        if making.is_none() {
            let oldest = self.log.read_unchecked().index.oldest;
            let Some(number) = self.log.hints.next(oldest) else { return false };
            *making = Some(Making { at: segment::start(number), summary: Summary::of_segment(number) });
        }
        let made = making.take().and_then(|making| self.log.make_on(making, self.settings.sizes.hint_step));
        *making = made;
        true
    }
}

impl Log {
    /// A step of making a hint; nothing when it is made, or cannot be.
    fn make_on(&self, mut making: Making, step: u32) -> Option<Making> {
        let (number, begun) = (making.at.segment(), making.at.offset());
        let file = self.file(number).ok()?;
        let length = u32::try_from(file.len().ok()?).ok()?;
        // Another process may have been faster.
        if begun == segment::HEADER && self.has_hint(number, &*file, length) {
            return None;
        }
        let mut scan = Scan::new(&*file, making.at, length, self.salt);
        while making.at.offset() - begun < step {
            // A segment with any damage in it has no hint: of what lies in it, everybody who opens the store shall hear.
            let Step::Frame(frame) = scan.next().ok()? else { return None };
            making.at = frame.at.plus(frame.head.frame_bytes());
            Effect::each_of(&frame, self.salt, &mut |effect| making.summary.add(effect));
            if frame.head.kind == Kind::Seal {
                let is_last = making.at.offset() == length;
                let mut seal = [0; HEAD];
                let read = file.read_at(&mut seal, u64::from(frame.at.offset())).ok()?;
                if is_last && read == HEAD {
                    let effects = making.summary.into_effects();
                    let bytes = hint::to_bytes(&effects, number, length, &seal, self.salt);
                    if bytes.len() <= length as usize {
                        let _ = self.disk.replace(&hint::name(number), &bytes);
                    }
                }
                return None;
            }
        }
        Some(making)
    }
}

#[cfg(test)]
mod tests;
