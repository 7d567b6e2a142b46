//! A disk that fails or is full.

use super::*;

#[test]
fn after_a_failed_sync_nothing_is_written_until_all_have_closed_and_reads_go_on() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.durability = Durability::Always;
    let (one, two) = (open(&disk, settings.clone()).unwrap(), open(&disk, settings.clone()).unwrap());
    create(&one, 1, b"acknowledged");
    disk.faults().syncs.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = block_on(one.create(&record(2, b"lost"), &[], NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Poisoned, "{error}");
    disk.faults().syncs.store(false, std::sync::atomic::Ordering::Relaxed);
    for store in [&one, &two] {
        assert_eq!(block_on(store.create(&record(3, b"no"), &[], NOW)).unwrap_err().kind(), &ErrorKind::Poisoned);
        assert_eq!(block_on(store.destroy(&key(1), None)).unwrap_err().kind(), &ErrorKind::Poisoned);
        assert_eq!(value(store, 1), Some(b"acknowledged".to_vec()));
    }
    drop((one, two));
    let store = open(&disk, settings).unwrap();
    create(&store, 3, b"again");
    assert_eq!(value(&store, 1), Some(b"acknowledged".to_vec()));
}

#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_room() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    for n in 100..120 {
        let mut owned = record(n, b"owned");
        owned.set_owner(Some("ada".into()), None);
        block_on(store.create(&owned, &[], NOW)).unwrap();
    }
    disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
    // The reserved space lasts for a while, so only a large record is refused.
    let large = vec![0; 300 << 10];
    let error = block_on(store.create(&record(2, &large), &[], NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Full, "{error}");
    // The disk fails when half of this is written. None of it may stay.
    let error = block_on(store.destroy_owned_by(&"ada".into(), None)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Full, "{error}");
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    disk.faults().space.store(false, std::sync::atomic::Ordering::Relaxed);
    create(&store, 2, b"after");
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    assert_eq!(value(&store, 2), Some(b"after".to_vec()));
    assert_eq!(block_on(store.owned_by(&"ada".into(), NOW)).unwrap().len(), 20);
    assert_eq!(store.damage(), []);
}

#[test]
fn nothing_is_cut_off_before_it_was_set_aside() {
    const BLOCK: usize = 4096;
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    (0..50).for_each(|n| {
        create(&store, n, &[n as u8; 100]);
    });
    // As it stands at a death in the middle of a write, with a block that cannot be read, or without one.
    let name = disk.segments().pop().unwrap();
    let torn = [disk.bytes(&name), vec![7; 3 * BLOCK]].concat();
    for is_unreadable in [false, true] {
        let died = disk.copy();
        died.set(&name, torn.clone());
        let bad = (torn.len() / BLOCK - 1) as u64;
        let break_it =
            |is_broken: bool| died.make_unreadable(&name, if is_broken { std::slice::from_ref(&bad) } else { &[] });
        break_it(is_unreadable);
        died.faults().quarantine.store(true, std::sync::atomic::Ordering::Relaxed);
        for _ in 0..2 {
            let error = open(&died, options()).map(drop).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Io, "{error}");
            assert!(error.to_string().contains("setting damaged bytes aside"), "{error}");
            break_it(false);
            assert!(died.bytes(&name) == torn && died.aside() == 0);
            break_it(is_unreadable);
        }
        assert!((0..50).all(|n| value(&open_to_read(&died).unwrap(), n) == Some(vec![n as u8; 100])));
        died.faults().quarantine.store(false, std::sync::atomic::Ordering::Relaxed);
        let store = open(&died, options()).unwrap();
        assert!((0..50).all(|n| value(&store, n) == Some(vec![n as u8; 100])));
        let aside = died.kept_aside();
        let kept = aside.values().next().unwrap();
        assert!(
            aside.len() == 1 && kept.len() == 3 * BLOCK && kept.iter().filter(|byte| **byte == 7).count() >= 2 * BLOCK
        );
        assert!(died.bytes(&name).len() < torn.len());
    }
}

#[test]
fn a_save_that_a_full_disk_refuses_sweeps_what_is_over_so_that_it_can_be_given_back() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    for n in 0..20 {
        create(&store, n, b"over by then");
    }
    disk.faults().reservations.store(true, std::sync::atomic::Ordering::Relaxed);
    let later = NOW.plus(Duration::from_secs(601));
    let mut large = record(100, &[0; 300 << 10]);
    large.touch(later);
    let error = block_on(store.create(&large, &[], later)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Full, "{error}");
    assert_eq!(store.stats(later).unwrap().expired, 0);
}

#[test]
fn a_write_that_fails_and_cannot_be_undone_is_never_called_undone() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let faults = disk.faults();
    for fault in [&faults.space, &faults.syncs] {
        fault.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let error = block_on(store.destroy(&key(1), None)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Poisoned, "{error}");
    for fault in [&faults.space, &faults.syncs] {
        fault.store(false, std::sync::atomic::Ordering::Relaxed);
    }
    assert_eq!(block_on(store.destroy(&key(1), None)).unwrap_err().kind(), &ErrorKind::Poisoned);
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
}

#[test]
fn what_is_written_and_waits_for_a_full_disk_is_never_called_undone() {
    let disk = MemoryDisk::default();
    let one = open(&disk, options()).unwrap();
    create(&one, 1, b"written, and not synced");
    // The second handle opened the file after that write, so it writes the bytes again before its sync means anything
    // (rule 4).
    let two = open(&disk, options()).unwrap();
    disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = block_on(two.destroy(&key(2), None)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Io, "{error}");
    assert!(error.may_have_happened());
    disk.faults().space.store(false, std::sync::atomic::Ordering::Relaxed);
    block_on(two.destroy(&key(2), None)).unwrap();
    assert_eq!(value(&two, 1), Some(b"written, and not synced".to_vec()));
}

#[test]
fn a_batch_of_moves_that_could_not_be_written_is_moved_later() {
    let disk = MemoryDisk::default();
    drop(filled(&disk));
    // These options allow 1 MiB of waste, so the store's own thread compacts nothing.
    let store = open(&disk, options()).unwrap();
    let (mut failed, mut compactor) = (0, Compactor::default());
    while store.stats(NOW).unwrap().segments > 1 {
        disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
        failed += usize::from(compactor.try_step(&store.engine).is_err());
        disk.faults().space.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(compactor.try_step(&store.engine).unwrap());
    }
    assert!(failed > 1, "the moves failed once, and each trim");
    for store in [&store, &open(&disk, options()).unwrap()] {
        for n in 0..100 {
            assert_eq!(value(store, n), Some(vec![n as u8; 100]));
        }
    }
}

#[test]
fn a_save_that_waits_for_the_disk_when_its_page_cannot_be_read_any_more_hears_of_it_and_so_does_a_close() {
    use std::future::Future as _;

    use crate::store::file::disk::line::Line;
    use crate::store::file::disk::page::{Legacy, Page};
    use crate::store::file::disk::page_file::PageFile;
    use crate::store::file::disk::signal::Signal;
    use crate::store::file::engine::background::Round;
    use crate::store::file::format::names;

    let disk = MemoryDisk::default();
    let first = open(&disk, options()).unwrap();
    // The other handle reads the page by calls, as on btrfs.
    let file = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &Legacy::default().to_bytes(0), 0).unwrap();
    let by_calls = Arc::new(PageFile::of(file.try_clone().unwrap()));
    let page = Page::of(|number| Line::ByCalls(by_calls.clone(), number), Signal::Silent);
    let mapped = disk.page();
    page.tail.set(mapped.tail.get());
    page.durable.set(mapped.durable.get());
    drop(first);
    disk.set_page(page);
    let held = disk.lock(names::USERS_LOCK).unwrap();
    assert!(held.try_shared().unwrap(), "it joins");
    let settings = Settings { durability: Durability::Always, ..options() };
    let engine = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap();
    let mut round = Round::of(&engine);
    let mut saving =
        std::pin::pin!(engine.submit(Op::Create { record: record(1, b"waits"), traces: Vec::new(), now: NOW }));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(saving.as_mut().poll(&mut context).is_pending());
    file.set_len(0).unwrap();
    round.run(&engine);
    let std::task::Poll::Ready(outcome) = saving.as_mut().poll(&mut context) else { panic!("left waiting") };
    assert_eq!(outcome.unwrap_err().kind(), &ErrorKind::FilesLost);
    engine.begin_close();
    assert_eq!(engine.end_close().unwrap_err().kind(), &ErrorKind::FilesLost);
}
