//! Memory goes back as sessions go; a touch takes none, and a request little. An allocator counts it, for the C library keeps what it was given.

#![allow(missing_docs, unreachable_pub)]
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::tower::{SessionLayer, session_of};
use cloakroom::{BeyondLimit, Durability, FileStore, ManualClock, OwnerLimit, Sessions, Store};
use http::{Request, Response};
use support::{MINUTE, NOW, block_on, quick_place, record_until};
use tower::{Layer as _, Service as _, service_fn};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static TAKEN: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// How often this thread has allocated.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// The largest of them, in bytes.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LARGEST.set(LARGEST.get().max(layout.size()));
        let taken = TAKEN.fetch_add(layout.size() as isize, Ordering::Relaxed) + layout.size() as isize;
        MOST.fetch_max(taken, Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The tests count the memory of one process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What a piece of work leaves in memory, in bytes.
fn taken<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = TAKEN.load(Ordering::Relaxed);
    let done = work();
    (done, TAKEN.load(Ordering::Relaxed) - before)
}

/// The most that a piece of work takes at one moment, in bytes.
fn most<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = TAKEN.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let done = work();
    (done, MOST.load(Ordering::Relaxed) - before)
}

const SESSIONS: u32 = 20_000;

/// One session of ten stays.
fn stays(n: u32) -> bool {
    n.is_multiple_of(10)
}

type OwnerOf = fn(u32) -> Option<String>;
/// A case's name, its owners, and what ends its sessions.
type Case<'a> = (&'a str, OwnerOf, &'a dyn Fn(&FileStore));

/// Fills a store with those of its sessions that are wanted.
fn fill(store: &FileStore, owner_of: OwnerOf, is_wanted: fn(u32) -> bool) {
    for n in (0..SESSIONS).filter(|n| is_wanted(*n)) {
        let mut record = record_until(n, &[7; 60], if stays(n) { 60 * MINUTE } else { MINUTE });
        record.set_owner(owner_of(n).map(Into::into), None);
        block_on(store.create(&record, &[], NOW)).unwrap();
    }
}

#[test]
fn a_touch_that_nothing_is_in_the_way_of_allocates_nothing() {
    const TOUCHES: u32 = 1_000;
    let _turn = TURN.lock().unwrap();
    let (_keep, place) = quick_place();
    let store = FileStore::options().durability(Durability::Never).open(place).unwrap();
    let record = record_until(1, &[7; 60], 60 * MINUTE);
    block_on(store.create(&record, &[], NOW)).unwrap();
    let touch = |n| assert!(block_on(store.touch(record.key(), NOW.plus(Duration::from_millis(n)))).unwrap());
    touch(1);
    let before = ALLOCATIONS.get();
    (0..TOUCHES).for_each(|n| touch(2 + u64::from(n)));
    let allocations = ALLOCATIONS.get() - before;
    // The store's thread may be in the way of a few, and these queue.
    assert!(allocations < u64::from(TOUCHES) / 10, "{allocations} allocations");
}

/// What the C library keeps at hand for each thread, in bytes: larger blocks take it several times as long.
const AT_HAND: usize = 1032;

#[test]
fn a_request_through_the_layer_takes_few_allocations_and_none_that_is_large() {
    let _turn = TURN.lock().unwrap();
    let (_keep, place) = quick_place();
    let store = FileStore::options().durability(Durability::Never).open(place).unwrap();
    let sessions = Sessions::builder(store).clock(ManualClock::at(NOW)).build().unwrap();
    let cookie = block_on(sessions.test_cookie(|session| session.insert("visits", &1))).unwrap();
    // Of an untouched session: the future, the handle, and the request's extensions with the handle and its slot. A look
    // adds the name of what was read, and the headers against caches.
    for (looks, expected) in [(false, 6), (true, 10)] {
        let mut service =
            SessionLayer::new(sessions.clone()).layer(service_fn(move |request: Request<()>| async move {
                if looks {
                    let session = session_of(request.extensions()).await.unwrap();
                    assert_eq!(session.get("visits").unwrap(), Some(1));
                }
                Ok::<_, cloakroom::Error>(Response::new(()))
            }));
        let mut visit = || {
            let request = Request::get("/").header("cookie", &cookie).body(()).unwrap();
            let before = ALLOCATIONS.replace(0);
            LARGEST.set(0);
            let response = block_on(service.call(request)).unwrap();
            drop(response);
            (ALLOCATIONS.replace(before), LARGEST.get())
        };
        visit(); // what is made once
        let (allocations, largest) = visit();
        assert!(allocations <= expected, "{allocations} allocations of a request that looks: {looks}");
        assert!(largest <= AT_HAND, "{largest} bytes in one allocation of a request that looks: {looks}");
    }
}

#[test]
fn what_a_store_takes_after_most_sessions_have_gone_is_what_the_others_need() {
    let _turn = TURN.lock().unwrap();
    let nobody: OwnerOf = |_| None;
    let each: OwnerOf = |n| Some(format!("user {n}"));
    let some: OwnerOf = |n| Some(format!("user {}", n % 400));
    let one: OwnerOf = |_| Some("the one user".into());
    let sweep = |store: &FileStore| {
        let later = NOW.plus(2 * MINUTE);
        while block_on(store.sweep(later, 1_000)).unwrap().more {}
    };
    let destroy = |store: &FileStore| {
        let gone = (0..400).filter(|n| !stays(*n)).map(|n| format!("user {n}"));
        for owner in gone {
            block_on(store.destroy_owned_by(&owner.as_str().into(), None)).unwrap();
        }
    };
    let cases: [Case<'_>; 4] = [
        ("swept, without owners", nobody, &sweep),
        ("swept, an owner each", each, &sweep),
        ("destroyed by owner", some, &destroy),
        ("swept, one owner", one, &sweep),
    ];
    for (case, owner_of, end) in cases {
        let open = || {
            let (keep, place) = quick_place();
            let most = OwnerLimit::new(SESSIONS as usize, BeyondLimit::EndOldest);
            let options = FileStore::options().durability(Durability::Never).per_owner(most);
            (keep, options.open(place).unwrap())
        };
        let (needed, live) = taken(|| {
            let (keep, store) = open();
            fill(&store, owner_of, stays);
            (keep, store)
        });
        drop(needed);
        let ((_keep, store), mut full) = taken(open);
        full += taken(|| fill(&store, owner_of, |_| true)).1;
        let before = TAKEN.load(Ordering::Relaxed);
        end(&store);
        // The store's thread lets go of what an end of many has left, and nothing says when it is done.
        let left = || full + TAKEN.load(Ordering::Relaxed) - before;
        let patience = Instant::now() + 2 * MINUTE;
        while left() >= live * 3 / 2 && Instant::now() < patience {
            thread::yield_now();
        }
        let left = left();
        assert_eq!(block_on(store.count(NOW)).unwrap(), u64::from(SESSIONS / 10), "{case}");
        assert!(full > 5 * live, "{case}: {full} bytes for all, {live} for a tenth of them");
        assert!(left < live * 3 / 2, "{case}: {left} bytes are taken where {live} are needed");
    }
}

#[test]
fn what_a_clear_leaves_is_freed() {
    let _turn = TURN.lock().unwrap();
    let (_keep, place) = quick_place();
    let (store, empty) = taken(|| FileStore::options().durability(Durability::Never).open(place).unwrap());
    let ((), full) = taken(|| fill(&store, |n| Some(format!("user {n}")), |_| true));
    // The store's thread frees it, and ends before a close does.
    let ((), freed) = taken(|| {
        block_on(store.clear()).unwrap();
        store.close().unwrap();
    });
    let left = empty + full + freed;
    assert!(full > 5_000_000 && left < 500_000, "{left} bytes are left of {full}");
}

#[test]
fn making_a_hint_takes_a_few_times_its_bytes_and_not_what_the_records_say() {
    let _turn = TURN.lock().unwrap();
    let (_keep, place) = quick_place();
    let options = || FileStore::options().durability(Durability::Never).cache_bytes(0).segment_bytes(16 << 20);
    let hint = place.join("00000001.hint");
    let store = options().open(&place).unwrap();
    for n in 0..32_000 {
        let mut record = record_until(n, &[7; 500], 60 * MINUTE);
        record.set_owner(Some(format!("user {n}").as_str().into()), None);
        block_on(store.create(&record, &[], NOW)).unwrap();
    }
    store.close().unwrap();
    let _ = std::fs::remove_file(&hint);
    std::fs::remove_file(place.join("index.snapshot")).unwrap();
    let (store, index) = taken(|| options().open(&place).unwrap());
    let ((), most) = most(|| {
        while !hint.exists() {
            std::thread::yield_now();
        }
    });
    store.close().unwrap();
    let bytes = std::fs::metadata(&hint).unwrap().len();
    println!("{most} bytes for a hint of {bytes}, beside an index of {index}");
    assert!(bytes > 500_000 && most < 6 * bytes as isize, "{most} bytes are taken for a hint of {bytes}");
}
