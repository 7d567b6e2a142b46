//! What the system alone takes for what a log has to do: the limits that no log can be below.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Condvar, Mutex};

use cloakroom::Record;
use rustix::fs::FlockOperation;

/// Bytes that a frame has before its record.
const HEAD: usize = 37;

/// A file that is only ever appended to.
pub(crate) struct RawLog {
    file: File,
    lock: File,
    end: u64,
    zeros: u64,
    frame: Vec<u8>,
}

impl RawLog {
    pub(crate) fn new(directory: &Path) -> Self {
        let lock = tempfile::tempfile_in(directory).unwrap();
        let file = tempfile::tempfile_in(directory).unwrap();
        Self { file, lock, end: 0, zeros: 0, frame: Vec::new() }
    }

    /// Writes zeros into so many bytes of the space ahead, and syncs them, as someone else may do in good time.
    pub(crate) fn prepare(&mut self, bytes: u64) {
        let zeros = vec![0; bytes as usize];
        self.file.write_all_at(&zeros, self.zeros.max(self.end)).unwrap();
        self.zeros = self.zeros.max(self.end) + bytes;
        self.file.sync_all().unwrap();
    }

    /// Appends a frame without a record, in turns with other processes.
    pub(crate) fn touch(&mut self) {
        self.frame.clear();
        self.frame.resize(HEAD + 8, 1);
        self.append_locked();
    }

    /// Encodes and appends a record, in turns with other processes.
    pub(crate) fn save(&mut self, record: &Record) {
        encode(record, &mut self.frame);
        self.append_locked();
    }

    /// Encodes and appends a record, and waits for the disk.
    pub(crate) fn save_durably(&mut self, record: &Record) {
        encode(record, &mut self.frame);
        self.append();
        self.file.sync_data().unwrap();
    }

    fn append_locked(&mut self) {
        rustix::fs::flock(&self.lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        self.append();
        rustix::fs::flock(&self.lock, FlockOperation::Unlock).unwrap();
    }

    fn append(&mut self) {
        self.file.write_all_at(&self.frame, self.end).unwrap();
        self.end += self.frame.len() as u64;
    }
}

fn encode(record: &Record, frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(HEAD, 1);
    frame.extend_from_slice(&record.to_bytes());
}

/// Durable appends by many threads: each writes by itself, and one of them syncs for all that have written.
pub(crate) struct GroupCommit {
    log: Mutex<RawLog>,
    file: File,
    synced: Mutex<Synced>,
    changed: Condvar,
}

#[derive(Default)]
struct Synced {
    end: u64,
    somebody_syncs: bool,
}

impl GroupCommit {
    pub(crate) fn new(directory: &Path) -> Self {
        let log = RawLog::new(directory);
        let file = log.file.try_clone().unwrap();
        Self { log: log.into(), file, synced: Mutex::default(), changed: Condvar::new() }
    }

    /// See [`RawLog::prepare`].
    pub(crate) fn prepare(&self, bytes: u64) {
        self.log.lock().unwrap().prepare(bytes);
    }

    pub(crate) fn save_durably(&self, record: &Record) {
        let mine = {
            let mut log = self.log.lock().unwrap();
            let mut frame = std::mem::take(&mut log.frame);
            encode(record, &mut frame);
            log.frame = frame;
            log.append();
            log.end
        };
        let mut synced = self.synced.lock().unwrap();
        while synced.end < mine {
            if synced.somebody_syncs {
                synced = self.changed.wait(synced).unwrap();
                continue;
            }
            synced.somebody_syncs = true;
            drop(synced);
            let end = self.log.lock().unwrap().end;
            self.file.sync_data().unwrap();
            synced = self.synced.lock().unwrap();
            *synced = Synced { end, somebody_syncs: false };
            self.changed.notify_all();
        }
    }
}
