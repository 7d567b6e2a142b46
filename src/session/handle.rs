//! The handle to one visitor's session.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::session::changes::{Changes, Modify};
use crate::session::entry::{AnyEntry, EntryName, checked, is_reserved, misfit};
use crate::session::policy::Policy;
use crate::session::state::{Access, State};
use crate::session::stored::{Found, modification};
use crate::value;

/// How often a modification runs again because another clone of the handle changed the same entry meanwhile.
const ATTEMPTS: u32 = 256;

/// A visitor's session during one request.
///
/// All clones are one handle, for this request and its tasks. What they change is stored by
/// [`Sessions::commit`](crate::Sessions::commit), and none of it before; what they read is the session as it was
/// opened, with these changes. Nothing here waits for the store.
///
/// # Errors
///
/// Every method that gives a `Result` fails with [`ErrorKind::Committed`] once the session was committed; every one
/// that changes something fails with [`ErrorKind::ReadOnly`] if the session was opened within the grace window of a
/// rotation. A name that is empty, too long or reserved is an [`ErrorKind::Entry`]. What a method adds is said there.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) policy: Arc<Policy>,
    looked_at: AtomicBool,
    state: Mutex<State>,
}

impl Session {
    pub(crate) fn new(policy: Arc<Policy>, state: State) -> Self {
        Self(Arc::new(Shared { policy, looked_at: AtomicBool::new(false), state: Mutex::new(state) }))
    }

    /// A stored session without its visitor, for changes from elsewhere.
    pub(crate) fn without_visitor(policy: Arc<Policy>, record: Record) -> Self {
        let changes = Changes::default();
        let access = Access::NoVisitor;
        Self::new(policy, State { access, id: None, record, is_stored: true, ended: None, changes })
    }

    /// The value of an entry, decoded; `None` if there is none.
    ///
    /// Notes that this request knows the value; see [`insert`](Session::insert).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`] if the value is not a `T`; the cause may quote a part of it. It stays as it is, and
    /// [`remove`](Session::remove) or [`insert`](Session::insert) can replace it.
    pub fn get<T: DeserializeOwned>(&self, entry: impl EntryName<T>) -> Result<Option<T>> {
        let name = checked(&entry)?;
        let found = self.look(name, |state| state.changes.note_read(name))?;
        found.decode(name)
    }

    /// Sets an entry.
    ///
    /// If this request has read the entry with [`get`](Session::get), and another request changes it before this one
    /// commits, then the commit fails with [`ErrorKind::Conflict`] instead of undoing the other's change. Where the
    /// last write should win, [`overwrite`](Session::overwrite); where the new value depends on the old one,
    /// [`modify`](Session::modify).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`] if the value cannot be stored: NaN, nested too deeply, or refused by its `Serialize`.
    pub fn insert<T: Serialize + ?Sized>(&self, entry: impl EntryName<T>, value: &T) -> Result<()> {
        self.set(checked(&entry)?, value, false)
    }

    /// Sets an entry, whatever another request makes of it meanwhile: the last commit wins.
    ///
    /// # Errors
    ///
    /// As [`insert`](Session::insert), and never a conflict at the commit.
    pub fn overwrite<T: Serialize + ?Sized>(&self, entry: impl EntryName<T>, value: &T) -> Result<()> {
        self.set(checked(&entry)?, value, true)
    }

    fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T, overwrite: bool) -> Result<()> {
        let value = value::encode(value).map_err(|cause| misfit(name, "encoding a value", cause))?;
        let mut state = self.state();
        state.check_writable()?;
        state.changes.set(name, value, overwrite);
        Ok(())
    }

    /// Makes an entry's new value out of its old one; `None` removes it, or leaves it absent.
    ///
    /// `f` runs at once, and again at the commit if another request changed the session meanwhile; counters and carts
    /// are exact, however many requests change them. So `f` must depend on nothing but its argument. No lock is held
    /// while it runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`], here or at the commit, if the old value is not a `T` or the new one cannot be stored.
    pub fn modify<T: Serialize + DeserializeOwned>(
        &self,
        entry: impl EntryName<T>,
        f: impl Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    ) -> Result<()> {
        let name = checked(&entry)?;
        let modify = modification(name, f);
        self.modify_encoded(name, modify)
    }

    pub(super) fn modify_encoded(&self, name: &str, modify: Modify) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let old = self.look(name, |_| ())?;
            self.state().check_writable()?;
            let new = modify(old.bytes(name))?;
            let mut state = self.state();
            state.check_writable()?;
            // Another clone may have changed the entry while `modify` ran; then what it made is of yesterday.
            if Found::new(&state, name).bytes(name) == old.bytes(name) {
                state.changes.modify(name, modify, new);
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("modifying entry {name:?}")))
    }

    /// Removes an entry, whatever its value. Says whether there was one.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn remove(&self, entry: impl AnyEntry) -> Result<bool> {
        let name = checked(&entry)?;
        let mut state = self.state();
        state.check_writable()?;
        let existed = Found::new(&state, name).bytes(name).is_some();
        // Also if there was none: another request may have put one there.
        if existed || state.is_stored {
            state.changes.remove(name);
        }
        Ok(existed)
    }

    /// Whether there is such an entry.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn contains(&self, entry: impl AnyEntry) -> Result<bool> {
        let name = checked(&entry)?;
        Ok(self.look(name, |_| ())?.bytes(name).is_some())
    }

    /// The names of all entries, in their order.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn names(&self) -> Result<Vec<String>> {
        let state = self.state();
        state.check_open()?;
        let data = state.changes.onto_seen(&state.record).data().clone();
        drop(state);
        Ok(data.iter().map(|(name, _)| name).filter(|name| !is_reserved(name)).map(str::to_owned).collect())
    }

    /// Removes all entries and flash messages, also those that other requests add before the commit. Owner, id and
    /// deadlines stay; to end the session, [`destroy`](Session::destroy) it.
    ///
    /// # Errors
    ///
    /// Those of every method.
    pub fn clear(&self) -> Result<()> {
        let mut state = self.state();
        state.check_writable()?;
        state.changes.clear();
        Ok(())
    }

    /// For adapters: whether a handler has called any method of this session, so that the response depends on it and
    /// is to say `Vary: Cookie` and `Cache-Control: no-store`. Opening, committing and cloning do not count.
    pub fn was_looked_at(&self) -> bool {
        self.0.looked_at.load(Ordering::Relaxed)
    }

    /// What the request sees of an entry.
    pub(super) fn look(&self, name: &str, note: impl FnOnce(&mut State)) -> Result<Found> {
        let mut state = self.state();
        state.check_open()?;
        note(&mut state);
        Ok(Found::new(&state, name))
    }

    /// The state, for a method that the application called.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Written once only, so that clones on many threads do not take the cache line from each other.
        if !self.was_looked_at() {
            self.0.looked_at.store(true, Ordering::Relaxed);
        }
        self.unseen_state()
    }

    /// The state, for opening and committing.
    pub(crate) fn unseen_state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock could only be one of allocation; the state is whole between statements.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    /// Neither id nor values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.unseen_state();
        f.debug_struct("Session")
            .field("handle", &state.is_stored.then(|| state.record.key()))
            .field("changed", &!state.changes.is_empty())
            .field("destroyed", &state.ended.is_some())
            .field("committed", &(state.access == Access::Committed))
            .finish_non_exhaustive()
    }
}
