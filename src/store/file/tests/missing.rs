//! What the shared page knew to be durable, and an opener does not find (rule 28).

use super::*;
use crate::store::file::disk::page::{Legacy, Page};
use crate::store::file::engine::compact::Compactor;
use crate::store::file::format::names;
use crate::store::file::settings::OnDamage;
use crate::store::file::verify::verify_on;

/// A closed store with several segments, in the last of which session 0 was ended, durably.
fn closed() -> (MemoryDisk, Settings) {
    let disk = MemoryDisk::default();
    let (store, settings) = filled(&disk);
    let before = tail(&store).segment();
    let mut n = 200;
    while tail(&store).segment() == before {
        create(&store, n, &[7; 100]);
        n += 1;
    }
    block_on(store.destroy(&key(0), None)).unwrap();
    store.close().unwrap();
    (disk, settings)
}

fn end_older(settings: &Settings) -> Settings {
    Settings { on_damage: OnDamage::EndOlder, ..settings.clone() }
}

#[test]
fn a_newest_segment_that_is_missing_is_reported_and_no_session_before_it_is_beyond_doubt() {
    let (disk, settings) = closed();
    let (names, salt) = (disk.segments(), disk.page().legacy().salt);
    let last = names.last().unwrap().clone();
    disk.remove(&last).unwrap();
    let verified = verify_on(Arc::new(disk.clone()), Path::new("simulated"), NOW).unwrap();
    assert_eq!((&verified.damage[0].file, verified.damage.len()), (&last, 1));
    assert!(!verified.is_sound() && !verified.doubtful.is_empty());
    let store = open(&disk, settings.clone()).unwrap();
    assert_eq!(store.damage(), verified.damage);
    assert!(store.doubtful(NOW).unwrap().contains(&key(0)), "it was logged out in what is missing");
    assert!(!disk.segments().contains(&last), "no position is used twice");
    create(&store, 0xffff, b"new");
    // Whoever comes later finds the segment missing in the middle.
    for store in [open(&disk, settings.clone()).unwrap(), {
        drop(store);
        open(&disk, settings.clone()).unwrap()
    }] {
        assert!(store.damage().iter().any(|damage| damage.file == last), "{:?}", store.damage());
        let doubtful = store.doubtful(NOW).unwrap();
        assert!(doubtful.contains(&key(0)) && !doubtful.contains(&key(0xffff)));
    }
    assert_eq!(disk.page().legacy().salt, salt);
}

#[test]
fn those_that_may_have_been_ended_in_what_is_missing_end_where_that_is_wanted_also_after_a_crash() {
    // What is left of the last segment: nothing, or all but its end; and at how many syncs of the recovery it dies.
    for is_cut in [false, true] {
        for dies in [false, true] {
            let (disk, settings) = closed();
            let last = disk.segments().pop().unwrap();
            if is_cut {
                let bytes = disk.bytes(&last);
                let cut = closing_destroy(&bytes);
                disk.set(&last, bytes[..cut].to_vec());
            } else {
                disk.remove(&last).unwrap();
            }
            if dies {
                disk.faults().syncs.store(true, std::sync::atomic::Ordering::Relaxed);
                open(&disk, end_older(&settings)).unwrap_err();
                disk.faults().syncs.store(false, std::sync::atomic::Ordering::Relaxed);
            }
            let store = open(&disk, end_older(&settings)).unwrap();
            assert_eq!(value(&store, 0), None, "cut: {is_cut}, dies: {dies}");
            assert_eq!(block_on(store.count(NOW)).unwrap(), 0);
            create(&store, 1, b"again");
            drop(store);
            let store = open(&disk, end_older(&settings)).unwrap();
            assert_eq!(value(&store, 1), Some(b"again".to_vec()), "what was put since is in no doubt");
        }
    }
}

/// Where the frame begins that ended session 0: before the mark of the close.
fn closing_destroy(segment: &[u8]) -> usize {
    let end = segment.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // A mark's key is zeros.
    end + 16 - 2 * HEAD
}

#[test]
fn segments_that_were_all_emptied_are_an_error_and_nothing_is_changed() {
    let (disk, settings) = closed();
    let (names, before) = (disk.segments(), disk.copy());
    let known = disk.page().legacy();
    // As a cut leaves them, as a crash of a file system may, or with their headers zeroed.
    for left in [0, 1, HEADER as usize, HEADER as usize + 500] {
        names.iter().for_each(|name| disk.set(name, vec![0; left]));
        let disk_of = || Arc::new(disk.clone());
        let place = Path::new("simulated");
        let opened = [
            open(&disk, settings.clone()).map(drop),
            open(&disk, end_older(&settings)).map(drop),
            open_to_read(&disk).map(drop),
            verify_on(disk_of(), place, NOW).map(drop),
        ];
        for error in opened.map(Result::unwrap_err) {
            assert_eq!((error.kind(), error.path()), (&ErrorKind::Damaged, Some(&*place.join(&names[0]))), "{error}");
        }
        assert_eq!((disk.segments(), disk.aside(), disk.page().legacy()), (names.clone(), 0, known));
        assert!(names.iter().all(|name| disk.bytes(name) == vec![0; left]), "{left} bytes");
    }
    // So whoever has their bytes can put them back.
    names.iter().for_each(|name| disk.set(name, before.bytes(name)));
    let store = open(&disk, settings).unwrap();
    assert_eq!((store.damage(), value(&store, 0), value(&store, 1)), (vec![], None, Some(vec![1; 100])));
}

#[test]
fn an_empty_segment_of_a_store_that_had_more_is_reported() {
    for is_removed in [false, true] {
        let disk = MemoryDisk::default();
        let store = open(&disk, options()).unwrap();
        create(&store, 1, b"saved");
        store.close().unwrap();
        match is_removed {
            true => disk.remove("00000001.log").unwrap(),
            false => disk.set("00000001.log", Vec::new()),
        }
        let store = open(&disk, options()).unwrap();
        let damage = store.damage();
        assert_eq!((&*damage[0].file, damage.len()), ("00000001.log", 1), "{damage:?}");
        assert!(damage[0].to > u64::from(HEADER));
        create(&store, 2, b"goes on");
        drop(store);
        let store = open(&disk, options()).unwrap();
        assert_eq!((value(&store, 2), store.damage()), (Some(b"goes on".to_vec()), vec![]));
    }
}

#[test]
fn a_page_that_knows_less_or_of_another_store_or_nothing_is_no_gap() {
    let (disk, settings) = closed();
    let Legacy { salt, known, .. } = disk.page().legacy();
    let old = Legacy { salt, known: Position::new(1, 90).as_u64(), gap: 0 };
    for page in [Legacy::default(), old, Legacy { known, salt: salt ^ 1, gap: 0 }, Legacy { known, salt, gap: 0 }] {
        disk.set_page(Page::new(page));
        let store = open(&disk, settings.clone()).unwrap();
        assert_eq!((store.damage(), store.doubtful(NOW).unwrap()), (vec![], vec![]), "{page:?}");
        drop(store);
        let next = disk.page().legacy();
        assert!(next.salt == salt && next.known > known && next.gap == 0, "{next:?}");
        disk.page().known.iter().for_each(|word| word.set(known));
    }
}

#[test]
fn a_log_that_was_trimmed_or_killed_in_any_state_has_no_gap() {
    let disk = MemoryDisk::default();
    drop(filled(&disk));
    let store = open(&disk, options()).unwrap();
    let mut compactor = Compactor::default();
    while compactor.try_step(&store.engine).unwrap() {
        let killed = disk.copy();
        killed.set_page(disk.page().successor());
        assert_eq!(open(&killed, options()).unwrap().damage(), []);
    }
    assert!(!disk.segments().contains(&names::segment(1)));
    // A restored backup of the segments beside the page that goes on.
    let older = disk.copy();
    create(&store, 300, b"later");
    block_on(store.destroy(&key(300), None)).unwrap();
    older.set_page(disk.page().successor());
    assert_eq!(open(&older, options()).unwrap().damage().len(), 1);
}
