//! The choices that an application may make about its sessions in MySQL or MariaDB.

use std::time::Duration;

use crate::store::Limits;
#[cfg(feature = "mysql-tls")]
use crate::store::remote::tls::Roots;
use crate::store::sql::settings::Settings;

/// Settings of a [`MysqlStore`](crate::MysqlStore); [`MysqlStore::options`](crate::MysqlStore::options) begins with the
/// defaults.
///
/// ```no_run
/// use std::time::Duration;
///
/// use cloakroom::{Limits, MysqlStore};
///
/// # async fn connect() -> cloakroom::Result<()> {
/// let store = MysqlStore::options()
///     .table("shop_visits")
///     .deadline(Duration::from_secs(1))
///     .limits(Limits::default().with_record_bytes(64 << 10))
///     .connect("mysql://shop:secret@db.internal/shop")
///     .await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MysqlOptions {
    pub(super) settings: Settings,
    #[cfg(feature = "mysql-tls")]
    pub(super) roots: Roots,
}

impl MysqlOptions {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::new("cloakroom_sessions", 10),
            #[cfg(feature = "mysql-tls")]
            roots: Roots::default(),
        }
    }

    /// The table, in the database that the URL names; `cloakroom_sessions` by default. At most 40 lower-case letters, digits
    /// and underscores, a letter first. The names of the procedures begin with it.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.settings.table = table.into();
        self
    }

    /// By when each operation has its answer, or an error; 2 seconds by default. Only `count`, `clear` and `migrate`, which
    /// look at all sessions, may take up to two minutes.
    ///
    /// A statement waits at most one second for a row that another is changing, and is then tried again. With a deadline
    /// below that, the client gives up before the server does, and the error says that the operation may have been done.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// What the store accepts. Every node of a site must choose the same. The server's `max_allowed_packet` is a limit, too:
    /// a record that does not fit is refused before it is sent.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How many connections the store has at most; 10 by default. Each carries one operation at a time.
    pub fn connections(mut self, connections: usize) -> Self {
        self.settings.connections = connections;
        self
    }

    /// The authorities whose certificates are trusted, as PEM, in place of those that the system trusts.
    #[cfg(feature = "mysql-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Pem(pem.into());
        self
    }
}
