//! What opening makes of segments that were cut, damaged or left half-way.

use super::*;
use crate::store::file::format::names;

#[test]
fn the_last_segment_cut_at_every_byte_loses_no_frame_before_the_cut() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let mut ends = Vec::new();
    for n in 0..8 {
        create(&store, n, &[n as u8; 20]);
        ends.push(tail(&store).offset());
    }
    let copy = disk.copy();
    let name = copy.segments().pop().unwrap();
    let bytes = copy.bytes(&name)[..*ends.last().unwrap() as usize].to_vec();
    for cut in 0..=bytes.len() {
        let crashed = copy.copy();
        crashed.set(&name, bytes[..cut].to_vec());
        let store = open(&crashed, options()).unwrap();
        let torn = cut > HEADER as usize && !ends.contains(&(cut as u32));
        assert_eq!(crashed.aside(), usize::from(torn), "what is torn is kept aside, cut at {cut}");
        for (n, end) in ends.iter().enumerate() {
            let expected = (*end as usize <= cut).then(|| vec![n as u8; 20]);
            assert_eq!(value(&store, n as u32), expected, "session {n}, cut at {cut}");
        }
        // The store goes on: what is saved now is there at the next opening.
        create(&store, 99, b"later");
        drop(store);
        assert_eq!(value(&open(&crashed, options()).unwrap(), 99), Some(b"later".to_vec()), "cut at {cut}");
    }
}

#[test]
fn every_byte_of_the_last_segment_flipped_loses_no_frame_before_the_damage() {
    for clean in [false, true] {
        let disk = MemoryDisk::default();
        let store = open(&disk, options()).unwrap();
        let mut ends = Vec::new();
        for n in 0..8 {
            create(&store, n, &[n as u8; 20]);
            ends.push(tail(&store).offset() as usize);
        }
        let mut copy = disk.copy();
        if clean {
            drop(store);
            copy = disk.copy();
        }
        let name = copy.segments().pop().unwrap();
        let bytes = copy.bytes(&name);
        for at in 0..*ends.last().unwrap() {
            let damaged = copy.copy();
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            damaged.set(&name, flipped);
            if at < HEADER as usize {
                // The only header with the salt: nothing can be checked, and nothing is touched.
                let error = open(&damaged, options()).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "{error}");
                assert_eq!(damaged.bytes(&name)[HEADER as usize..], bytes[HEADER as usize..]);
                continue;
            }
            let store = open(&damaged, options()).unwrap();
            let hit = ends.iter().position(|end| at < *end).unwrap();
            for n in 0..ends.len() {
                let found = block_on(store.load(&key(n as u32), NOW));
                if n < hit {
                    assert!(matches!(found, Ok(Some(_))), "session {n} before the damage at {at}");
                } else if n == hit {
                    // The session is lost, or known to be damaged. It never comes in a wrong version.
                    assert!(!matches!(found, Ok(Some(_))), "session {n} damaged at {at}");
                } else if clean {
                    assert!(matches!(found, Ok(Some(_))), "session {n} beyond durable damage at {at}");
                } else {
                    // No frame states that this was durable, so the hole ends the log: a lost frame may have ended these.
                    assert!(matches!(found, Ok(None)), "session {n} beyond a hole at {at}");
                }
            }
            assert!(!store.damage().is_empty() || !clean, "damage at {at} was reported");
        }
    }
}

#[test]
fn a_segment_whose_header_is_damaged_keeps_its_sessions_and_can_be_joined() {
    let disk = MemoryDisk::default();
    let (store, settings) = filled(&disk);
    let last = disk.segments().pop().unwrap();
    for name in disk.segments() {
        let damaged = disk.copy();
        let mut bytes = damaged.bytes(&name);
        bytes[..64].fill(0);
        damaged.set(&name, bytes);
        let one = open(&damaged, settings.clone()).unwrap();
        let two = open(&damaged, settings.clone()).unwrap();
        for n in 0..100 {
            assert_eq!(value(&one, n), Some(vec![n as u8; 100]), "{name}");
            assert_eq!(value(&two, n), Some(vec![n as u8; 100]), "{name}");
        }
        assert_eq!(one.damage().len(), 1);
    }
    assert_eq!(names::segment(tail(&store).segment()), last);
}

#[test]
fn a_new_segment_that_has_no_header_yet_is_nothing() {
    for bytes in [0, 1, 63] {
        let disk = MemoryDisk::default();
        let (store, settings) = filled(&disk);
        let crashed = disk.copy();
        let next = names::segment(tail(&store).segment() + 1);
        crashed.create(&next).unwrap().write_at(&[7; 63][..bytes], 0).unwrap();
        let store = open(&crashed, settings).unwrap();
        assert_eq!(value(&store, 99), Some(vec![99; 100]));
        assert!(!crashed.segments().contains(&next));
    }
}

#[test]
fn a_segment_that_is_missing_costs_what_was_in_it_for_all_who_open() {
    let disk = MemoryDisk::default();
    let (_store, settings) = filled(&disk);
    let crashed = disk.copy();
    crashed.remove(&crashed.segments()[1]).unwrap();
    let one = open(&crashed, settings.clone()).unwrap();
    let two = open(&crashed, settings).unwrap();
    let found: Vec<bool> = (0..100).map(|n| value(&one, n).is_some()).collect();
    assert!(found[0] && found[99] && found.contains(&false));
    assert_eq!(found, (0..100).map(|n| value(&two, n).is_some()).collect::<Vec<_>>());
    assert!(!one.damage().is_empty());
}

#[test]
fn a_record_that_a_sealed_segment_was_cut_in_is_an_error_and_never_its_older_version() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.segment_bytes = 4096;
    let store = open(&disk, settings.clone()).unwrap();
    let revision = create(&store, 1, b"old");
    let before = tail(&store).offset() as usize;
    let _ = block_on(store.update(&record(1, b"new"), revision, NOW)).unwrap();
    let after = tail(&store).offset() as usize;
    (2..30).for_each(|n| {
        create(&store, n, &[7; 200]);
    });
    assert!(tail(&store).segment() > 1);
    for cut in before + HEAD..after {
        let damaged = disk.copy();
        damaged.set("00000001.log", disk.bytes("00000001.log")[..cut].to_vec());
        let store = open(&damaged, settings.clone()).unwrap();
        let error = block_on(store.load(&key(1), NOW)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Damaged, "cut at {cut}: {error}");
        assert_eq!(store.damage()[0].key, Some(key(1)), "cut at {cut}");
    }
}

#[test]
fn a_gap_over_what_was_durable_and_what_was_not_ends_the_log_where_that_begins() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let from = tail(&store).offset() as usize;
    create(&store, 2, b"damaged");
    // A destroy waits for the disk, so the next frame states that all before it is durable.
    block_on(store.destroy(&key(9), None)).unwrap();
    let durable = tail(&store).offset() as usize;
    create(&store, 3, b"never reached the disk");
    let to = tail(&store).offset() as usize;
    create(&store, 4, b"reached it before");
    let crashed = disk.copy();
    let mut bytes = disk.bytes("00000001.log");
    bytes[from..to].fill(0);
    crashed.set("00000001.log", bytes);
    let store = open(&crashed, options()).unwrap();
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    assert_eq!([2, 3, 4].map(|n| value(&store, n)), [const { None }; 3]);
    assert_eq!(crashed.aside(), 1);
    assert!(store.damage().iter().any(|it| it.from == durable as u64), "{:?}", store.damage());
}

#[test]
fn a_store_whose_only_header_was_overwritten_is_an_error_and_its_file_stays() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    (0..100).for_each(|n| {
        create(&store, n, &[7; 100]);
    });
    drop(store);
    let mut bytes = disk.bytes("00000001.log");
    for zeros in [64, 4096, bytes.len()] {
        bytes[..zeros].fill(0);
        disk.set("00000001.log", bytes.clone());
        assert_eq!(open(&disk, options()).unwrap_err().kind(), &ErrorKind::Damaged, "{zeros} zeros");
        assert_eq!(disk.bytes("00000001.log"), bytes);
    }
}

#[test]
fn a_sealed_segment_cut_inside_its_header_costs_what_was_in_it() {
    let disk = MemoryDisk::default();
    let (_store, settings) = filled(&disk);
    let name = &disk.segments()[1];
    for length in [0, 1, 63, 64] {
        let damaged = disk.copy();
        damaged.set(name, disk.bytes(name)[..length].to_vec());
        let store = open(&damaged, settings.clone()).unwrap();
        assert_eq!([0, 99].map(|n| value(&store, n).is_some()), [true; 2]);
        assert!(store.damage().iter().any(|it| it.file == *name), "{length} bytes are left");
    }
}

#[test]
fn a_log_that_has_used_its_last_number_says_so_and_can_be_read() {
    let disk = MemoryDisk::default();
    let (_store, settings) = filled(&disk);
    let crashed = disk.copy();
    crashed.set(&names::segment(u32::MAX), disk.bytes("00000001.log"));
    let refused = open(&crashed, settings).unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Full);
    assert!(refused.to_string().contains("numbers"), "{refused}");
    let store = open_to_read(&crashed).unwrap();
    assert_eq!(value(&store, 0), Some(vec![0; 100]));
    assert!(!store.damage().is_empty(), "the segments in between are missing");
}

#[test]
fn segments_that_are_missing_at_the_front_are_reported_unless_a_trim_let_them_go() {
    let disk = MemoryDisk::default();
    let (store, settings) = filled(&disk);
    let crashed = disk.copy();
    let names = crashed.segments();
    names[..2].iter().for_each(|name| crashed.remove(name).unwrap());
    let damage = open(&crashed, settings).unwrap().damage();
    assert!(damage.iter().any(|it| it.file == names[0]), "{damage:?}");
    drop(store);
    let store = open(&disk, options()).unwrap();
    let mut compactor = Compactor::default();
    while compactor.try_step(&store.engine).unwrap() {}
    assert!(!disk.segments().contains(&names[0]));
    drop(store);
    assert_eq!(open(&disk, options()).unwrap().damage(), []);
}

#[test]
fn a_rotation_cut_or_damaged_anywhere_leaves_exactly_one_of_the_two_ids_or_an_error() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, b"old");
    let before = tail(&store).offset() as usize;
    let _ = block_on(store.rotate(&key(1), revision, &record(2, b"new"), None, NOW)).unwrap();
    let after = tail(&store).offset() as usize;
    // First no frame states that anything is durable; then the mark of a close states it of everything.
    for closed in [disk.copy(), {
        drop(store);
        disk.copy()
    }] {
        let name = closed.segments().pop().unwrap();
        let whole = closed.bytes(&name);
        let cuts = (before..=after).map(|cut| whole[..cut].to_vec());
        let flips = (before..after).map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            flipped
        });
        for (n, bytes) in cuts.chain(flips).enumerate() {
            let crashed = closed.copy();
            crashed.set(&name, bytes);
            let store = open(&crashed, options()).unwrap();
            let ids = (value(&store, 1).is_some(), value(&store, 2).is_some());
            assert!(ids == (true, false) || ids == (false, true), "variant {n}: {ids:?}");
        }
    }
}
