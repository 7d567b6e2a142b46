//! What has to be there once a log was damaged: a model that knows the log as it was and which of its bytes have changed.
//!
//! It says what protocol rules 2, 10 and 11 say, frame by frame: a frame none of whose bytes changed counts; a put whose head
//! is as it was makes its session unreadable, never an older version; what else was hit is lost and has to be reported; and
//! in the last segment a place that nobody knew to be durable ends the log. A segment whose hint is believed has said what it
//! had to say, whatever became of it; but what was hit in it cannot be loaded.

use std::collections::{BTreeMap, BTreeSet};

use cloakroom::{Damage, Record, Revision, SessionKey, Timestamp};

use super::log::{Frame, HEAD, HEADER, Hints, Kind, Segments, name};

/// What is under a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Live(Record),
    /// There, and not to be read: an error, or nothing once its segment was trimmed.
    Unreadable,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Whole,
    /// Its head says what it was.
    BodyHit,
    Lost,
    /// Behind the end of the log.
    Behind,
}

/// The sessions that a log says are there.
#[derive(Default)]
pub struct Model {
    found: BTreeMap<SessionKey, (u32, Found)>,
    /// Sessions that a lost frame may have ended, and of which nothing was heard since.
    doubtful: BTreeSet<SessionKey>,
}

impl Model {
    /// The sessions under their keys, expired ones among them.
    pub fn found(&self, key: &SessionKey, now: Timestamp) -> Option<&Found> {
        let (_, found) = self.found.get(key)?;
        let expired = matches!(found, Found::Live(record) if record.is_expired_at(now));
        (!expired).then_some(found)
    }

    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Record> {
        self.found.values().filter_map(move |(_, found)| match found {
            Found::Live(record) if !record.is_expired_at(now) => Some(record),
            _ => None,
        })
    }

    /// Whether all is readable.
    pub fn is_readable(&self) -> bool {
        self.found.values().all(|(_, found)| *found != Found::Unreadable)
    }

    /// Live sessions that a lost frame may have ended.
    pub fn doubtful(&self, now: Timestamp) -> BTreeSet<SessionKey> {
        self.live(now).map(|record| *record.key()).filter(|key| self.doubtful.contains(key)).collect()
    }

    pub fn remove(&mut self, key: &SessionKey) {
        self.found.remove(key);
        self.doubtful.remove(key);
    }

    /// Whatever was lost here may have ended any of those that stand.
    fn doubt(&mut self) {
        self.doubtful = self.found.keys().copied().collect();
    }

    /// Ends what is doubtful.
    pub fn end_doubtful(&mut self) {
        let doubtful = std::mem::take(&mut self.doubtful);
        self.found.retain(|key, _| !doubtful.contains(key));
    }

    pub fn insert(&mut self, record: Record) {
        self.found.insert(*record.key(), (u32::MAX, Found::Live(record)));
    }

    /// A frame takes effect.
    pub fn apply(&mut self, frame: &Frame, segments: &Segments, fate: Fate) {
        match fate {
            Fate::Behind => return,
            Fate::Lost => return self.doubt(),
            Fate::BodyHit => {
                match frame.kind {
                    Kind::Put | Kind::Move => {
                        self.found.insert(frame.key, (frame.segment, Found::Unreadable));
                        if frame.kind == Kind::Put {
                            // Whoever saved it found it there.
                            self.doubtful.remove(&frame.key);
                        }
                    }
                    // Whom it ended stood in its body.
                    Kind::Batch | Kind::EndOwned => self.doubt(),
                    _ => {}
                }
                return;
            }
            Fate::Whole => {}
        }
        let body = frame.body(segments);
        let word = || u64::from_le_bytes(body.try_into().expect("a time has eight bytes"));
        match frame.kind {
            Kind::Put => {
                self.put(frame, frame.position(), body);
                self.doubtful.remove(&frame.key);
            }
            Kind::Move => {
                let (revision, record) = body.split_first_chunk().expect("a move begins with a revision");
                self.put(frame, u64::from_le_bytes(*revision), record);
            }
            Kind::Touch => {
                if let Some((_, Found::Live(record))) = self.found.get_mut(&frame.key) {
                    record.touch(Timestamp::from_millis(word()));
                }
                // It lived.
                self.doubtful.remove(&frame.key);
            }
            Kind::Destroy => self.remove(&frame.key),
            Kind::Batch => frame.inner.iter().for_each(|inner| self.apply(inner, segments, fate)),
            Kind::Trim => {
                let oldest = u32::from_le_bytes(body.try_into().expect("a trim has four bytes"));
                self.found.retain(|_, (segment, _)| *segment >= oldest);
            }
            Kind::Sweep => {
                let last = (Timestamp::from_millis(word()), frame.key);
                self.found.retain(|key, (_, found)| match found {
                    Found::Live(record) => (record.expiry().ends_at(), *key) > last,
                    Found::Unreadable => true,
                });
            }
            Kind::EndOwned => {
                let (but, name) = body.split_first().expect("a byte says whether one session stays");
                let is_owned = |record: &Record| record.owner().is_some_and(|owner| owner.as_bytes() == name);
                let ends = |found: &Found| matches!(found, Found::Live(record) if is_owned(record));
                self.found.retain(|key, (_, found)| *but == 1 && *key == frame.key || !ends(found));
            }
            Kind::Clear => self.found.clear(),
            Kind::Seal | Kind::Mark => {}
        }
    }

    /// A frame takes effect that a hint tells of, whatever has become of it; only its record has to be read.
    fn apply_hinted(&mut self, frame: &Frame, before: &Segments, now: &Segments) {
        match frame.kind {
            Kind::Batch => frame.inner.iter().for_each(|inner| self.apply_hinted(inner, before, now)),
            Kind::Put | Kind::Move if fate(frame, before, now) != Fate::Whole => {
                self.apply(frame, before, Fate::BodyHit);
            }
            _ => self.apply(frame, before, Fate::Whole),
        }
    }

    fn put(&mut self, frame: &Frame, revision: u64, record: &[u8]) {
        let record = Record::from_bytes(frame.key, Revision::from_u64(revision), record).expect("it was just written");
        self.found.insert(frame.key, (frame.segment, Found::Live(record)));
    }
}

/// What follows from damage to a log.
pub struct Consequences {
    pub model: Model,
    /// Places that have to be among the reported damage.
    pub reported: Vec<Place>,
    /// The first file that is left, if there were others before it: one of them has to be named.
    pub front: Option<u32>,
    /// What has to be in the quarantine, under its name.
    pub aside: Option<(String, Vec<u8>)>,
}

/// A place in a file.
#[derive(Debug)]
pub struct Place {
    pub file: u32,
    pub from: usize,
    pub to: usize,
}

impl Place {
    /// Whether one of the reported places covers this one.
    pub fn is_covered_by(&self, damage: &[Damage]) -> bool {
        let file = name(self.file);
        damage.iter().any(|it| it.file == file && it.from <= self.from as u64 && self.to as u64 <= it.to)
    }
}

impl Consequences {
    /// What `now` says of a log whose files were `before`, with these hints that are as they were.
    pub fn of(frames: &[Frame], before: &Segments, now: &Segments, hints: &Hints) -> Self {
        let mut now = now.clone();
        let last = *now.keys().next_back().expect("there are files");
        if now.len() > 1 && now[&last].len() < HEADER {
            // What a crash leaves that came while the segment was being made: nothing was in it yet.
            now.remove(&last);
        }
        let last = *now.keys().next_back().expect("there were two");
        let now = &now;
        let mut this = Self { model: Model::default(), reported: Vec::new(), front: None, aside: None };
        let mut fates: Vec<Fate> = frames.iter().map(|frame| fate(frame, before, now)).collect();
        this.end_log(frames, &mut fates, now, last);
        let believed = believed(frames, &fates, before, now, hints);
        for (frame, fate) in frames.iter().zip(&mut fates) {
            if believed.contains(&frame.segment) {
                this.model.apply_hinted(frame, before, now);
                // What was hit is heard of when it is loaded.
                *fate = Fate::Whole;
            } else {
                this.model.apply(frame, before, *fate);
            }
        }
        // What stood last stands before another now: whether more came in between, nobody can tell.
        if now.keys().any(|number| !before.contains_key(number)) {
            this.model.doubt();
        }
        this.must_report(frames, &fates, before, now, last);
        this
    }

    /// In the last segment, what nobody knew to be durable ends the log where it was hit (rule 2).
    fn end_log(&mut self, frames: &[Frame], fates: &mut [Fate], now: &Segments, last: u32) {
        for (frame, fate) in frames.iter().zip(&mut *fates) {
            if frame.segment > last {
                *fate = Fate::Behind;
            }
        }
        let in_last: Vec<usize> = (0..frames.len()).filter(|n| frames[*n].segment == last).collect();
        // A whole head says what it says, whatever its body is.
        let heard: Vec<usize> = in_last.iter().filter(|n| fates[**n] != Fate::Lost).copied().collect();
        let durable = heard.iter().map(|n| frames[*n].durable).max().unwrap_or(HEADER).max(HEADER);
        let hit = in_last.iter().find(|n| fates[**n] != Fate::Whole && frames[**n].from >= durable);
        let frames_end = in_last.last().map_or(HEADER, |n| frames[*n].to);
        let end = hit.map_or(frames_end, |n| frames[*n].from);
        for n in in_last {
            if frames[n].from >= end {
                fates[n] = Fate::Behind;
            }
        }
        // Zeros are what a crash leaves where nothing was written; anything else is kept for a person to look at. Behind a
        // seal nobody looks.
        let sealed = frames
            .iter()
            .zip(&*fates)
            .any(|(frame, fate)| (frame.segment, frame.kind, *fate) == (last, Kind::Seal, Fate::Whole));
        let heard = heard.last().map_or(0, |n| frames[*n].to.min(now[&last].len()));
        let behind = now[&last].get(end..written(&now[&last]).max(heard)).unwrap_or_default();
        if !behind.is_empty() && !sealed {
            self.reported.push(Place { file: last, from: end, to: end + behind.len() });
            self.aside = Some((format!("{}-{end:08x}", name(last)), behind.to_vec()));
        }
    }

    fn must_report(&mut self, frames: &[Frame], fates: &[Fate], before: &Segments, now: &Segments, last: u32) {
        // What a cut or zeros took at the end of a file is a place without length, where the rest is missing.
        let mut ends: BTreeMap<u32, usize> =
            now.iter().map(|(file, bytes)| (*file, written(bytes).max(HEADER))).collect();
        for (frame, _) in frames.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Whole) {
            ends.entry(frame.segment).and_modify(|end| *end = frame.to.max(*end));
        }
        for (frame, _) in frames.iter().zip(fates).filter(|(_, fate)| matches!(fate, Fate::BodyHit | Fate::Lost)) {
            if let Some(end) = ends.get(&frame.segment) {
                let (from, to) = (frame.from.min(*end), frame.to.min(*end));
                self.reported.push(Place { file: frame.segment, from, to });
            }
        }
        let headers: BTreeSet<&[u8]> = before.values().map(|bytes| &bytes[..HEADER]).collect();
        for (number, bytes) in now {
            let is_header = bytes.first_chunk::<HEADER>().is_some_and(|header| headers.contains(&header[..]));
            if before.contains_key(number) && !is_header {
                self.reported.push(Place { file: *number, from: 0, to: HEADER });
            }
        }
        // Of files that are missing one after another, the first is named. What is missing at the end, nobody can know of.
        // What is missing in front may have taken the trim along that says where the log began: the place is then before it.
        let first = *now.keys().next().expect("there are files");
        self.front = before.keys().next().is_some_and(|oldest| *oldest < first).then_some(first);
        for number in before.keys().filter(|number| (first..last).contains(number) && !now.contains_key(number)) {
            if now.contains_key(&(number - 1)) {
                self.reported.push(Place { file: *number, from: 0, to: 0 });
            }
        }
    }
}

/// The sealed segments whose hints are believed: those that have the length and the seal that they had, behind nothing that is
/// missing or was found damaged.
fn believed(frames: &[Frame], fates: &[Fate], before: &Segments, now: &Segments, hints: &Hints) -> BTreeSet<u32> {
    let mut believed = BTreeSet::new();
    let numbers: Vec<u32> = now.keys().copied().collect();
    for pair in numbers.windows(2) {
        let (number, bytes) = (pair[0], &now[&pair[0]]);
        let is_sealed_alike = before.get(&number).is_some_and(|before| {
            let seal = before.len() - HEAD;
            before.len() == bytes.len() && before[seal..] == bytes[seal..]
        });
        let all_whole = || {
            let mut own = frames.iter().zip(fates).filter(|(frame, _)| frame.segment == number).peekable();
            own.peek().is_some() && own.all(|(_, fate)| *fate == Fate::Whole)
        };
        if is_sealed_alike && hints.contains_key(&number) {
            believed.insert(number);
        } else if !all_whole() {
            break;
        }
        if pair[1] != number + 1 {
            break;
        }
    }
    believed
}

/// Up to where there is anything but zeros.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

fn fate(frame: &Frame, before: &Segments, now: &Segments) -> Fate {
    let whole = &before[&frame.segment];
    let is_as_it_was = |from: usize, to: usize| {
        now.get(&frame.segment).and_then(|bytes| bytes.get(from..to)).is_some_and(|bytes| bytes == &whole[from..to])
    };
    if is_as_it_was(frame.from, frame.to) {
        Fate::Whole
    } else if is_as_it_was(frame.from, frame.from + HEAD) {
        Fate::BodyHit
    } else {
        Fate::Lost
    }
}
