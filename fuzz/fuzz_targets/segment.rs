//! Recovery: whatever stands in the segments, opening never panics, what it opens can be saved into and opened again with
//! the same content, and damage costs what the protocol says and no more.

#![no_main]

use std::time::Duration;

use cloakroom::fuzzing::{self, Disk, block_on};
use cloakroom::{ErrorKind, Lifetime, Record, Store};
use cloakroom_fuzz::content::{Content, NEW, options};
use cloakroom_fuzz::log::{HEADER, Log};
use cloakroom_fuzz::{NOW, data, key_of_byte};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    /// One segment of arbitrary bytes, after a header or without.
    Bytes { header: bool, bytes: Vec<u8> },
    /// Whole frames, and what has become of the last segment.
    Changed { changes: Vec<Change>, log: Log },
    /// Whole frames, but for the last, of which only a part was written.
    Torn { at: u16, zeros: u8, log: Log },
    /// Whole frames, but for one whose body is not what was written.
    Harmed { which: u8, at: u16, log: Log },
}

/// Something that happens to a file; places are counted from its beginning and again when they are beyond its end.
#[derive(Arbitrary, Debug)]
enum Change {
    Set { at: u16, to: u8 },
    Zero { at: u16, count: u8 },
    Cut { at: u16 },
    Insert { at: u16, bytes: Vec<u8> },
    Repeat { at: u16, count: u8 },
    Append { bytes: Vec<u8> },
}

fuzz_target!(|input: Input| {
    match input {
        Input::Bytes { header, bytes } => {
            let header = if header { fuzzing::segment(1, &[]) } else { Vec::new() };
            let disk = Disk::default();
            disk.put_segment(1, [header, bytes].concat());
            open_and_go_on(&disk);
        }
        Input::Changed { changes, log } => {
            let mut bytes = log.last_segment();
            changes.iter().for_each(|change| change.happen_to(&mut bytes));
            open_and_go_on(&log.disk(bytes));
        }
        Input::Torn { at, zeros, log } => torn(usize::from(at), usize::from(zeros), log),
        Input::Harmed { which, at, log } => harmed(usize::from(which), usize::from(at), log),
    }
});

fn open_and_go_on(disk: &Disk) {
    let store = match disk.open(options()) {
        Ok(store) => store,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "{error}");
            return;
        }
    };
    let mut content = Content::of(&store);
    let mut record = Record::new(key_of_byte(NEW), Lifetime::idle(Duration::from_secs(60)), NOW);
    record.set_data(data(b"new"));
    block_on(store.create(&record, &[], NOW)).expect("what could be opened can be saved into");
    content.add(NEW, &record);
    assert_eq!(Content::of(&store), content, "before it is closed");
    let killed = disk.copy();
    drop(store);
    assert_eq!(Content::in_(&killed), content, "killed");
    assert_eq!(Content::in_(disk), content, "closed");
}

/// A torn end costs the frame that is torn.
fn torn(at: usize, zeros: usize, mut log: Log) {
    log.make_honest();
    let whole = log.last_segment();
    let at = HEADER + at % (whole.len() - HEADER + 1);
    let torn = [&whole[..at], &vec![0; zeros]].concat();
    // The bytes that were not written may have been zeros.
    let written = torn.iter().zip(&whole).take_while(|(torn, whole)| torn == whole).count();
    let found = Content::in_(&log.disk(torn));
    log.cut(written);
    assert_eq!(found, Content::in_(&log.disk(log.last_segment())));
}

/// A body that is not what was written is a hole, at which the log ends, unless something states that it had been on disk:
/// then it is damage, and costs nothing but itself.
fn harmed(which: usize, at: usize, mut log: Log) {
    log.make_honest();
    let places = log.places();
    if places.is_empty() {
        return;
    }
    let which = which % places.len();
    let place = &places[which];
    if place.body.is_empty() {
        return;
    }
    let mut bytes = log.last_segment();
    bytes[place.body.start + at % place.body.len()] ^= 1;
    let mut found = Content::in_(&log.disk(bytes));
    let is_damage = places.iter().any(|other| other.durable >= place.body.end);
    if !is_damage {
        log.cut(place.start);
        assert_eq!(found, Content::in_(&log.disk(log.last_segment())), "a hole");
        return;
    }
    // The same log with a frame there that says nothing.
    log.silence(which);
    let mut expected = Content::in_(&log.disk(log.last_segment()));
    if let Some(key) = place.record_of {
        // What follows may have ended it, or not; but never is it what it was before.
        if log.leaves_alone(which, key) {
            assert!(!matches!(found.session(key), Ok(Some(_))), "an older version");
        }
        found.forget(key);
        expected.forget(key);
    }
    assert_eq!(found, expected, "damage");
}

impl Change {
    fn happen_to(&self, bytes: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        let run = |at: u16, count: u8| place(at)..(place(at) + usize::from(count)).min(bytes.len());
        match self {
            Self::Set { at, to } => {
                let at = run(*at, 1);
                bytes[at].fill(*to);
            }
            Self::Zero { at, count } => {
                let run = run(*at, *count);
                bytes[run].fill(0);
            }
            Self::Cut { at } => bytes.truncate(place(*at)),
            Self::Insert { at, bytes: new } => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat { at, count } => {
                let again = bytes[run(*at, *count)].to_vec();
                bytes.extend(again);
            }
            Self::Append { bytes: new } => bytes.extend(new),
        }
    }
}
