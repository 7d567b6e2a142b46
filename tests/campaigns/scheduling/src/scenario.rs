//! What the threads do, and what must hold in every order.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use cloakroom::simulation::Process;
use cloakroom::{
    Data, Durability, Error, ErrorKind, FileOptions, FileStore, Lifetime, Record, Revision, Store, Timestamp, Update,
};
use shuttle::future::block_on;
use shuttle::thread;

use crate::disk::PowerDisk;
use crate::key::key;

/// The scenarios, by name.
pub const ALL: &[(&str, fn())] = &[
    ("acknowledged is durable", acknowledged_is_durable),
    ("a dropped save holds up no other", a_dropped_save_holds_up_no_other),
    ("two processes see each other's saves", two_processes_see_each_others_saves),
    ("what one process sees the other sees then", seen_here_is_seen_there),
    ("counters lose nothing while segments roll", counters_lose_nothing),
    ("closing answers every save", closing_answers_every_save),
    ("what was destroyed stays so", what_was_destroyed_stays_so),
];

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn options() -> FileOptions {
    FileStore::options().segment_bytes(4096)
}

fn open(disk: &PowerDisk, options: FileOptions) -> FileStore {
    Process::open_with_thread(Arc::new(disk.clone()), options).expect("the store opens")
}

fn record(n: u8, value: u64, padding: usize) -> Record {
    let mut record = Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW);
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.resize(8 + padding, 0);
    record.set_data(Data::from_entries(&[(Arc::from("value"), &bytes[..])].into()));
    record
}

fn value(record: &Record) -> u64 {
    let bytes = record.data().get("value").expect("every record has a value");
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

fn load(store: &FileStore, n: u8) -> Option<Record> {
    block_on(store.load(&key(n), NOW)).expect("nothing is damaged")
}

fn create(store: &FileStore, n: u8) -> Result<Revision, Error> {
    block_on(store.create(&record(n, 1, 0), &[], NOW))
}

/// Adds one to a counter by compare-and-swap.
fn count(store: &FileStore, n: u8, padding: usize) {
    loop {
        let current = load(store, n).expect("the counter is there");
        let next = record(n, value(&current) + 1, padding);
        if let Update::Stored(_) =
            block_on(store.update(&next, current.revision(), NOW)).expect("the update is answered")
        {
            return;
        }
    }
}

/// A thread that was told that a session is saved finds it after a power loss at that very moment, whichever thread's sync it
/// was.
fn acknowledged_is_durable() {
    let disk = PowerDisk::default();
    let store = open(&disk, options());
    let savers: Vec<_> = (0..3)
        .map(|saver| {
            let (disk, store) = (disk.clone(), store.clone());
            // Several saves each, so that some are written while the sync of others is under way.
            thread::spawn(move || {
                for n in [saver, saver + 3, saver + 6] {
                    let _ = create(&store, n).expect("the save is answered");
                    let left = open(&disk.after_power_loss(), options().durability(Durability::Never));
                    assert!(load(&left, n).is_some(), "session {n} was acknowledged, and is gone after a power loss");
                }
            })
        })
        .collect();
    savers.into_iter().for_each(|saver| saver.join().expect("no thread fails"));
}

/// A save whose future is dropped half-way happens or does not; those that waited with it are answered.
fn a_dropped_save_holds_up_no_other() {
    let disk = PowerDisk::default();
    let store = open(&disk, options());
    let dropping = store.clone();
    let dropper = thread::spawn(move || {
        let record = record(0, 1, 0);
        let mut save = pin!(dropping.create(&record, &[], NOW));
        let _ = save.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    let saving = store.clone();
    let saver = thread::spawn(move || create(&saving, 1).map(drop).expect("the save is answered"));
    let _ = create(&store, 2).expect("the save is answered");
    dropper.join().expect("no thread fails");
    saver.join().expect("no thread fails");
    assert!(load(&store, 1).is_some() && load(&store, 2).is_some());
    let once = load(&store, 0).is_some();
    assert_eq!(load(&store, 0).is_some(), once, "it does not happen later");
}

/// A save that was answered is seen by a load that begins afterwards, in any process; values never go back.
fn two_processes_see_each_others_saves() {
    let disk = PowerDisk::default();
    let (writing, reading) = (open(&disk, options().durability(Durability::Never)), open(&disk, options()));
    let _ = create(&writing, 0).expect("the save is answered");
    let seen = reading.clone();
    let reader = thread::spawn(move || {
        let mut last = 0;
        for _ in 0..4 {
            let value = load(&seen, 0).map_or(0, |record| value(&record));
            assert!(value >= last, "a load saw {value} after {last}");
            last = value;
        }
    });
    for n in 2..5 {
        count(&writing, 0, 500);
        assert_eq!(load(&reading, 0).map(|record| value(&record)), Some(n), "the other process sees it at once");
    }
    reader.join().expect("no thread fails");
}

/// A save that a thread of its process sees is one that other processes see.
fn seen_here_is_seen_there() {
    let disk = PowerDisk::default();
    let [here, there] = [(); 2].map(|()| open(&disk, options().durability(Durability::Never)));
    let saving = here.clone();
    let saver = thread::spawn(move || {
        for n in 0..20 {
            let _ = create(&saving, n).expect("the save is answered");
        }
    });
    let mut n = 0;
    for _ in 0..40 {
        // Always the one that is saved next.
        while n < 20 && load(&there, n).is_some() {
            n += 1;
        }
        let seen = load(&here, n).is_some();
        assert!(load(&there, n).is_some() || !seen, "one process saw {n}, and the other did not then");
    }
    saver.join().expect("no thread fails");
}

/// Updates of two processes and several threads all count, while segments fill up and leave.
fn counters_lose_nothing() {
    let disk = PowerDisk::default();
    let stores =
        [open(&disk, options().durability(Durability::Never)), open(&disk, options().durability(Durability::Never))];
    let _ = create(&stores[0], 0).expect("the save is answered");
    let counters: Vec<_> = (0..3)
        .map(|n| {
            let store = stores[n % 2].clone();
            thread::spawn(move || (0..2).for_each(|_| count(&store, 0, 1500)))
        })
        .collect();
    counters.into_iter().for_each(|counter| counter.join().expect("no thread fails"));
    for store in &stores {
        assert_eq!(load(store, 0).map(|record| value(&record)), Some(7));
    }
}

/// Every save is answered, also while the store is closed under it; what was acknowledged is there when it is opened again.
fn closing_answers_every_save() {
    let disk = PowerDisk::default();
    let store = open(&disk, options());
    let savers: Vec<_> = (0..2)
        .map(|n| {
            let store = store.clone();
            thread::spawn(move || match create(&store, n) {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind(), &ErrorKind::Closed, "{error}");
                    false
                }
            })
        })
        .collect();
    let closing = store.clone();
    let closer = thread::spawn(move || closing.close().expect("it closes"));
    store.close().expect("it closes");
    closer.join().expect("no thread fails");
    let saved: Vec<bool> = savers.into_iter().map(|saver| saver.join().expect("no thread fails")).collect();
    let again = open(&disk.after_power_loss(), options());
    for (n, saved) in saved.into_iter().enumerate() {
        assert!(!saved || load(&again, n as u8).is_some(), "session {n} was acknowledged, and is gone");
    }
}

/// A logout is durable when it is answered, also if another thread's had come first and is not yet on disk.
fn what_was_destroyed_stays_so() {
    let disk = PowerDisk::default();
    let store = open(&disk, options());
    let revision = create(&store, 0).expect("the save is answered");
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (disk, store) = (disk.clone(), store.clone());
            thread::spawn(move || {
                block_on(store.destroy(&key(0), None)).expect("the logout is answered");
                let left = open(&disk.after_power_loss(), options().durability(Durability::Never));
                assert!(load(&left, 0).is_none(), "it was logged out, and is back after a power loss");
            })
        })
        .collect();
    let updated = block_on(store.update(&record(0, 2, 0), revision, NOW)).expect("the update is answered");
    if matches!(updated, Update::Gone) {
        let left = open(&disk.after_power_loss(), options().durability(Durability::Never));
        assert!(load(&left, 0).is_none(), "it was said to be gone, and is back after a power loss");
    }
    others.into_iter().for_each(|other| other.join().expect("no thread fails"));
}
