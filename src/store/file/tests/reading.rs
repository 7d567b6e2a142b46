//! How the log is read: in pieces, up to where it ends, and by every reader in the same way.

use super::*;
use crate::store::file::format::frame::{Frames, Kind};
use crate::store::file::format::segment::Header;
use crate::store::file::log::replay::{self, Piece};

const SALT: u64 = 7;
/// More than a few pieces.
const SESSIONS: u32 = 3_000;

/// A segment of [`SESSIONS`] sessions, and where each frame stands. From frame number `from` on, each frame states that all
/// frames before number `durable` are durable.
fn long_segment(from: u32, durable: u32) -> (Vec<u8>, Vec<u32>) {
    let mut bytes = Header { number: 1, salt: SALT }.to_bytes().to_vec();
    let mut starts: Vec<u32> = Vec::new();
    for n in 0..SESSIONS {
        starts.push(bytes.len() as u32);
        let stated = if n >= from { starts[durable as usize] } else { HEADER };
        let mut frames = Frames::at(Position::new(1, starts[n as usize]), Position::new(1, stated), SALT);
        frames.push(Kind::Put, &key(n), &[&record(n, b"v").to_bytes()]);
        bytes.extend_from_slice(frames.bytes());
    }
    starts.push(bytes.len() as u32);
    (bytes, starts)
}

fn open_bytes(bytes: Vec<u8>) -> Engine {
    let disk = MemoryDisk::default();
    disk.set("00000001.log", bytes);
    recovery::open(Arc::new(disk), Path::new("simulated"), options()).unwrap()
}

#[test]
fn the_log_ends_at_a_bad_place_unless_a_frame_however_late_says_that_it_was_durable() {
    // No frame states that anything is durable; or the last one states it of the first 2,000; or frame 1,500 and each
    // later one state it of all before frame 1,500.
    for (from, durable) in [(SESSIONS, 0), (SESSIONS - 1, 2_000), (1_500, 1_500)] {
        let (bytes, starts) = long_segment(from, durable);
        for bad in [0, 1, 1022, 1023, 1024, 1025, 1499, 1500, 1999, 2000, 2048, SESSIONS - 2] {
            // In the head, and in the body.
            for byte in [0, HEAD] {
                let mut damaged = bytes.clone();
                damaged[starts[bad as usize] as usize + byte] ^= 0x40;
                let is_damage = bad < durable;
                let engine = open_bytes(damaged);
                let state = engine.log.read().unwrap();
                let is_there = |n: &u32| *n != bad && state.index.get(&key(*n)).is_some();
                let expected = if is_damage { SESSIONS as usize - 1 } else { bad as usize };
                let case = format!("frame {bad}, byte {byte}, {durable} durable by frame {from}");
                assert_eq!((0..SESSIONS).filter(is_there).count(), expected, "{case}");
                assert_eq!(state.index.get(&key(bad)).is_some(), is_damage && byte == HEAD, "{case}");
                assert!(!engine.log.segments.damage.list().is_empty(), "{case}");
            }
        }
    }
}

#[test]
fn a_long_segment_is_read_in_pieces_also_beyond_damage() {
    let sizes = |bytes: &[u8]| {
        let engine = open_bytes(bytes.to_vec());
        let mut sizes = Vec::new();
        let mut take = |piece| match piece {
            Piece::Items(items, _) => sizes.push(items.len()),
            Piece::End(..) => unreachable!("the last segment has no next one"),
        };
        replay::read_last(&engine.log.segments, 1, &mut take).unwrap();
        sizes
    };
    let (mut bytes, starts) = long_segment(600, 600);
    let pieces = sizes(&bytes);
    assert!(pieces.len() > 10 && pieces.iter().all(|size| *size <= 256), "{pieces:?}");
    assert_eq!(pieces.iter().sum::<usize>(), SESSIONS as usize);
    // The next frame that states more than the place is enough, so what follows is not kept back.
    bytes[starts[500] as usize] ^= 0x40;
    let pieces = sizes(&bytes);
    assert!(pieces[2..].iter().all(|size| *size <= 256), "{pieces:?}");
    assert_eq!(pieces.iter().sum::<usize>(), SESSIONS as usize);
}

#[test]
fn a_segment_without_a_seal_is_damage_to_a_process_that_reads_on_as_to_one_that_opens() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.segment_bytes = 4096;
    let store = open(&disk, settings.clone()).unwrap();
    create(&store, 0, b"of both");
    // An engine without a thread reads only when the test tells it to.
    let reader = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings.clone()).unwrap();
    let mut n = 1;
    while tail(&store).segment() < 3 {
        create(&store, n, &[0; 100]);
        n += 1;
    }
    let first = disk.open("00000001.log").unwrap();
    let end = first.len().unwrap() - HEAD as u64;
    first.cut(end).unwrap();
    let expected = Damage { file: "00000001.log".into(), from: end, to: end, key: None };
    let doubtful = reader.log.read().unwrap().index.doubtful().count();
    assert_eq!(reader.log.segments.damage.list(), std::slice::from_ref(&expected));
    let opener = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap();
    assert_eq!(opener.log.segments.damage.list(), [expected]);
    assert_eq!(opener.log.read().unwrap().index.doubtful().count(), doubtful);
    assert!(doubtful > 0 && doubtful < n as usize, "{doubtful} of {n}");
    assert_eq!(reader.log.read().unwrap().index.len(), n as usize);
}
