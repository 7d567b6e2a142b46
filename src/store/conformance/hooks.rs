//! How the suite opens, reopens and damages a store of the kind to be checked, and what it does after each promise.

use std::pin::Pin;
use std::sync::Arc;

use crate::model::key::SessionKey;
use crate::store::Limits;

/// A future that the suite gives to an executor, to run it to its end; see [`Suite::run_with`](super::Suite::run_with).
pub type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

pub(super) type Executor = Arc<dyn Fn(Work<'_>) + Send + Sync>;
pub(super) type Opening<S> = Pin<Box<dyn Future<Output = S> + Send>>;
pub(super) type Damaging<S> = Arc<dyn Fn(S, SessionKey) -> Opening<S> + Send + Sync>;

/// The functions that the author of a store gave to the suite.
pub(super) struct Hooks<S> {
    pub(super) open: Arc<dyn Fn(Limits) -> Opening<S> + Send + Sync>,
    pub(super) reopen: Option<Arc<dyn Fn(S) -> Opening<S> + Send + Sync>>,
    pub(super) damage: Option<Damaging<S>>,
    pub(super) tear_down: Option<Arc<dyn Fn() -> Work<'static> + Send + Sync>>,
}

impl<S> Clone for Hooks<S> {
    fn clone(&self) -> Self {
        let Self { open, reopen, damage, tear_down } = self;
        Self { open: open.clone(), reopen: reopen.clone(), damage: damage.clone(), tear_down: tear_down.clone() }
    }
}
