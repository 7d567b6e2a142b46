//! One sync for the saves of all processes. Two engines without threads stand for two processes, so each test counts steps.

use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::store::file::log::shared_sync::SharedSync;

fn engine(disk: &MemoryDisk) -> Engine {
    recovery::open(Arc::new(disk.clone()), Path::new("simulated"), options()).unwrap()
}

/// A save that does not wait; returns where the log ends then.
fn save(engine: &Engine, n: u32) -> Position {
    block_on(engine.submit(Op::Create { record: record(n, b"saved"), traces: Vec::new(), now: NOW })).unwrap();
    engine.log.segments.tail()
}

fn syncs(engine: &Engine) -> u64 {
    engine.log.segments.syncs.load(Relaxed)
}

/// The number of another process's sync that is under way.
const OTHERS: u64 = 1_000;

#[test]
fn a_sync_covers_the_saves_of_all_processes_and_a_lone_process_waits_for_none() {
    let disk = MemoryDisk::default();
    let (one, two) = (engine(&disk), engine(&disk));
    for n in 0..10 {
        save(&one, 2 * n);
        let tail = save(&two, 2 * n + 1);
        SharedSync::default().sync(&one.log.segments, |_| panic!("no process is in the way")).unwrap();
        assert_eq!(one.log.segments.durable(), tail);
        SharedSync::default().sync(&two.log.segments, |_| panic!("no process is in the way")).unwrap();
        assert_eq!(one.log.segments.page().syncing.get(), 0);
    }
    assert_eq!((syncs(&one), syncs(&two)), (10, 0));
}

#[test]
fn a_process_whose_saves_anothers_sync_covers_makes_none_and_hears_of_each_save_as_it_is_covered() {
    let disk = MemoryDisk::default();
    let engine = engine(&disk);
    let segments = &engine.log.segments;
    let ends: Vec<Position> = (0..4).map(|n| save(&engine, n)).collect();
    // The other process syncs each save alone. It ends its next sync when this one has heard of the last.
    segments.page().syncing.set(OTHERS);
    segments.page().durable.raise(ends[0].as_u64());
    let mut heard = Vec::new();
    SharedSync::default()
        .sync(segments, |durable| {
            heard.push(durable);
            segments.page().syncing.set(OTHERS + heard.len() as u64);
            segments.page().durable.raise(ends[heard.len()].as_u64());
            segments.page().synced.give();
        })
        .unwrap();
    assert_eq!(heard, ends[..3]);
    assert_eq!(syncs(&engine), 0);
    assert_eq!(segments.page().syncing.get(), OTHERS + 3, "the other process's sync is still its own");
}

#[test]
fn a_stopped_or_dead_process_in_the_middle_of_its_sync_delays_no_other_for_ever() {
    let disk = MemoryDisk::default();
    let engine = engine(&disk);
    let segments = &engine.log.segments;
    let tail = save(&engine, 1);
    segments.page().syncing.set(OTHERS);
    SharedSync::default().sync(segments, |_| ()).unwrap();
    assert_eq!((segments.durable(), syncs(&engine)), (tail, 1));
    assert_eq!(segments.page().syncing.get(), 0, "nor does it delay the next sync");
}

#[test]
fn a_process_that_has_synced_wakes_those_that_wait_for_it_also_if_the_sync_has_failed() {
    for fails in [false, true] {
        let disk = MemoryDisk::default();
        let engine = engine(&disk);
        let (segments, signal) = (&engine.log.segments, &engine.log.segments.page().synced);
        save(&engine, 1);
        let asked = signal.ask();
        disk.faults().syncs.store(fails, Relaxed);
        assert_eq!(SharedSync::default().sync(segments, |_| ()).is_err(), fails);
        assert!(signal.is_given(asked));
    }
}

#[test]
fn after_a_failed_sync_no_process_waits_for_one() {
    let disk = MemoryDisk::default();
    let (one, two) = (engine(&disk), engine(&disk));
    save(&one, 1);
    save(&two, 2);
    disk.faults().syncs.store(true, Relaxed);
    for engine in [&one, &two] {
        let error = SharedSync::default().sync(&engine.log.segments, |_| ()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Poisoned);
        assert_eq!(engine.log.segments.page().syncing.get(), 0);
    }
    assert_eq!((syncs(&one), syncs(&two)), (1, 0));
}
