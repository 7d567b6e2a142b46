//! The reading side of the write-ahead log: its segment files, the index that follows the tail, and records read back.
//!
//! Nothing here appends to the log or plans an operation. Syncs, the poison and damaged places belong here, for readers and
//! writers share them.

pub(crate) mod closing_mark;
pub(crate) mod damage;
pub(crate) mod failure;
mod fsync;
pub(crate) mod hint_files;
mod identity;
mod listing;
pub(crate) mod replay;
pub(crate) mod scan;
pub(crate) mod segments;
pub(crate) mod shared_sync;
pub(crate) mod snapshot_file;

use std::ops::Deref;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use self::failure::Failure;
use self::hint_files::Hints;
use self::segments::{Segments, is_not_found};
use crate::model::bytes::Bytes;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::disk::unreadable::read_past;
use crate::store::file::format::frame::Frame;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::index::Index;
use crate::store::file::index::cache::Cache;
use crate::store::file::index::deadlines::{Bucket, Place, end_of};
use crate::store::file::settings::Sizes;
use crate::store::file::threads::steps::Hold;
use crate::store::file::threads::wait::{self, LOCK_WAIT};
use crate::store::file::threads::{AtomicBool, AtomicU64, Mutex, RwLock, RwLockReadGuard};
use crate::store::result::Found;

/// How often a load follows a record that compaction moves away. Once or twice is enough on a busy machine; a load that
/// needs all of these tries has met a segment that is really missing.
const MOVES_FOLLOWED: u32 = 100;

/// The index and the cached records, under one lock. Readers share the lock; a writer takes it only to publish and to apply.
#[repr(C)]
pub(crate) struct State {
    /// Loads that were answered from memory. The field comes first, so that it shares the cache line of the lock. Each load
    /// writes to that line anyway; in any other place the processors would contend for one more line.
    pub(crate) hits: AtomicU64,
    pub(crate) index: Index,
    pub(crate) cache: Cache,
    /// How often the index was made anew. Each time the sessions get other slots.
    rebuilds: u64,
}

/// The state, while this thread reads it.
pub(crate) struct Reading<'a> {
    state: RwLockReadGuard<'a, State>,
    _hold: Hold,
}

impl Deref for Reading<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

/// A value that begins a cache line.
#[repr(align(64))]
struct CacheLine<T>(T);

/// One log, as this process reads it.
pub(crate) struct Log {
    pub(crate) segments: Segments,
    pub(crate) hints: Hints,
    state: CacheLine<RwLock<State>>,
    /// Held by the one thread that reads on. It reads without the state's lock, and takes that lock for each piece.
    catching_up: Mutex<()>,
    /// A copy of `state.index.applied`, so that a reader compares it with the tail without a lock.
    applied: AtomicU64,
    /// Whether the log was larger than compaction lets it grow, at the last write of this process.
    pub(crate) is_wasteful: AtomicBool,
    /// Whether the disk had no room for what this process wanted to write at last.
    pub(crate) is_full: AtomicBool,
    /// What keeps this process from beginning segments.
    pub(crate) failed_roll: Failure,
    /// Loads that read a file.
    pub(crate) cache_misses: AtomicU64,
}

impl Log {
    pub(crate) fn new(segments: Segments, hints: Hints, index: Index, cache: Cache) -> Self {
        Self {
            segments,
            hints,
            applied: AtomicU64::new(index.applied.as_u64()),
            state: CacheLine(RwLock::new(State { hits: AtomicU64::default(), index, cache, rebuilds: 0 })),
            catching_up: Mutex::default(),
            is_wasteful: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            failed_roll: Failure::default(),
            cache_misses: AtomicU64::default(),
        }
    }

    /// The index, caught up with the tail.
    pub(crate) fn read(&self) -> Result<Reading<'_>> {
        // One atomic load, no system call: this is what a second process costs a reader.
        let tail = self.segments.tail();
        if self.applied.load(Ordering::Acquire) != tail.as_u64() {
            // A writer of this process sets the tail and applies its frames under one lock, and has done both by now.
            let state = self.read_unchecked();
            if state.index.applied >= tail {
                return Ok(state);
            }
            drop(state);
            self.catch_up()?;
        }
        Ok(self.read_unchecked())
    }

    /// The index as it is, which may be older than the tail. For a writer that holds the writer lock and has caught up,
    /// and where an old answer does no harm.
    pub(crate) fn read_unchecked(&self) -> Reading<'_> {
        Reading { state: self.state.0.read().unwrap_or_else(PoisonError::into_inner), _hold: Hold::begin() }
    }

    /// The one way to change the index or the cache.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.0.write().unwrap_or_else(PoisonError::into_inner);
        let _hold = Hold::begin();
        let changed = change(&mut state);
        self.applied.store(state.index.applied.as_u64(), Ordering::Release);
        changed
    }

    /// Drops what a clear has left of the index, with no lock held, and lets some of the sessions go that have ended with
    /// all others of their owner. Says whether there are more. The store's thread calls this again and again.
    pub(crate) fn let_go(&self, many: usize) -> bool {
        self.read_unchecked().index.has_left() && self.change(|state| state.index.let_go(many)).1
    }

    /// Lets all of them go, before many sessions are looked at.
    pub(crate) fn let_all_go(&self) {
        while self.let_go(Sizes::REAL.let_go) {}
    }

    /// Puts up to `wanted` sessions that expired by `now` in the order of their ends. Each touch costs at most one step here,
    /// and each session of a large bucket one step a level.
    pub(crate) fn sort_deadlines(&self, now: Timestamp, wanted: usize) -> Result<()> {
        drop(self.read()?);
        self.let_all_go();
        self.sort_until(&end_of(now), wanted);
        Ok(())
    }

    /// The steps are done in parts, and readers wait for one part.
    fn sort_until(&self, last: &Place, mut wanted: usize) {
        let mut from = Some(Bucket::FIRST);
        while let Some(next) = from {
            from = self.change(|state| state.index.sort_deadlines(next, last, &mut wanted));
        }
    }

    /// How many sessions live and how many have expired, counted in parts. That is exact at one moment, unless sweeps come in
    /// between again and again.
    pub(crate) fn count(&self, now: Timestamp) -> Result<(usize, usize)> {
        const ATTEMPTS: u32 = 10;
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.sort_deadlines(now, usize::MAX)?;
            let (mut from, mut ended, mut sweeps) = (Bucket::FIRST, 0, None);
            loop {
                let State { index, .. } = &*self.read()?;
                // What a sweep ends is gone from the index, and may have been counted before.
                if *sweeps.get_or_insert(index.sweeps()) != index.sweeps() && attempt < ATTEMPTS {
                    break;
                }
                match index.count_ended(from, now, &mut ended) {
                    Some(next) => from = next,
                    None => return Ok((index.len().saturating_sub(ended), ended)),
                }
            }
        }
    }

    /// Whether other processes have appended more than so many bytes, or begun a segment, and this one has not read that.
    pub(crate) fn is_behind_by(&self, most: u32) -> bool {
        let (applied, tail) = (Position::from_u64(self.applied.load(Ordering::Acquire)), self.segments.tail());
        let is_near = applied.segment() == tail.segment() && tail.offset().saturating_sub(applied.offset()) <= most;
        applied < tail && !is_near
    }

    /// Applies what other processes have appended before this call.
    pub(crate) fn catch_up(&self) -> Result<()> {
        match self.follow() {
            // The segment to read next was trimmed while this process slept. Only a rebuild helps (rule 15).
            Err(error) if is_not_found(&error) => self.rebuild(),
            other => other,
        }
    }

    fn follow(&self) -> Result<()> {
        let _alone = self.catching_up.lock().unwrap_or_else(PoisonError::into_inner);
        // The tail first: a writer of this process sets it and applies its frames under one lock of the state. So what lies
        // between the index and this tail was written by other processes, and only this thread applies it.
        let tail = self.segments.tail();
        let from = self.read_unchecked().index.applied;
        replay::follow(&self.segments, from, tail, &mut |piece| {
            // What the sweep ends is found in order then, and in few steps.
            if let Some(last) = piece.sweep() {
                self.let_all_go();
                self.sort_until(&last, usize::MAX);
            }
            // A trim looks for sessions that compaction could not move, and would meet the dead.
            if piece.trims() {
                self.let_all_go();
            }
            self.change(|state| replay::apply(&self.segments, &mut state.index, piece));
        })
    }

    /// Reads the whole log for the first time, in a process that joins.
    pub(crate) fn start(&self) -> Result<()> {
        self.rebuild()
    }

    /// Makes the index anew from the log alone. Readers use the old index meanwhile.
    fn rebuild(&self) -> Result<()> {
        let lock = self
            .segments
            .disk
            .lock(names::WRITER_LOCK)
            .map_err(|error| self.segments.io("opening the writer lock", error))?;
        for attempt in 1.. {
            // A compactor may trim again during this read. From the third attempt on, the writer lock keeps it out.
            let locked = attempt >= 3
                // The shared page is not told that the lock is wanted: a read-only process cannot write there.
                && wait::until(LOCK_WAIT, || lock.try_exclusive())
                    .map_err(|error| self.segments.io("waiting for the writer lock", error))?;
            // The new index then follows what was appended during the read. If that is trimmed by now, it tries again.
            let rebuilt = self.read_from_scratch().and_then(|index| {
                self.replace(index);
                self.follow()
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

    /// Puts a newer index in the place of the old one, which is dropped when no lock is held any more.
    fn replace(&self, mut index: Index) {
        let _alone = self.catching_up.lock().unwrap_or_else(PoisonError::into_inner);
        self.change(|state| {
            if index.applied > state.index.applied {
                std::mem::swap(&mut state.index, &mut index);
                state.rebuilds += 1;
            }
        });
    }

    /// An index made from all segments that are in the directory.
    fn read_from_scratch(&self) -> Result<Index> {
        let last = self.segments.tail().segment();
        let mut numbers = self.segments.numbers()?;
        numbers.retain(|number| *number <= last);
        let mut index = self.read_unchecked().index.anew(*numbers.first().unwrap_or(&last));
        replay::replay(&self.segments, &self.hints, &mut index, &numbers, |_| Ok(()))?;
        let (from, tail) = (index.applied, self.segments.tail());
        replay::follow(&self.segments, from, tail, &mut |piece| {
            replay::apply_alone(&self.segments, &mut index, piece)
        })?;
        replay::report_missing(&self.segments, &index, &numbers);
        index.shrink_to_fit();
        Ok(index)
    }

    /// Removes the files of segments that have left the log. The removal needs no sync: a crash may bring a file back, but
    /// the trim frame is durable and says that the file is no part of the log. The next opener removes it again (rule 7).
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

    /// A session that lives.
    pub(crate) fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        self.find(key, now).map(Found::live)
    }

    /// A session that lives, or the trace under its key, from the cache or from its frame.
    pub(crate) fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        for _ in 0..MOVES_FOLLOWED {
            let state = self.read()?;
            let Some(meta) = state.index.standing_at(key, now) else { return Ok(Found::Nothing) };
            if let Some(found) = meta.record().map(Found::Live).or_else(|| meta.trace().map(Found::Trace)) {
                state.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(found);
            }
            let is_trace = meta.is_trace();
            let (at, bytes, expiry, revision) = (meta.at(), meta.bytes(), *meta.expiry(), meta.revision());
            let keeps = state.cache.keeps_any();
            drop(state);
            self.cache_misses.fetch_add(1, Ordering::Relaxed);
            let read = match is_trace {
                true => self
                    .read_trace(key, at, bytes)
                    .map(|trace| (Found::Trace(trace), Bytes::from(&trace.to_bytes()[..]))),
                false => self.read_record(key, at, bytes).map(|(record, bytes)| (Found::Live(record), bytes)),
            };
            match read {
                Ok((mut found, bytes)) => {
                    if keeps {
                        self.change(|State { index, cache, .. }| cache.keep(index, key, revision, bytes));
                    }
                    if let Found::Live(record) = &mut found {
                        record.set_expiry(expiry);
                        record.set_revision(revision);
                    }
                    return Ok(found);
                }
                // The segment was trimmed after the look at the index, so the record has moved (rule 15).
                Err(error) if is_not_found(&error) => self.catch_up()?,
                Err(error) => return Err(error),
            }
        }
        let why = "its segment vanished again and again";
        Err(Error::new(ErrorKind::Damaged, format!("loading session {key}")).at(&self.segments.path).because(why))
    }

    /// Reads the frame of a put or a move and checks it. Recovery does not read sealed segments that have a valid hint, so
    /// this is where their records are checked (rule 6).
    pub(crate) fn read_record(&self, key: &SessionKey, at: Position, bytes: u32) -> Result<(Record, Bytes)> {
        self.read_with(key, at, bytes, |revision, record| {
            Record::from_stored(*key, Revision::from_u64(revision), record)
        })
    }

    /// The same for a trace.
    pub(crate) fn read_trace(&self, key: &SessionKey, at: Position, bytes: u32) -> Result<Trace> {
        self.read_with(key, at, bytes, |_, trace| Trace::from_bytes(*key, trace))
    }

    fn read_with<T>(
        &self,
        key: &SessionKey,
        at: Position,
        bytes: u32,
        decode: impl FnOnce(u64, &[u8]) -> Result<T>,
    ) -> Result<T> {
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
                let decoded = decode(revision, record);
                decoded.map_err(|error| error.at(self.segments.path.join(names::segment(at.segment()))))
            }
            _ => damaged("another frame stands where its record should be"),
        }
    }

    /// The bytes of a frame; `None` if a checksum is wrong.
    pub(crate) fn read_frame(&self, at: Position, bytes: u32) -> Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; bytes as usize];
        let read = read_past(&*self.segments.file(at.segment())?, &mut buffer, u64::from(at.offset()));
        read.map_err(|error| self.segments.segment_io("reading a record", at.segment(), error))?;
        Ok(Frame::parse_anywhere(&buffer, at, self.segments.salt).is_some().then_some(buffer))
    }
}
