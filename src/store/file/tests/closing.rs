//! Stores that are closed, or opened to be read only.

use super::*;

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
                        match block_on(store.create(&record(key, b"x"), NOW)) {
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
fn a_store_opened_to_read_changes_nothing_and_keeps_writers_out() {
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
        let refused = block_on(reader.create(&record(2, b"no"), NOW)).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::NotWritable);
        assert_eq!(block_on(reader.destroy(&key(1))).unwrap_err().kind(), &ErrorKind::NotWritable);
    }
    // The readers have no shared page to follow, so they would not see what a new writer writes.
    let kept_out = open(&disk, Settings { open_wait: Duration::ZERO, ..options() }).unwrap_err();
    assert_eq!(kept_out.kind(), &ErrorKind::Timeout);
    one.close().unwrap();
    drop((one, two));
    assert_eq!(disk.bytes(&name), before);
    let store = open(&disk, options()).unwrap();
    create(&store, 2, b"yes");
}

#[test]
fn a_store_opened_to_read_beside_one_that_writes_sees_what_it_writes() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let reader = open_to_read(&disk).unwrap();
    create(&store, 2, b"after");
    block_on(store.destroy(&key(1))).unwrap();
    assert_eq!((value(&reader, 1), value(&reader, 2)), (None, Some(b"after".to_vec())));
    drop(store);
    // The reader holds the lock that any user holds, so a new writer joins and finds the page as it is.
    let again = open(&disk, options()).unwrap();
    create(&again, 3, b"again");
    assert_eq!(value(&reader, 3), Some(b"again".to_vec()));
}
