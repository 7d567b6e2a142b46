//! A store that is chosen at run time.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::FileStore;
use crate::store::memory::MemoryStore;
use crate::store::runtime_free::RuntimeFree;
use crate::store::{Acknowledged, Capabilities, Found, Store, Swept, Update};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Store`] as a trait object. Every store implements it, and a `dyn DynStore` is a [`Store`] again. Each call allocates
/// a box for its future.
///
/// An `Arc<dyn DynStore>` is a store as well, for [`Sessions`](crate::Sessions) for instance. The names of the methods differ
/// from [`Store`]'s, so that both traits may be in scope.
///
/// ```
/// use std::sync::Arc;
///
/// use cloakroom::{DynStore, MemoryStore, Store, Timestamp};
///
/// # #[tokio::main]
/// # async fn main() -> cloakroom::Result<()> {
/// let store: Arc<dyn DynStore> = Arc::new(MemoryStore::new());
/// assert_eq!(store.count(Timestamp::now()).await?, 0); // an `Arc` of a store is a store
/// # Ok(())
/// # }
/// ```
pub trait DynStore: Send + Sync + 'static {
    /// Calls [`Store::create`].
    fn dyn_create<'a>(
        &'a self,
        record: &'a Record,
        traces: &'a [(SessionKey, Trace)],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Revision>>;
    /// Calls [`Store::find`].
    fn dyn_find<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> BoxFuture<'a, Result<Found>>;
    /// Calls [`Store::find_all`].
    fn dyn_find_all<'a>(&'a self, keys: &'a [SessionKey], now: Timestamp) -> BoxFuture<'a, Vec<Result<Found>>>;
    /// Calls [`Store::update`].
    fn dyn_update<'a>(
        &'a self,
        record: &'a Record,
        expected: Revision,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Update>>;
    /// Calls [`Store::touch`].
    fn dyn_touch<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> BoxFuture<'a, Result<bool>>;
    /// Calls [`Store::rotate`].
    fn dyn_rotate<'a>(
        &'a self,
        old: &'a SessionKey,
        expected: Revision,
        record: &'a Record,
        trace: Option<&'a Trace>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Update>>;
    /// Calls [`Store::destroy`].
    fn dyn_destroy<'a>(&'a self, key: &'a SessionKey, trace: Option<&'a Trace>) -> BoxFuture<'a, Result<bool>>;
    /// Calls [`Store::owned_by`].
    fn dyn_owned_by<'a>(&'a self, owner: &'a Owner, now: Timestamp) -> BoxFuture<'a, Result<Vec<Record>>>;
    /// Calls [`Store::destroy_owned_by`].
    fn dyn_destroy_owned_by<'a>(
        &'a self,
        owner: &'a Owner,
        except: Option<&'a SessionKey>,
    ) -> BoxFuture<'a, Result<u64>>;
    /// Calls [`Store::sweep`].
    fn dyn_sweep(&self, now: Timestamp, budget: usize) -> BoxFuture<'_, Result<Swept>>;
    /// Calls [`Store::scan`].
    fn dyn_scan<'a>(
        &'a self,
        now: Timestamp,
        visit: &'a mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<()>>;
    /// Calls [`Store::count`].
    fn dyn_count(&self, now: Timestamp) -> BoxFuture<'_, Result<u64>>;
    /// Calls [`Store::clear`].
    fn dyn_clear(&self) -> BoxFuture<'_, Result<()>>;
    /// Calls [`Store::durability`].
    fn dyn_durability(&self) -> Acknowledged;
    /// Calls [`Store::capabilities`].
    fn dyn_capabilities(&self) -> Capabilities;
}

impl<S: Store> DynStore for S {
    fn dyn_create<'a>(
        &'a self,
        record: &'a Record,
        traces: &'a [(SessionKey, Trace)],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Revision>> {
        Box::pin(self.create(record, traces, now))
    }
    fn dyn_find<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> BoxFuture<'a, Result<Found>> {
        Box::pin(self.find(key, now))
    }
    fn dyn_find_all<'a>(&'a self, keys: &'a [SessionKey], now: Timestamp) -> BoxFuture<'a, Vec<Result<Found>>> {
        Box::pin(self.find_all(keys, now))
    }
    fn dyn_update<'a>(
        &'a self,
        record: &'a Record,
        expected: Revision,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Update>> {
        Box::pin(self.update(record, expected, now))
    }
    fn dyn_touch<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.touch(key, now))
    }
    fn dyn_rotate<'a>(
        &'a self,
        old: &'a SessionKey,
        expected: Revision,
        record: &'a Record,
        trace: Option<&'a Trace>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Update>> {
        Box::pin(self.rotate(old, expected, record, trace, now))
    }
    fn dyn_destroy<'a>(&'a self, key: &'a SessionKey, trace: Option<&'a Trace>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.destroy(key, trace))
    }
    fn dyn_owned_by<'a>(&'a self, owner: &'a Owner, now: Timestamp) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(self.owned_by(owner, now))
    }
    fn dyn_destroy_owned_by<'a>(
        &'a self,
        owner: &'a Owner,
        except: Option<&'a SessionKey>,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.destroy_owned_by(owner, except))
    }
    fn dyn_sweep(&self, now: Timestamp, budget: usize) -> BoxFuture<'_, Result<Swept>> {
        Box::pin(self.sweep(now, budget))
    }
    fn dyn_scan<'a>(
        &'a self,
        now: Timestamp,
        visit: &'a mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.scan(now, visit))
    }
    fn dyn_count(&self, now: Timestamp) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.count(now))
    }
    fn dyn_clear(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.clear())
    }
    fn dyn_durability(&self) -> Acknowledged {
        self.durability()
    }
    fn dyn_capabilities(&self) -> Capabilities {
        self.capabilities()
    }
}

impl Store for dyn DynStore {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        self.dyn_create(record, traces, now).await
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        self.dyn_find(key, now).await
    }
    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        self.dyn_find_all(keys, now).await
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.dyn_update(record, expected, now).await
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        self.dyn_touch(key, now).await
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        self.dyn_rotate(old, expected, record, trace, now).await
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        self.dyn_destroy(key, trace).await
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        self.dyn_owned_by(owner, now).await
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        self.dyn_destroy_owned_by(owner, except).await
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        self.dyn_sweep(now, budget).await
    }
    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        self.dyn_scan(now, visit).await
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.dyn_count(now).await
    }
    async fn clear(&self) -> Result<()> {
        self.dyn_clear().await
    }
    fn durability(&self) -> Acknowledged {
        self.dyn_durability()
    }
    fn capabilities(&self) -> Capabilities {
        self.dyn_capabilities()
    }
}

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
/// let in_memory = std::env::var_os("SESSIONS").is_some_and(|value| value == "memory");
/// let store = if in_memory {
///     AnyStore::memory(MemoryStore::new())
/// } else {
///     AnyStore::file(FileStore::open(directory)?)
/// };
/// let sessions = Sessions::builder(store).build()?.blocking();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A store of your own as a third choice, whose type may be hidden in an `Arc<dyn DynStore>`:
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
    /// use std::sync::Arc;
    ///
    /// use cloakroom::{AnyStore, Durability, DynStore, MemoryStore, Store};
    ///
    /// let hidden: Arc<dyn DynStore> = Arc::new(MemoryStore::new());
    /// let store = AnyStore::other(hidden);
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
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        each!(self, store => store.create(record, traces, now).await)
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        each!(self, store => store.find(key, now).await)
    }
    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        each!(self, store => store.find_all(keys, now).await)
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        each!(self, store => store.update(record, expected, now).await)
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        each!(self, store => store.touch(key, now).await)
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        each!(self, store => store.rotate(old, expected, record, trace, now).await)
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        each!(self, store => store.destroy(key, trace).await)
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        each!(self, store => store.owned_by(owner, now).await)
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        each!(self, store => store.destroy_owned_by(owner, except).await)
    }
    async fn update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> Result<u64> {
        each!(self, store => store.update_owned_by(owner, change, now).await)
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        each!(self, store => store.sweep(now, budget).await)
    }
    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        each!(self, store => store.scan(now, visit).await)
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        each!(self, store => store.count(now).await)
    }
    async fn clear(&self) -> Result<()> {
        each!(self, store => store.clear().await)
    }
    fn durability(&self) -> Acknowledged {
        each!(self, store => store.durability())
    }
    fn capabilities(&self) -> Capabilities {
        each!(self, store => store.capabilities())
    }
}

impl<O: Store> fmt::Debug for AnyStore<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStore").field("durability", &self.durability()).finish_non_exhaustive()
    }
}
