//! A disk that fills up: sessions can always be ended, that gives space back, and saves go on (rules 7 and 24).

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use super::*;
use crate::store::Swept;
use crate::store::file::engine::background::Round;
use crate::store::file::format::frame::{Frames, Kind, NO_KEY};
use crate::store::file::format::names;
use crate::store::file::format::segment::Header;
use crate::store::file::writer::op::Answer;

/// A store without a thread: the test does the thread's work.
struct ByHand {
    engine: Engine,
    round: Round,
}

impl ByHand {
    fn open(disk: &MemoryDisk, segment_bytes: u32) -> Self {
        let settings = Settings { segment_bytes, cache_bytes: 0, ..options() };
        let engine = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap();
        let round = Round::of(&engine);
        Self { engine, round }
    }

    fn run(&mut self, op: Op) -> Result<Answer> {
        let mut running = pin!(self.engine.submit(op));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let std::task::Poll::Ready(answer) = running.as_mut().poll(&mut context) {
                return answer;
            }
            self.round.run(&self.engine);
        }
    }

    /// The thread's work, until there is none.
    fn settle(&mut self) {
        while self.round.run(&self.engine).is_some_and(|rest| rest.is_zero()) {}
    }

    fn save(&mut self, n: u32, bytes: usize) -> Result<Answer> {
        self.run(Op::Create { record: record(n, &vec![n as u8; bytes]), traces: Vec::new(), now: NOW })
    }

    /// Saves until a save is refused, from this session on. Returns the first that was refused.
    fn fill(&mut self, from: u32, bytes: usize) -> u32 {
        for n in from.. {
            if let Err(error) = self.save(n, bytes) {
                assert_eq!(*error.kind(), ErrorKind::Full, "{error}");
                // What the thread does then may make room.
                self.settle();
                if self.save(n, bytes).is_err() {
                    return n;
                }
            }
        }
        unreachable!("no disk takes so many")
    }

    fn is_there(&self, n: u32) -> bool {
        self.engine.log.load(&key(n), NOW).unwrap().is_some()
    }

    fn close(self) {
        self.engine.begin_close();
        self.engine.end_close().unwrap();
    }
}

fn tail_of(store: &ByHand) -> Position {
    store.engine.log.segments.tail()
}

fn disk_of(blocks: u64) -> MemoryDisk {
    let disk = MemoryDisk::default();
    disk.faults().blocks.store(blocks, Ordering::Relaxed);
    disk
}

/// How sessions end on the full disk.
#[derive(Clone, Copy, Debug)]
enum End {
    OneByOne,
    Swept(usize),
    /// The process ends first, and another opens the store.
    AfterReopening,
}

/// Fills a disk, ends all sessions but one in `kept`, and looks for what that gives.
fn fill_and_end(segment_bytes: u32, blocks: u64, bytes: usize, end: End, kept: u32) {
    let case = format!("segments of {segment_bytes}, {blocks} blocks, records of {bytes}, {end:?}, one of {kept} kept");
    let disk = disk_of(blocks);
    let mut store = ByHand::open(&disk, segment_bytes);
    let all = store.fill(0, bytes);
    if all < 8 {
        return;
    }
    let is_kept = |n: u32| n % kept == kept - 1;
    if matches!(end, End::AfterReopening) {
        store.close();
        store = ByHand::open(&disk, segment_bytes);
    }
    match end {
        End::Swept(budget) => {
            for n in (0..all).filter(|n| is_kept(*n)) {
                let seen = NOW.plus(Duration::from_secs(1));
                let _ = store.run(Op::Touch { key: key(n), now: seen });
            }
            let now = NOW.plus(Duration::from_secs(600));
            loop {
                match store.run(Op::Sweep { now, budget }).expect(&case) {
                    Answer::Swept((Swept { more: true, .. }, _)) => {}
                    _ => break,
                }
                store.round.run(&store.engine);
            }
        }
        _ => {
            for n in (0..all).filter(|n| !is_kept(*n)) {
                let ended = store.run(Op::Destroy { key: key(n), trace: None });
                assert!(ended.is_ok(), "{case}: session {n} of {all}: {ended:?}");
                store.round.run(&store.engine);
            }
        }
    }
    store.settle();
    let (live, log, sessions) = {
        let index = &store.engine.log.read().unwrap().index;
        (index.live_bytes(), index.log_bytes(), index.len())
    };
    let error = store.engine.failed_compaction.tell();
    // The log is as small as it can be, or there is room again.
    let is_tight = log <= live + live / 8 + (24 << 10);
    assert!(is_tight || !store.engine.log.is_full.load(Ordering::Relaxed), "{case}: {log} for {live}: {error:?}");
    assert!(sessions as u32 <= all / kept);
    let ids: Vec<u32> = (0..all).filter(|n| store.is_there(*n)).collect();
    assert_eq!(ids.len(), sessions);
    // As many can be saved again as have ended, or nearly so: a small disk may have begun without the second reserve.
    let again = store.fill(all, bytes) - all;
    // Where half of a small disk's log lives on, nothing may be left beside the reserves.
    assert!(
        kept == 2 && blocks < 100 || again >= 10 && again + 120 >= (all - sessions as u32) * 3 / 4,
        "{case}: {again} again after {all}, of which {sessions} live"
    );
    assert!(ids.iter().all(|n| store.is_there(*n)) && (all..all + again).all(|n| store.is_there(n)));
    store.close();
    let store = ByHand::open(&disk, segment_bytes);
    assert!(ids.iter().all(|n| store.is_there(*n)) && (all..all + again).all(|n| store.is_there(n)));
    assert_eq!(store.engine.log.segments.damage.list(), []);
}

const NONE: u32 = u32::MAX;

#[test]
fn on_a_full_disk_every_session_can_be_ended_and_their_space_comes_back_whatever_the_segments() {
    for segment_bytes in [4 << 10, 64 << 10, 4 << 20] {
        for blocks in [60, 63, 100, 250] {
            for end in [End::OneByOne, End::AfterReopening, End::Swept(1), End::Swept(50)] {
                fill_and_end(segment_bytes, blocks, 300, end, NONE);
            }
            for kept in [2, 20] {
                fill_and_end(segment_bytes, blocks, 300, End::OneByOne, kept);
            }
        }
    }
}

#[test]
fn a_full_disk_of_several_segments_of_four_megabytes_gives_back_what_a_sweep_leaves() {
    fill_and_end(4 << 20, 10_000, 2_000, End::Swept(50), 20);
}

#[test]
fn where_another_program_takes_all_that_is_given_back_every_session_can_be_ended_whatever_the_segments() {
    for segment_bytes in [4 << 10, 64 << 10, 4 << 20] {
        for (blocks, cut) in [(63, 0), (100, 0), (100, 2), (250, 0), (250, 3)] {
            let disk = disk_of(blocks);
            let mut store = ByHand::open(&disk, segment_bytes);
            let all = store.fill(0, 300);
            // Compaction begins where some have ended, while it still gets what is given back.
            let ended = all * cut / 10;
            (0..ended).for_each(|n| drop(store.run(Op::Destroy { key: key(n), trace: None }).unwrap()));
            disk.faults().given_back.store(true, Ordering::Relaxed);
            for n in ended..all {
                let destroyed = store.run(Op::Destroy { key: key(n), trace: None });
                assert!(destroyed.is_ok(), "segments of {segment_bytes}, {blocks} blocks, {n} of {all}: {destroyed:?}");
                store.round.run(&store.engine);
            }
            assert!((0..all).all(|n| !store.is_there(n)));
        }
    }
}

#[test]
fn an_append_that_fails_on_a_full_disk_gives_nothing_back_and_the_session_ends_all_the_same() {
    let disk = disk_of(63);
    let mut store = ByHand::open(&disk, 4 << 20);
    let all = store.fill(0, 300);
    disk.faults().given_back.store(true, Ordering::Relaxed);
    for n in 0..all {
        // What is held cannot be written to, for a reason that nobody foresaw.
        disk.faults().writes.store(u64::from(n % 10 == 0), Ordering::Relaxed);
        store.run(Op::Destroy { key: key(n), trace: None }).unwrap();
        assert_eq!(disk.faults().writes.load(Ordering::Relaxed), 0);
    }
    assert!((0..all).all(|n| !store.is_there(n)));
}

#[test]
fn a_roll_that_died_leaves_its_space_to_the_next_and_no_other_program_gets_it() {
    // A death in the roll, before or after the rename, behind a part of the header or all of it.
    for (written, is_named) in [(10, true), (HEADER as usize, false), (HEADER as usize, true)] {
        let disk = disk_of(300);
        let mut store = ByHand::open(&disk, 4096);
        let all = store.fill(0, 30);
        let number = tail_of(&store).segment() + 1;
        let header = Header { number, salt: store.engine.log.segments.salt };
        let spare = disk.open(names::SPARE).unwrap();
        spare.write_at(&header.to_bytes()[..written], 0).unwrap();
        if is_named {
            disk.rename(names::SPARE, &names::segment(number)).unwrap();
        }
        disk.faults().given_back.store(true, Ordering::Relaxed);
        for n in 0..all {
            store.run(Op::Destroy { key: key(n), trace: None }).unwrap();
        }
        assert!((0..all).all(|n| !store.is_there(n)));
        assert!(tail_of(&store).segment() >= number, "{all} fit into the reserve");
    }
}

#[test]
fn a_segment_that_has_the_name_of_the_spare_loses_no_more_than_that_name() {
    let disk = MemoryDisk::default();
    let mut store = ByHand::open(&disk, 4096);
    store.save(0, 300).unwrap();
    let segments = &store.engine.log.segments;
    let other = Header { number: 1, salt: segments.salt }.to_bytes();
    let longer = [&Header { number: 2, salt: segments.salt }.to_bytes()[..], &[1]].concat();
    let foreign = Header { number: 2, salt: !segments.salt }.to_bytes();
    for content in [&other[..], &longer, &foreign] {
        let disk = disk.copy();
        let mut store = ByHand::open(&disk, 4096);
        let held = disk.create(names::SPARE).unwrap();
        held.write_at(content, 0).unwrap();
        let from = tail_of(&store).segment();
        (1..40).for_each(|n| drop(store.save(n, 300).unwrap()));
        assert!(tail_of(&store).segment() > from);
        let mut bytes = vec![0; content.len()];
        assert_eq!((held.len().unwrap(), held.read_at(&mut bytes, 0).unwrap()), (content.len() as u64, content.len()));
        assert_eq!(bytes, content);
        store.close();
    }
}

#[test]
fn a_process_that_has_given_up_its_rights_goes_on_in_the_segment_that_it_has_and_says_so() {
    for has_spare in [false, true] {
        let disk = MemoryDisk::default();
        let mut store = ByHand::open(&disk, 4096);
        if has_spare {
            store.save(1000, 300).unwrap();
        }
        disk.faults().rights.store(true, Ordering::Relaxed);
        for n in 0..100 {
            store.save(n, 300).unwrap();
            store.settle();
        }
        assert_eq!(disk.segments().len(), 1);
        let error = store.engine.stats(NOW).unwrap().roll_error.expect("it is told");
        assert!(error.contains("permission denied"), "{error}");
        for n in 0..100 {
            store.run(Op::Destroy { key: key(n), trace: None }).unwrap();
        }
        assert!((0..100).all(|n| !store.is_there(n)) && store.is_there(1000) == has_spare);
        disk.faults().rights.store(false, Ordering::Relaxed);
        // It is tried again when the segment has become longer, and not at each save.
        store.save(0, 256 << 10).unwrap();
        (1..20).for_each(|n| drop(store.save(n, 300).unwrap()));
        assert!(disk.segments().len() > 1);
        assert_eq!(store.engine.stats(NOW).unwrap().roll_error, None);
    }
}

/// A power loss may leave a sealed segment alone: the name of the next one was not durable, and the spare's is gone with its
/// space. What the last segment holds is enough then, for that needs nothing any more.
#[test]
fn a_log_that_leaves_its_last_segment_on_a_full_disk_takes_the_space_along() {
    for segment_bytes in [64 << 10, 4 << 20] {
        for left in [0, 4, 12] {
            let disk = disk_of(250);
            let mut store = ByHand::open(&disk, segment_bytes);
            let all = store.fill(0, 300);
            let end = tail_of(&store);
            // A roll dies behind its seal.
            let segments = &store.engine.log.segments;
            let mut frames = Frames::at(end, segments.durable(), segments.salt);
            frames.push(Kind::Seal, &NO_KEY, &[]);
            let last = disk.open(&names::segment(end.segment())).unwrap();
            last.write_at(frames.bytes(), end.offset().into()).unwrap();
            drop(store);
            disk.remove(names::SPARE).unwrap();
            disk.faults().blocks.store(disk.blocks() + left, Ordering::Relaxed);
            let mut store = ByHand::open(&disk, segment_bytes);
            assert_eq!(tail_of(&store).segment(), end.segment() + 1);
            for n in 0..all {
                let ended = store.run(Op::Destroy { key: key(n), trace: None });
                assert!(ended.is_ok(), "segments of {segment_bytes}, {left} blocks left: {ended:?}");
            }
            store.settle();
        }
    }
}

/// What a power loss has torn is set aside where the disk has room for it. A full disk has none, and the store opens all the same.
#[test]
fn on_a_full_disk_what_is_torn_off_is_not_kept_and_the_store_opens() {
    for left in [0, 20] {
        let disk = disk_of(250);
        let mut store = ByHand::open(&disk, 4 << 20);
        let all = store.fill(0, 300);
        let end = tail_of(&store);
        drop(store);
        let last = disk.open(&names::segment(end.segment())).unwrap();
        last.write_at(&[7; 12 << 10], end.offset().into()).unwrap();
        disk.faults().blocks.store(disk.blocks() + left, Ordering::Relaxed);
        let mut store = ByHand::open(&disk, 4 << 20);
        assert_eq!(disk.aside(), usize::from(left > 0));
        for n in 0..all {
            let ended = store.run(Op::Destroy { key: key(n), trace: None });
            assert!(ended.is_ok(), "{left} blocks left: {ended:?}");
        }
        store.settle();
    }
}
