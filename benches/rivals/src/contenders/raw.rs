//! The system calls of a log and nothing else: no store, but the limit of any store that writes a log.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Condvar, Mutex};

use cloakroom::{SessionKey, Timestamp};
use rustix::fs::FlockOperation;

use crate::contender::{Class, Contender};
use crate::session::Session;

/// Bytes of a frame before its record, as in cloakroom's log.
const HEAD: usize = 37;

/// A file that is only ever appended to. In the durable class, one thread syncs for all that have written meanwhile.
pub(crate) struct Raw {
    class: Class,
    log: Mutex<Log>,
    file: File,
    lock: File,
    synced: Mutex<Synced>,
    changed: Condvar,
}

struct Log {
    frame: Vec<u8>,
    end: u64,
}

#[derive(Default)]
struct Synced {
    end: u64,
    is_syncing: bool,
}

impl Raw {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let [file, lock] = [(); 2].map(|()| tempfile::tempfile_in(directory).unwrap());
        let log = Log { frame: Vec::new(), end: 0 }.into();
        Self { class, log, file, lock, synced: Mutex::default(), changed: Condvar::new() }
    }

    /// Appends a frame, and returns where it ends. The relaxed class takes a file lock, as processes that share a log do.
    fn append(&self, body: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let mut log = self.log.lock().unwrap();
        let Log { frame, end } = &mut *log;
        frame.clear();
        frame.resize(HEAD, 1);
        body(frame);
        if self.class == Class::Relaxed {
            rustix::fs::flock(&self.lock, FlockOperation::LockExclusive).unwrap();
        }
        self.file.write_all_at(frame, *end).unwrap();
        if self.class == Class::Relaxed {
            rustix::fs::flock(&self.lock, FlockOperation::Unlock).unwrap();
        }
        *end += frame.len() as u64;
        *end
    }

    fn sync(&self, mine: u64) {
        let mut synced = self.synced.lock().unwrap();
        while synced.end < mine {
            if synced.is_syncing {
                synced = self.changed.wait(synced).unwrap();
                continue;
            }
            synced.is_syncing = true;
            drop(synced);
            let end = self.log.lock().unwrap().end;
            self.file.sync_data().unwrap();
            synced = self.synced.lock().unwrap();
            *synced = Synced { end, is_syncing: false };
            self.changed.notify_all();
        }
    }
}

impl Contender for Raw {
    fn fill(&self, _: &mut dyn Iterator<Item = Session>, _: Timestamp) {}

    fn touch(&self, _: &SessionKey, now: Timestamp) -> Option<bool> {
        self.append(|frame| frame.extend_from_slice(&now.as_millis().to_le_bytes()));
        Some(true)
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let mine = self.append(|frame| frame.extend_from_slice(&session.record.to_bytes()));
        if self.class == Class::Durable {
            self.sync(mine);
        }
        Some(())
    }
}
