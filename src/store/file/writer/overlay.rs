//! What the index will say once a group's earlier operations are written (rule 14). The index itself is only read.

use crate::model::bytes::Bytes;
use crate::model::key::{KeyMap, SessionKey};
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::store::file::index::Index;

/// What the index will know of a session.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) revision: Revision,
    pub(crate) expiry: Expiry,
    pub(crate) owner: Option<Owner>,
    /// The bytes of its frame.
    pub(crate) bytes: u64,
    /// The record, if this group saves it.
    pub(crate) record: Option<Bytes>,
}

/// The index, and over it what the group's earlier operations will have done.
pub(crate) struct Overlay<'a> {
    pub(crate) index: &'a Index,
    planned: KeyMap<Option<Planned>>,
    /// Whether the group has several operations. A single one has no successor that would look here, so it leaves nothing.
    pub(crate) is_group: bool,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(index: &'a Index, is_group: bool) -> Self {
        Self { index, planned: KeyMap::default(), is_group }
    }

    /// Notes what will stand under a key (`None`: nothing), for the later operations of the group.
    pub(crate) fn set(&mut self, key: SessionKey, planned: Option<Planned>) {
        if self.is_group {
            self.planned.insert(key, planned);
        }
    }

    /// What an earlier operation of the group puts under this key.
    pub(crate) fn planned(&self, key: &SessionKey) -> Option<&Planned> {
        self.planned.get(key)?.as_ref()
    }

    /// The session under this key, if it has not expired.
    pub(crate) fn live(&self, key: &SessionKey, now: Timestamp) -> Option<Planned> {
        match self.planned.get(key) {
            Some(planned) => planned.as_ref().filter(|planned| !planned.expiry.is_expired_at(now)).cloned(),
            None => self.index.live_at(key, now).map(|meta| Planned {
                revision: meta.revision(),
                expiry: *meta.expiry(),
                owner: meta.owner().cloned(),
                bytes: meta.bytes().into(),
                record: None,
            }),
        }
    }

    /// How many bytes the frame of the session under this key takes; 0 if there is none.
    pub(crate) fn bytes_of(&self, key: &SessionKey) -> u64 {
        match self.planned.get(key) {
            Some(planned) => planned.as_ref().map_or(0, |planned| planned.bytes),
            None => self.index.get(key).map_or(0, |meta| u64::from(meta.bytes())),
        }
    }

    pub(crate) fn stands(&self, key: &SessionKey) -> bool {
        self.planned.get(key).map_or_else(|| self.index.get(key).is_some(), Option::is_some)
    }

    pub(crate) fn owned(&self, owner: &Owner) -> Vec<SessionKey> {
        let planned = self.planned.iter().filter_map(|(key, planned)| Some((key, planned.as_ref()?)));
        let planned = planned.filter(|(_, planned)| planned.owner.as_ref() == Some(owner)).map(|(key, _)| *key);
        let standing = self.index.owned_by(owner).map(|meta| *meta.key()).filter(|key| !self.planned.contains_key(key));
        standing.chain(planned).collect()
    }
}
