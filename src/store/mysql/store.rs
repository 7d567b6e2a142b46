//! The store's type: how it is opened, and what it states of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "mysql-tls")]
use mysql_async::OptsBuilder;
use mysql_async::{Opts, Row};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::mysql::lines::MysqlLines;
use crate::store::mysql::options::MysqlOptions;
use crate::store::mysql::schema::Statements;
use crate::store::sql::settings::{SCHEMA_VERSION, Settings, check_version};
use crate::store::{Acknowledged, Durability};

/// A store in MySQL or MariaDB, for sites of several machines. It keeps the whole [`Store`](crate::Store) contract.
///
/// ```no_run
/// use cloakroom::{MysqlStore, Sessions};
///
/// # async fn serve() -> cloakroom::Result<()> {
/// let store = MysqlStore::connect("mysql://shop:secret@db.internal/shop").await?;
/// store.migrate().await?; // once a deploy, by a user who may create tables and procedures
/// let sessions = Sessions::builder(store).build()?;
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
///
/// Clones share the connections. Each operation is one round trip; the first of each kind on a connection is one more, which
/// prepares the statement. The store runs under the tokio runtime that `connect` was called in, which must go on as long as the
/// store is used. MariaDB from 10.6 on is tested. MySQL from 8.0.29 on has all that is asked for, and is not tested. On a
/// Galera cluster, a limit of an owner's sessions holds on one node only.
///
/// # When the server fails
///
/// Each operation has its answer, or an error, within the [deadline](MysqlOptions::deadline). Connections that break are made
/// anew. While the server is down, operations fail at once. Errors are [`Unavailable`](ErrorKind::Unavailable), and
/// [`may_have_happened`](Error::may_have_happened) says whether a write may have been done all the same. After a lost answer an
/// update, a rotation and a login look whether their token stands in the row, before they say so.
///
/// # What the store promises
///
/// - **Power losses**: what the server's `innodb_flush_log_at_trx_commit` says, read at `connect`, for saves and endings
///   alike. With another value than 1, a power loss may bring a session back that was logged out within the last second. A
///   failover to a replica may lose what was not replicated.
/// - **Clocks**: each operation brings its own `now`. The database's clock is not used. Nodes' clocks may
///   differ by [five minutes](crate::Store#clocks).
/// - **Traces** are bounded in number by sweeps ([`Limits::traces`](crate::Limits::traces)). Between two sweeps they are bounded
///   by their time: each login and each rotation removes more rows that were over five minutes before than it leaves traces.
/// - **Sweeps** of several nodes do not wait for each other, and deadlocks are tried again.
///   [`Sessions::sweeper`](crate::Sessions::sweeper) runs one as a future.
/// - **Replicas**: all reads go to the server that is written to. A session that was ended would live on in a replica.
///
/// # Rights and schema
///
/// At run time the user needs SELECT, INSERT, UPDATE and DELETE on both tables, and EXECUTE on the procedures.
/// [`migrate`](Self::migrate) runs these statements, with the name that was chosen:
///
#[doc = concat!("```sql\n", include_str!("schema.sql"), "```")]
#[derive(Clone)]
pub struct MysqlStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) lines: MysqlLines,
    pub(super) statements: Statements,
    pub(super) settings: Settings,
    /// As large a body as the server's packets carry.
    pub(super) largest_body: usize,
    acknowledged: Acknowledged,
}

impl MysqlStore {
    /// Connects with the default options.
    ///
    /// # Errors
    ///
    /// As [`MysqlOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options().connect(url).await
    }

    /// Begins with the default options.
    pub fn options() -> MysqlOptions {
        MysqlOptions::new()
    }

    /// The table.
    pub fn table(&self) -> &str {
        &self.0.statements.table
    }

    /// Creates the schema or brings it up to date. What is up to date stays as it is, and that takes
    /// no right but to look. Nodes may call it at once: they wait
    /// for each other. Sessions that are stored stay. Nodes of the version before may go on meanwhile. If it fails halfway, it
    /// may be called again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the user may not create what is missing.
    pub async fn migrate(&self) -> Result<()> {
        let rows = self.0.lines.read("reading the schema's version", &self.0.statements.mark, &[]).await?;
        if check_version(&mark_of(&rows))? == Some(SCHEMA_VERSION) {
            return Ok(());
        }
        let name = format!("cloakroom {}", self.0.statements.table);
        self.0.lines.run_locked("migrating the schema", &name, &self.0.statements.migrate).await
    }

    pub(super) fn acknowledged(&self) -> Acknowledged {
        self.0.acknowledged
    }
}

impl MysqlOptions {
    /// Connects, and reads what the server promises about power losses. The URL is `mysql://user:password@host:port/database`.
    ///
    /// With `require_ssl=true` the connection is encrypted, and the server has to prove the name that the URL gives it. That
    /// takes the feature `mysql-tls`, and a [provider of rustls](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html)
    /// which the application has installed. Without that feature such a URL is refused.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a URL or a name that makes no sense, [`ErrorKind::Unavailable`] if the server cannot be
    /// reached, [`ErrorKind::NewerFormat`] if a newer version of cloakroom has migrated the schema. No error shows the
    /// password.
    pub async fn connect(self, url: &str) -> Result<MysqlStore> {
        let settings = &self.settings;
        settings.check()?;
        let config = |why: &'static str| Error::new(ErrorKind::Config, "reading the URL of MySQL").because(why);
        // The parser's error may quote a part of the URL.
        let opts = Opts::from_url(url).map_err(|_| config("it is malformed, or asks for what this build cannot do"))?;
        if opts.db_name().is_none_or(str::is_empty) {
            return Err(config("it names no database"));
        }
        #[cfg(feature = "mysql-tls")]
        let opts = self.encrypted(opts)?;
        let statements = Statements::of(&settings.table);
        let lines = MysqlLines::open(opts, settings.connections, settings.deadline).await?;
        let rows = lines.read("reading the server's settings", &statements.mark, &[]).await?;
        let row = rows.first();
        let number = |place: usize| row.and_then(|row| row.get_opt::<i64, _>(place)?.ok()).unwrap_or_default();
        check_version(&mark_of(&rows))?;
        // A packet carries the other values, too.
        let largest_body = usize::try_from(number(1)).unwrap_or(0).saturating_sub(4096).min(512 << 20);
        let acknowledged = acknowledged(number(0));
        let settings = self.settings;
        Ok(MysqlStore(Arc::new(Inner { lines, statements, settings, largest_body, acknowledged })))
    }

    /// Adds whom the connection trusts, if the URL asks for encryption.
    #[cfg(feature = "mysql-tls")]
    fn encrypted(&self, opts: Opts) -> Result<Opts> {
        let Some(asked) = opts.ssl_opts().cloned() else { return Ok(opts) };
        if asked.accept_invalid_certs() || asked.skip_domain_validation() {
            return Err(Error::new(ErrorKind::Config, "reading the URL of MySQL")
                .because("it asks for an encryption that trusts every server"));
        }
        let roots = self.roots.certificates()?.into_iter().map(|root| root.to_vec().into()).collect();
        let trusted = asked.with_disable_built_in_roots(true).with_root_certs(roots);
        Ok(OptsBuilder::from_opts(opts).ssl_opts(trusted).into())
    }
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlStore")
            .field("table", &self.0.statements.table)
            .field("deadline", &self.0.settings.deadline)
            .field("limits", &self.0.settings.limits)
            .finish_non_exhaustive()
    }
}

/// What stands beside the table, if it is there.
fn mark_of(rows: &[Row]) -> String {
    rows.first().and_then(|row| row.get_opt::<Option<String>, _>(2)?.ok()?).unwrap_or_default()
}

/// What the server's `innodb_flush_log_at_trx_commit` makes of an acknowledgement.
fn acknowledged(flush_at_commit: i64) -> Acknowledged {
    let means = match flush_at_commit {
        1 | 3 => Durability::Always,
        _ => Durability::Every(Duration::from_secs(1)),
    };
    Acknowledged { saves: means, endings: means }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_means_what_the_servers_settings_say() {
        let second = Durability::Every(Duration::from_secs(1));
        assert_eq!(acknowledged(1), Acknowledged { saves: Durability::Always, endings: Durability::Always });
        for late in [0, 2] {
            assert_eq!(acknowledged(late), Acknowledged { saves: second, endings: second });
        }
    }
}
