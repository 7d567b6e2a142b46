//! What all frames of a segment do together, as few effects as there can be: the same to any index that knows of no damage.
//!
//! Of each session the last thing counts. What was before it in the segment is left out, and that is all that may be: what a
//! session was before the segment is not known here, so a destroy, a touch and a sweep stay even where nothing in the
//! segment is their business (protocol rule 8).

use std::collections::hash_map::Entry;

use crate::model::key::{KeyMap, SessionKey};
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::meta::RecordMeta;

/// Up to where a sweep goes in the order of (end, key).
type Reach = (Timestamp, SessionKey);

/// See the module.
pub(crate) struct Summary {
    segment: u32,
    cleared: bool,
    /// Sessions that were put or destroyed here.
    own: KeyMap<Own>,
    /// Others: when they were seen last before each sweep that reaches further than those before it, and since.
    phases: Vec<(KeyMap<Timestamp>, Reach)>,
    touches: KeyMap<Timestamp>,
    /// When they were seen last at all: an earlier touch is none.
    seen: KeyMap<Timestamp>,
    sweeps: Sweeps,
    oldest: Option<u32>,
}

enum Own {
    Destroyed,
    /// It stands, unless a sweep from this one on reaches it.
    Stands(RecordMeta, usize),
}

impl Own {
    /// What the sweeps up to now have left of it.
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

/// The sweeps so far: how far those reach that came from any of them on, without a look at every session for each.
#[derive(Default)]
struct Sweeps {
    count: usize,
    /// Those that reach further than all that came later, with their numbers.
    furthest: Vec<(usize, Reach)>,
}

impl Sweeps {
    fn push(&mut self, reach: Reach) {
        while self.furthest.pop_if(|(_, earlier)| *earlier <= reach).is_some() {}
        self.furthest.push((self.count, reach));
        self.count += 1;
    }

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

    /// The next thing that the segment does.
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
            // What leaves the log lies behind; see the index.
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

    fn touch(&mut self, key: SessionKey, seen: Timestamp) {
        match self.own.entry(key) {
            Entry::Occupied(mut entry) => {
                let own = std::mem::replace(entry.get_mut(), Own::Destroyed).swept(&self.sweeps, &key);
                *entry.get_mut() = own;
                if let Own::Stands(meta, _) = entry.get_mut() {
                    meta.expiry.touch(seen);
                }
            }
            // Whatever it was, it is no more.
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
        // What one left that reached further, or was touched since, ends later still.
        if !self.cleared && self.phases.last().is_none_or(|(_, earlier)| *earlier < reach) {
            self.phases.push((std::mem::take(&mut self.touches), reach));
        }
    }

    /// All of it, in the order in which it is to be applied. The same segment has always the same, but for the seal.
    pub(crate) fn into_effects(self) -> Vec<Effect> {
        let Self { cleared, own, phases, touches, sweeps, oldest, .. } = self;
        let mut effects = Vec::with_capacity(own.len() + touches.len() + phases.len() + 2);
        effects.extend(cleared.then_some(Effect::Clear));
        // A session that was put or destroyed here is what it was made then, whatever was said of it before.
        let others = |touches: KeyMap<Timestamp>| {
            let mut touches: Vec<_> =
                touches.into_iter().filter(|(key, _)| !own.contains_key(key)).map(|(key, seen)| (seen, key)).collect();
            touches.sort_unstable();
            touches.into_iter().map(|(seen, key)| Effect::Touch(key, seen))
        };
        for (touches, (end, key)) in phases {
            effects.extend(others(touches));
            // With nothing in between, the one that reaches further does the work of both.
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
