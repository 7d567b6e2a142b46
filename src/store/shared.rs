//! An [`Arc`] of a store is a store.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Store;
use super::capabilities::Capabilities;
use super::durability::Acknowledged;
use super::result::{Found, Swept, Update};
use super::runtime_free::RuntimeFree;
use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;

impl<S: Store + ?Sized> Store for Arc<S> {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        (**self).create(record, traces, now).await
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        (**self).find(key, now).await
    }
    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        (**self).find_all(keys, now).await
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        (**self).update(record, expected, now).await
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        (**self).touch(key, now).await
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        (**self).rotate(old, expected, record, trace, now).await
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        (**self).destroy(key, trace).await
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
    fn durability(&self) -> Acknowledged {
        (**self).durability()
    }
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
}

impl<S: RuntimeFree + ?Sized> RuntimeFree for Arc<S> {}
