//! fjall: two keyspaces, changed in one transaction.

use std::path::Path;

use cloakroom::{SessionKey, Timestamp};
use fjall::{
    KeyspaceCreateOptions, PersistMode, Readable as _, SingleWriterTxDatabase, SingleWriterTxKeyspace,
    SingleWriterWriteTx,
};

use super::layout::{self, Key};
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

pub(crate) struct Fjall {
    database: SingleWriterTxDatabase,
    sessions: SingleWriterTxKeyspace,
    ends: SingleWriterTxKeyspace,
    class: Class,
}

impl Fjall {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let builder = SingleWriterTxDatabase::builder(directory.join("sessions"));
        let database = builder.cache_size(super::CACHE_BYTES as u64).open().unwrap();
        let options = KeyspaceCreateOptions::default;
        let [sessions, ends] = ["sessions", "ends"].map(|name| database.keyspace(name, options).unwrap());
        Self { database, sessions, ends, class }
    }

    fn put(&self, transaction: &mut SingleWriterWriteTx<'_>, key: &Key, before: Option<Timestamp>, value: &[u8]) {
        let end = layout::ends(value);
        transaction.insert(&self.sessions, key, value);
        if before != Some(end) {
            if let Some(before) = before {
                transaction.remove(&self.ends, layout::due(before, key));
            }
            transaction.insert(&self.ends, layout::due(end, key), []);
        }
    }

    /// Syncs outside of the transaction, so that several transactions can share one sync.
    fn commit(&self, transaction: SingleWriterWriteTx<'_>) {
        transaction.commit().unwrap();
        if self.class == Class::Durable {
            self.database.persist(PersistMode::SyncData).unwrap();
        }
    }
}

impl Contender for Fjall {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        let mut sessions = sessions.peekable();
        while sessions.peek().is_some() {
            let mut transaction = self.database.write_tx();
            for session in sessions.by_ref().take(super::BATCH) {
                let value = layout::value(session.ends(), &session);
                self.put(&mut transaction, session.key().as_bytes(), None, &value);
            }
            transaction.commit().unwrap();
        }
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let value = self.sessions.get(key.as_bytes()).unwrap();
        Some(value.and_then(|value| layout::live(&value, now)).map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let key = key.as_bytes();
        let mut transaction = self.database.write_tx();
        let Some(value) = transaction.get(&self.sessions, key).unwrap() else { return Some(false) };
        let before = layout::ends(&value);
        if before <= now {
            return Some(false);
        }
        self.put(&mut transaction, key, Some(before), &layout::moved(&value, layout::end_of_seen(now)));
        self.commit(transaction);
        Some(true)
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let key = session.key().as_bytes();
        let mut transaction = self.database.write_tx();
        let before = transaction.get(&self.sessions, key).unwrap().map(|value| layout::ends(&value));
        let end = before.map_or(session.ends(), |before| before.max(session.ends()));
        self.put(&mut transaction, key, before, &layout::value(end, session));
        self.commit(transaction);
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let mut transaction = self.database.write_tx();
        let due: Vec<_> =
            transaction.range(&self.ends, ..layout::not_due(now)).map(|entry| entry.key().unwrap()).collect();
        for due in &due {
            transaction.remove(&self.sessions, layout::key_of(due));
            transaction.remove(&self.ends, due.clone());
        }
        self.commit(transaction);
        Some(Some(due.len() as u64))
    }

    fn close(self: Box<Self>) {
        self.database.persist(PersistMode::SyncAll).unwrap();
    }
}
