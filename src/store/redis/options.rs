//! What an application may choose about a store in Redis.

use std::time::Duration;

#[cfg(feature = "redis-tls")]
use crate::store::remote::tls::Roots;
use crate::store::{Acknowledged, Limits};

/// Choices for a [`RedisStore`](crate::RedisStore), from [`RedisStore::options`](crate::RedisStore::options).
///
/// ```no_run
/// use std::time::Duration;
///
/// use cloakroom::RedisStore;
///
/// # async fn connect() -> cloakroom::Result<()> {
/// let options = RedisStore::options().prefix("shop-prod").deadline(Duration::from_secs(1));
/// let store = options.connect("redis://cache.internal").await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(super) prefix: String,
    pub(super) deadline: Duration,
    pub(super) limits: Limits,
    pub(super) connections: usize,
    pub(super) acknowledged: Option<Acknowledged>,
    #[cfg(feature = "redis-tls")]
    pub(super) roots: Roots,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: "cloakroom".into(),
            deadline: Duration::from_secs(2),
            limits: Limits::default(),
            connections: 1,
            acknowledged: None,
            #[cfg(feature = "redis-tls")]
            roots: Roots::default(),
        }
    }
}

impl RedisOptions {
    /// What the server's keys of this store begin with, before a colon; `cloakroom` unless another is chosen. Up to 64 letters,
    /// digits and `-_./`. Sites that share a server choose different ones, and never see each other's sessions.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long an operation may take, connecting included; 2 seconds unless said otherwise. An operation that has no answer by
    /// then is an error. `scan`, `count`, `clear` and `destroy_owned_by` make several calls, and the deadline is that of each.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What the store accepts. Every node of a site must choose the same.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many connections the store keeps; 1 by default. Operations share them without waiting for each other's answers.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// What an acknowledgement of this server means, for one that must not be asked, or that keeps more than it says. By default
    /// the store asks at its opening: with an append-only file, a power loss takes at most a second; without one, or where
    /// the user may not ask (`INFO`), all sessions may end with the server.
    pub fn acknowledged(mut self, acknowledged: Acknowledged) -> Self {
        self.acknowledged = Some(acknowledged);
        self
    }

    /// The authorities whose certificates are trusted, as PEM, in place of those that the system trusts.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Pem(pem.into());
        self
    }
}
