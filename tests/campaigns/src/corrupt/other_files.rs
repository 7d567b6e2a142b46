//! Everything but segments, on real files: the shared page, the locks, the quarantine and the hints hold nothing that a store
//! needs when no process uses it. Whatever happens to one of them, all sessions are there and no damage is reported. And a store
//! that is looked through is read where a hint says what was written there.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{Data, Durability, FileStore, Lifetime, Record, Store, Timestamp};

use super::case::ensure;
use crate::support::{block_on, key};

const FILES: [&str; 6] = ["tail.page", "opening.lock", "users.lock", "writer.lock", "quarantine", HINT];
const HINT: &str = "00000001.hint";

/// How many corruptions there are: of each byte that the page uses, and some of each file.
pub const CASES: u64 = PAGE_USED + FILES.len() as u64 * OTHERS;

/// The page's words that a recovery reads stand in its first bytes.
const PAGE_USED: u64 = 640;
const OTHERS: u64 = 24;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const SESSIONS: u8 = 60;
/// Of the first session, in the first segment.
const TOUCHES: u64 = 30;

fn create(store: &FileStore, n: u8) -> cloakroom::Result<()> {
    let mut record = Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW);
    // So large that a segment's hint is much shorter than the segment; else there is none.
    record.set_data(Data::from_entries(&[("value".into(), [n; 1_200])].into()));
    block_on(store.create(&record, &[], NOW)).map(drop)
}

fn open(place: &Path) -> cloakroom::Result<FileStore> {
    FileStore::options().segment_bytes(4096).durability(Durability::Never).open(place)
}

/// A store of several segments and with something in its quarantine.
fn fill(place: &Path) -> Result<(), cloakroom::Error> {
    let store = open(place)?;
    for n in 0..SESSIONS {
        create(&store, n)?;
        // No load reads these frames, so that damage to them is found only where no hint is believed.
        for touch in 1..=if n == 0 { TOUCHES } else { 0 } {
            block_on(store.touch(&key(n), NOW.plus(Duration::from_millis(touch))))?;
        }
    }
    store.close()?;
    drop(store);
    let mut segments: Vec<_> =
        fs::read_dir(place).expect("it was just made").map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|it| it == "log"));
    let last = segments.into_iter().max().expect("there is a segment");
    let torn = [fs::read(&last).expect("it is there"), b"torn".to_vec()].concat();
    fs::write(last, torn).expect("it can be written");
    let store = open(place)?;
    let begun = Instant::now();
    while !place.join(HINT).exists() && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(1));
    }
    store.close()
}

/// Flips a bit of the segment that has a hint, and looks through the store.
fn verify(place: &Path, random: &mut fastrand::Rng) -> Result<(), String> {
    ensure!(place.join(HINT).exists(), "there is no hint");
    let path = place.join(HINT).with_extension("log");
    let mut bytes = fs::read(&path).map_err(|error| format!("reading the segment: {error}"))?;
    let at = random.usize(..bytes.len());
    bytes[at] ^= 1 << random.u32(..8);
    fs::write(&path, bytes).map_err(|error| format!("damaging the segment: {error}"))?;
    let verified = FileStore::verify(place, NOW).map_err(|error| format!("verifying: {error}"))?;
    ensure!(!verified.is_sound(), "byte {at} of the first segment is another, and the store does not say so");
    Ok(())
}

pub fn run(number: u64, random: &mut fastrand::Rng) -> Result<(), String> {
    let failed = |doing: &str, error: &dyn std::fmt::Display| format!("{doing}: {error}");
    let directory = tempfile::tempdir().map_err(|error| failed("a directory", &error))?;
    let place = directory.path().join("sessions");
    fill(&place).map_err(|error| failed("filling", &error))?;
    if number.is_multiple_of(8) {
        verify(&place, random)?;
        fs::remove_dir_all(&place).map_err(|error| failed("removing", &error))?;
        fill(&place).map_err(|error| failed("filling", &error))?;
    }
    let what = damage(&place, number, random).map_err(|error| failed("damaging", &error))?;
    let check = || {
        let store = open(&place).map_err(|error| failed("opening", &error))?;
        for n in 0..SESSIONS {
            let loaded = block_on(store.load(&key(n), NOW)).map_err(|error| failed("loading", &error))?;
            ensure!(loaded.is_some(), "session {n} is gone");
        }
        ensure!(store.damage().is_empty(), "damage to nothing: {:?}", store.damage());
        create(&store, 200).map_err(|error| failed("going on", &error))?;
        store.close().map_err(|error| failed("closing", &error))?;
        drop(store);
        let store = open(&place).map_err(|error| failed("opening again", &error))?;
        let count = block_on(store.count(NOW)).map_err(|error| failed("counting", &error))?;
        ensure!(count == u64::from(SESSIONS) + 1, "{count} sessions after opening again");
        Ok(())
    };
    check().map_err(|failure: String| format!("{what}: {failure}"))
}

/// Damages one file; says how.
fn damage(place: &Path, number: u64, random: &mut fastrand::Rng) -> std::io::Result<String> {
    let (name, how) = match number.checked_sub(PAGE_USED) {
        None => (FILES[0], 0),
        Some(other) => (FILES[(other / OTHERS) as usize], other % OTHERS),
    };
    let mut path = place.join(name);
    if path.is_dir() {
        if how == 1 {
            fs::remove_dir_all(&path)?;
            return Ok("no quarantine".into());
        }
        path = fs::read_dir(&path)?.next().expect("something was set aside")?.path();
    }
    let mut bytes = fs::read(&path)?;
    let what = match how {
        0 if number < PAGE_USED => {
            bytes[number as usize] ^= 1 << random.u32(..8);
            format!("byte {number} flipped")
        }
        1 => {
            fs::remove_file(&path)?;
            return Ok(format!("no {name}"));
        }
        2 => {
            bytes.clear();
            "emptied".into()
        }
        3 => {
            bytes.fill(0xff);
            bytes.push(0xff);
            "all bits set".into()
        }
        _ => match random.u32(..4) {
            0 => {
                bytes.truncate(random.usize(..bytes.len().max(1)));
                format!("cut to {}", bytes.len())
            }
            1 => {
                bytes.extend((0..random.usize(1..10_000)).map(|_| random.u8(..)));
                format!("grown to {}", bytes.len())
            }
            2 => {
                bytes.iter_mut().for_each(|byte| *byte = random.u8(..));
                "noise".into()
            }
            _ => {
                if let Some(at) = bytes.len().checked_sub(1) {
                    bytes[random.usize(..=at)] ^= 1 << random.u32(..8);
                }
                "a bit flipped".into()
            }
        },
    };
    let mut file = fs::OpenOptions::new().write(true).truncate(true).mode(0o600).open(&path)?;
    std::io::Write::write_all(&mut file, &bytes)?;
    debug_assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o077, 0);
    Ok(format!("{name} {what}"))
}
