//! The handle to all sessions of a site.

use std::fmt;
use std::sync::Arc;

use crate::cookie::Cookie;
use crate::model::time::Clock;
use crate::session::Policy;
use crate::store::Store;
use crate::store::sweeper::SweeperBuilder;

/// A site's sessions: opens the session of a request, and commits it before the response leaves. Cheap to clone.
///
/// ```
/// # fn main() -> cloakroom::Result<()> {
/// # use std::time::Duration;
/// use cloakroom::{MemoryStore, Sessions};
///
/// let sessions = Sessions::builder(MemoryStore::new())
///     .idle_timeout(Duration::from_secs(30 * 60))
///     .absolute_timeout(Duration::from_secs(12 * 60 * 60))
///     .build()?;
///
/// // A request without a cookie ...
/// let session = sessions.blocking().open([""; 0])?;
/// session.modify("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
/// let committed = sessions.blocking().commit(session)?;
///
/// // ... and the next one, with the cookie that the response set.
/// let cookie = committed.set_cookie().unwrap().as_str().split(';').next().unwrap();
/// let session = sessions.blocking().open([cookie])?;
/// assert_eq!(session.get::<u64>("visits")?, Some(1));
/// # Ok(())
/// # }
/// ```
pub struct Sessions<S>(pub(super) Arc<Shared<S>>);

pub(super) struct Shared<S> {
    pub(super) store: Arc<S>,
    pub(super) policy: Arc<Policy>,
}

impl<S: Store> Sessions<S> {
    /// The store.
    pub fn store(&self) -> &S {
        &self.0.store
    }

    /// The session's cookie.
    pub fn cookie(&self) -> &Cookie {
        &self.0.policy.cookie
    }

    /// The clock by which sessions end.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.policy.clock
    }

    /// The settings of a sweeper for this store and this clock.
    ///
    /// A site may do without one: in a `MemoryStore` and a `FileStore`, expired sessions leave with later ones that are created,
    /// two with each. A sweeper removes all of them, also while no session is created.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let sweeper = sessions.sweeper().spawn()?; // sweeps until it is dropped
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[doc(alias("continuously_delete_expired", "purge"))]
    pub fn sweeper(&self) -> SweeperBuilder<Arc<S>, Arc<dyn Clock>> {
        SweeperBuilder::new(Arc::clone(&self.0.store), Arc::clone(self.clock()))
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.0.policy
    }
}

impl<S> Clone for Sessions<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for Sessions<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = &self.0.policy;
        f.debug_struct("Sessions")
            .field("lifetime", &policy.lifetime)
            .field("cookie", &policy.cookie)
            .finish_non_exhaustive()
    }
}
