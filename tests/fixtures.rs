//! Directories that earlier versions wrote: every later version must load them.
//!
//! The directories below `tests/fixtures` are frozen. They are never made again: a test here that fails has found that
//! stores in the field can no longer be read. A new format gets a new directory beside them, named after its version.
//!
//! They were made by [`make`], which stays as the description of what is in them, and which every version must also read
//! back from what it writes itself: `CLOAKROOM_MAKE_FIXTURES=somewhere cargo test --test fixtures`.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use cloakroom::{
    CookieKind, Data, Durability, FileOptions, FileStore, Found, Handle, Lifetime, Record, Store, Timestamp, Trace,
    value,
};
use serde_json::{Value as Json, json};

mod support;

use support::{MINUTE, NOW, block_on, create, key, load, owned, record, replace, scanned, segments, value_of};

/// What is loaded at the end: the sessions that end after three minutes have ended.
const LATER: Timestamp = Timestamp::from_secs(1_700_000_240);

fn options() -> FileOptions {
    FileStore::options().segment_bytes(4096).durability(Durability::Never)
}

/// A session whose every field says something.
fn full() -> Record {
    let mut record = Record::new(key(2), Lifetime::AAL2, NOW);
    record.set_lifetime(Lifetime::AAL2, true, NOW);
    record.set_owner(Some("ada".into()), Some(NOW.plus(MINUTE)));
    record.set_cookie(CookieKind::Permanent);
    let entries = values().into_iter().map(|(name, json)| (Arc::from(name), value::encode(&json).unwrap()));
    record.set_data(Data::from_entries(&entries.collect::<BTreeMap<Arc<str>, _>>()));
    record
}

/// One value of each kind.
fn values() -> [(&'static str, Json); 8] {
    [
        ("bool", json!([true, false])),
        ("float", json!(-0.5)),
        ("integer", json!([0, -1, 250, 251, 70_000, i64::MIN])),
        ("large", json!(u64::MAX)),
        ("list", json!([[], [[]]])),
        ("map", json!({"a": {"b": null}})),
        ("null", json!(null)),
        ("text", json!("Grüße \0 \u{1f36a}")),
    ]
}

/// What the first two directories hold, in two segments.
fn fill(store: &FileStore) {
    create(store, 1, b"one");
    block_on(store.create(&full(), &[], NOW)).unwrap();
    assert!(block_on(store.touch(&key(2), NOW.plus(2 * MINUTE))).unwrap());
    create(store, 3, b"before");
    replace(store, 3, b"after");
    create(store, 4, b"destroyed");
    block_on(store.destroy(&key(4), None)).unwrap();
    let revision = block_on(store.create(&owned(5, "ada", b"rotated"), &[], NOW)).unwrap();
    let _ = block_on(store.rotate(&key(5), revision, &owned(6, "ada", b"rotated"), None, NOW)).unwrap();
    // The first is swept, the second has ended and is not.
    for (n, minutes) in [(7, 1), (8, 3)] {
        block_on(store.create(&support::record_until(n, b"", minutes * MINUTE), &[], NOW)).unwrap();
    }
    assert_eq!(block_on(store.sweep(NOW.plus(2 * MINUTE), 10)).unwrap().removed, 1);
    // One frame for one, a batch for three.
    for (n, owner) in [(9, "bob"), (10, "bob"), (11, "carl"), (12, "carl"), (13, "carl")] {
        block_on(store.create(&owned(n, owner, b""), &[], NOW)).unwrap();
    }
    assert_eq!(block_on(store.destroy_owned_by(&"bob".into(), Some(&key(10)))).unwrap(), 1);
    assert_eq!(block_on(store.destroy_owned_by(&"carl".into(), None)).unwrap(), 3);
    for n in 20..30 {
        create(store, n, &[n as u8; 350]);
    }
}

fn check_filled(store: &FileStore) {
    let live = [1, 2, 3, 6, 10].into_iter().chain(20..30);
    assert_eq!(scanned(store, LATER), live.map(key).collect::<Vec<_>>());
    // By an earlier clock, what was not swept is there.
    assert!(load(store, 8).is_some());
    assert_eq!(load(store, 7), None);

    let one = load(store, 1).unwrap();
    let mut expected = record(1, b"one");
    expected.set_revision(one.revision());
    assert_eq!(one, expected);
    let two = load(store, 2).unwrap();
    let mut expected = full();
    expected.touch(NOW.plus(2 * MINUTE));
    expected.set_revision(two.revision());
    assert_eq!(two, expected);
    for (name, json) in values() {
        assert_eq!(value::to_json(two.data().get(name).unwrap()).unwrap(), json, "{name}");
    }
    assert_eq!(value_of(&load(store, 3).unwrap()), b"after");
    for n in 20..30 {
        assert_eq!(value_of(&load(store, n).unwrap()), [n as u8; 350]);
    }
    let ada: Vec<_> = block_on(store.owned_by(&"ada".into(), LATER)).unwrap().iter().map(|it| *it.key()).collect();
    assert!(ada.len() == 2 && ada.contains(&key(2)) && ada.contains(&key(6)), "{ada:?}");
    assert_eq!(block_on(store.owned_by(&"bob".into(), LATER)).unwrap().len(), 1);
    assert!(block_on(store.owned_by(&"carl".into(), LATER)).unwrap().is_empty());
    let stats = store.stats(LATER).unwrap();
    assert_eq!((stats.live, stats.expired), (15, 1));
}

/// What the directory of record format 2 holds: a handle of a session's own, and one that is made of an earlier key.
fn fill_with_handles(store: &FileStore) {
    let mut record = full();
    record.set_handle(Handle::from_bytes([9; 16]));
    block_on(store.create(&record, &[], NOW)).unwrap();
    let mut record = owned(30, "ada", b"rotated");
    let revision = block_on(store.create(&record, &[], NOW)).unwrap();
    record.set_key(key(31));
    let _ = block_on(store.rotate(&key(30), revision, &record, None, NOW)).unwrap();
    create(store, 32, b"without");
}

fn check_handles(store: &FileStore) {
    let handle = |n| *load(store, n).unwrap().handle();
    let expected = [Handle::from_bytes([9; 16]), Handle::from_bytes(*key(30).as_bytes())];
    assert_eq!([handle(2), handle(31)], expected);
    assert_eq!(handle(32).as_bytes(), key(32).as_bytes());
    let mut two = full();
    two.set_handle(expected[0]);
    two.set_revision(load(store, 2).unwrap().revision());
    assert_eq!(load(store, 2).unwrap(), two);
    let listed: Vec<_> = block_on(store.owned_by(&"ada".into(), NOW)).unwrap().iter().map(|it| *it.handle()).collect();
    assert!(listed.len() == 2 && expected.iter().all(|handle| listed.contains(handle)), "{listed:?}");
}

/// Until when the traces of the fixture stand, and one that has ended by [`LATER`].
const TRACE_ENDS: [Timestamp; 2] = [Timestamp::from_secs(1_700_000_600), Timestamp::from_secs(1_700_000_060)];

/// What the directory of traces holds: each kind, one with several successors, one that has ended, and a full segment
/// before the last, so that its hint tells traces from sessions.
fn fill_with_traces(store: &FileStore) {
    let ends = TRACE_ENDS[0];
    for (n, ends) in [(40, ends), (42, TRACE_ENDS[1])] {
        let mut record = owned(n, "ada", b"rotated");
        let revision = block_on(store.create(&record, &[], NOW)).unwrap();
        record.set_key(key(n + 1));
        let moved = Trace::moved(key(n + 1), ends);
        let _ = block_on(store.rotate(&key(n), revision, &record, Some(&moved), NOW)).unwrap();
    }
    for n in [45, 46] {
        let replaced = [(key(44), Trace::replaced(key(n), ends))];
        block_on(store.create(&owned(n, "bob", b"logged in"), &replaced, NOW)).unwrap();
    }
    create(store, 47, b"ended");
    assert!(block_on(store.destroy(&key(47), Some(&Trace::ended(ends)))).unwrap());
    for n in 50..62 {
        create(store, n, &[n as u8; 350]);
    }
}

fn check_traces(store: &FileStore) {
    let live = [41, 43, 45, 46].into_iter().chain(50..62);
    assert_eq!(scanned(store, LATER), live.map(key).collect::<Vec<_>>());
    let found = |n| block_on(store.find(&key(n), LATER)).unwrap();
    let ends = TRACE_ENDS[0];
    assert_eq!(found(40), Found::Trace(Trace::moved(key(41), ends)));
    assert_eq!(found(42), Found::Nothing);
    let replaced = Trace::replaced(key(45), ends).join(&Trace::replaced(key(46), ends));
    assert_eq!(found(44), Found::Trace(replaced));
    assert_eq!(replaced.successors(), [key(45), key(46)]);
    assert_eq!(found(47), Found::Trace(Trace::ended(ends)));
}

/// What the third directory holds: everything was cleared once, and segments have left the log, so that what lives
/// longest was moved.
fn fill_and_compact(store: &FileStore, place: &Path) {
    for n in 0..5 {
        create(store, n, b"cleared");
    }
    block_on(store.clear()).unwrap();
    fill(store);
    let begun = Instant::now();
    let mut n = 0u32;
    while segments(place)[0].ends_with("00000001.log") || segments(place)[0].ends_with("00000002.log") {
        assert!(begun.elapsed() < 2 * MINUTE, "the log is compacted");
        n += 1;
        let filler = [&n.to_le_bytes()[..], &[0; 300]].concat();
        replace(store, 3, &filler);
        std::thread::yield_now();
    }
    replace(store, 3, b"after");
}

/// Makes the directories of this version inside `place`.
fn make(place: &Path) {
    fs::DirBuilder::new().mode(0o700).create(place).unwrap();
    let clean = place.join("v1-clean");
    let store = options().open(&clean).unwrap();
    fill(&store);
    // As a process leaves it that is killed, in the middle of its last save.
    let killed = place.join("v1-killed");
    create(&store, 99, b"torn");
    copy(&clean, &killed);
    let last = segments(&killed).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    fs::write(last, &whole[..whole.len() - 5]).unwrap();
    block_on(store.destroy(&key(99), None)).unwrap();
    store.close().unwrap();

    let store = options().open(place.join("v2-handles")).unwrap();
    fill_with_handles(&store);
    store.close().unwrap();

    let store = options().open(place.join("v2-traces")).unwrap();
    fill_with_traces(&store);
    store.close().unwrap();

    let compacted = place.join("v1-compacted");
    let store = options().open(&compacted).unwrap();
    fill_and_compact(&store, &compacted);
    store.close().unwrap();
}

/// A copy with the modes that a store insists on: version control keeps none.
fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // A hint that the store's thread is just writing: it has another name in a moment.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let copy = to.join(entry.file_name());
        fs::copy(entry.path(), &copy).unwrap();
        fs::set_permissions(copy, Permissions::from_mode(0o600)).unwrap();
    }
}

/// Checks the directories inside `fixtures`, on copies.
fn check(fixtures: &Path) {
    let (_keep, place) = support::place();
    copy(&fixtures.join("v2-handles"), &place);
    for _ in 0..2 {
        // At first what is read is from the log, and then from the cache; and so it is by what another opening reads.
        let store = options().open(&place).unwrap();
        check_handles(&store);
        check_handles(&store);
    }
    let (_keep, place) = support::place();
    copy(&fixtures.join("v2-traces"), &place);
    for _ in 0..2 {
        check_traces(&options().open(&place).unwrap());
    }
    for name in ["v1-clean", "v1-killed", "v1-compacted"] {
        let (_keep, place) = support::place();
        copy(&fixtures.join(name), &place);
        // Alone, then beside the first, and once more after both have gone.
        let store = options().open(&place).unwrap();
        check_filled(&store);
        check_filled(&options().open(&place).unwrap());
        let torn = store.damage();
        assert_eq!(torn.len(), usize::from(name == "v1-killed"), "{name}: {torn:?}");
        assert_eq!(load(&store, 99), None, "{name}");
        assert_eq!(segments(&place)[0].ends_with("00000001.log"), name != "v1-compacted");
        assert!(segments(&place).len() >= 2);
        // And it goes on from there.
        create(&store, 100, b"by this version");
        replace(&store, 1, b"by this version");
        drop(store);
        let store = options().open(&place).unwrap();
        for n in [1, 100] {
            assert_eq!(value_of(&load(&store, n).unwrap()), b"by this version", "{name}");
        }
        assert_eq!(store.damage(), [], "{name}");
    }
}

/// The hints in this directory, by their names.
fn hints(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let hints = files.filter(|path| path.extension().is_some_and(|it| it == "hint"));
    hints.map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(path).unwrap())).collect()
}

fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[test]
fn stores_of_earlier_versions_load_for_ever() {
    check(&frozen());
}

#[test]
fn a_revision_is_what_it_was_when_the_store_was_written() {
    let (_keep, place) = support::place();
    copy(&frozen().join("v1-clean"), &place);
    let store = FileStore::open(&place).unwrap();
    // The first frame of the first segment.
    assert_eq!(load(&store, 1).unwrap().revision().as_u64(), 0x0000_0001_0000_0040);
}

#[test]
fn a_store_of_version_1_loads_beside_its_hints() {
    for name in ["v1-clean", "v1-compacted"] {
        let (_keep, place) = support::place();
        copy(&frozen().join(name), &place);
        for (hint, bytes) in hints(&frozen().join("v1-hints").join(name)) {
            fs::write(place.join(&hint), bytes).unwrap();
            fs::set_permissions(place.join(&hint), Permissions::from_mode(0o600)).unwrap();
        }
        check_filled(&options().open(&place).unwrap());
    }
}

#[test]
fn what_this_version_writes_reads_back_the_same() {
    let (keep, _) = support::place();
    let place = keep.path().join("made");
    make(&place);
    check(&place);
    if let Some(wanted) = std::env::var_os("CLOAKROOM_MAKE_FIXTURES") {
        make(Path::new(&wanted));
    }
}
