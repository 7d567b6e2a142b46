//! The SQLite store of tower-sessions. The newest release builds on tower-sessions-core 0.14, and this file makes it a
//! store for 0.15. The bridge costs each save a copy of the data: some hundred nanoseconds of tens of microseconds.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use tower_sessions::{ExpiredDeletion, SessionStore};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error, Result};
use tower_sessions_core_of_sqlx as old;
use tower_sessions_core_of_sqlx::{ExpiredDeletion as _, SessionStore as _};
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::contender::Class;

#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    store: tower_sessions_sqlx_store::SqliteStore,
    pool: SqlitePool,
}

impl SqliteStore {
    /// The pragmas are those of `contenders/sqlite.rs`, with their reasons there.
    pub(crate) async fn open(path: &Path, class: Class) -> Self {
        let synchronous = match class {
            Class::Relaxed => SqliteSynchronous::Normal,
            Class::Durable => SqliteSynchronous::Full,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(60))
            .pragma("cache_size", "-65536")
            .pragma("mmap_size", crate::contenders::CACHE_BYTES.to_string())
            .pragma("temp_store", "MEMORY");
        let pool =
            SqlitePoolOptions::new().acquire_timeout(Duration::from_secs(60)).connect_with(options).await.unwrap();
        let store = tower_sessions_sqlx_store::SqliteStore::new(pool.clone());
        store.migrate().await.unwrap();
        Self { store, pool }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

fn older(record: &Record) -> old::session::Record {
    old::session::Record {
        id: old::session::Id(record.id.0),
        data: record.data.clone(),
        expiry_date: record.expiry_date,
    }
}

fn newer(record: old::session::Record) -> Record {
    Record { id: Id(record.id.0), data: record.data, expiry_date: record.expiry_date }
}

fn error(error: old::session_store::Error) -> Error {
    Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let mut created = older(record);
        self.store.create(&mut created).await.map_err(error)?;
        record.id = Id(created.id.0);
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.store.save(&older(record)).await.map_err(error)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        Ok(self.store.load(&old::session::Id(id.0)).await.map_err(error)?.map(newer))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.store.delete(&old::session::Id(id.0)).await.map_err(error)
    }
}

#[async_trait]
impl ExpiredDeletion for SqliteStore {
    async fn delete_expired(&self) -> Result<()> {
        self.store.delete_expired().await.map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use tower_sessions_sqlx_store::sqlx;

    use super::*;

    #[test]
    fn what_shall_survive_a_power_loss_waits_at_every_commit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for (class, expected) in [(Class::Relaxed, 1), (Class::Durable, 2)] {
            let directory = tempfile::tempdir().unwrap();
            let store = runtime.block_on(SqliteStore::open(&directory.path().join("sessions.sqlite"), class));
            let synchronous: (i64,) =
                runtime.block_on(sqlx::query_as("PRAGMA synchronous").fetch_one(&store.pool)).unwrap();
            assert_eq!(synchronous.0, expected, "{class:?}");
            let mode: (String,) =
                runtime.block_on(sqlx::query_as("PRAGMA journal_mode").fetch_one(&store.pool)).unwrap();
            assert_eq!(mode.0, "wal");
        }
    }
}
