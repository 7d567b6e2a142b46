//! cloakroom itself, through `FileStore`.

use std::path::Path;
use std::time::Duration;

use cloakroom::{Durability, FileStore, SessionKey, Store, Timestamp, Update};

use crate::block_on::block_on;
use crate::contender::{Class, Contender, Loaded};
use crate::session::{Known, Session};

pub(crate) struct Cloakroom(FileStore);

impl Cloakroom {
    pub(crate) const EVERY: Durability = Durability::Every(Duration::from_secs(1));

    pub(crate) fn durability(class: Class) -> Durability {
        match class {
            Class::Relaxed => Durability::Never,
            Class::Durable => Durability::Always,
        }
    }

    pub(crate) fn open(directory: &Path, durability: Durability) -> Self {
        Self(store(directory, durability))
    }
}

/// A store whose cache may be as large as that of any other contender.
pub(crate) fn store(directory: &Path, durability: Durability) -> FileStore {
    let options = FileStore::options().durability(durability).cache_bytes(super::CACHE_BYTES);
    options.open(directory.join("sessions")).unwrap()
}

impl Contender for Cloakroom {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, now: Timestamp) {
        for session in sessions {
            block_on(self.0.create(&session.record, &[], now)).unwrap();
        }
    }

    fn meet(&self, session: &mut Session, now: Timestamp) {
        if let Some(stored) = block_on(self.0.load(session.key(), now)).unwrap() {
            session.known = Known::Revision(stored.revision());
        }
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        Some(block_on(self.0.load(key, now)).unwrap().map(Loaded::Record))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        Some(block_on(self.0.touch(key, now)).unwrap())
    }

    fn save(&self, session: &mut Session, now: Timestamp) -> Option<()> {
        let Known::Revision(expected) = session.known else { panic!("cloakroom saves what was loaded") };
        match block_on(self.0.update(&session.record, expected, now)).unwrap() {
            Update::Stored(revision) => session.known = Known::Revision(revision),
            other => panic!("a session with one saver: {other:?}"),
        }
        Some(())
    }

    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        Some(Some(block_on(self.0.sweep(now, usize::MAX)).unwrap().removed))
    }

    fn close(self: Box<Self>) {
        self.0.close().unwrap();
    }
}
