//! How the suite opens, reopens and damages a store of the kind to be checked.

use std::pin::Pin;

use crate::model::key::SessionKey;
use crate::store::Limits;

/// A future that the suite gives to an executor, to run it to its end; see [`Suite::run_with`](super::Suite::run_with).
pub type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

pub(super) type Opening<S> = Pin<Box<dyn Future<Output = S> + Send>>;
pub(super) type Damaging<S> = Box<dyn Fn(S, SessionKey) -> Opening<S> + Sync>;

/// The functions that the author of a store gave to the suite.
pub(super) struct Hooks<S> {
    pub(super) open: Box<dyn Fn(Limits) -> Opening<S> + Sync>,
    pub(super) reopen: Option<Box<dyn Fn(S) -> Opening<S> + Sync>>,
    pub(super) damage: Option<Damaging<S>>,
}
