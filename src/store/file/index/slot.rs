//! A slot of the arena: what the index keeps of one session, and a look at it. What every load asks for stands in one cache
//! line, and the rest elsewhere. A look changes nothing but the mark that a cached record was used.

use std::sync::atomic::Ordering;

use crate::model::bytes::Bytes;
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::trace::Trace;
#[cfg(doc)]
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::format::position::Position;
use crate::store::file::index::list::{Link, NONE};
use crate::store::file::index::owners::Owners;
use crate::store::file::threads::AtomicBool;

/// The part of a slot that a load asks for.
#[repr(align(64))]
pub(super) struct Hot {
    pub(super) key: SessionKey,
    pub(super) expiry: Expiry,
    pub(super) revision: Revision,
    /// The record as [`Record::to_kept`] gives it, or the trace as [`Trace::to_bytes`] does, if it is cached.
    pub(super) cached: Option<Bytes>,
    /// The session's number among the [`Owners`]; [`NONE`] for none; [`TRACE`] where a trace stands and no session.
    pub(super) owner: u32,
    /// Whether the cached record was used since the cache's hand last passed.
    pub(super) used: AtomicBool,
}

/// In the place of an owner's number.
pub(super) const TRACE: u32 = NONE - 1;

impl Hot {
    /// The session's number among the [`Owners`], if it has an owner.
    pub(super) fn owned(&self) -> Option<u32> {
        (self.owner < TRACE).then_some(self.owner)
    }
}

/// The rest of a slot.
pub(super) struct Cold {
    /// Segment and offset.
    pub(super) at: [u32; 2],
    pub(super) bytes: u32,
    /// The slot's place in its deadline bucket.
    pub(super) link: Link,
}

#[cfg(not(shuttle))]
const _: () = assert!(size_of::<Hot>() == 64 && size_of::<Cold>() == 20);

/// What the index knows of a session: a [`RecordMeta`], borrowed from the arena.
#[derive(Clone, Copy)]
pub(crate) struct MetaRef<'a> {
    pub(super) hot: &'a Hot,
    pub(super) cold: &'a Cold,
    pub(super) owners: &'a Owners,
}

impl<'a> MetaRef<'a> {
    pub(crate) fn key(&self) -> &'a SessionKey {
        &self.hot.key
    }

    /// See [`RecordMeta::at`].
    pub(crate) fn at(&self) -> Position {
        let [segment, offset] = self.cold.at;
        Position::new(segment, offset)
    }

    /// See [`RecordMeta::bytes`].
    pub(crate) fn bytes(&self) -> u32 {
        self.cold.bytes
    }

    /// See [`RecordMeta::revision`].
    pub(crate) fn revision(&self) -> Revision {
        self.hot.revision
    }

    pub(crate) fn expiry(&self) -> &'a Expiry {
        &self.hot.expiry
    }

    pub(crate) fn owner(&self) -> Option<&'a Owner> {
        self.hot.owned().map(|number| self.owners.get(number))
    }

    /// Whether a trace stands here, and no session.
    pub(crate) fn is_trace(&self) -> bool {
        self.hot.owner == TRACE
    }

    pub(crate) fn is_cached(&self) -> bool {
        self.hot.cached.is_some()
    }

    /// The cached record with its present deadlines: a touch changes the slot, and not the cached bytes.
    pub(crate) fn record(&self) -> Option<Record> {
        let cached = self.cached().filter(|_| !self.is_trace())?;
        let Hot { key, revision, expiry, .. } = self.hot;
        Some(Record::from_kept(*key, *revision, *expiry, self.owner().cloned(), cached.clone()))
    }

    /// The cached trace.
    pub(crate) fn trace(&self) -> Option<Trace> {
        self.cached().filter(|_| self.is_trace()).and_then(|cached| Trace::read(cached).ok())
    }

    fn cached(&self) -> Option<&'a Bytes> {
        let cached = self.hot.cached.as_ref()?;
        // Not stored when it is set already, so that the line stays in every processor's cache.
        if !self.hot.used.load(Ordering::Relaxed) {
            self.hot.used.store(true, Ordering::Relaxed);
        }
        Some(cached)
    }
}
