//! The reading side of the log: the index kept up with the tail, and records read back.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::cache::Cache;
use super::damage::Damages;
use super::disk::{Disk, DiskFile};
use super::files::Files;
use super::frame::Frame;
use super::hints::Hints;
use super::index::Index;
use super::page::Page;
use super::position::Position;
use super::segment;
use super::settings::Settings;
use super::tail::Tail;
use super::threads::{AtomicBool, AtomicU64, RwLock, RwLockReadGuard};
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SessionKey;
use crate::record::{Record, Revision};
use crate::time::Timestamp;

/// How often a load follows a record that moves away under it: once or twice when the machine is busy, unless its segment is
/// really missing.
const MOVES_FOLLOWED: u32 = 100;

/// What guards the index and the cached records: a reader shares it, a writer has it only to publish and apply.
#[repr(C)]
pub(crate) struct State {
    /// Loads that were answered from memory. First here, and so in the cache line of the lock itself, which each load writes
    /// to anyway: elsewhere it would be one more line for which the processors contend.
    pub(crate) hits: AtomicU64,
    pub(crate) index: Index,
    pub(crate) cache: Cache,
}

/// Begins with a cache line of its own.
#[repr(align(64))]
struct CacheLine<T>(T);

/// See the module.
pub(crate) struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    /// For errors: the directory as the user named it.
    pub(crate) path: PathBuf,
    pub(crate) salt: u64,
    tail: Tail,
    state: CacheLine<RwLock<State>>,
    /// `state.index.applied`, to be compared with the tail without a lock.
    applied: AtomicU64,
    /// Whether it took more than it may, when it was written to last.
    pub(crate) is_wasteful: AtomicBool,
    pub(crate) files: Files,
    pub(crate) hints: Hints,
    pub(crate) damage: Damages,
    pub(crate) counters: Counters,
}

/// What [`stats`](super::FileStore::stats) counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) cache_misses: AtomicU64,
    pub(crate) disk_waits: AtomicU64,
    pub(crate) syncs: AtomicU64,
}

impl Log {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        salt: u64,
        tail: Tail,
        index: Index,
        settings: &Settings,
    ) -> Self {
        let state = State { hits: AtomicU64::default(), index, cache: Cache::new(settings.cache_bytes) };
        let applied = AtomicU64::new(state.index.applied.as_u64());
        Self {
            disk,
            path,
            salt,
            tail,
            state: CacheLine(RwLock::new(state)),
            applied,
            is_wasteful: AtomicBool::new(false),
            files: Files::new(settings.sizes.files_open),
            hints: Hints::new(settings.uses_hints),
            damage: Damages::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) fn page(&self) -> &Page {
        self.tail.page()
    }

    /// Where the log ends now.
    pub(crate) fn tail(&self) -> Position {
        Position::from_u64(self.page().tail.get())
    }

    /// Up to where the log is on disk.
    pub(crate) fn durable(&self) -> Position {
        Position::from_u64(self.page().durable.get())
    }

    /// The index, as far as the log reaches now.
    pub(crate) fn read(&self) -> Result<RwLockReadGuard<'_, State>> {
        // One atomic load, no system call: this is what a second process costs a reader.
        if self.applied.load(Ordering::Acquire) != self.tail().as_u64() {
            self.catch_up()?;
        }
        Ok(self.read_unchecked())
    }

    /// The index as far as it was read; for a writer, who holds the lock and has caught up.
    pub(crate) fn read_unchecked(&self) -> RwLockReadGuard<'_, State> {
        self.state.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state: publishes, applies, caches.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut state);
        self.applied.store(state.index.applied.as_u64(), Ordering::Release);
        changed
    }

    /// So many sessions that have ended by this time can be told in order from now on, and at the cost of so many. Each touch
    /// costs one step here, at most, and readers wait for a part of them only.
    pub(crate) fn put_in_order(&self, now: Timestamp, mut wanted: usize) -> Result<()> {
        drop(self.read()?);
        let mut from = Some(0);
        while let Some(next) = from {
            from = self.change(|state| state.index.put_in_order(next, now, &mut wanted));
        }
        Ok(())
    }

    /// Reads what others have appended.
    pub(crate) fn catch_up(&self) -> Result<()> {
        match self.change(|state| self.follow(&mut state.index)) {
            // What was to be read next has been trimmed: this process slept, and the index is to be made anew (rule 15).
            Err(error) if is_not_found(&error) => self.rebuild(),
            other => other,
        }
    }

    /// The first reading of a log that others use.
    pub(crate) fn start(&self) -> Result<()> {
        self.rebuild()
    }

    /// Makes the index from the log alone, aside; readers go on with the old one meanwhile.
    fn rebuild(&self) -> Result<()> {
        let lock = self.disk.lock(super::WRITER_LOCK).map_err(|error| self.io("opening the writer lock", error))?;
        for attempt in 1.. {
            // A compactor may trim again while this reads; the third time it has to wait.
            let locked = attempt >= 3
                // Not said in the page that it is wanted: who only reads cannot write there.
                && super::wait::until(super::wait::LOCK_WAIT, || lock.try_exclusive())
                    .map_err(|error| self.io("waiting for the writer lock", error))?;
            // Also what came while it read: that, too, may have been trimmed by the time it is looked for.
            let rebuilt = self.read_from_scratch().and_then(|index| {
                self.change(|state| {
                    if index.applied > state.index.applied {
                        state.index = index;
                    }
                    self.follow(&mut state.index)
                })
            });
            if locked {
                lock.unlock().map_err(|error| self.io("releasing the writer lock", error))?;
            }
            match rebuilt {
                Err(error) if is_not_found(&error) && attempt < 4 => {}
                other => return other,
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// An index read from all segments there are.
    fn read_from_scratch(&self) -> Result<Index> {
        let last = self.tail().segment();
        let mut segments = self.segments()?;
        segments.retain(|number| *number <= last);
        let mut index = Index::new(*segments.first().unwrap_or(&last));
        self.replay(&mut index, &segments, |_| Ok(()))?;
        self.follow(&mut index)?;
        self.report_missing(&index, &segments);
        index.settle();
        Ok(index)
    }

    /// How many bytes these segments have.
    pub(crate) fn bytes_of(&self, segments: &[u32]) -> Result<u64> {
        let length = |number: &u32| self.length_of(*number, &*self.file(*number)?).map(u64::from);
        segments.iter().map(length).sum()
    }

    /// How many bytes of a segment's file can be part of the log.
    pub(crate) fn length_of(&self, number: u32, file: &dyn DiskFile) -> Result<u32> {
        let length = file.len().map_err(|error| self.segment_io("looking at a segment", number, error))?;
        Ok(length.min(u64::from(u32::MAX)) as u32)
    }

    /// The numbers of all segments in the directory, in order.
    pub(crate) fn segments(&self) -> Result<Vec<u32>> {
        let names = self.disk.names().map_err(|error| self.io("listing the session directory", error))?;
        let mut segments: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
        segments.sort_unstable();
        Ok(segments)
    }

    /// A session, if it lives: from the cache, or from its frame.
    pub(crate) fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        for _ in 0..MOVES_FOLLOWED {
            let state = self.read()?;
            let Some(slot) = state.index.live_at(key, now) else { return Ok(None) };
            if let Some(record) = slot.record() {
                state.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(record));
            }
            let (at, bytes, expiry, revision) = (slot.at(), slot.bytes(), *slot.expiry(), slot.revision());
            let keeps = state.cache.keeps_any();
            drop(state);
            self.counters.cache_misses.fetch_add(1, Ordering::Relaxed);
            match self.read_record(key, at, bytes) {
                Ok((mut record, bytes)) => {
                    if keeps {
                        self.change(|State { index, cache, .. }| cache.keep(index, key, revision, bytes));
                    }
                    record.set_expiry(expiry);
                    record.set_revision(revision);
                    return Ok(Some(record));
                }
                // Its segment was trimmed since the index was asked: it has moved (rule 15).
                Err(error) if is_not_found(&error) => self.catch_up()?,
                Err(error) => return Err(error),
            }
        }
        let why = "its segment vanished again and again";
        Err(Error::new(ErrorKind::Damaged, format!("loading session {key}")).at(&self.path).because(why))
    }

    /// Reads a put or a move, and checks it: sealed segments are checked here, not when the store is opened.
    pub(crate) fn read_record(&self, key: &SessionKey, at: Position, bytes: u32) -> Result<(Record, Bytes)> {
        let doing = || format!("loading session {key}");
        let damaged = |why: &'static str| {
            let path = self.path.join(segment::name(at.segment()));
            Err(Error::new(ErrorKind::Damaged, doing()).at(path).because(why))
        };
        let Some(bytes) = self.read_frame(at, bytes)? else {
            self.report(at.segment(), at.offset(), at.offset() + bytes, Some(*key));
            return damaged("its bytes on disk are not those that were written");
        };
        let frame = Frame::parse_anywhere(&bytes, at, self.salt).expect("the frame was just found whole");
        match frame.record() {
            Some((revision, record)) if frame.head.key == *key => {
                let record = Record::from_stored(*key, Revision::from_u64(revision), record);
                record.map_err(|error| error.at(self.path.join(segment::name(at.segment()))))
            }
            _ => damaged("another frame stands where its record should be"),
        }
    }

    /// The bytes of a frame, if they are whole.
    pub(crate) fn read_frame(&self, at: Position, bytes: u32) -> Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; bytes as usize];
        let read = self.file(at.segment())?.read_at(&mut buffer, u64::from(at.offset()));
        read.map_err(|error| self.segment_io("reading a record", at.segment(), error))?;
        Ok(Frame::parse_anywhere(&buffer, at, self.salt).is_some().then_some(buffer))
    }

    pub(crate) fn io(&self, doing: &'static str, error: io::Error) -> Error {
        Error::io(doing, error).at(&self.path)
    }

    pub(crate) fn segment_io(
        &self,
        doing: impl Into<std::borrow::Cow<'static, str>>,
        segment: u32,
        error: io::Error,
    ) -> Error {
        Error::io(doing, error).at(self.path.join(segment::name(segment)))
    }
}

/// Whether a file was not there.
pub(crate) fn is_not_found(error: &Error) -> bool {
    let cause = error.cause().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
}
