//! Ending all sessions of an owner with very many: one frame, one step, and short holds for what is left to do.

use super::holds::{LATER, SHORT, answer_of, by_hand, by_hand_with, settings};
use super::*;
use crate::model::owner::Owner;
use crate::store::file::format::frame::{Frames, Kind};
use crate::store::file::format::segment::Header;
use crate::store::file::threads::steps;
use crate::store::file::writer::op::Answer;
use crate::store::{BeyondLimit, Limits, OwnerLimit};

fn ada() -> Owner {
    "ada".into()
}

fn owned(n: u32) -> Record {
    let mut record = record(n, b"");
    record.set_owner(Some(ada()), None);
    record
}

/// A disk with one segment of so many sessions, nearly all of them of one owner.
fn crowded(sessions: u32) -> MemoryDisk {
    const SALT: u64 = 7;
    let start = Position::new(1, HEADER);
    let mut frames = Frames::at(start, start, SALT);
    let (of_ada, of_none) = (owned(0).to_bytes(), record(0, b"").to_bytes());
    for n in 0..sessions {
        frames.push(Kind::Put, &key(n), &[if n == 1 { &of_none } else { &of_ada }]);
    }
    let disk = MemoryDisk::default();
    disk.set("00000001.log", [&Header { number: 1, salt: SALT }.to_bytes(), frames.bytes()].concat());
    disk
}

fn create_owned(store: &FileStore, n: u32) {
    block_on(store.create(&owned(n), &[], NOW)).unwrap();
}

fn end_owned(store: &FileStore, except: Option<SessionKey>) -> u64 {
    match answer_of(store, Op::DestroyOwned { owner: ada(), except }) {
        Answer::Counted(ended) => ended,
        other => panic!("{other:?}"),
    }
}

fn stands(store: &FileStore, n: u32) -> bool {
    block_on(store.load(&key(n), NOW)).unwrap().is_some()
}

fn has_dead(store: &FileStore) -> bool {
    store.engine.log.read().unwrap().index.has_dead()
}

#[track_caller]
fn assert_short() {
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest} steps in one hold");
}

#[test]
fn ending_all_sessions_of_an_owner_with_very_many_holds_no_lock_for_long_in_any_process() {
    const SESSIONS: u32 = 100_000;
    let disk = crowded(SESSIONS);
    let (writer, reader) = (by_hand(&disk), by_hand(&disk));
    let before = tail(&writer);
    steps::longest();
    assert_eq!(end_owned(&writer, Some(key(7))), u64::from(SESSIONS) - 2);
    assert_short();
    assert_eq!(tail(&writer).offset() - before.offset(), HEAD as u32 + 4, "one frame");
    for store in [&writer, &reader] {
        for n in [0, 2, 6, 8, SESSIONS / 2, SESSIONS - 1] {
            assert!(!stands(store, n), "session {n} has ended");
        }
        assert!(stands(store, 1) && stands(store, 7));
        assert_eq!(block_on(store.owned_by(&ada(), NOW)).unwrap().len(), 1);
        assert!(has_dead(store), "all of this is so before one of them has left the index");
        assert_short();
    }
    // One of them begins anew, and another one of the same owner begins.
    create_owned(&writer, 2);
    create_owned(&writer, SESSIONS);
    for store in [&writer, &reader] {
        assert!(stands(store, 2) && stands(store, SESSIONS));
        assert!(has_dead(store));
        let mut holds = 0;
        while store.engine.log.let_go(settings().sizes.let_go) {
            holds += 1;
        }
        assert!(holds > 150, "{holds} holds");
        assert_eq!(block_on(store.count(NOW)).unwrap(), 4);
        assert_short();
        let mut visited = 0;
        let mut visit = |_| {
            visited += 1;
            std::ops::ControlFlow::Continue(())
        };
        block_on(store.scan(NOW, &mut visit)).unwrap();
        assert_eq!(visited, 4);
        assert!([1, 2, 7, SESSIONS].into_iter().all(|n| stands(store, n)) && !stands(store, 3));
    }
    drop((writer, reader));
    let again = by_hand(&disk);
    assert!(!has_dead(&again) && !stands(&again, 3));
    assert_eq!(block_on(again.count(NOW)).unwrap(), 4);
}

#[test]
fn looks_at_many_sessions_are_exact_and_short_though_an_owner_has_just_ended_many() {
    const SESSIONS: u32 = 20_000;
    for is_followed in [false, true] {
        let disk = crowded(SESSIONS);
        let store = by_hand(&disk);
        let other = by_hand(&disk);
        let ender = if is_followed { &other } else { &store };
        let again = || {
            assert!(end_owned(ender, None) > 0);
            assert!(has_dead(&store));
            steps::longest();
        };
        again();
        assert_eq!(block_on(store.count(NOW)).unwrap(), 1);
        assert_short();
        (2..9_000).for_each(|n| create_owned(&store, n));
        again();
        let stats = store.stats(NOW).unwrap();
        assert_eq!((stats.live, stats.live_bytes), (1, (HEAD + record(1, b"").to_bytes().len()) as u64));
        assert_short();
        (2..9_000).for_each(|n| create_owned(&store, n));
        again();
        let swept = block_on(store.sweep(LATER, 1)).unwrap();
        assert_eq!((swept.removed, swept.more), (1, false));
        assert_short();
        assert_eq!(block_on(store.count(NOW)).unwrap(), 0);
    }
}

#[test]
fn what_has_just_ended_takes_no_room_and_is_not_moved() {
    let settings = Settings { store_bytes: 20_000, segment_bytes: 4_096, ..settings() };
    let disk = MemoryDisk::default();
    let store = by_hand_with(&disk, settings.clone());
    let fill = |from: u32| {
        (from..from + 1_000).find(|n| {
            let (answer, _) = store
                .engine
                .with_writer(store.engine.writer(), 1, |locked| {
                    locked.write_one(&Op::Create { record: owned(*n), traces: Vec::new(), now: NOW }, true).ok()
                })
                .unwrap()
                .flatten()
                .unwrap();
            answer.is_err()
        })
    };
    let first_refused = fill(0).unwrap();
    assert!(first_refused > 100);
    end_owned(&store, Some(key(3)));
    assert!(has_dead(&store));
    assert_eq!(fill(10_000), Some(10_000 + first_refused - 1), "there is room for as many again, less one");
    end_owned(&store, Some(key(3)));
    let mut compactor = Compactor::default();
    while compactor.try_step(&store.engine).unwrap() {}
    let log = store.engine.log.read().unwrap();
    let (live, bytes) = (log.index.live_bytes(), log.index.log_bytes());
    drop(log);
    assert!(bytes < 4_096 && live < 200, "{live} of {bytes} bytes live");
    drop(store);
    let again = by_hand_with(&disk, settings);
    assert!(stands(&again, 3) && !stands(&again, 4) && !stands(&again, 10_001));
    assert_eq!(again.damage(), []);
}

#[test]
fn a_limit_on_an_owners_sessions_counts_none_that_have_ended() {
    let limit = OwnerLimit { sessions: 200, beyond: BeyondLimit::Refuse };
    let settings = Settings { limits: Limits { per_owner: Some(limit), ..Limits::default() }, ..settings() };
    let disk = MemoryDisk::default();
    let (store, other) = (by_hand_with(&disk, settings.clone()), by_hand_with(&disk, settings));
    for round in 0..3 {
        let begin = |n: u32| block_on(store.create(&owned(1_000 * round + n), &[], NOW));
        assert!((0..200).all(|n| begin(n).is_ok()));
        assert!(matches!(begin(200).unwrap_err().kind(), ErrorKind::OwnerLimit { .. }));
        assert_eq!(end_owned(if round == 1 { &other } else { &store }, None), 200);
        assert!(has_dead(&store));
        assert_eq!(end_owned(&other, None), 0);
    }
}
