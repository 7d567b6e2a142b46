//! One store that answers by another: every method of the contract, also those that the trait provides, so that a wrapper
//! loses nothing that the wrapped store does better.

/// The methods of [`Store`](super::Store), each answered by the same method of the store inside. `$inside` is a macro that
/// evaluates a call for that store: `inside!(self, store => store.count(now).await)`.
macro_rules! forward {
    ($inside:ident) => {
        async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
            $inside!(self, store => store.create(record, traces, now).await)
        }
        async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
            $inside!(self, store => store.find(key, now).await)
        }
        async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
            $inside!(self, store => store.find_all(keys, now).await)
        }
        async fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
            $inside!(self, store => store.load(key, now).await)
        }
        async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
            $inside!(self, store => store.update(record, expected, now).await)
        }
        async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
            $inside!(self, store => store.touch(key, now).await)
        }
        async fn rotate(
            &self,
            old: &SessionKey,
            expected: Revision,
            record: &Record,
            trace: Option<&Trace>,
            now: Timestamp,
        ) -> Result<Update> {
            $inside!(self, store => store.rotate(old, expected, record, trace, now).await)
        }
        async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
            $inside!(self, store => store.destroy(key, trace).await)
        }
        async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
            $inside!(self, store => store.owned_by(owner, now).await)
        }
        async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
            $inside!(self, store => store.destroy_owned_by(owner, except).await)
        }
        async fn update_owned_by(
            &self,
            owner: &Owner,
            change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
            now: Timestamp,
        ) -> Result<u64> {
            $inside!(self, store => store.update_owned_by(owner, &change, now).await)
        }
        async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
            $inside!(self, store => store.sweep(now, budget).await)
        }
        async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
            $inside!(self, store => store.scan(now, visit).await)
        }
        async fn count(&self, now: Timestamp) -> Result<u64> {
            $inside!(self, store => store.count(now).await)
        }
        async fn clear(&self) -> Result<()> {
            $inside!(self, store => store.clear().await)
        }
        fn durability(&self) -> Acknowledged {
            $inside!(self, store => store.durability())
        }
        fn capabilities(&self) -> Capabilities {
            $inside!(self, store => store.capabilities())
        }
    };
}

pub(super) use forward;

#[cfg(test)]
mod tests {
    use std::mem;
    use std::ops::ControlFlow;
    use std::sync::{Arc, Mutex};

    use crate::model::error::Result;
    use crate::model::key::SessionKey;
    use crate::model::owner::Owner;
    use crate::model::record::{Record, Revision};
    use crate::model::time::Timestamp;
    use crate::model::trace::Trace;
    use crate::store::any::AnyStore;
    use crate::store::block_on::block_on;
    use crate::store::dyn_store::DynStore;
    use crate::store::memory::MemoryStore;
    use crate::store::{Acknowledged, Capabilities, Found, Store, Swept, Update};

    /// Remembers which of its methods were called.
    #[derive(Clone)]
    struct Called {
        store: MemoryStore,
        calls: Arc<Mutex<Vec<&'static str>>>,
    }

    macro_rules! noted {
        ($called:ident, $store:ident => $call:expr) => {{
            $called.calls.lock().unwrap().push(stringify!($call).split(['.', '(']).nth(1).unwrap());
            let $store = &$called.store;
            $call
        }};
    }

    impl Store for Called {
        forward!(noted);
    }

    /// Each of a wrapper's methods calls this one of the store inside, and no other.
    fn forwards<S: Store>(wrap: fn(Called) -> S) {
        let called = Called { store: MemoryStore::new(), calls: Arc::default() };
        let (store, calls) = (wrap(called.clone()), called.calls);
        let expect = |name| assert_eq!(mem::take(&mut *calls.lock().unwrap()), [name]);
        let (key, owner, now) = (SessionKey::from_bytes([1; 16]), Owner::from("ada"), Timestamp::from_secs(1));
        let record = Record::new(key, crate::Lifetime::AAL2, now);
        block_on(async {
            let revision = store.create(&record, &[], now).await.unwrap();
            expect("create");
            let _ = store.find(&key, now).await.unwrap();
            expect("find");
            store.find_all(&[key], now).await;
            expect("find_all");
            store.load(&key, now).await.unwrap();
            expect("load");
            let _ = store.update(&record, revision, now).await.unwrap();
            expect("update");
            store.touch(&key, now).await.unwrap();
            expect("touch");
            let _ = store.rotate(&key, revision, &record, None, now).await.unwrap();
            expect("rotate");
            store.destroy(&key, None).await.unwrap();
            expect("destroy");
            store.owned_by(&owner, now).await.unwrap();
            expect("owned_by");
            store.destroy_owned_by(&owner, None).await.unwrap();
            expect("destroy_owned_by");
            store.update_owned_by(&owner, |_| Ok(true), now).await.unwrap();
            expect("update_owned_by");
            store.sweep(now, 1).await.unwrap();
            expect("sweep");
            store.scan(now, &mut |_| ControlFlow::Continue(())).await.unwrap();
            expect("scan");
            store.count(now).await.unwrap();
            expect("count");
            store.clear().await.unwrap();
            expect("clear");
        });
        let _ = store.durability();
        expect("durability");
        let _ = store.capabilities();
        expect("capabilities");
    }

    #[test]
    fn a_wrapper_asks_the_store_inside_for_what_it_was_asked_for() {
        forwards(|store| store);
        forwards(Arc::new);
        forwards(AnyStore::other);
        forwards(DynStore::new);
    }
}
