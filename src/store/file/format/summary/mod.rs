//! A segment's summary: few effects that do what all its frames do together, to any index that knows of no damage.
//!
//! The last effect on a session counts, and earlier ones of the segment are left out. Nothing else may be left out, because
//! the summary does not know which sessions stand before the segment. So a destroy, a touch and a sweep stay even if they
//! concern no record of the segment (protocol rule 8).
//!
//! A segment is read twice: first it is found which frames count, then those of records are handed over. To keep what they say
//! from the first time would take several times the memory of all else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::key::{KeyMap, SessionKey};
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;

/// How far a sweep reaches in the order of (end, key).
type Reach = (Timestamp, SessionKey);

/// See the module.
pub(crate) struct Summary {
    segment: u32,
    cleared: bool,
    /// Sessions that this segment puts or destroys. Not a hash map: that takes twice the memory while it grows.
    own: BTreeMap<SessionKey, Own>,
    /// Touches of other sessions before each sweep that reaches further than all earlier ones, and since the last of these.
    phases: Vec<(KeyMap<Timestamp>, Reach)>,
    touches: KeyMap<Timestamp>,
    /// When other sessions were last seen at all: a touch with an earlier time changes nothing.
    seen: KeyMap<Timestamp>,
    sweeps: Sweeps,
    /// For each end of all sessions of an owner, or of all but one: the key of that one, and where the last record before the
    /// end stands.
    ended: BTreeMap<Owner, Vec<(Option<SessionKey>, u32)>>,
    /// Where the last record so far stands.
    last: u32,
    oldest: Option<u32>,
}

/// What this segment does last to a session: 32 bytes, since a segment may have many.
struct Own {
    /// Where the record's frame stands; 0 if the session was destroyed.
    offset: u32,
    /// The record stands, unless the sweep with this number or a later one reaches it.
    since: u32,
    expiry: Expiry,
}

impl Own {
    fn destroyed() -> Self {
        Self { offset: 0, since: 0, expiry: Expiry::from_parts(Timestamp::EPOCH, None, None) }
    }

    fn stands(&self) -> bool {
        self.offset > 0
    }

    /// Applies what the sweeps so far have done to it.
    fn sweep(&mut self, sweeps: &Sweeps, key: &SessionKey) {
        let is_swept = sweeps.reach_since(self.since).is_some_and(|reach| (self.expiry.ends_at(), *key) <= reach);
        if self.stands() && is_swept {
            *self = Self::destroyed();
        }
        self.since = sweeps.count;
    }
}

/// The sweeps so far. A binary search finds whether one has reached a session, so no sweep looks at every session.
#[derive(Default)]
struct Sweeps {
    count: u32,
    /// The sweeps that reach further than all later ones, with their numbers.
    furthest: Vec<(u32, Reach)>,
}

impl Sweeps {
    fn push(&mut self, reach: Reach) {
        while self.furthest.pop_if(|(_, earlier)| *earlier <= reach).is_some() {}
        self.furthest.push((self.count, reach));
        self.count += 1;
    }

    /// How far the furthest of the sweeps from this number on reaches.
    fn reach_since(&self, number: u32) -> Option<Reach> {
        let first = self.furthest.partition_point(|(earlier, _)| *earlier < number);
        self.furthest.get(first).map(|(_, reach)| *reach)
    }
}

impl Summary {
    pub(crate) fn of_segment(segment: u32) -> Self {
        Self {
            segment,
            cleared: false,
            own: BTreeMap::new(),
            phases: Vec::new(),
            touches: KeyMap::default(),
            seen: KeyMap::default(),
            sweeps: Sweeps::default(),
            ended: BTreeMap::new(),
            last: 0,
            oldest: None,
        }
    }

    /// Adds the segment's next effect.
    pub(crate) fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Put(key, meta) | Effect::Move(key, meta) => {
                let (offset, expiry) = (meta.at.offset(), meta.expiry);
                self.last = offset;
                self.own.insert(key, Own { offset, since: self.sweeps.count, expiry });
            }
            Effect::Destroy(key) => {
                self.own.insert(key, Own::destroyed());
            }
            Effect::Touch(key, seen) => self.touch(key, seen),
            Effect::Sweep(end, key) => self.sweep((end, key)),
            Effect::EndOwned(owner, but) => self.ended.entry(owner).or_default().push((but, self.last)),
            // No writer trims segments that do not exist yet; the index ignores such a trim, too.
            Effect::Trim(oldest) if oldest > self.segment => {}
            Effect::Trim(oldest) => self.oldest = self.oldest.max(Some(oldest)),
            Effect::Clear => {
                self.own.clear();
                self.ended.clear();
                self.phases.clear();
                self.touches.clear();
                self.cleared = true;
            }
            Effect::Seal => {}
        }
    }

    /// Bytes that the hint has at least, by what was added so far: the key of each session, and a byte of each other kind.
    pub(crate) fn fewest_bytes(&self) -> usize {
        const FEWEST: usize = 18;
        FEWEST * (self.own.len() + self.touches.len())
    }

    fn touch(&mut self, key: SessionKey, seen: Timestamp) {
        match self.own.entry(key) {
            Entry::Occupied(mut entry) => {
                let own = entry.get_mut();
                own.sweep(&self.sweeps, &key);
                if own.stands() {
                    own.expiry.touch(seen);
                }
            }
            // The clear has ended this session.
            Entry::Vacant(_) if self.cleared => {}
            Entry::Vacant(_) => {
                let last = self.seen.entry(key).or_insert(Timestamp::EPOCH);
                if seen > *last {
                    *last = seen;
                    self.touches.insert(key, seen);
                }
            }
        }
    }

    fn sweep(&mut self, reach: Reach) {
        self.sweeps.push(reach);
        // Without a further reach it ends nothing: what an earlier sweep left ends later, and touches only put ends off.
        if !self.cleared && self.phases.last().is_none_or(|(_, earlier)| *earlier < reach) {
            self.phases.push((std::mem::take(&mut self.touches), reach));
        }
    }

    /// Hands over all effects that come before the records, in the order in which they are to be applied: always the same for
    /// the same segment. To be called when all effects were added.
    pub(crate) fn begin(&mut self, take: &mut dyn FnMut(Effect)) {
        let Self { own, sweeps, cleared, .. } = self;
        own.iter_mut().for_each(|(key, own)| own.sweep(sweeps, key));
        if *cleared {
            take(Effect::Clear);
        }
        // They come before the records, which an end has left or has come before. After a clear there is nothing else to end.
        for (owner, ends) in self.ended.iter().filter(|_| !*cleared) {
            ends.iter().for_each(|(but, _)| take(Effect::EndOwned(owner.clone(), *but)));
        }
        // A put or a destroy replaces what earlier touches said of its session.
        let others = |touches: KeyMap<Timestamp>| {
            let mut touches: Vec<_> =
                touches.into_iter().filter(|(key, _)| !own.contains_key(key)).map(|(key, seen)| (seen, key)).collect();
            touches.sort_unstable();
            touches
        };
        let mut further = None;
        for (touches, (end, key)) in std::mem::take(&mut self.phases) {
            let touches = others(touches);
            // With no touch in between, the sweep that reaches further does the work of both.
            let before = further.replace(Effect::Sweep(end, key));
            before.filter(|_| !touches.is_empty()).into_iter().for_each(&mut *take);
            touches.into_iter().for_each(|(seen, key)| take(Effect::Touch(key, seen)));
        }
        further.into_iter().for_each(&mut *take);
        others(std::mem::take(&mut self.touches)).into_iter().for_each(|(seen, key)| take(Effect::Touch(key, seen)));
        let destroyed = own.iter().filter(|(_, own)| !own.stands() && !*cleared).map(|(key, _)| *key);
        destroyed.for_each(|key| take(Effect::Destroy(key)));
        own.retain(|_, own| own.stands());
    }

    /// What is left of an effect when the segment is read again: the last put or move of a session that stands at its end, or
    /// the end of a session that ended with the others of its owner. Which owner a session has, only now is known.
    pub(crate) fn record(&self, effect: Effect) -> Option<Effect> {
        let (Effect::Put(key, mut meta) | Effect::Move(key, mut meta)) = effect else { return None };
        let own = self.own.get(&key).filter(|own| own.offset == meta.at.offset())?;
        let ends = meta.owner.as_ref().and_then(|owner| self.ended.get(owner));
        let last_end = ends.and_then(|ends| ends.iter().rfind(|(but, _)| *but != Some(key)));
        if last_end.is_some_and(|(_, last)| own.offset <= *last) {
            return Some(Effect::Destroy(key));
        }
        // Nothing puts off the end of a trace.
        if !meta.is_trace {
            meta.expiry = own.expiry;
        }
        Some(Effect::Put(key, meta))
    }

    /// What comes after the records.
    pub(crate) fn end(&self) -> Option<Effect> {
        self.oldest.map(Effect::Trim)
    }
}

#[cfg(test)]
mod tests;
