//! LMDB through heed: two databases, changed in one transaction.

use std::path::Path;

use cloakroom::{SessionKey, Timestamp};
use heed::types::{Bytes, Unit};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RwTxn};

use super::layout::{self, Key};
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

/// LMDB has to know at first how large its file may grow. These bytes are address space, not memory.
const MAP_BYTES: usize = 64 << 30;

pub(crate) struct Lmdb {
    env: Env,
    sessions: Database<Bytes, Bytes>,
    ends: Database<Bytes, Unit>,
}

impl Lmdb {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_dbs(2);
        if class == Class::Relaxed {
            // SAFETY: without syncs a power loss may break the file, and no run opens the file of an earlier run.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: nothing but LMDB, here and in this program's other processes, changes the file.
        let env = unsafe { options.open(directory) }.unwrap();
        let mut transaction = env.write_txn().unwrap();
        let sessions = env.create_database(&mut transaction, Some("sessions")).unwrap();
        let ends = env.create_database(&mut transaction, Some("ends")).unwrap();
        transaction.commit().unwrap();
        Self { env, sessions, ends }
    }

    fn end_of(&self, transaction: &RwTxn<'_>, key: &Key) -> Option<Timestamp> {
        self.sessions.get(transaction, key).unwrap().map(layout::ends)
    }

    fn put(&self, transaction: &mut RwTxn<'_>, key: &Key, before: Option<Timestamp>, value: &[u8]) {
        let end = layout::ends(value);
        self.sessions.put(transaction, key, value).unwrap();
        if before != Some(end) {
            if let Some(before) = before {
                self.ends.delete(transaction, &layout::due(before, key)).unwrap();
            }
            self.ends.put(transaction, &layout::due(end, key), &()).unwrap();
        }
    }
}

impl Contender for Lmdb {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        let mut sessions = sessions.peekable();
        while sessions.peek().is_some() {
            let mut transaction = self.env.write_txn().unwrap();
            for session in sessions.by_ref().take(super::BATCH) {
                let value = layout::value(session.ends(), &session);
                self.put(&mut transaction, session.key().as_bytes(), None, &value);
            }
            transaction.commit().unwrap();
        }
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let transaction = self.env.read_txn().unwrap();
        let value = self.sessions.get(&transaction, key.as_bytes()).unwrap();
        Some(value.and_then(|value| layout::live(value, now)).map(Loaded::Bytes))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let key = key.as_bytes();
        let mut transaction = self.env.write_txn().unwrap();
        let Some(value) = self.sessions.get(&transaction, key).unwrap() else { return Some(false) };
        let before = layout::ends(value);
        if before <= now {
            return Some(false);
        }
        let value = layout::moved(value, layout::end_of_seen(now));
        self.put(&mut transaction, key, Some(before), &value);
        transaction.commit().unwrap();
        Some(true)
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let key = session.key().as_bytes();
        let mut transaction = self.env.write_txn().unwrap();
        let before = self.end_of(&transaction, key);
        let end = before.map_or(session.ends(), |before| before.max(session.ends()));
        self.put(&mut transaction, key, before, &layout::value(end, session));
        transaction.commit().unwrap();
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let mut transaction = self.env.write_txn().unwrap();
        let mut removed = 0;
        while let Some((due, ())) = self.ends.first(&transaction).unwrap() {
            if due >= &layout::not_due(now)[..] {
                break;
            }
            let due = due.to_vec();
            self.sessions.delete(&mut transaction, &layout::key_of(&due)).unwrap();
            self.ends.delete(&mut transaction, &due).unwrap();
            removed += 1;
        }
        transaction.commit().unwrap();
        Some(Some(removed))
    }

    fn close(self: Box<Self>) {
        self.env.force_sync().unwrap();
        self.env.prepare_for_closing().wait();
    }
}
