//! Stores that are closed, or opened to be read only.

use super::*;
use crate::store::file::disk::real::RealDisk;

#[test]
fn a_closed_store_refuses_everything_and_leaves_no_operation_waiting() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.durability = Durability::Always;
    for _ in 0..20 {
        let store = open(&disk, settings.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = store.clone();
                scope.spawn(move || {
                    for n in 0.. {
                        let key = thread * 1_000_000 + n;
                        match block_on(store.create(&record(key, b"x"), &[], NOW)) {
                            Err(error) if *error.kind() == ErrorKind::KeyTaken => {}
                            Err(error) => {
                                assert_eq!(error.kind(), &ErrorKind::Closed, "{error}");
                                return;
                            }
                            Ok(_) => {}
                        }
                    }
                });
            }
            std::thread::yield_now();
            store.close().unwrap();
        });
        assert_eq!(block_on(store.load(&key(0), NOW)).unwrap_err().kind(), &ErrorKind::Closed);
    }
}

#[test]
fn an_operation_that_waits_for_the_disk_when_the_stores_thread_ends_hears_of_it() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let never = Position::new(u32::MAX, 0);
    let mut waiting = Box::pin(crate::store::file::engine::submit::Synced::new(&store.engine, never));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    store.engine.waiters.retire(tail(&store), &store.engine.closed_error());
    let std::task::Poll::Ready(outcome) = waiting.as_mut().poll(&mut context) else { panic!("left waiting") };
    assert_eq!(outcome.unwrap_err().kind(), &ErrorKind::Closed);
    // An operation that comes later does its own sync.
    create(&store, 1, b"later");
    block_on(crate::store::file::engine::submit::Synced::new(&store.engine, tail(&store))).unwrap();
    assert!(store.engine.log.segments.durable() >= tail(&store));
}

#[test]
fn a_store_opened_to_read_changes_nothing_and_bars_no_writer_and_a_look_through_all_of_it_does() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"here");
    drop(store);
    let name = disk.segments().pop().unwrap();
    // Half a frame beyond the end, as a kill leaves it.
    disk.set(&name, [disk.bytes(&name), b"torn".to_vec()].concat());
    let before = disk.bytes(&name);
    let (one, two) = (open_to_read(&disk).unwrap(), open_to_read(&disk).unwrap());
    assert!(one.is_read_only());
    for reader in [&one, &two] {
        assert_eq!(value(reader, 1), Some(b"here".to_vec()));
        let refused = block_on(reader.create(&record(2, b"no"), &[], NOW)).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::NotWritable);
        assert_eq!(block_on(reader.destroy(&key(1), None)).unwrap_err().kind(), &ErrorKind::NotWritable);
    }
    assert_eq!(disk.bytes(&name), before);
    let looks = recovery::open_to_look_through(Arc::new(disk.clone()), Path::new("simulated"), options()).unwrap();
    let kept_out = open(&disk, Settings { open_wait: Duration::ZERO, ..options() }).unwrap_err();
    assert_eq!(kept_out.kind(), &ErrorKind::Timeout);
    drop(looks);
    let store = open(&disk, Settings { open_wait: Duration::ZERO, ..options() }).unwrap();
    create(&store, 2, b"yes");
}

#[test]
fn a_store_opened_to_read_beside_one_that_writes_sees_what_it_writes() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let reader = open_to_read(&disk).unwrap();
    create(&store, 2, b"after");
    block_on(store.destroy(&key(1), None)).unwrap();
    assert_eq!((value(&reader, 1), value(&reader, 2)), (None, Some(b"after".to_vec())));
    drop(store);
    // The reader holds the lock that any user holds, so a new writer joins and finds the page as it is.
    let again = open(&disk, options()).unwrap();
    create(&again, 3, b"again");
    assert_eq!(value(&reader, 3), Some(b"again".to_vec()));
}

#[test]
fn the_next_openers_page_is_another_one_than_that_of_handles_that_have_closed() {
    let directory = tempfile::tempdir().unwrap();
    let disks: [Arc<dyn Disk>; 2] = [
        Arc::new(MemoryDisk::default()),
        Arc::new(RealDisk::open(&directory.path().join("sessions"), &options()).unwrap()),
    ];
    for disk in disks {
        let open = || recovery::open(disk.clone(), Path::new("here"), options()).unwrap();
        let closed = FileStore::kept(Arc::new(open())).unwrap();
        create(&closed, 1, b"here");
        closed.close().unwrap();
        let before = (closed.engine.log.segments.tail(), closed.engine.log.segments.durable());
        assert_eq!(before.0, before.1);
        let next = FileStore::kept(Arc::new(open())).unwrap();
        create(&next, 2, b"later");
        assert!(tail(&next) > before.0);
        assert_eq!((closed.engine.log.segments.tail(), closed.engine.log.segments.durable()), before);
    }
}

#[test]
fn the_sync_of_a_close_covers_what_a_thread_wrote_that_still_had_the_writer() {
    let disk = MemoryDisk::default();
    // No thread of the store: a close that runs on that thread is not kept waiting by the thread's end.
    let engine = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), options()).unwrap();
    let write = |writer: &mut Writer, n| {
        let mut locked = writer.try_lock(&engine.log).unwrap().unwrap();
        let created = locked.write(&[&Op::Create { record: record(n, b"x"), traces: Vec::new(), now: NOW }], false);
        assert!(created.is_ok_and(|outcomes| outcomes[0].0.is_ok()));
    };
    // This thread has the writer, as a future has that is in the middle of its write when the close begins.
    let mut writer = engine.writer();
    write(&mut writer, 1);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| {
            engine.begin_close();
            engine.end_close()
        });
        // A close that synced first would have time for it here.
        let syncs = || engine.log.segments.syncs.load(std::sync::atomic::Ordering::Relaxed);
        (0..10_000).take_while(|_| syncs() == 0).for_each(|_| std::thread::yield_now());
        write(&mut writer, 2);
        // Another process has the writer lock, so the close appends no mark, and makes no sync for one.
        let other = disk.lock("writer.lock").unwrap();
        assert!(other.try_exclusive().unwrap());
        drop(writer);
        closing.join().unwrap().unwrap();
    });
    assert_eq!(engine.log.segments.durable(), engine.log.segments.tail());
}

#[test]
fn a_save_that_a_close_overtook_hears_what_the_close_has_synced_and_touches_no_file_that_is_free() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"saved");
    let saved = tail(&store);
    store.close().unwrap();
    let next = open(&disk, options()).unwrap();
    let synced = |until| block_on(crate::store::file::engine::submit::Synced::new(&store.engine, until));
    synced(saved).unwrap();
    // A position that the close's sync did not reach, as after a sync that has failed.
    store.engine.log.segments.page().tail.set(tail(&store).as_u64() + 100);
    let syncs = store.engine.log.segments.syncs.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(synced(tail(&store)).unwrap_err().kind(), &ErrorKind::Closed);
    assert_eq!(store.engine.log.segments.syncs.load(std::sync::atomic::Ordering::Relaxed), syncs);
    drop(next);
}
