//! sled: two trees, changed in one transaction.

use std::path::Path;

use cloakroom::{SessionKey, Timestamp};
use sled::transaction::{ConflictableTransactionResult, Transactional as _, TransactionalTree};
use sled::{Db, Tree};

use super::layout::{self, Key};
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

pub(crate) struct Sled {
    database: Db,
    sessions: Tree,
    ends: Tree,
    class: Class,
}

impl Sled {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let config = sled::Config::new().path(directory.join("sessions")).cache_capacity(super::CACHE_BYTES as u64);
        let database = config.open().unwrap();
        let [sessions, ends] = ["sessions", "ends"].map(|name| database.open_tree(name).unwrap());
        Self { database, sessions, ends, class }
    }

    /// The durable class flushes after the transaction, so that several threads can share one flush.
    fn write<T>(
        &self,
        work: impl Fn(&TransactionalTree, &TransactionalTree) -> ConflictableTransactionResult<T, ()>,
    ) -> T {
        let done = (&self.sessions, &self.ends).transaction(|(sessions, ends)| work(sessions, ends)).unwrap();
        if self.class == Class::Durable {
            self.database.flush().unwrap();
        }
        done
    }
}

fn put(
    sessions: &TransactionalTree,
    ends: &TransactionalTree,
    key: &Key,
    value: Vec<u8>,
) -> ConflictableTransactionResult<(), ()> {
    let end = layout::ends(&value);
    let before = sessions.insert(key, value)?.map(|value| layout::ends(&value));
    if before != Some(end) {
        if let Some(before) = before {
            ends.remove(&layout::due(before, key))?;
        }
        ends.insert(&layout::due(end, key), &[])?;
    }
    Ok(())
}

impl Contender for Sled {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        for session in sessions {
            self.sessions.insert(session.key().as_bytes(), layout::value(session.ends(), &session)).unwrap();
            self.ends.insert(layout::due(session.ends(), session.key().as_bytes()), &[]).unwrap();
        }
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let value = self.sessions.get(key.as_bytes()).unwrap();
        Some(value.and_then(|value| layout::live(&value, now)).map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let key = key.as_bytes();
        Some(self.write(|sessions, ends| {
            let Some(value) = sessions.get(key)?.filter(|value| layout::ends(value) > now) else { return Ok(false) };
            put(sessions, ends, key, layout::moved(&value, layout::end_of_seen(now)))?;
            Ok(true)
        }))
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let key = session.key().as_bytes();
        self.write(|sessions, ends| {
            let before = sessions.get(key)?.map(|value| layout::ends(&value));
            let end = before.map_or(session.ends(), |before| before.max(session.ends()));
            put(sessions, ends, key, layout::value(end, session))
        });
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let mut removed = 0;
        for entry in self.ends.range(..layout::not_due(now)) {
            let (due, _) = entry.unwrap();
            self.sessions.remove(layout::key_of(&due)).unwrap();
            self.ends.remove(due).unwrap();
            removed += 1;
        }
        if self.class == Class::Durable {
            self.database.flush().unwrap();
        }
        Some(Some(removed))
    }

    fn close(self: Box<Self>) {
        self.database.flush().unwrap();
    }
}
