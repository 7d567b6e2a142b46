//! What is read of a segment before it is applied, a piece at a time.

use super::effect::Effect;
use super::frame::{Head, Kind};
use super::index::Index;
use super::log::Log;
use super::position::Position;
use super::scan::Step;
use super::table;
use crate::key::SessionKey;

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

/// Brings what is about one session each into the order of the table that it will be looked up in, so that nearly every
/// look is near the last one: half the time that it takes to apply it, at the cost of the thread that reads and has the time.
/// What is about the same session keeps its order, and nothing changes places with what is about many.
pub(crate) fn sort(read: &mut [Read]) {
    for run in read.chunk_by_mut(|one, next| one.key().is_some() && next.key().is_some()) {
        // Stable, and that matters.
        run.sort_by_cached_key(|read| read.key().map(table::hash));
    }
}

impl Read {
    fn key(&self) -> Option<&SessionKey> {
        match self {
            Self::Effect(effect) => effect.key(),
            // Among the damaged may be a batch, which is about anybody.
            Self::BadBody(..) | Self::Gap(..) => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn what_is_about_a_session_keeps_its_order_and_stays_on_its_side_of_what_is_about_many() {
        let key = |n: u8| SessionKey::from_bytes([n; 16]);
        let touch = |n: u8, time| Read::Effect(Effect::Touch(key(n), Timestamp::from_secs(time)));
        let said = |read: &[Read]| -> Vec<String> {
            let one = |read: &Read| match read {
                Read::Effect(Effect::Touch(key, time)) => format!("{} {}", key.as_bytes()[0], time.as_millis() / 1000),
                Read::Effect(Effect::Destroy(key)) => format!("{} ends", key.as_bytes()[0]),
                Read::Effect(_) => "sweep".into(),
                _ => "gap".into(),
            };
            read.iter().map(one).collect()
        };
        let sweep = || Read::Effect(Effect::Sweep(Timestamp::EPOCH, key(0)));
        let half = || [1, 2, 3, 4, 5, 6].into_iter().flat_map(|n| [touch(n, 1), touch(7 - n, 2)]);
        let mut read: Vec<Read> = half().chain([sweep(), Read::Gap(1, 2)]).chain(half()).collect();
        read.push(Read::Effect(Effect::Destroy(key(1))));
        let before = said(&read);
        sort(&mut read);
        let after = said(&read);
        assert_ne!(before, after);
        assert_eq!(after[12..14], ["sweep", "gap"]);
        for n in 1..=6 {
            let of = |said: &[String]| -> Vec<String> {
                said.iter().filter(|said| said.starts_with(&format!("{n} "))).cloned().collect()
            };
            assert_eq!((of(&before[..12]), of(&before[14..])), (of(&after[..12]), of(&after[14..])));
        }
        let hashes: Vec<_> = read[..12].iter().map(|read| read.key().map(table::hash)).collect();
        assert!(hashes.is_sorted());
    }
}
