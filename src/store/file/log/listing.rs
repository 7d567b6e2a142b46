//! Lists of sessions, looked up in parts: a look at all of them would hold up those who write. Records are not read here.

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::time::Timestamp;
use crate::store::file::index::Index;
use crate::store::file::index::slot::MetaRef;
use crate::store::file::log::{Log, State};

impl Log {
    /// The keys of the sessions and traces that `picks` accepts, looked up in parts: a session that stands there throughout is picked
    /// once, and any other one at most once.
    pub(crate) fn keys(&self, picks: impl Fn(&Index, &MetaRef<'_>) -> bool) -> Result<Vec<SessionKey>> {
        let listed = self.in_parts(|index, to: &mut Option<u32>, keys| {
            let (metas, next) = index.many_before(to.unwrap_or(u32::MAX));
            keys.extend(metas.filter(|meta| picks(index, meta)).map(|meta| *meta.key()));
            *to = next;
            next.is_some()
        });
        listed.map(|(keys, _)| keys)
    }

    /// The live sessions in doubt (rule 11).
    pub(crate) fn doubtful(&self, now: Timestamp) -> Result<Vec<SessionKey>> {
        // Nearly always there is no doubt.
        if !self.read()?.index.has_doubts() {
            return Ok(Vec::new());
        }
        self.keys(|index, meta| index.is_doubtful(meta) && !meta.expiry().is_expired_at(now))
    }

    /// The keys of an owner's sessions, with the same promise; and whether anything was written meanwhile, such as a rotation to a
    /// key that stands where the look had been before.
    pub(crate) fn owned_by(&self, owner: &Owner) -> Result<(Vec<SessionKey>, bool)> {
        self.in_parts(|index, _: &mut (), keys| match index.many_owned_by(owner, keys.last()) {
            Some(part) => {
                let has_more = !part.is_empty();
                keys.extend(part);
                has_more
            }
            // That session has left its owner. What has not been looked at stands after the one before it as well.
            None => keys.pop().is_some(),
        })
    }

    /// Collects keys until `part` says that there are no more, and begins anew after a rebuild. `part` keeps in its second
    /// argument how far it has come. Says whether the index has changed meanwhile.
    fn in_parts<Progress: Default>(
        &self,
        mut part: impl FnMut(&Index, &mut Progress, &mut Vec<SessionKey>) -> bool,
    ) -> Result<(Vec<SessionKey>, bool)> {
        let (mut keys, mut progress, mut begun) = (Vec::new(), Progress::default(), None);
        loop {
            let state = self.read()?;
            let State { index, rebuilds, .. } = &*state;
            let (first, before) = *begun.get_or_insert((index.applied, *rebuilds));
            if before != *rebuilds {
                (keys, progress, begun) = (Vec::new(), Progress::default(), None);
                continue;
            }
            if part(index, &mut progress, &mut keys) {
                continue;
            }
            let has_changed = index.applied != first;
            drop(state);
            // A session that was moved during the look, or ended and began anew, may have been met in two places.
            if has_changed {
                keys.sort_unstable();
                keys.dedup();
            }
            return Ok((keys, has_changed));
        }
    }
}
