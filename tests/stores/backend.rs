//! What a test must know of a store and of its server.

use std::time::Duration;

use cloakroom::{Limits, Result, SessionKey, Store};

use crate::server::Server;

/// How a test opens its stores.
#[derive(Clone, Copy)]
pub struct Choice {
    pub limits: Limits,
    pub deadline: Duration,
    pub connections: usize,
}

impl Default for Choice {
    /// A deadline that a busy machine keeps.
    fn default() -> Self {
        Self { limits: Limits::default(), deadline: Duration::from_secs(20), connections: 4 }
    }
}

pub trait Backend: 'static {
    type Store: Store + Clone + std::fmt::Debug;

    const SCHEME: &str;

    /// The most round trips that a listing of an owner's sessions takes, and their end.
    const OWNER_TRIPS: usize = 1;

    /// How many promises the store does without, as its capabilities say.
    const SKIPPED: usize = 0;

    /// A server of the test's own, which may be killed.
    fn start() -> Server;

    /// The one server of this process, for tests that leave it alone.
    fn shared() -> &'static Server;

    /// The URL of a server at this port.
    fn url(port: u16) -> String;

    /// Opens a store by way of this port, with its schema. It is the server's own port, or a proxy's.
    fn open(port: u16, table: &str, choice: Choice) -> impl Future<Output = Self::Store> + Send;

    /// Opens a store by a URL, with the default options.
    fn try_open(url: &str) -> impl Future<Output = Result<Self::Store>> + Send;

    /// The table's name, for [`open`](Self::open).
    fn table(store: &Self::Store) -> String;

    /// Makes a session's bytes unreadable.
    fn damage(server: &Server, table: &str, key: &SessionKey);
}

/// A store that has a schema.
pub trait Database: Backend {
    /// Opens a store without making its schema.
    fn unmigrated(table: &str) -> impl Future<Output = Result<Self::Store>> + Send;

    fn migrate(store: &Self::Store) -> impl Future<Output = Result<()>> + Send;

    /// Opens a store as a user that has only the rights which its documentation names.
    fn open_limited(table: &str) -> impl Future<Output = Self::Store> + Send;

    /// Writes what stands beside the table.
    fn mark(server: &Server, table: &str, mark: &str);

    /// Gives a session's row another key, in a transaction that stays open for half a second.
    fn move_slowly(server: &Server, table: &str, from: SessionKey, to: SessionKey);

    /// Whether a statement of the store waits for a row.
    fn is_waiting(server: &Server, table: &str) -> bool;

    /// Whether a transaction holds the session's row.
    fn is_locked(server: &Server, table: &str, key: SessionKey) -> bool;
}
