//! The store's type: how it is opened, and what it states of itself.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, Row};
#[cfg(feature = "postgres-tls")]
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::postgres::lines::{PostgresLines, Server};
use crate::store::postgres::options::PostgresOptions;
use crate::store::postgres::schema::Statements;
use crate::store::remote::failed::Failed;
use crate::store::sql::settings::{SCHEMA_VERSION, Settings, check_name, check_version};
use crate::store::{Acknowledged, Durability};

/// A store in PostgreSQL, for sites of several machines. It keeps the whole [`Store`](crate::Store) contract.
///
/// ```no_run
/// use cloakroom::{PostgresStore, Sessions};
///
/// # async fn serve() -> cloakroom::Result<()> {
/// let store = PostgresStore::connect("postgres://shop:secret@db.internal/shop").await?;
/// store.migrate().await?; // once a deploy, by a role that may create tables
/// let sessions = Sessions::builder(store).build()?;
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
///
/// Clones share the connections. Each operation is one round trip. It runs under the tokio runtime that `connect` was called
/// in, which must go on as long as the store is used.
///
/// # When the server fails
///
/// Each operation has its answer, or an error, within the [deadline](PostgresOptions::deadline). A connection that breaks is
/// made anew in the background. While the server is down, operations fail at once. Errors are
/// [`Unavailable`](ErrorKind::Unavailable), and [`may_have_happened`](Error::may_have_happened) says whether a write may
/// have been done all the same. After a lost answer an update, a rotation and a login look whether their token stands in
/// the row, before they say so.
///
/// # What the store promises
///
/// - **Power losses**: what the server's `fsync` and `synchronous_commit` say, read at `connect`. Endings and rotations wait
///   for the disk also where `synchronous_commit` is off. A failover to a replica may lose what was not replicated.
/// - **Clocks**: each operation brings its own `now`. The database's clock is not used. Nodes' clocks may
///   differ by [five minutes](crate::Store#clocks).
/// - **Traces** are bounded in number by sweeps ([`Limits::traces`](crate::Limits::traces)). Between two sweeps they are bounded
///   by their time: each login and each rotation removes more rows that were over five minutes before than it leaves traces.
/// - **Sweeps** of several nodes do not wait for each other. [`Sessions::sweeper`](crate::Sessions::sweeper) runs one as a
///   future.
/// - **Replicas**: all reads go to the server that is written to. A session that was ended would live on in a replica.
/// - **Poolers**: the store works behind pgbouncer in transaction mode. No statement is prepared, nothing is set on a
///   connection, and no operation needs the same one twice.
/// - **`clear`, `count`**: each is one statement over the whole table, on a connection of its own.
///
/// # Rights and schema
///
/// At run time the role needs USAGE on the schema, SELECT, INSERT, UPDATE and DELETE on the table, and EXECUTE on the
/// functions. [`migrate`](Self::migrate) runs these statements, with the names that were chosen:
///
#[doc = concat!("```sql\n", include_str!("schema.sql"), "```")]
#[derive(Clone)]
pub struct PostgresStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) lines: PostgresLines,
    pub(super) statements: Statements,
    pub(super) settings: Settings,
    pub(super) acknowledged: Acknowledged,
}

impl PostgresStore {
    /// Connects with the default options.
    ///
    /// # Errors
    ///
    /// As [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options().connect(url).await
    }

    /// Begins with the default options.
    pub fn options() -> PostgresOptions {
        PostgresOptions::new()
    }

    pub(super) async fn of(lines: PostgresLines, statements: Statements, settings: Settings) -> Result<Self> {
        let rows = lines.read("reading the server's settings", &statements.mark, &[]).await?;
        let text = |place| text_at(&rows, place);
        check_version(&text(3))?;
        let acknowledged = acknowledged(&text(0), &text(1), text(2).parse().unwrap_or(200));
        Ok(Self(Arc::new(Inner { lines, statements, settings, acknowledged })))
    }

    /// The table, with its schema.
    pub fn table(&self) -> &str {
        &self.0.statements.table
    }

    /// Creates the schema or brings it up to date, as one transaction. What is up to date stays as it is, and that takes
    /// no right but to look. Nodes may call it at
    /// once. Sessions that are stored stay. Nodes of the version before may go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the role may not create what is missing. Nothing was changed then.
    pub async fn migrate(&self) -> Result<()> {
        let rows = self.0.lines.read("reading the schema's version", &self.0.statements.mark, &[]).await?;
        if check_version(&text_at(&rows, 3))? == Some(SCHEMA_VERSION) {
            return Ok(());
        }
        self.0.lines.run_alone("migrating the schema", &self.0.statements.migrate).await.map_err(Failed::into_error)
    }
}

impl PostgresOptions {
    /// Connects, and reads what the server promises about power losses. The URL is the one that `libpq` reads; several
    /// hosts may stand in it, and the one that can be written to is used.
    ///
    /// With `sslmode=require` the connection is encrypted, and the server has to prove the name that the URL gives it. That takes
    /// the feature `postgres-tls`, and a [provider of rustls](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html)
    /// which the application has installed. Without it, nothing is encrypted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a URL or a name that makes no sense, [`ErrorKind::Unavailable`] if the server cannot be
    /// reached, [`ErrorKind::NewerFormat`] if a newer version of cloakroom has migrated the schema. No error shows the
    /// password.
    pub async fn connect(self, url: &str) -> Result<PostgresStore> {
        self.settings.check()?;
        check_name(&self.schema)?;
        // The parser's error may quote a part of the URL.
        let mut config = Config::from_str(url)
            .map_err(|_| Error::new(ErrorKind::Config, "reading the URL of PostgreSQL").because("it is malformed"))?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_application_name().is_none() {
            config.application_name("cloakroom");
        }
        let statements = Statements::of(&self.schema, &self.settings.table);
        let must_encrypt = config.get_ssl_mode() == SslMode::Require;
        if must_encrypt && !cfg!(feature = "postgres-tls") {
            return Err(Error::new(ErrorKind::Config, "reading the URL of PostgreSQL")
                .because("sslmode=require needs cloakroom's feature `postgres-tls`, which is off"));
        }
        let server = Server {
            config,
            #[cfg(feature = "postgres-tls")]
            tls: match must_encrypt {
                true => Some(MakeRustlsConnect::new(self.roots.config()?)),
                false => None,
            },
        };
        let lines = PostgresLines::open(server, self.settings.connections, self.settings.deadline).await?;
        PostgresStore::of(lines, statements, self.settings).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("table", &self.0.statements.table)
            .field("deadline", &self.0.settings.deadline)
            .field("limits", &self.0.settings.limits)
            .finish_non_exhaustive()
    }
}

/// A text of the one row that there is.
fn text_at(rows: &[Row], place: usize) -> String {
    rows.first().and_then(|row| row.try_get::<_, Option<String>>(place).ok().flatten()).unwrap_or_default()
}

/// What the server's settings make of an acknowledgement.
fn acknowledged(fsync: &str, synchronous_commit: &str, wal_writer_delay: u64) -> Acknowledged {
    let endings = if fsync == "off" { Durability::Never } else { Durability::Always };
    let saves = match synchronous_commit {
        // The server's manual: up to three times the delay of its writer is lost.
        "off" if endings == Durability::Always => Durability::Every(Duration::from_millis(3 * wal_writer_delay)),
        _ => endings,
    };
    Acknowledged { saves, endings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_means_what_the_servers_settings_say() {
        let shown = |fsync, commit| {
            let Acknowledged { saves, endings } = acknowledged(fsync, commit, 200);
            (saves, endings)
        };
        assert_eq!(shown("on", "on"), (Durability::Always, Durability::Always));
        let late = Durability::Every(Duration::from_millis(600));
        assert_eq!(shown("on", "off"), (late, Durability::Always), "endings wait all the same");
        assert_eq!(shown("off", "on"), (Durability::Never, Durability::Never));
    }
}
