//! A segment's summary: few effects that do what all its frames do together, to any index that knows of no damage.
//!
//! The last effect on a session counts, and earlier ones of the segment are left out. Nothing else may be left out, because
//! the summary does not know which sessions stand before the segment. So a destroy, a touch and a sweep stay even if they
//! concern no record of the segment (protocol rule 8).

use std::collections::hash_map::Entry;

use crate::model::key::{KeyMap, SessionKey};
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::meta::RecordMeta;

/// How far a sweep reaches in the order of (end, key).
type Reach = (Timestamp, SessionKey);

/// See the module.
pub(crate) struct Summary {
    segment: u32,
    cleared: bool,
    /// Sessions that this segment puts or destroys.
    own: KeyMap<Own>,
    /// Touches of other sessions before each sweep that reaches further than all earlier ones, and since the last of these.
    phases: Vec<(KeyMap<Timestamp>, Reach)>,
    touches: KeyMap<Timestamp>,
    /// When other sessions were last seen at all: a touch with an earlier time changes nothing.
    seen: KeyMap<Timestamp>,
    sweeps: Sweeps,
    oldest: Option<u32>,
}

enum Own {
    Destroyed,
    /// The record stands, unless the sweep with this number or a later one reaches it.
    Stands(RecordMeta, usize),
}

impl Own {
    /// What the sweeps so far have left of it.
    fn swept(self, sweeps: &Sweeps, key: &SessionKey) -> Self {
        match self {
            Self::Stands(meta, since)
                if sweeps.reach_since(since).is_some_and(|reach| (meta.expiry.ends_at(), *key) <= reach) =>
            {
                Self::Destroyed
            }
            Self::Stands(meta, _) => Self::Stands(meta, sweeps.count),
            Self::Destroyed => Self::Destroyed,
        }
    }
}

/// The sweeps so far. A binary search finds whether one has reached a session, so no sweep looks at every session.
#[derive(Default)]
struct Sweeps {
    count: usize,
    /// The sweeps that reach further than all later ones, with their numbers.
    furthest: Vec<(usize, Reach)>,
}

impl Sweeps {
    fn push(&mut self, reach: Reach) {
        while self.furthest.pop_if(|(_, earlier)| *earlier <= reach).is_some() {}
        self.furthest.push((self.count, reach));
        self.count += 1;
    }

    /// How far the furthest of the sweeps from this number on reaches.
    fn reach_since(&self, number: usize) -> Option<Reach> {
        let first = self.furthest.partition_point(|(earlier, _)| *earlier < number);
        self.furthest.get(first).map(|(_, reach)| *reach)
    }
}

impl Summary {
    pub(crate) fn of_segment(segment: u32) -> Self {
        Self {
            segment,
            cleared: false,
            own: KeyMap::default(),
            phases: Vec::new(),
            touches: KeyMap::default(),
            seen: KeyMap::default(),
            sweeps: Sweeps::default(),
            oldest: None,
        }
    }

    /// Adds the segment's next effect.
    pub(crate) fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Put(key, meta) | Effect::Move(key, meta) => {
                self.own.insert(key, Own::Stands(meta, self.sweeps.count));
            }
            Effect::Destroy(key) => {
                self.own.insert(key, Own::Destroyed);
            }
            Effect::Touch(key, seen) => self.touch(key, seen),
            Effect::Sweep(end, key) => self.sweep((end, key)),
            // No writer trims segments that do not exist yet; the index ignores such a trim, too.
            Effect::Trim(oldest) if oldest > self.segment => {}
            Effect::Trim(oldest) => self.oldest = self.oldest.max(Some(oldest)),
            Effect::Clear => {
                self.own.clear();
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
                let own = std::mem::replace(entry.get_mut(), Own::Destroyed).swept(&self.sweeps, &key);
                *entry.get_mut() = own;
                if let Own::Stands(meta, _) = entry.get_mut() {
                    meta.expiry.touch(seen);
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

    /// All effects but the seal, in the order in which they are to be applied: always the same for the same segment.
    pub(crate) fn into_effects(self) -> Vec<Effect> {
        let Self { cleared, own, phases, touches, sweeps, oldest, .. } = self;
        let mut effects = Vec::with_capacity(own.len() + touches.len() + phases.len() + 2);
        effects.extend(cleared.then_some(Effect::Clear));
        // A put or a destroy replaces what earlier touches said of its session.
        let others = |touches: KeyMap<Timestamp>| {
            let mut touches: Vec<_> =
                touches.into_iter().filter(|(key, _)| !own.contains_key(key)).map(|(key, seen)| (seen, key)).collect();
            touches.sort_unstable();
            touches.into_iter().map(|(seen, key)| Effect::Touch(key, seen))
        };
        for (touches, (end, key)) in phases {
            effects.extend(others(touches));
            // With no touch in between, the sweep that reaches further does the work of both.
            effects.pop_if(|last| matches!(last, Effect::Sweep(..)));
            effects.push(Effect::Sweep(end, key));
        }
        effects.extend(others(touches));
        let (mut destroyed, mut standing) = (Vec::new(), Vec::new());
        for (key, own) in own {
            match own.swept(&sweeps, &key) {
                Own::Stands(meta, _) => standing.push((key, meta)),
                Own::Destroyed if cleared => {}
                Own::Destroyed => destroyed.push(key),
            }
        }
        destroyed.sort_unstable();
        standing.sort_unstable_by_key(|(_, meta)| meta.at);
        effects.extend(destroyed.into_iter().map(Effect::Destroy));
        effects.extend(standing.into_iter().map(|(key, meta)| Effect::Put(key, meta)));
        effects.extend(oldest.map(Effect::Trim));
        effects
    }
}

#[cfg(test)]
mod tests;
