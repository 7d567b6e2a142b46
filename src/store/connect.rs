//! A store from a line of configuration: which URL leads to which store.
//!
//! What belongs here: the schemes. What never does: what an application may choose about one kind of store; that is the
//! options' of the kind.

use crate::model::error::{Error, ErrorKind, Result};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
use crate::store::Store;
use crate::store::any::AnyStore;
use crate::store::dyn_store::DynStore;
use crate::store::file::FileStore;
use crate::store::memory::MemoryStore;

impl AnyStore<DynStore> {
    /// The store that a URL names, with the default options. So which store a site has is a line of its configuration.
    ///
    /// | URL | store | feature |
    /// |---|---|---|
    /// | `file:sessions`, `file:///var/lib/shop/sessions` | [`FileStore`] in this directory; the rest of the URL is the path as it stands | |
    /// | `memory:` | [`MemoryStore`] | |
    /// | `postgres://user:password@host/database` | `PostgresStore` | `postgres` |
    /// | `mysql://user:password@host/database` | `MysqlStore` | `mysql` |
    /// | `redis://user:password@host/number` | `RedisStore` | `redis` |
    /// | `rediss://..`; `postgres://..?sslmode=require`; `mysql://..?require_ssl=true` | the same, encrypted | `redis-tls`, `postgres-tls`, `mysql-tls` |
    ///
    /// A database needs its schema first: see [`migrate`](Self::migrate). A store on another machine has to be connected to,
    /// and used, under a tokio runtime.
    ///
    /// ```
    /// use cloakroom::{AnyStore, DynStore, Sessions};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// let url = std::env::var("SESSIONS").unwrap_or("memory:".into());
    /// let sessions: Sessions<AnyStore<DynStore>> = Sessions::builder(AnyStore::connect(&url).await?).build()?;
    /// # let _ = sessions;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a URL that names no store, or one whose feature is off: the error names the feature. Otherwise
    /// what opening the store may answer. No error shows the URL, for it may hold a password.
    pub async fn connect(url: &str) -> Result<Self> {
        match Place::of(url)? {
            Place::File(directory) => FileStore::open(directory).map(Self::from),
            Place::Memory => Ok(MemoryStore::new().into()),
            #[cfg(feature = "postgres")]
            Place::Postgres => Ok(hidden(crate::store::postgres::PostgresStore::connect(url).await?)),
            #[cfg(feature = "mysql")]
            Place::Mysql => Ok(hidden(crate::store::mysql::MysqlStore::connect(url).await?)),
            #[cfg(feature = "redis")]
            Place::Redis => Ok(hidden(crate::store::redis::RedisStore::connect(url).await?)),
        }
    }

    /// Creates the schema in the database that a URL names, or brings it up to date. It is called once a deploy, with the URL
    /// of a user who may create tables. Where a store has no schema, nothing is done.
    ///
    /// ```
    /// use cloakroom::AnyStore;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> cloakroom::Result<()> {
    /// AnyStore::migrate("memory:").await?; // nothing to do here
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and [`ErrorKind::Config`] if the user may not create what is missing.
    pub async fn migrate(url: &str) -> Result<()> {
        match Place::of(url)? {
            Place::File(_) | Place::Memory => Ok(()),
            #[cfg(feature = "postgres")]
            Place::Postgres => crate::store::postgres::PostgresStore::connect(url).await?.migrate().await,
            #[cfg(feature = "mysql")]
            Place::Mysql => crate::store::mysql::MysqlStore::connect(url).await?.migrate().await,
            #[cfg(feature = "redis")]
            Place::Redis => Ok(()),
        }
    }
}

/// Where a URL leads.
enum Place<'a> {
    File(&'a str),
    Memory,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    Mysql,
    #[cfg(feature = "redis")]
    Redis,
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Result<Self> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match scheme {
            // Two slashes stand before the name of a host, which is empty.
            "file" => match rest.strip_prefix("//").map_or(Some(rest), |path| path.starts_with('/').then_some(path)) {
                Some(directory) if !directory.is_empty() => Ok(Self::File(directory)),
                _ => Err(refused("a URL of files is file:DIRECTORY or file:///DIRECTORY")),
            },
            "memory" if rest.is_empty() => Ok(Self::Memory),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => Ok(Self::Postgres),
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(refused("it needs cloakroom's feature `postgres`, which is off")),
            #[cfg(feature = "mysql")]
            "mysql" => Ok(Self::Mysql),
            #[cfg(not(feature = "mysql"))]
            "mysql" => Err(refused("it needs cloakroom's feature `mysql`, which is off")),
            #[cfg(feature = "redis")]
            "redis" | "rediss" => Ok(Self::Redis),
            #[cfg(not(feature = "redis"))]
            "redis" | "rediss" => Err(refused("it needs cloakroom's feature `redis`, which is off")),
            _ => Err(refused("it begins with none of file:, memory:, postgres:, mysql: and redis:")),
        }
    }
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
fn hidden(store: impl Store) -> AnyStore<DynStore> {
    AnyStore::other(DynStore::new(store))
}

fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::Config, "reading the URL of the store").because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_files_is_a_path_as_it_stands() {
        let directory = |url| match Place::of(url) {
            Ok(Place::File(directory)) => Some(directory),
            _ => None,
        };
        assert_eq!(directory("file:sessions"), Some("sessions"));
        assert_eq!(directory("file:/var/a b%20c"), Some("/var/a b%20c"));
        assert_eq!(directory("file:///var/sessions"), Some("/var/sessions"));
        for bad in ["file:", "file://", "file://host/sessions"] {
            assert_eq!(directory(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_url_of_no_store_is_refused_and_never_shown() {
        for bad in ["", "sessions", "memory:1", "ftp://t:not-shown@h", "not-shown", "redisss://t:not-shown@h", "File:a"]
        {
            let refused = Place::of(bad).err().map(|error| (error.kind().clone(), error.to_string()));
            let Some((ErrorKind::Config, shown)) = refused else { panic!("{bad}") };
            assert!(!shown.contains("not-shown"), "{shown}");
        }
    }

    #[test]
    fn a_store_whose_feature_is_off_is_an_error_that_names_the_feature() {
        let features = [
            ("postgres", cfg!(feature = "postgres")),
            ("mysql", cfg!(feature = "mysql")),
            ("redis", cfg!(feature = "redis")),
        ];
        for (scheme, is_on) in features {
            let place = Place::of(&format!("{scheme}://t:not-shown@h")).map(drop);
            let shown = place.err().map(|error| error.to_string());
            assert_eq!(shown.is_none(), is_on);
            assert!(shown.is_none_or(|shown| shown.contains(&format!("`{scheme}`")) && !shown.contains("not-shown")));
        }
    }
}
