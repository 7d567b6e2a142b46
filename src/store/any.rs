//! A store that is chosen at run time.

use std::fmt;
use std::ops::ControlFlow;

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::FileStore;
use crate::store::forward::forward;
use crate::store::memory::MemoryStore;
use crate::store::runtime_free::RuntimeFree;
use crate::store::{Acknowledged, Capabilities, Found, Store, Swept, Update};

/// A store that is chosen at run time, by a server's configuration for instance: a [`FileStore`], a [`MemoryStore`], or
/// another one, of the type `O`. It keeps what the chosen store keeps, and calls it without a box.
///
/// It is [`RuntimeFree`] if `O` is. So the plain `AnyStore`, which is one of the two, works without async as well:
///
/// ```
/// use cloakroom::{AnyStore, FileStore, MemoryStore, Sessions};
///
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("sessions");
/// let store = match std::env::var("SESSIONS").as_deref() {
///     Ok("memory") => AnyStore::memory(MemoryStore::new()),
///     _ => AnyStore::file(FileStore::open(directory)?),
/// };
/// let sessions = Sessions::builder(store).build()?.blocking();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`connect`](AnyStore::connect) opens the store that a URL names. That may be any, so its type is
/// `AnyStore<`[`DynStore`](crate::DynStore)`>`, and where a site's store is of that type, `store.into()` makes it of a file store or a
/// memory store, in a test for instance.
///
/// A store of your own as a third choice, whose type may be hidden in a [`DynStore`](crate::DynStore):
///
/// ```
/// use cloakroom::{AnyStore, MemoryStore, Store};
///
/// fn open(name: &str, own: impl Store) -> AnyStore<impl Store> {
///     if name == "memory" { MemoryStore::new().into() } else { AnyStore::other(own) }
/// }
/// # open("memory", MemoryStore::new());
/// ```
#[derive(Clone)]
pub struct AnyStore<O = MemoryStore>(Kind<O>);

#[derive(Clone)]
enum Kind<O> {
    File(FileStore),
    Memory(MemoryStore),
    Other(O),
}

/// Evaluates the same expression for each kind of store.
macro_rules! each {
    ($any:ident, $store:ident => $call:expr) => {
        match &$any.0 {
            Kind::File($store) => $call,
            Kind::Memory($store) => $call,
            Kind::Other($store) => $call,
        }
    };
}

impl AnyStore {
    /// A store that keeps sessions in files. Where there is a third choice, `store.into()` makes the same.
    pub const fn file(store: FileStore) -> Self {
        Self(Kind::File(store))
    }

    /// A store that keeps sessions in memory. Where there is a third choice, `store.into()` makes the same.
    pub const fn memory(store: MemoryStore) -> Self {
        Self(Kind::Memory(store))
    }
}

impl<O> AnyStore<O> {
    /// Any other store, such as one of your own.
    ///
    /// ```
    /// use cloakroom::{AnyStore, Durability, DynStore, MemoryStore, Store};
    ///
    /// let store = AnyStore::other(DynStore::new(MemoryStore::new()));
    /// assert_eq!(store.durability().saves, Durability::Volatile);
    /// ```
    pub const fn other(store: O) -> Self {
        Self(Kind::Other(store))
    }

    /// The store, if it keeps sessions in files: for [`stats`](FileStore::stats), [`backup`](FileStore::backup) and
    /// [`close`](FileStore::close).
    ///
    /// ```
    /// use cloakroom::{AnyStore, MemoryStore};
    ///
    /// assert!(AnyStore::memory(MemoryStore::new()).as_file().is_none());
    /// ```
    pub const fn as_file(&self) -> Option<&FileStore> {
        match &self.0 {
            Kind::File(store) => Some(store),
            Kind::Memory(_) | Kind::Other(_) => None,
        }
    }
}

impl<O> From<FileStore> for AnyStore<O> {
    fn from(store: FileStore) -> Self {
        Self(Kind::File(store))
    }
}

impl<O> From<MemoryStore> for AnyStore<O> {
    fn from(store: MemoryStore) -> Self {
        Self(Kind::Memory(store))
    }
}

impl<O: RuntimeFree> RuntimeFree for AnyStore<O> {}

impl<O: Store> Store for AnyStore<O> {
    forward!(each);
}

impl<O: Store> fmt::Debug for AnyStore<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStore").field("durability", &self.durability()).finish_non_exhaustive()
    }
}
