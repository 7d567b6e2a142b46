//! Zeros ahead of the log's end (preallocation): a save that waits for the disk falls into space that is written and
//! durable already. Its sync then has neither a length nor extents to make durable, which would take longer than the rest
//! of the sync.
//!
//! Where a sync makes much durable at once, there are none: each byte of the log costs a zero, and those of a large group are
//! more for the disk than the journal's part in its sync.
//!
//! The file's length says how far the zeros reach, and nothing else does. Readers need not know of them: zeros beyond the
//! last frame mean the same as the end of the file.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::model::error::Result;
use crate::store::Durability;
use crate::store::file::engine::Engine;
use crate::store::file::format::position::Position;
use crate::store::file::settings::{Settings, Sizes};
use crate::store::file::threads::wait;

/// More zeros are written when less than this part (one third) of their full reach is left.
const LOW: u32 = 3;

/// How long no zeros are written after a failure, for example on a full disk.
const PAUSE: Duration = Duration::from_secs(1);

/// What the store's thread knows of the zeros.
pub(crate) struct ZeroedAhead {
    /// Up to here the zeros reached at the last look.
    until: Position,
    /// No zeros are written before this time.
    not_before: Instant,
}

impl ZeroedAhead {
    pub(crate) fn new() -> Self {
        Self { until: Position::default(), not_before: wait::now() }
    }

    /// Writes more zeros if few are left, and syncs them, so that no save pays for that. To be called after a sync for
    /// which a save has waited: a store without saves gets no zeros, nor does one whose saves do not wait.
    pub(crate) fn keep_ahead(&mut self, engine: &Engine) {
        let Settings { durability, zeros_ahead, sizes, .. } = &engine.settings;
        let mean = engine.log.segments.sync_bytes.load(Ordering::Relaxed);
        let wanted =
            *zeros_ahead && *durability == Durability::Always && mean <= sizes.worth_zeros && !engine.is_closed();
        // A disk without room for zeros is no error: a save finds room for itself, or reports a full disk. A failed sync
        // poisons the store, so the next save reports it.
        if wanted && wait::now() >= self.not_before && self.try_keep_ahead(engine).is_err() {
            self.not_before = wait::now() + PAUSE;
        }
    }

    fn try_keep_ahead(&mut self, engine: &Engine) -> Result<()> {
        let Sizes { zeros_ahead, zeros_piece, .. } = engine.settings.sizes;
        let mut ahead = zeros_ahead / LOW;
        // The loop has a bound, because saves may use the zeros up as fast as they are written.
        for _ in 0..zeros_ahead / zeros_piece {
            if self.until >= goal(engine, ahead) {
                break;
            }
            // Zeros can wait while another thread writes.
            let Some(writer) = engine.try_writer(1) else { break };
            let written = engine.with_writer(writer, 1, |_| self.write_piece(engine, ahead))?;
            if !written.transpose()?.unwrap_or(false) {
                break;
            }
            ahead = zeros_ahead;
        }
        if ahead == zeros_ahead { engine.log.segments.sync_segment(self.until.segment()) } else { Ok(()) }
    }

    /// Writes one piece of zeros, unless they reach `ahead` bytes beyond the tail. Says whether it did. Only with the
    /// writer lock held: else the zeros could overwrite another process's frames (rule 12).
    fn write_piece(&mut self, engine: &Engine, ahead: u32) -> Result<bool> {
        let segments = &engine.log.segments;
        segments.refuse_if_poisoned()?;
        let number = segments.tail().segment();
        let failed = |error| segments.segment_io("writing zeros ahead", number, error);
        let file = segments.file(number)?;
        // Zeros begin at the file's end and never at the tail. Beyond the tail may stand the frames of a dead writer,
        // which the next writer adopts.
        let length = segments.length_of(number, &*file)?;
        self.until = Position::new(number, length);
        if self.until >= goal(engine, ahead) {
            return Ok(false);
        }
        let Sizes { zeros_ahead, zeros_piece, .. } = engine.settings.sizes;
        let zeros = vec![0; zeros_piece.min(goal(engine, zeros_ahead).offset() - length) as usize];
        file.write_at(&zeros, u64::from(length)).map_err(failed)?;
        self.until = self.until.plus(zeros.len());
        Ok(true)
    }
}

/// Where zeros that reach `ahead` bytes beyond the tail end. A segment gets no more zeros than it will use.
fn goal(engine: &Engine, ahead: u32) -> Position {
    let tail = engine.log.segments.tail();
    Position::new(tail.segment(), tail.offset().saturating_add(ahead).min(engine.settings.segment_bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::FileStore;
    use crate::model::data::Data;
    use crate::model::error::ErrorKind;
    use crate::model::key::SessionKey;
    use crate::model::lifetime::Lifetime;
    use crate::model::record::Record;
    use crate::model::time::Timestamp;
    use crate::store::Store as _;
    use crate::store::block_on::block_on;
    use crate::store::file::disk::Disk as _;
    use crate::store::file::disk::memory::MemoryDisk;
    use crate::store::file::format::frame::{Frames, HEAD, Kind};
    use crate::store::file::format::names;
    use crate::store::file::recovery;
    use crate::store::file::writer::op::Op;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const AHEAD: u32 = Sizes::REAL.zeros_ahead;
    const LOW: u32 = AHEAD / 3;
    const FIRST: &str = "00000001.log";

    fn settings() -> Settings {
        FileStore::options().0
    }

    /// A store without a thread. The test does the thread's work.
    fn open(disk: &MemoryDisk, settings: Settings) -> Engine {
        recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap()
    }

    fn record(n: u32, bytes: u32) -> Record {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_le_bytes());
        let mut record = Record::new(SessionKey::from_bytes(key), Lifetime::AAL2, NOW);
        record.set_data(Data::from_entries(&BTreeMap::from([("v".into(), vec![1; bytes as usize])])));
        record
    }

    fn save(engine: &Engine, n: u32, bytes: u32) -> Result<()> {
        let mut writer = engine.writer();
        let mut locked = writer.try_lock(&engine.log)?.expect("no other writer holds the lock");
        let op = Op::Create { record: record(n, bytes), traces: Vec::new(), now: NOW };
        let outcomes = locked.write(&[&op], true);
        let (answer, _) = outcomes.ok().and_then(|mut outcomes| outcomes.pop()).unwrap();
        answer.map(drop)
    }

    fn is_there(engine: &Engine, n: u32) -> bool {
        engine.log.load(record(n, 0).key(), NOW).unwrap().is_some()
    }

    fn end(engine: &Engine) -> u32 {
        engine.log.segments.tail().offset()
    }

    fn length(disk: &MemoryDisk) -> u32 {
        disk.bytes(FIRST).len() as u32
    }

    #[test]
    fn saves_fall_into_zeros_and_change_no_length_until_few_are_left() {
        let disk = MemoryDisk::default();
        let engine = open(&disk, settings());
        let mut zeros = ZeroedAhead::new();
        save(&engine, 0, 1).unwrap();
        zeros.keep_ahead(&engine);
        let reach = end(&engine) + AHEAD;
        assert_eq!(length(&disk), reach);
        let mut n = 0;
        while end(&engine) + LOW <= reach {
            zeros.keep_ahead(&engine);
            assert_eq!(length(&disk), reach, "{} are left", reach - end(&engine));
            n += 1;
            save(&engine, n, AHEAD / 20).unwrap();
        }
        assert_eq!(length(&disk), reach);
        zeros.keep_ahead(&engine);
        assert_eq!(length(&disk), end(&engine) + AHEAD);
        assert!((0..=n).all(|n| is_there(&engine, n)));
    }

    #[test]
    fn a_store_has_zeros_when_a_save_has_waited_for_the_disk_and_not_before() {
        let disk = MemoryDisk::default();
        let store = FileStore::open_on(Arc::new(disk.clone()), settings(), Path::new("simulated")).unwrap();
        let before = length(&disk);
        assert_eq!(before, end(&store.engine));
        block_on(store.create(&record(1, 1), &[], NOW)).unwrap();
        let begun = Instant::now();
        while length(&disk) < end(&store.engine) + AHEAD && begun.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        assert_eq!(length(&disk), end(&store.engine) + AHEAD);
    }

    #[test]
    fn a_store_whose_saves_do_not_wait_gets_none_nor_does_one_that_is_closing() {
        for durability in [Durability::Never, Durability::Every(Duration::from_secs(1))] {
            let disk = MemoryDisk::default();
            let engine = open(&disk, Settings { durability, ..settings() });
            save(&engine, 1, 1).unwrap();
            ZeroedAhead::new().keep_ahead(&engine);
            assert_eq!(length(&disk), end(&engine));
        }
        let disk = MemoryDisk::default();
        let engine = open(&disk, settings());
        save(&engine, 1, 1).unwrap();
        engine.begin_close();
        ZeroedAhead::new().keep_ahead(&engine);
        assert_eq!(length(&disk), end(&engine));
    }

    #[test]
    fn a_segment_gets_no_more_than_it_will_take() {
        let disk = MemoryDisk::default();
        let segment_bytes = AHEAD - 1;
        let engine = open(&disk, Settings { segment_bytes, ..settings() });
        let mut zeros = ZeroedAhead::new();
        let (mut n, mut ended) = (0, 0);
        while engine.log.segments.tail().segment() == 1 {
            ended = end(&engine);
            assert!(length(&disk) <= segment_bytes.max(ended), "{n}");
            save(&engine, n, AHEAD / 20).unwrap();
            zeros.keep_ahead(&engine);
            n += 1;
        }
        assert_eq!(length(&disk), ended + HEAD as u32, "it was cut after the seal");
        assert!((0..n).all(|n| is_there(&engine, n)));
    }

    #[test]
    fn they_are_not_written_while_somebody_else_writes() {
        let disk = MemoryDisk::default();
        let engine = open(&disk, settings());
        save(&engine, 1, 1).unwrap();
        let mut zeros = ZeroedAhead::new();
        {
            let _writer = engine.writer();
            zeros.keep_ahead(&engine);
        }
        let lock = disk.lock(names::WRITER_LOCK).unwrap();
        assert!(lock.try_exclusive().unwrap());
        zeros.keep_ahead(&engine);
        assert_eq!(length(&disk), end(&engine));
        lock.unlock().unwrap();
        zeros.keep_ahead(&engine);
        assert_eq!(length(&disk), end(&engine) + AHEAD);
    }

    #[test]
    fn what_a_writer_left_who_died_is_not_written_over() {
        // The dead writer's frames stand beyond the last byte of the file, or in zeros.
        for has_zeros in [false, true] {
            let disk = MemoryDisk::default();
            let (dead, next) = (open(&disk, settings()), open(&disk, settings()));
            let mut zeros = ZeroedAhead::new();
            save(&dead, 1, 1).unwrap();
            if has_zeros {
                zeros.keep_ahead(&next);
            }
            let from = next.log.segments.tail();
            let mut frames = Frames::at(from, from, next.log.segments.salt);
            frames.push(Kind::Put, record(2, 0).key(), &[&record(2, LOW * 2 + LOW / 2).to_bytes()]);
            dead.log.segments.page().intent.set(frames.end().as_u64());
            dead.log.segments.file(1).unwrap().write_at(frames.bytes(), u64::from(from.offset())).unwrap();
            // Its frames are not published, so there seem to be enough zeros at first. After their adoption there are not.
            zeros.until = from;
            zeros.keep_ahead(&next);
            save(&next, 3, LOW).unwrap();
            zeros.keep_ahead(&next);
            for engine in [&dead, &next, &open(&disk.copy(), settings())] {
                assert!((1..=3).all(|n| is_there(engine, n)), "zeros: {has_zeros}");
            }
        }
    }

    #[test]
    fn a_full_disk_is_no_error_and_is_not_tried_again_at_once() {
        let disk = MemoryDisk::default();
        let engine = open(&disk, settings());
        save(&engine, 1, 1).unwrap();
        let mut zeros = ZeroedAhead::new();
        disk.faults().space.store(true, Relaxed);
        zeros.keep_ahead(&engine);
        let partly = length(&disk);
        disk.faults().space.store(false, Relaxed);
        zeros.keep_ahead(&engine);
        assert_eq!(length(&disk), partly, "tried again");
        save(&engine, 2, 1).unwrap();
        engine.log.segments.sync().unwrap();
        zeros.not_before = wait::now();
        zeros.keep_ahead(&engine);
        assert!(length(&disk) >= end(&engine) + LOW);
        assert!((1..=2).all(|n| is_there(&engine, n)));
    }

    #[test]
    fn when_they_cannot_be_synced_nothing_is_written_any_more() {
        let disk = MemoryDisk::default();
        let engine = open(&disk, settings());
        save(&engine, 1, 1).unwrap();
        engine.log.segments.sync().unwrap();
        disk.faults().syncs.store(true, Relaxed);
        ZeroedAhead::new().keep_ahead(&engine);
        disk.faults().syncs.store(false, Relaxed);
        assert_eq!(*save(&engine, 2, 1).unwrap_err().kind(), ErrorKind::Poisoned);
        let written = length(&disk);
        save(&engine, 3, 1).unwrap_err();
        let mut zeros = ZeroedAhead::new();
        disk.open(FIRST).unwrap().cut(u64::from(end(&engine))).unwrap();
        zeros.keep_ahead(&engine);
        assert!(length(&disk) < written);
    }

    #[test]
    fn they_are_space_that_needs_no_reserving() {
        for has_zeros in [false, true] {
            let disk = MemoryDisk::default();
            let engine = open(&disk, settings());
            if has_zeros {
                // These zeros are more than the reserve.
                let file = disk.open(FIRST).unwrap();
                file.write_at(&[0; 128 << 10], u64::from(end(&engine))).unwrap();
            }
            disk.create(names::SPARE).unwrap().reserve(0, 1 << 20).unwrap();
            disk.faults().reservations.store(true, Relaxed);
            let saved = save(&engine, 1, 1);
            assert_eq!(saved.is_ok(), has_zeros, "{saved:?}");
        }
    }

    #[test]
    fn after_a_kill_or_a_close_the_log_goes_on_where_it_ended() {
        let disk = MemoryDisk::default();
        let engine = open(&disk, settings());
        save(&engine, 1, 1).unwrap();
        ZeroedAhead::new().keep_ahead(&engine);
        save(&engine, 2, 1).unwrap();
        let killed = disk.copy();
        let reopened = open(&killed, settings());
        assert_eq!(reopened.log.segments.tail(), engine.log.segments.tail());
        engine.begin_close();
        engine.end_close().unwrap();
        let closed = open(&disk.copy(), settings());
        assert_eq!(closed.log.segments.tail(), engine.log.segments.tail());
        assert!(length(&disk) > end(&engine));
        for engine in [&reopened, &closed] {
            let revision = engine.log.segments.tail();
            save(engine, 3, 1).unwrap();
            let saved = engine.log.load(record(3, 0).key(), NOW).unwrap().unwrap();
            assert_eq!(saved.revision().as_u64(), revision.as_u64());
            assert!((1..=3).all(|n| is_there(engine, n)));
            assert!(engine.log.segments.damage.list().is_empty());
        }
        assert_eq!(killed.aside(), 0);
    }
}
