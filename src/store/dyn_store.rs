//! A store whose type is hidden.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use super::Store;
use super::capabilities::Capabilities;
use super::durability::Acknowledged;
use super::forward::forward;
use super::result::{Found, Swept, Update};
use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;

/// A store whose type is hidden: one type for all stores, where a type parameter is in the way. It is cheap to clone, and
/// each clone is the same store. Each call allocates a box for its future.
///
/// It is a type of its own, and no `Arc<dyn Store>`, because the compiler cannot show of a trait object that a handler's
/// future may go to another thread.
///
/// ```
/// use cloakroom::{DynStore, MemoryStore, Sessions};
///
/// struct Site {
///     sessions: Sessions<DynStore>,
/// }
///
/// # fn main() -> cloakroom::Result<()> {
/// let site = Site { sessions: Sessions::builder(DynStore::new(MemoryStore::new())).build()? };
/// # let _ = site.sessions;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynStore(Arc<dyn Boxed>);

impl DynStore {
    /// Hides the type of a store.
    ///
    /// ```
    /// use cloakroom::{DynStore, Durability, MemoryStore, Store};
    ///
    /// assert_eq!(DynStore::new(MemoryStore::new()).durability().saves, Durability::Volatile);
    /// ```
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }
}

macro_rules! hidden {
    ($dyn_store:ident, $store:ident => $call:expr) => {{
        let $store = &*$dyn_store.0;
        $call
    }};
}

impl Store for DynStore {
    forward!(hidden);
}

impl fmt::Debug for DynStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynStore").field("durability", &Store::durability(self)).finish_non_exhaustive()
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Store`] as a trait object.
trait Boxed: Send + Sync {
    fn create<'a>(
        &'a self,
        record: &'a Record,
        traces: &'a [(SessionKey, Trace)],
        now: Timestamp,
    ) -> Answer<'a, Result<Revision>>;
    fn find<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> Answer<'a, Result<Found>>;
    fn find_all<'a>(&'a self, keys: &'a [SessionKey], now: Timestamp) -> Answer<'a, Vec<Result<Found>>>;
    fn load<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> Answer<'a, Result<Option<Record>>>;
    fn update<'a>(&'a self, record: &'a Record, expected: Revision, now: Timestamp) -> Answer<'a, Result<Update>>;
    fn touch<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> Answer<'a, Result<bool>>;
    fn rotate<'a>(
        &'a self,
        old: &'a SessionKey,
        expected: Revision,
        record: &'a Record,
        trace: Option<&'a Trace>,
        now: Timestamp,
    ) -> Answer<'a, Result<Update>>;
    fn destroy<'a>(&'a self, key: &'a SessionKey, trace: Option<&'a Trace>) -> Answer<'a, Result<bool>>;
    fn owned_by<'a>(&'a self, owner: &'a Owner, now: Timestamp) -> Answer<'a, Result<Vec<Record>>>;
    fn destroy_owned_by<'a>(&'a self, owner: &'a Owner, except: Option<&'a SessionKey>) -> Answer<'a, Result<u64>>;
    fn update_owned_by<'a>(
        &'a self,
        owner: &'a Owner,
        change: &'a (dyn Fn(&mut Record) -> Result<bool> + Send + Sync),
        now: Timestamp,
    ) -> Answer<'a, Result<u64>>;
    fn sweep(&self, now: Timestamp, budget: usize) -> Answer<'_, Result<Swept>>;
    fn scan<'a>(
        &'a self,
        now: Timestamp,
        visit: &'a mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
    ) -> Answer<'a, Result<()>>;
    fn count(&self, now: Timestamp) -> Answer<'_, Result<u64>>;
    fn clear(&self) -> Answer<'_, Result<()>>;
    fn durability(&self) -> Acknowledged;
    fn capabilities(&self) -> Capabilities;
}

impl<S: Store> Boxed for S {
    fn create<'a>(
        &'a self,
        record: &'a Record,
        traces: &'a [(SessionKey, Trace)],
        now: Timestamp,
    ) -> Answer<'a, Result<Revision>> {
        Box::pin(Store::create(self, record, traces, now))
    }
    fn find<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> Answer<'a, Result<Found>> {
        Box::pin(Store::find(self, key, now))
    }
    fn find_all<'a>(&'a self, keys: &'a [SessionKey], now: Timestamp) -> Answer<'a, Vec<Result<Found>>> {
        Box::pin(Store::find_all(self, keys, now))
    }
    fn load<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> Answer<'a, Result<Option<Record>>> {
        Box::pin(Store::load(self, key, now))
    }
    fn update<'a>(&'a self, record: &'a Record, expected: Revision, now: Timestamp) -> Answer<'a, Result<Update>> {
        Box::pin(Store::update(self, record, expected, now))
    }
    fn touch<'a>(&'a self, key: &'a SessionKey, now: Timestamp) -> Answer<'a, Result<bool>> {
        Box::pin(Store::touch(self, key, now))
    }
    fn rotate<'a>(
        &'a self,
        old: &'a SessionKey,
        expected: Revision,
        record: &'a Record,
        trace: Option<&'a Trace>,
        now: Timestamp,
    ) -> Answer<'a, Result<Update>> {
        Box::pin(Store::rotate(self, old, expected, record, trace, now))
    }
    fn destroy<'a>(&'a self, key: &'a SessionKey, trace: Option<&'a Trace>) -> Answer<'a, Result<bool>> {
        Box::pin(Store::destroy(self, key, trace))
    }
    fn owned_by<'a>(&'a self, owner: &'a Owner, now: Timestamp) -> Answer<'a, Result<Vec<Record>>> {
        Box::pin(Store::owned_by(self, owner, now))
    }
    fn destroy_owned_by<'a>(&'a self, owner: &'a Owner, except: Option<&'a SessionKey>) -> Answer<'a, Result<u64>> {
        Box::pin(Store::destroy_owned_by(self, owner, except))
    }
    fn update_owned_by<'a>(
        &'a self,
        owner: &'a Owner,
        change: &'a (dyn Fn(&mut Record) -> Result<bool> + Send + Sync),
        now: Timestamp,
    ) -> Answer<'a, Result<u64>> {
        Box::pin(Store::update_owned_by(self, owner, change, now))
    }
    fn sweep(&self, now: Timestamp, budget: usize) -> Answer<'_, Result<Swept>> {
        Box::pin(Store::sweep(self, now, budget))
    }
    fn scan<'a>(
        &'a self,
        now: Timestamp,
        visit: &'a mut (dyn FnMut(Record) -> ControlFlow<()> + Send),
    ) -> Answer<'a, Result<()>> {
        Box::pin(Store::scan(self, now, visit))
    }
    fn count(&self, now: Timestamp) -> Answer<'_, Result<u64>> {
        Box::pin(Store::count(self, now))
    }
    fn clear(&self) -> Answer<'_, Result<()>> {
        Box::pin(Store::clear(self))
    }
    fn durability(&self) -> Acknowledged {
        Store::durability(self)
    }
    fn capabilities(&self) -> Capabilities {
        Store::capabilities(self)
    }
}
