//! An [`Arc`] of a store is a store.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Store;
use super::capabilities::Capabilities;
use super::durability::Acknowledged;
use super::forward::forward;
use super::result::{Found, Swept, Update};
use super::runtime_free::RuntimeFree;
use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;

macro_rules! shared {
    ($arc:ident, $store:ident => $call:expr) => {{
        let $store = &**$arc;
        $call
    }};
}

impl<S: Store> Store for Arc<S> {
    forward!(shared);
}

impl<S: RuntimeFree> RuntimeFree for Arc<S> {}
