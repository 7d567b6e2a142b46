//! tower-sessions, with three of its stores.
//!
//! What is peculiar to one of the stores belongs here, and what makes a contender of any of them. The layers of
//! tower-sessions never do, since only requests need them.

mod bridge;

use std::path::Path;
use std::time::Duration;

use cloakroom::{SessionKey, Timestamp};
use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tower_sessions::{ExpiredDeletion, MemoryStore, SessionStore};
use tower_sessions_core::session::{Id, Record};

use super::layout;
use crate::block_on::block_on;
use crate::contender::{Class, Contender, Loaded};
use crate::session::{ENTRY, Known, Session};

pub(crate) use bridge::SqliteStore;
pub(crate) use tower_sessions_file_based_store::FileStore;

/// A store of tower-sessions, called as its layer calls it.
pub(crate) struct Tower<S> {
    store: S,
    /// The runtime that the store's futures need. `None` if they are ready at once.
    runtime: Option<Runtime>,
}

pub(crate) fn memory() -> Tower<MemoryStore> {
    Tower { store: MemoryStore::default(), runtime: None }
}

pub(crate) fn sqlite(directory: &Path, class: Class) -> Tower<SqliteStore> {
    let runtime = runtime();
    let store = runtime.block_on(SqliteStore::open(&directory.join("sessions.sqlite"), class));
    Tower { store, runtime: Some(runtime) }
}

pub(crate) fn files(directory: &Path, class: Class) -> Tower<FileStore> {
    Tower { store: file_store(directory, class), runtime: Some(runtime()) }
}

pub(crate) fn file_store(directory: &Path, class: Class) -> FileStore {
    FileStore::in_dir(directory.join("sessions")).unwrap().with_fsync(class == Class::Durable)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// What the trait `SessionStore` lacks and some stores have.
pub(crate) trait Special: SessionStore {
    /// Removes the expired sessions, if the store can.
    fn sweep(&self) -> impl Future<Output = Option<()>>;

    fn close(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

impl Special for MemoryStore {
    async fn sweep(&self) -> Option<()> {
        None
    }
}

impl Special for FileStore {
    async fn sweep(&self) -> Option<()> {
        self.delete_expired().await.unwrap();
        Some(())
    }
}

impl Special for SqliteStore {
    async fn sweep(&self) -> Option<()> {
        self.delete_expired().await.unwrap();
        Some(())
    }

    async fn close(&self) {
        self.close().await;
    }
}

impl<S: Special> Tower<S> {
    fn run<F: Future>(&self, future: F) -> F::Output {
        match &self.runtime {
            Some(runtime) => runtime.block_on(future),
            None => block_on(future),
        }
    }
}

fn id(key: &SessionKey) -> Id {
    Id(i128::from_le_bytes(*key.as_bytes()))
}

fn date(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_millis(time.as_millis())
}

fn record(session: &Session) -> Record {
    let data = [(ENTRY.to_owned(), session.text.clone().into())].into();
    Record { id: id(session.key()), data, expiry_date: date(session.ends()) }
}

/// What a server has in memory of a session that it has loaded.
pub(crate) fn known(session: &Session) -> Known {
    Known::Tower(record(session))
}

impl<S: Special> Contender for Tower<S> {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        for session in sessions {
            let id = id(session.key());
            let mut record = record(&session);
            self.run(self.store.create(&mut record)).unwrap();
            assert_eq!(record.id, id, "the id was free");
        }
    }

    fn meet(&self, session: &mut Session, _: Timestamp) {
        session.known = known(session);
    }

    fn load(&self, key: &SessionKey, _: Timestamp) -> Option<Option<Loaded>> {
        Some(self.run(self.store.load(&id(key))).unwrap().map(Loaded::Tower))
    }

    /// The trait has no touch, so this is a load and a save.
    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        self.run(async {
            let Some(mut record) = self.store.load(&id(key)).await.unwrap() else { return Some(false) };
            record.expiry_date = date(layout::end_of_seen(now));
            self.store.save(&record).await.unwrap();
            Some(true)
        })
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let Known::Tower(record) = &session.known else { panic!("tower-sessions saves what was loaded") };
        self.run(self.store.save(record)).unwrap();
        Some(())
    }

    fn sweep(&self, _: Timestamp) -> Option<Option<u64>> {
        self.run(self.store.sweep()).map(|()| None)
    }

    fn close(self: Box<Self>) {
        self.run(self.store.close());
    }
}
