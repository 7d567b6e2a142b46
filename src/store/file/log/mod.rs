//! The reading side of the log: the index kept up with the tail, and records read back. Nothing is appended here.

pub(crate) mod damage;
mod fsync;
pub(crate) mod hint_files;
pub(crate) mod replay;
pub(crate) mod scan;
pub(crate) mod segments;

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use self::hint_files::Hints;
use self::segments::{Segments, is_not_found};
use crate::model::bytes::Bytes;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::store::file::format::frame::Frame;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::index::Index;
use crate::store::file::index::cache::Cache;
use crate::store::file::threads::{AtomicBool, AtomicU64, RwLock, RwLockReadGuard};

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
    pub(crate) segments: Segments,
    pub(crate) hints: Hints,
    state: CacheLine<RwLock<State>>,
    /// `state.index.applied`, to be compared with the tail without a lock.
    applied: AtomicU64,
    /// Whether it took more than it may, when it was written to last.
    pub(crate) is_wasteful: AtomicBool,
    /// Loads that read a file.
    pub(crate) cache_misses: AtomicU64,
}

impl Log {
    pub(crate) fn new(segments: Segments, hints: Hints, index: Index, cache: Cache) -> Self {
        Self {
            segments,
            hints,
            applied: AtomicU64::new(index.applied.as_u64()),
            state: CacheLine(RwLock::new(State { hits: AtomicU64::default(), index, cache })),
            is_wasteful: AtomicBool::new(false),
            cache_misses: AtomicU64::default(),
        }
    }

    /// The index, as far as the log reaches now.
    pub(crate) fn read(&self) -> Result<RwLockReadGuard<'_, State>> {
        // One atomic load, no system call: this is what a second process costs a reader.
        if self.applied.load(Ordering::Acquire) != self.segments.tail().as_u64() {
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
    pub(crate) fn sort_deadlines(&self, now: Timestamp, mut wanted: usize) -> Result<()> {
        drop(self.read()?);
        let mut from = Some(0);
        while let Some(next) = from {
            from = self.change(|state| state.index.sort_deadlines(next, now, &mut wanted));
        }
        Ok(())
    }

    /// Reads what others have appended.
    pub(crate) fn catch_up(&self) -> Result<()> {
        match self.change(|state| replay::follow(&self.segments, &mut state.index)) {
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
        let lock = self
            .segments
            .disk
            .lock(names::WRITER_LOCK)
            .map_err(|error| self.segments.io("opening the writer lock", error))?;
        for attempt in 1.. {
            // A compactor may trim again while this reads; the third time it has to wait.
            let locked = attempt >= 3
                // Not said in the page that it is wanted: who only reads cannot write there.
                && crate::store::file::threads::wait::until(crate::store::file::threads::wait::LOCK_WAIT, || lock.try_exclusive())
                    .map_err(|error| self.segments.io("waiting for the writer lock", error))?;
            // Also what came while it read: that, too, may have been trimmed by the time it is looked for.
            let rebuilt = self.read_from_scratch().and_then(|index| {
                self.change(|state| {
                    if index.applied > state.index.applied {
                        state.index = index;
                    }
                    replay::follow(&self.segments, &mut state.index)
                })
            });
            if locked {
                lock.unlock().map_err(|error| self.segments.io("releasing the writer lock", error))?;
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
        let last = self.segments.tail().segment();
        let mut numbers = self.segments.numbers()?;
        numbers.retain(|number| *number <= last);
        let mut index = Index::new(*numbers.first().unwrap_or(&last));
        replay::replay(&self.segments, &self.hints, &mut index, &numbers, |_| Ok(()))?;
        replay::follow(&self.segments, &mut index)?;
        replay::report_missing(&self.segments, &index, &numbers);
        index.shrink_to_fit();
        Ok(index)
    }

    /// Removes the files of segments that have left the log. That needs no sync: whatever of it a crash takes back, the trim
    /// is durable and says that they are no part of the log, and the next opener removes what is there again.
    pub(crate) fn remove_trimmed(&self) -> Result<()> {
        let Segments { disk, .. } = &self.segments;
        let oldest = self.read()?.index.oldest;
        for number in self.segments.numbers()?.into_iter().filter(|number| *number < oldest) {
            let removed = disk.remove(&names::segment(number));
            removed.map_err(|error| self.segments.segment_io("removing a trimmed segment", number, error))?;
        }
        hint_files::remove_trimmed(&**disk, oldest);
        self.segments.close_trimmed(oldest);
        Ok(())
    }

    /// A session, if it lives: from the cache, or from its frame.
    pub(crate) fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        for _ in 0..MOVES_FOLLOWED {
            let state = self.read()?;
            let Some(meta) = state.index.live_at(key, now) else { return Ok(None) };
            if let Some(record) = meta.record() {
                state.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(record));
            }
            let (at, bytes, expiry, revision) = (meta.at(), meta.bytes(), *meta.expiry(), meta.revision());
            let keeps = state.cache.keeps_any();
            drop(state);
            self.cache_misses.fetch_add(1, Ordering::Relaxed);
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
        Err(Error::new(ErrorKind::Damaged, format!("loading session {key}")).at(&self.segments.path).because(why))
    }

    /// Reads a put or a move, and checks it: sealed segments are checked here, not when the store is opened.
    pub(crate) fn read_record(&self, key: &SessionKey, at: Position, bytes: u32) -> Result<(Record, Bytes)> {
        let doing = || format!("loading session {key}");
        let damaged = |why: &'static str| {
            let path = self.segments.path.join(names::segment(at.segment()));
            Err(Error::new(ErrorKind::Damaged, doing()).at(path).because(why))
        };
        let Some(bytes) = self.read_frame(at, bytes)? else {
            self.segments.report(at.segment(), at.offset(), at.offset() + bytes, Some(*key));
            return damaged("its bytes on disk are not those that were written");
        };
        let frame = Frame::parse_anywhere(&bytes, at, self.segments.salt).expect("the frame was just found whole");
        match frame.record() {
            Some((revision, record)) if frame.head.key == *key => {
                let record = Record::from_stored(*key, Revision::from_u64(revision), record);
                record.map_err(|error| error.at(self.segments.path.join(names::segment(at.segment()))))
            }
            _ => damaged("another frame stands where its record should be"),
        }
    }

    /// The bytes of a frame, if they are whole.
    pub(crate) fn read_frame(&self, at: Position, bytes: u32) -> Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; bytes as usize];
        let read = self.segments.file(at.segment())?.read_at(&mut buffer, u64::from(at.offset()));
        read.map_err(|error| self.segments.segment_io("reading a record", at.segment(), error))?;
        Ok(Frame::parse_anywhere(&buffer, at, self.segments.salt).is_some().then_some(buffer))
    }
}
