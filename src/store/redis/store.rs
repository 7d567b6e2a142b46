//! The store's type: how it is opened, and what it states of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, Value};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::redis::lines::{CONNECTING, RedisLines, Server, malformed};
use crate::store::redis::options::RedisOptions;
use crate::store::redis::scripts::{Prefix, Scripts};
use crate::store::{Acknowledged, Durability, Limits};

/// A store in Redis 7 or Valkey, for sites of several machines.
///
/// ```no_run
/// use cloakroom::{RedisStore, Sessions};
///
/// # async fn serve() -> cloakroom::Result<()> {
/// let store = RedisStore::connect("redis://:secret@cache.internal").await?;
/// let sessions = Sessions::builder(store).build()?;
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
///
/// Clones share the connections. It runs under the tokio runtime that `connect` was called in, which must go on as long as
/// the store is used. Each operation on one session is one script and one round trip. An owner at the
/// [limit](crate::Limits::per_owner) costs a login two more; a session that has an owner and no absolute deadline costs a touch one more.
///
/// # When the server fails
///
/// Each operation has its answer, or an error, within the [deadline](RedisOptions::deadline). A connection that breaks is
/// made anew in the background, also where the server has become a replica. While the server is down, operations fail at
/// once. Errors are [`Unavailable`](ErrorKind::Unavailable), and [`may_have_happened`](Error::may_have_happened) says
/// whether a write may have been done all the same. After a lost answer an update, a rotation and a login look whether their
/// token stands in the session, before they say so.
///
/// # What the store promises
///
/// - **Expiry** is decided by the `now` of each call. The server removes what has expired by itself, ten minutes later, so a
///   sweep has nothing to do. Nodes' clocks may differ by [five minutes](crate::Store#clocks).
/// - **Scans** visit each session at least once that lives throughout, and may visit it twice. `count` counts it once.
/// - **Traces** are bounded: beyond [`Limits::traces`] the one goes that would have ended first.
///
/// # What it does not promise
///
/// - **Power losses**: an acknowledgement means what the server makes of it ([`durability`](crate::Store::durability)): with an
///   append-only file, the last second may be lost, and a session that had ended then is back. Redis replicates
///   after it has answered, so a failover may do the same.
/// - **Memory**: a server that evicts keys when its memory is full (`maxmemory-policy` other than `noeviction`) evicts sessions that live.
///   [`warnings`](Self::warnings) says so. With `noeviction`, a full server refuses saves with
///   [`ErrorKind::Full`](crate::ErrorKind::Full), and still ends sessions.
/// - **A Redis Cluster** is refused: a rotation needs two keys in one step.
#[derive(Clone)]
pub struct RedisStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) lines: RedisLines,
    pub(super) prefix: Prefix,
    pub(super) scripts: Scripts,
    pub(super) limits: Limits,
    pub(super) acknowledged: Acknowledged,
    warnings: Vec<String>,
}

impl RedisStore {
    /// Connects to the server of this URL, `redis://[user]:[password]@host:port/database`, with default options.
    ///
    /// # Errors
    ///
    /// As [`RedisOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options().connect(url).await
    }

    /// Choices other than the default ones.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// What the server's keys of this store begin with, before a colon.
    pub fn prefix(&self) -> &str {
        self.0.prefix.as_str().trim_end_matches(':')
    }

    /// What is unfit for sessions in the server's settings, as far as it tells them, each with its remedy.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }
}

impl RedisOptions {
    /// Connects to the server of this URL: `redis://[user]:[password]@host:port/database`.
    ///
    /// With `rediss:` the connection is encrypted, and the server has to prove the name that the URL gives it. That takes the
    /// feature `redis-tls`, and a [provider of rustls](https://docs.rs/rustls/0.23/rustls/crypto/struct.CryptoProvider.html)
    /// which the application has installed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a URL, a prefix or a server that makes no sense;
    /// [`ErrorKind::Unavailable`] if the server does not answer within the deadline. No error
    /// shows the password.
    pub async fn connect(self, url: &str) -> Result<RedisStore> {
        let prefix = Prefix::new(&self.prefix)?;
        if self.deadline < Duration::from_millis(10) {
            let error = Error::new(ErrorKind::Config, "reading the store's options");
            return Err(error.because("the deadline is too short"));
        }
        let no_url = |why| Error::new(ErrorKind::Config, "reading the URL of Redis").because(why);
        let encrypted = url.strip_prefix("rediss://");
        if encrypted.is_some() && !cfg!(feature = "redis-tls") {
            return Err(no_url("rediss: needs cloakroom's feature `redis-tls`, which is off"));
        }
        if encrypted.is_some_and(|rest| rest.contains('#')) {
            return Err(no_url("what stands behind # would weaken the encryption"));
        }
        let plain = encrypted.map(|rest| format!("redis://{rest}"));
        // The client's own words may repeat the URL, and so the password.
        let parsed = plain.as_deref().unwrap_or(url).into_connection_info().ok();
        let server = Server {
            url: parsed
                .filter(|server| matches!(server.addr(), ConnectionAddr::Tcp(..)))
                .ok_or_else(|| no_url("it is no redis: URL"))?,
            #[cfg(feature = "redis-tls")]
            tls: match encrypted {
                Some(_) => Some(Arc::new(self.roots.config()?).into()),
                None => None,
            },
        };
        let lines = RedisLines::open(server, self.connections, self.deadline).await?;
        let about = About::ask(&lines).await?;
        if about.says("cluster_enabled", "1") {
            let why = "it is a node of a Cluster, where a rotation cannot be one step";
            return Err(Error::new(ErrorKind::Config, CONNECTING).because(why));
        }
        let acknowledged = self.acknowledged.unwrap_or_else(|| about.acknowledged());
        let (limits, scripts, warnings) = (self.limits, Scripts::new(self.limits.traces), about.warnings());
        Ok(RedisStore(Arc::new(Inner { lines, prefix, scripts, limits, acknowledged, warnings })))
    }
}

/// What the server says of itself. What it does not say is no error: hosted servers keep some of it back.
struct About(String);

impl About {
    async fn ask(lines: &RedisLines) -> Result<Self> {
        let doing = "asking Redis for its settings";
        match lines.ask(doing, redis::cmd("INFO")).await? {
            Some(Value::VerbatimString { text, .. }) => Ok(Self(text)),
            Some(Value::BulkString(text)) => Ok(Self(String::from_utf8_lossy(&text).into_owned())),
            Some(_) => Err(malformed(doing)),
            None => Ok(Self(String::new())),
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.value(name) == Some(value)
    }

    fn acknowledged(&self) -> Acknowledged {
        let durability = match self.says("aof_enabled", "1") {
            true => Durability::Every(Duration::from_secs(1)),
            false => Durability::Volatile,
        };
        Acknowledged { saves: durability, endings: durability }
    }

    fn warnings(&self) -> Vec<String> {
        let policy = self.value("maxmemory_policy").filter(|policy| *policy != "noeviction");
        let evicts = policy.map(|policy| {
            format!("maxmemory-policy is {policy}: a full server evicts sessions that live. Set it to noeviction.")
        });
        let forgets = self.says("aof_enabled", "0").then(|| {
            "appendonly is off: all sessions end when the server does. Set it to yes, with appendfsync everysec."
                .to_owned()
        });
        evicts.into_iter().chain(forgets).collect()
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.0.prefix.as_str();
        f.debug_struct("RedisStore").field("prefix", &prefix).field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
