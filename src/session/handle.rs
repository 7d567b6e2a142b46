//! The handle to one visitor's session, and what a handler reads and changes through it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::record::Record;
use crate::model::value;
use crate::session::changes::{Changes, Modify};
use crate::session::entry::{AnyEntry, EntryName, checked, is_reserved, misfit};
use crate::session::policy::Policy;
use crate::session::state::{Access, Early, State, Visitor};
use crate::session::stored::{Found, modification};

/// How often a modification runs again because another clone of the session changed the same entry meanwhile.
const ATTEMPTS: u32 = 256;

/// A visitor's session during one request.
///
/// All clones are one session, for this request and its tasks. [`Sessions::commit`](crate::Sessions::commit) stores
/// what they change, and none of it is stored before. What they read is the session as it was opened, with these
/// changes. No method here waits for the store. A handler of axum's takes its session as an argument, if the
/// feature `axum` is on; if it is off, the compiler says that the function is no `Handler`.
///
/// ```
/// # use cloakroom::{MemoryStore, Sessions};
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// let session = sessions.open([""; 0])?;
/// session.insert("theme", "dark")?;
/// session.login("user 42")?;
/// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
/// let committed = sessions.commit(session)?; // the store's only call
/// # assert!(committed.set_cookie().is_some());
/// # Ok::<(), cloakroom::Error>(())
/// ```
///
/// # Errors
///
/// After its session's commit, each method that gives a `Result` fails with [`ErrorKind::Committed`]. A method that
/// gives a new id fails with [`ErrorKind::NoVisitor`] in [`Sessions::edit`](crate::Sessions::edit). Of a session that is there and
/// cannot be read ([`ErrorKind::Damaged`], [`ErrorKind::NewerFormat`]), and where the ids that came are of sessions with
/// different owners ([`ErrorKind::Locked`]), every method fails but [`login`](Session::login) and
/// [`destroy`](Session::destroy), which end what is there. A name that is empty, too
/// long or reserved is an [`ErrorKind::Entry`]. Each method's own page says what else it fails with.
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

    /// A stored session without its visitor, for changes from outside of its requests.
    pub(crate) fn without_visitor(policy: Arc<Policy>, record: Record) -> Self {
        let changes = Changes::default();
        let (access, visitor) = (Access::NoVisitor, Visitor::default());
        let (arrived, seen_before) = (record.last_seen(), None);
        Self::new(
            policy,
            State {
                access,
                arrived,
                seen_before,
                visitor,
                id: None,
                record,
                is_stored: true,
                ended: None,
                barred: None,
                changes,
                early: Early::None,
            },
        )
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.0.policy
    }

    /// The value of an entry, decoded; `None` if there is no such entry.
    ///
    /// The session notes that this request knows the value; see [`insert`](Session::insert).
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// assert_eq!(session.get::<u64>("visits")?, None);
    /// session.insert("visits", &3)?;
    /// assert_eq!(session.get::<u64>("visits")?, Some(3));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`] if the value is not a `T`; the cause may quote a part of the value. The stored value stays,
    /// and [`remove`](Session::remove) or [`insert`](Session::insert) can replace it.
    #[doc(alias = "get_value")]
    pub fn get<T: DeserializeOwned>(&self, entry: impl EntryName<T>) -> Result<Option<T>> {
        let name = checked(&entry)?;
        let found = self.look(name, |state| state.changes.note_read(name))?;
        found.decode(name)
    }

    /// Sets an entry.
    ///
    /// If this request has read the entry with [`get`](Session::get), and another request changes it before this one
    /// commits, then the commit fails with [`ErrorKind::Conflict`] instead of undoing the other request's change. It does
    /// not if both set the same value, for that is no change: of two that each count one, one is counted. Use
    /// [`overwrite`](Session::overwrite) where the last write should win, and [`modify`](Session::modify) where the
    /// new value depends on the old one.
    ///
    /// ```
    /// # use cloakroom::{Entry, MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// const CART: Entry<Vec<String>> = Entry::new("cart");
    /// session.insert(CART, &vec!["umbrella".to_owned()])?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`] if the value cannot be stored: it holds NaN or an infinity, is nested too deeply, or its
    /// `Serialize` fails.
    #[doc(alias("insert_value", "set"))]
    pub fn insert<T: Serialize + ?Sized>(&self, entry: impl EntryName<T>, value: &T) -> Result<()> {
        self.set(checked(&entry)?, value, false)
    }

    /// Sets an entry, whatever another request makes of it meanwhile: the last commit wins.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.overwrite("last page", "/umbrellas")?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Session::insert); the commit never fails with a conflict about this entry.
    pub fn overwrite<T: Serialize + ?Sized>(&self, entry: impl EntryName<T>, value: &T) -> Result<()> {
        self.set(checked(&entry)?, value, true)
    }

    fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T, overwrite: bool) -> Result<()> {
        let value = value::encode(value).map_err(|cause| misfit(name, "encoding a value", cause))?;
        let mut state = self.state();
        state.check_open()?;
        state.changes.set(name, value, overwrite);
        Ok(())
    }

    /// Makes an entry's new value out of its old one; if `f` gives `None`, the entry is removed or stays absent.
    ///
    /// `f` runs at once, and runs again at the commit if another request changed the session meanwhile. So counters
    /// and carts are exact, however many requests change them. `f` must depend on nothing but its argument. No lock is
    /// held while it runs.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.modify("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
    /// assert_eq!(session.get("visits")?, Some(1));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entry`], here or at the commit, if the old value is not a `T` or the new one cannot be stored.
    #[doc(alias = "update")]
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
            self.state().check_open()?;
            let new = modify(old.bytes(name))?;
            let mut state = self.state();
            state.check_open()?;
            // Another clone may have changed the entry while `modify` ran, and then `new` is out of date.
            if Found::new(&state, name).bytes(name) == old.bytes(name) {
                state.changes.modify(name, modify, new);
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Contention, format!("modifying entry {name:?}")))
    }

    /// Removes an entry, whatever its value. Says whether the entry was there.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.insert("coupon", "SPRING")?;
    /// assert!(session.remove("coupon")?);
    /// assert!(!session.contains("coupon")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    #[doc(alias("remove_value", "unset"))]
    pub fn remove(&self, entry: impl AnyEntry) -> Result<bool> {
        let name = checked(&entry)?;
        let mut state = self.state();
        state.check_open()?;
        let existed = Found::new(&state, name).bytes(name).is_some();
        // The removal is noted even where the entry is absent: another request may add it before the commit.
        if existed || state.is_stored {
            state.changes.remove(name, false);
        }
        Ok(existed)
    }

    /// Whether there is such an entry.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// assert!(!session.contains("coupon")?);
    /// session.insert("coupon", "SPRING")?;
    /// assert!(session.contains("coupon")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    pub fn contains(&self, entry: impl AnyEntry) -> Result<bool> {
        let name = checked(&entry)?;
        Ok(self.look(name, |_| ())?.bytes(name).is_some())
    }

    /// The names of all entries, sorted. Names that are reserved for cloakroom are left out.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.insert("theme", "dark")?;
    /// session.insert("cart", &["hat"])?;
    /// session.flash("Your order is on its way.")?; // no entry of the application's
    /// assert_eq!(session.names()?, ["cart", "theme"]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    pub fn names(&self) -> Result<Vec<String>> {
        let state = self.state();
        state.check_open()?;
        let data = state.changes.onto_seen(&state.record).data().clone();
        drop(state);
        Ok(data.iter().map(|(name, _)| name).filter(|name| !is_reserved(name)).map(str::to_owned).collect())
    }

    /// Removes all entries and flash messages, also those that other requests add before the commit. Owner, id and
    /// deadlines stay; [`destroy`](Session::destroy) ends the session.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// session.insert("theme", "dark")?;
    /// session.clear()?;
    /// assert!(session.names()?.is_empty());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Only those of [every method](Session#errors).
    pub fn clear(&self) -> Result<()> {
        let mut state = self.state();
        state.check_open()?;
        state.changes.clear();
        Ok(())
    }

    /// Whether a handler has called any method of this session, so that the response depends on the session. Opening,
    /// committing and cloning do not count. [`Committed::into_headers`](crate::Committed::into_headers) is the use of
    /// it.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let session = Sessions::builder(MemoryStore::new()).build()?.blocking().open([""; 0])?;
    /// assert!(!session.was_looked_at());
    /// session.get::<String>("theme")?;
    /// assert!(session.was_looked_at());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
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
        // Written only once, so that clones on many threads do not take the cache line from each other.
        if !self.was_looked_at() {
            self.0.looked_at.store(true, Ordering::Relaxed);
        }
        self.unseen_state()
    }

    /// The state, for opening and committing, which do not count as a look at the session.
    pub(crate) fn unseen_state(&self) -> MutexGuard<'_, State> {
        // Only an allocation can panic under the lock, and the state is whole between statements.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    /// Shows neither the id nor any value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.unseen_state();
        f.debug_struct("Session")
            .field("handle", &state.is_stored.then(|| state.record.handle()))
            .field("changed", &!state.changes.is_empty())
            .field("destroyed", &state.ended.is_some())
            .field("committed", &(state.access == Access::Committed))
            .finish_non_exhaustive()
    }
}
