//! The contract that every store keeps, whatever it is made of.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::data::MAX_NAME_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SessionKey;
use crate::owner::{MAX_OWNER_BYTES, Owner};
use crate::record::{Record, Revision};
use crate::time::Timestamp;

/// A place where sessions are kept.
///
/// Every operation that looks at deadlines takes `now`, and none sees or revives what has expired by it
/// ([`Expiry::is_expired_at`](crate::Expiry::is_expired_at)), swept or not. The futures need no particular runtime
/// unless the store says so; a store whose futures need none at all is also [`RuntimeFree`].
///
/// A future that is dropped leaves its operation whole or not begun. The suite `conformance`, a feature of this crate,
/// checks all of this for any store.
///
/// # Errors
///
/// Every operation may fail with whatever the store's medium does ([`ErrorKind::Io`], [`ErrorKind::Unavailable`],
/// [`ErrorKind::Timeout`], ...). A failure is never reported as "there is no such session". What each operation adds
/// is said there.
pub trait Store: Send + Sync + 'static {
    /// Stores a new session, atomically, if its key is free. An expired session's key is free.
    ///
    /// Answers with the record's revision. The store's [`Limits`] are enforced in the same step.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTaken`], never an overwrite; [`ErrorKind::TooLarge`]; [`ErrorKind::OwnerLimit`].
    fn create(&self, record: &Record, now: Timestamp) -> impl Future<Output = Result<Revision>> + Send;

    /// The session, or `None`: missing, expired and destroyed look the same.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] or [`ErrorKind::NewerFormat`] for a session that is there and cannot be read.
    fn load(&self, key: &SessionKey, now: Timestamp) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// Replaces a session if its revision is still `expected` (compare-and-swap). A touch changes no revision; the
    /// later `last_seen` of the stored and the new record is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`]; [`ErrorKind::OwnerLimit`].
    fn update(
        &self,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> impl Future<Output = Result<Update>> + Send;

    /// Notes that a session was seen: its idle deadline becomes `now` plus its own idle timeout, at most its absolute
    /// deadline, and never earlier than it was. Says whether the session is there. Never rewrites data, never
    /// changes the revision, never resurrects.
    fn touch(&self, key: &SessionKey, now: Timestamp) -> impl Future<Output = Result<bool>> + Send;

    /// Gives a session a new key: `record` (under its new key) exists and `old` is gone, or neither, whatever crashes.
    /// Always durable, like [`destroy`](Store::destroy). Compares `old`'s revision as [`update`](Store::update) does,
    /// and takes the new key as [`create`](Store::create) does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyTaken`]; [`ErrorKind::TooLarge`]; [`ErrorKind::OwnerLimit`].
    fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        now: Timestamp,
    ) -> impl Future<Output = Result<Update>> + Send;

    /// Ends a session. Durable when it returns, whatever the store's durability, also when there was nothing to
    /// end. A destroyed session never comes back.
    fn destroy(&self, key: &SessionKey) -> impl Future<Output = Result<()>> + Send;

    /// All live sessions of a user, in no particular order.
    fn owned_by(&self, owner: &Owner, now: Timestamp) -> impl Future<Output = Result<Vec<Record>>> + Send;

    /// Ends all sessions of a user, or all but one, in one step where the store can; durable like
    /// [`destroy`](Store::destroy). Says how many there were (expired ones may count).
    fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> impl Future<Output = Result<u64>> + Send;

    /// Changes all live sessions of a user, each by compare-and-swap: `change` gets a record, edits it and says
    /// whether to store it; it may run again for the same session. Says how many were stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Contention`] if one session was changed by others again and again.
    fn update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> impl Future<Output = Result<u64>> + Send {
        async move {
            let mut stored = 0;
            for mut record in self.owned_by(owner, now).await? {
                let mut attempts = 0;
                loop {
                    let expected = record.revision();
                    if !change(&mut record)? {
                        break;
                    }
                    record.set_revision(Revision::fresh());
                    match self.update(&record, expected, now).await? {
                        Update::Stored(_) => {
                            stored += 1;
                            break;
                        }
                        Update::Conflict(current) if current.owner() == Some(owner) => record = *current,
                        Update::Conflict(_) | Update::Gone => break,
                    }
                    attempts += 1;
                    if attempts == 100 {
                        return Err(Error::new(ErrorKind::Contention, format!("changing session {}", record.key())));
                    }
                }
            }
            Ok(stored)
        }
    }

    /// Removes expired sessions, at most `budget` of them. The cost is in proportion to what has expired, not to what
    /// is stored. How expiry looks to the other operations does not depend on it.
    fn sweep(&self, now: Timestamp, budget: usize) -> impl Future<Output = Result<Swept>> + Send;

    /// Visits live sessions, in no particular order, until `visit` breaks. A session that lives throughout the scan
    /// under one key is visited exactly once; one that comes or goes meanwhile, at most once.
    fn scan(
        &self,
        now: Timestamp,
        visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
    ) -> impl Future<Output = Result<()>> + Send;

    /// How many sessions live.
    fn count(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;

    /// Ends all sessions. Durable like [`destroy`](Store::destroy).
    fn clear(&self) -> impl Future<Output = Result<()>> + Send;

    /// What it means that `create` or `update` was acknowledged.
    fn durability(&self) -> Durability;
}

/// What became of an [`update`](Store::update) or a [`rotate`](Store::rotate).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Update {
    /// It is stored, with this revision.
    Stored(Revision),
    /// Another write came first; nothing was stored. This is the session now.
    Conflict(Box<Record>),
    /// The session is not there (any more); nothing was stored.
    Gone,
}

/// What a round of [`sweep`](Store::sweep) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many expired sessions were removed.
    pub removed: u64,
    /// Whether the budget ran out before the expired sessions did.
    pub more: bool,
}

/// What the acknowledgement of a `create` or an `update` means. `destroy`, `destroy_owned_by`, `clear` and `rotate` are
/// always as durable as the store can be, and touches never wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The session survives a power loss.
    Always,
    /// The session survives the process; a power loss may take what was stored within this time before it.
    Every(Duration),
    /// The session survives the process; a power loss may take what the operating system has not written yet.
    Never,
    /// The session goes with the process.
    Volatile,
}

/// What a store accepts. Each limit that is exceeded is a clear error, and nothing is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest record, in bytes of its [encoded form](Record::to_bytes). 1 MiB by default.
    pub record_bytes: usize,
    /// How many live sessions one user may have. No limit by default.
    pub per_owner: Option<OwnerLimit>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 1 << 20, per_owner: None }
    }
}

/// How many live sessions one user may have, and what happens beyond (OWASP ASVS 5.0, 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerLimit {
    /// The number of sessions.
    pub sessions: usize,
    /// What a session beyond it does.
    pub beyond: BeyondLimit,
}

/// What happens when a user who has as many sessions as allowed gets one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeyondLimit {
    /// The session that was seen longest ago ends, in the same step (of two seen at the same time, the smaller key).
    EndOldest,
    /// The new session is refused with [`ErrorKind::OwnerLimit`].
    Refuse,
}

impl Limits {
    /// Whether a record's encoded form fits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`], naming what is too large; [`ErrorKind::Entry`] for an entry without a name, which could be
    /// written and never be read.
    pub fn check(&self, record: &Record, encoded: &[u8]) -> Result<()> {
        let too_large = |what, size: usize, limit: usize| {
            let kind = ErrorKind::TooLarge { what, size: size as u64, limit: limit as u64 };
            Err(Error::new(kind, format!("storing session {}", record.key())))
        };
        if encoded.len() > self.record_bytes {
            return too_large("the record", encoded.len(), self.record_bytes);
        }
        if let Some(owner) = record.owner().map(Owner::as_str)
            && owner.len() > MAX_OWNER_BYTES
        {
            return too_large("the owner", owner.len(), MAX_OWNER_BYTES);
        }
        match record.data().iter().find(|(name, _)| !(1..=MAX_NAME_BYTES).contains(&name.len())) {
            Some(("", _)) => {
                let kind = ErrorKind::Entry { entry: String::new() };
                Err(Error::new(kind, format!("storing session {}", record.key())).because("an entry has no name"))
            }
            Some((name, _)) => too_large("an entry's name", name.len(), MAX_NAME_BYTES),
            None => Ok(()),
        }
    }
}

/// A store whose futures need no runtime: any executor drives them, also one that only parks a thread.
pub trait RuntimeFree: Store {}

impl<S: Store> Store for Arc<S> {
    async fn create(&self, record: &Record, now: Timestamp) -> Result<Revision> {
        (**self).create(record, now).await
    }
    async fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        (**self).load(key, now).await
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        (**self).update(record, expected, now).await
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        (**self).touch(key, now).await
    }
    async fn rotate(&self, old: &SessionKey, expected: Revision, record: &Record, now: Timestamp) -> Result<Update> {
        (**self).rotate(old, expected, record, now).await
    }
    async fn destroy(&self, key: &SessionKey) -> Result<()> {
        (**self).destroy(key).await
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        (**self).owned_by(owner, now).await
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        (**self).destroy_owned_by(owner, except).await
    }
    async fn update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> Result<u64> {
        (**self).update_owned_by(owner, change, now).await
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        (**self).sweep(now, budget).await
    }
    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        (**self).scan(now, visit).await
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        (**self).count(now).await
    }
    async fn clear(&self) -> Result<()> {
        (**self).clear().await
    }
    fn durability(&self) -> Durability {
        (**self).durability()
    }
}

impl<S: RuntimeFree> RuntimeFree for Arc<S> {}
