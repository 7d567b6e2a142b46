//! The store that keeps sessions in the memory of its process, for tests and small tools.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::{KeyMap, KeySet, SessionKey};
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::runtime_free::RuntimeFree;
use crate::store::sweeper::beside_creates::{self, over_by};
use crate::store::traces::Traces;
use crate::store::{Acknowledged, BeyondLimit, Capabilities, Durability, Found, Limits, Store, Swept, Update};

/// A store in memory. It keeps the whole [`Store`] contract, and no session outlives the process.
///
/// Clones share the same sessions. Its futures are ready at the first poll and need no runtime. The number of sessions
/// is not limited. Expired sessions leave with later creates, two with each, five minutes after their end; a
/// [`Sweeper`](crate::Sweeper) gives back the memory of all of them.
///
/// ```
/// use cloakroom::{MemoryStore, Sessions};
///
/// # fn main() -> cloakroom::Result<()> {
/// let store = MemoryStore::new();
/// let sessions = Sessions::builder(store.clone()).build()?;
/// let _sweeper = sessions.sweeper().spawn()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Inner>);

#[derive(Default)]
struct Inner {
    limits: Limits,
    sessions: Mutex<Sessions>,
}

/// The sessions, expired ones included, two indexes of them, and traces. All change together.
#[derive(Default)]
struct Sessions {
    records: KeyMap<Record>,
    by_owner: HashMap<Owner, KeySet>,
    by_end: BTreeSet<(Timestamp, SessionKey)>,
    traces: Traces,
    revisions: u64,
}

impl MemoryStore {
    /// An empty store with the default [`Limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store with these limits, which it enforces in the same step as each write.
    ///
    /// ```
    /// use cloakroom::{Limits, MemoryStore};
    ///
    /// let store = MemoryStore::with_limits(Limits::default().with_record_bytes(4096));
    /// # let _ = store;
    /// ```
    pub fn with_limits(limits: Limits) -> Self {
        let sessions = Sessions { traces: Traces::at_most(limits.traces), ..Sessions::default() };
        Self(Arc::new(Inner { limits, sessions: Mutex::new(sessions) }))
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        // No code of the application runs under the lock, and the code that changes the indexes does not panic. So a
        // poisoned lock still guards sessions that are whole.
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_size(&self, record: &Record) -> Result<()> {
        self.0.limits.check(record, &record.to_bytes())
    }
}

impl Sessions {
    fn live(&self, key: &SessionKey, now: Timestamp) -> Option<&Record> {
        self.records.get(key).filter(|record| !record.is_expired_at(now))
    }

    fn of<'a>(&'a self, owner: &Owner) -> impl Iterator<Item = &'a Record> {
        self.by_owner.get(owner).into_iter().flatten().filter_map(|key| self.records.get(key))
    }

    fn insert(&mut self, mut record: Record) -> Revision {
        self.remove(&record.key().clone());
        self.traces.remove(record.key());
        self.revisions += 1;
        let revision = Revision::from_u64(self.revisions);
        record.set_revision(revision);
        if let Some(owner) = record.owner() {
            self.by_owner.entry(owner.clone()).or_default().insert(*record.key());
        }
        self.by_end.insert((record.expiry().ends_at(), *record.key()));
        self.records.insert(*record.key(), record);
        revision
    }

    fn remove(&mut self, key: &SessionKey) -> Option<Record> {
        let record = self.records.remove(key)?;
        self.by_end.remove(&(record.expiry().ends_at(), *key));
        if let Some(owner) = record.owner()
            && let Some(keys) = self.by_owner.get_mut(owner)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_owner.remove(owner);
            }
        }
        Some(record)
    }

    fn touch(&mut self, key: &SessionKey, now: Timestamp) {
        if let Some(record) = self.records.get_mut(key) {
            self.by_end.remove(&(record.expiry().ends_at(), *key));
            record.touch(now);
            self.by_end.insert((record.expiry().ends_at(), *key));
        }
    }

    /// Leaves a trace under a key where no session lives. One that stands there makes one with it.
    fn leave(&mut self, key: &SessionKey, trace: &Trace, now: Timestamp) {
        if self.live(key, now).is_none() {
            self.remove(key);
            let trace = self.traces.get(key, now).map_or(*trace, |old| old.join(trace));
            self.traces.set(*key, trace);
        }
    }

    /// Removes a few sessions and traces that were over by this time, beside a create under this key.
    fn sweep_beside(&mut self, key: &SessionKey, over_by: Timestamp) {
        self.traces.sweep(over_by, beside_creates::SWEPT);
        let over = self.by_end.iter().take_while(|(end, _)| *end <= over_by).map(|(_, key)| *key);
        let swept: Vec<_> = over.filter(|over| over != key).take(beside_creates::SWEPT).collect();
        swept.iter().for_each(|key| drop(self.remove(key)));
    }

    /// Refuses a key that a live session has.
    fn check_free(&self, key: &SessionKey, now: Timestamp) -> Result<()> {
        match self.live(key, now) {
            Some(_) => Err(Error::new(ErrorKind::KeyTaken, format!("storing session {key}"))),
            None => Ok(()),
        }
    }

    /// The live session if its revision is the expected one, or else the answer to the caller.
    fn check_revision(&self, key: &SessionKey, expected: Revision, now: Timestamp) -> Result<&Record, Update> {
        match self.live(key, now) {
            Some(record) if record.revision() == expected => Ok(record),
            Some(record) => Err(Update::Conflict(Box::new(record.clone()))),
            None => Err(Update::Gone),
        }
    }

    /// Makes room for one more session of the record's owner. Nothing is to be done if the session that the record
    /// replaces belonged to the same owner.
    fn make_room(
        &mut self,
        record: &Record,
        replaced: Option<SessionKey>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<()> {
        let (Some(owner), Some(limit)) = (record.owner(), limits.per_owner) else { return Ok(()) };
        if replaced.and_then(|key| self.records.get(&key)).is_some_and(|before| before.owner() == Some(owner)) {
            return Ok(());
        }
        // Sessions that have expired end before any that lives.
        let others = self.of(owner).filter(|other| other.key() != record.key());
        let mut others: Vec<_> = others
            .map(|other| match other.is_expired_at(now) {
                true => (false, other.expiry().ends_at(), *other.key()),
                false => (true, other.last_seen(), *other.key()),
            })
            .collect();
        let surplus = (others.len() + 1).saturating_sub(limit.sessions);
        others.sort_unstable();
        others.truncate(surplus);
        let too_many_live = others.len() < surplus || others.last().is_some_and(|(is_live, ..)| *is_live);
        if too_many_live && limit.beyond == BeyondLimit::Refuse {
            let kind = ErrorKind::OwnerLimit { limit: limit.sessions };
            return Err(Error::new(kind, format!("storing session {}", record.key())));
        }
        others.iter().for_each(|(.., key)| drop(self.remove(key)));
        Ok(())
    }
}

impl Store for MemoryStore {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        self.check_size(record)?;
        let mut sessions = self.lock();
        sessions.check_free(record.key(), now)?;
        sessions.make_room(record, None, &self.0.limits, now)?;
        let revision = sessions.insert(record.clone());
        traces.iter().for_each(|(key, trace)| sessions.leave(key, trace, now));
        sessions.sweep_beside(record.key(), over_by(now, beside_creates::BEHIND));
        Ok(revision)
    }

    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        let sessions = self.lock();
        let trace = || sessions.traces.get(key, now).map_or(Found::Nothing, |trace| Found::Trace(*trace));
        Ok(sessions.live(key, now).map_or_else(trace, |record| Found::Live(record.clone())))
    }

    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.check_size(record)?;
        let mut sessions = self.lock();
        let last_seen = match sessions.check_revision(record.key(), expected, now) {
            Ok(stored) => stored.last_seen(),
            Err(answer) => return Ok(answer),
        };
        sessions.make_room(record, Some(*record.key()), &self.0.limits, now)?;
        let mut record = record.clone();
        record.touch(last_seen);
        Ok(Update::Stored(sessions.insert(record)))
    }

    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        let mut sessions = self.lock();
        let there = sessions.live(key, now).is_some();
        if there {
            sessions.touch(key, now);
        }
        Ok(there)
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        self.check_size(record)?;
        let mut sessions = self.lock();
        let last_seen = match sessions.check_revision(old, expected, now) {
            Ok(stored) => stored.last_seen(),
            Err(answer) => return Ok(answer),
        };
        sessions.check_free(record.key(), now)?;
        sessions.make_room(record, Some(*old), &self.0.limits, now)?;
        sessions.remove(old);
        trace.into_iter().for_each(|trace| sessions.leave(old, trace, now));
        let mut record = record.clone();
        record.touch(last_seen);
        sessions.traces.sweep(over_by(now, beside_creates::BEHIND), beside_creates::SWEPT);
        Ok(Update::Stored(sessions.insert(record)))
    }

    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        let mut sessions = self.lock();
        let was_there = sessions.remove(key).is_some();
        trace.filter(|_| was_there).into_iter().for_each(|trace| sessions.traces.set(*key, *trace));
        Ok(was_there)
    }

    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        Ok(self.lock().of(owner).filter(|record| !record.is_expired_at(now)).cloned().collect())
    }

    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        let mut sessions = self.lock();
        let keys: Vec<_> = sessions.of(owner).map(|record| *record.key()).filter(|key| Some(key) != except).collect();
        for key in &keys {
            sessions.remove(key);
        }
        Ok(keys.len() as u64)
    }

    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        let mut sessions = self.lock();
        let are_left = sessions.traces.sweep(now, budget);
        let mut removed = 0;
        while let Some(&(end, key)) = sessions.by_end.first()
            && end <= now
        {
            if removed == budget as u64 {
                return Ok(Swept { removed, more: true });
            }
            sessions.remove(&key);
            removed += 1;
        }
        Ok(Swept { removed, more: are_left })
    }

    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        // A snapshot, so that the visitor runs outside the lock and may call the store. It shares the records' data.
        let live: Vec<_> = self.lock().records.values().filter(|record| !record.is_expired_at(now)).cloned().collect();
        let _ = live.into_iter().try_for_each(visit);
        Ok(())
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        let sessions = self.lock();
        let last = SessionKey::from_bytes([0xff; 16]);
        let expired = sessions.by_end.range(..=(now, last)).count();
        Ok((sessions.records.len() - expired) as u64)
    }

    async fn clear(&self) -> Result<()> {
        let mut sessions = self.lock();
        // The counter stays, so that no revision from before fits a later session.
        let (revisions, traces) = (sessions.revisions, Traces::at_most(self.0.limits.traces));
        *sessions = Sessions { revisions, traces, ..Sessions::default() };
        Ok(())
    }

    fn durability(&self) -> Acknowledged {
        Acknowledged { saves: Durability::Volatile, endings: Durability::Volatile }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { most_traces: Some(self.0.limits.traces), ..Capabilities::EXACT }
    }
}

impl RuntimeFree for MemoryStore {}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::lifetime::Lifetime;
    use crate::store::block_on::block_on;

    const MINUTE: Duration = Duration::from_secs(60);

    fn record(key: u8, idle: Duration) -> Record {
        let mut record = Record::new(SessionKey::from_bytes([key; 16]), Lifetime::idle(idle), Timestamp::EPOCH);
        record.set_owner(Some("ada".into()), None);
        record
    }

    #[test]
    fn clones_share_their_sessions() {
        let store = MemoryStore::new();
        let clone = store.clone();
        let record = record(1, MINUTE);
        block_on(store.create(&record, &[], Timestamp::EPOCH)).unwrap();
        assert!(block_on(clone.load(record.key(), Timestamp::EPOCH)).unwrap().is_some());
    }

    #[test]
    fn nothing_is_left_of_sessions_that_were_swept_or_destroyed() {
        let store = MemoryStore::new();
        for key in 0..100 {
            block_on(store.create(&record(key, MINUTE), &[], Timestamp::EPOCH)).unwrap();
            block_on(store.touch(&SessionKey::from_bytes([key; 16]), Timestamp::from_secs(key.into()))).unwrap();
        }
        block_on(store.destroy(&SessionKey::from_bytes([7; 16]), None)).unwrap();
        let swept = block_on(store.sweep(Timestamp::NEVER, 1000)).unwrap();
        assert_eq!(swept, Swept { removed: 99, more: false });
        let sessions = store.lock();
        assert!(sessions.records.is_empty() && sessions.by_owner.is_empty() && sessions.by_end.is_empty());
        assert_eq!(sessions.traces.len(), 0);
    }

    #[test]
    fn a_store_that_nobody_sweeps_does_not_grow_without_bound() {
        let store = MemoryStore::new();
        // A visitor a second. 60 of them live, and 300 have been over for less than five minutes.
        for n in 0..2_000_u64 {
            let now = Timestamp::from_secs(n);
            let key = SessionKey::from_bytes(u128::from(n).to_be_bytes());
            block_on(store.create(&Record::new(key, Lifetime::idle(MINUTE), now), &[], now)).unwrap();
            assert!(store.lock().records.len() <= 361, "{} after {n} visitors", store.lock().records.len());
        }
        let sessions = store.lock();
        assert_eq!((sessions.by_end.len(), sessions.records.len()), (360, 360));
    }

    #[test]
    fn debug_shows_no_session() {
        assert!(!format!("{:?}", MemoryStore::new()).contains("records"));
    }
}
