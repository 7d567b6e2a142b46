//! Lists of sessions, looked up in parts: a look at all of them would hold up those who write. Records are not read here.

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::time::Timestamp;
use crate::store::file::index::Index;
use crate::store::file::index::slot::MetaRef;
use crate::store::file::log::{Log, State};

impl Log {
    /// The keys of the sessions that `picks` accepts, looked up in parts: a session that stands there throughout is picked
    /// once, and any other one at most once.
    pub(crate) fn keys(&self, picks: impl Fn(&Index, &MetaRef<'_>) -> bool) -> Result<Vec<SessionKey>> {
        let mut keys = Vec::new();
        let (mut to, mut begun) = (u32::MAX, None);
        loop {
            let state = self.read()?;
            let State { index, rebuilds, .. } = &*state;
            let (first, before) = *begun.get_or_insert((index.applied, *rebuilds));
            if before != *rebuilds {
                keys.clear();
                (to, begun) = (u32::MAX, None);
                continue;
            }
            let (metas, next) = index.many_before(to);
            keys.extend(metas.filter(|meta| picks(index, meta)).map(|meta| *meta.key()));
            if let Some(next) = next {
                to = next;
                continue;
            }
            let has_changed = index.applied != first;
            drop(state);
            return Ok(once(keys, has_changed));
        }
    }

    /// The live sessions in doubt (rule 11).
    pub(crate) fn doubtful(&self, now: Timestamp) -> Result<Vec<SessionKey>> {
        // Nearly always there is no doubt.
        if !self.read()?.index.has_doubts() {
            return Ok(Vec::new());
        }
        self.keys(|index, meta| index.is_doubtful(meta) && !meta.expiry().is_expired_at(now))
    }

    /// The keys of an owner's sessions, with the same promise.
    pub(crate) fn owned_by(&self, owner: &Owner) -> Result<Vec<SessionKey>> {
        let (mut keys, mut begun) = (Vec::new(), None);
        loop {
            let state = self.read()?;
            let State { index, rebuilds, .. } = &*state;
            let (first, before) = *begun.get_or_insert((index.applied, *rebuilds));
            if before != *rebuilds {
                keys.clear();
                begun = None;
                continue;
            }
            let Some(part) = index.many_owned_by(owner, keys.last()) else {
                // That session has left its owner. What has not been looked at stands after the one before it as well.
                keys.pop();
                continue;
            };
            if part.is_empty() {
                let has_changed = index.applied != first;
                drop(state);
                return Ok(once(keys, has_changed));
            }
            keys.extend(part);
        }
    }
}

/// Each key once. A session that was moved during the look, or ended and began anew, may have been met in two places.
fn once(mut keys: Vec<SessionKey>, has_changed: bool) -> Vec<SessionKey> {
    if has_changed {
        keys.sort_unstable();
        keys.dedup();
    }
    keys
}
