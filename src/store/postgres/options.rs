//! The choices that an application may make about its sessions in PostgreSQL.

use std::time::Duration;

use crate::store::Limits;
#[cfg(feature = "postgres-tls")]
use crate::store::remote::tls::Roots;
use crate::store::sql::settings::Settings;

/// Settings of a [`PostgresStore`](crate::PostgresStore); [`PostgresStore::options`](crate::PostgresStore::options) begins with the defaults.
///
/// ```no_run
/// use std::time::Duration;
///
/// use cloakroom::{Limits, PostgresStore};
///
/// # async fn connect() -> cloakroom::Result<()> {
/// let store = PostgresStore::options()
///     .schema("shop")
///     .table("visits")
///     .deadline(Duration::from_secs(1))
///     .limits(Limits::default().with_record_bytes(64 << 10))
///     .connect("postgres://shop:secret@db.internal/shop")
///     .await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresOptions {
    pub(super) schema: String,
    pub(super) settings: Settings,
    #[cfg(feature = "postgres-tls")]
    pub(super) roots: Roots,
}

impl PostgresOptions {
    pub(super) fn new() -> Self {
        Self {
            schema: "cloakroom".into(),
            settings: Settings::new("sessions", 2),
            #[cfg(feature = "postgres-tls")]
            roots: Roots::default(),
        }
    }

    /// The schema that the table stands in; `cloakroom` by default. At most 40 lower-case letters, digits and underscores, a
    /// letter first.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// The table; `sessions` by default. At most 40 lower-case letters, digits and underscores, a letter first. The names of
    /// indexes and functions begin with it.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.settings.table = table.into();
        self
    }

    /// By when each operation has its answer, or an error; 2 seconds by default. Only `count`, `clear` and `migrate`, which
    /// look at all sessions, may take up to two minutes.
    ///
    /// A statement waits at most one second for a row that another is changing. With a deadline below that, the client
    /// gives up before the server does, and the error says that the operation may have been done.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// What the store accepts. Every node of a site must choose the same.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How many connections the store keeps; 2 by default. Operations share them without waiting for each other's answers,
    /// so more than four seldom help.
    pub fn connections(mut self, connections: usize) -> Self {
        self.settings.connections = connections;
        self
    }

    /// The authorities whose certificates are trusted, as PEM, in place of those that the system trusts.
    #[cfg(feature = "postgres-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Pem(pem.into());
        self
    }
}
