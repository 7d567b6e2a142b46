//! What the operations on all sessions promise.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::bench::{Bench, Checked, Trouble, ensure, promises, together};
use super::difference::ensure_same;
use super::fixture::{IDLE, at, increment, key, owned, put, session};
use crate::model::record::Record;
use crate::store::{Kept, Store};

promises! {
    "scan visits every live session once, also while others write" => visits_each_once,
    "scan lets its visitor call the store" => lets_its_visitor_call,
    "scan leaves out expired sessions" => leaves_out_expired,
    "scan stops when its visitor breaks" => stops,
    "count counts the live sessions" => counts_the_living,
    "clear ends all sessions" => clears,
}

fn visits_each_once<S: Store>(bench: &Bench<'_, S>) -> Checked {
    const STABLE: u32 = 64;
    let store = bench.open();
    for number in 0..STABLE {
        store.create(&owned(number, "ada"), at(0))?;
    }
    for record in store.scanned(at(0))? {
        let loaded = store.loaded(record.key(), at(0))?;
        ensure_same(&record, &loaded, "scan shows another session than load")?;
    }

    let done = AtomicBool::new(false);
    let visited = together(3, |thread| {
        let mut visits = BTreeMap::<_, u32>::new();
        if thread == 0 {
            // Slowly, so that writes fall between the visits if the store allows that.
            let scanned = store.scan(at(0), |record| {
                thread::sleep(Duration::from_micros(500));
                *visits.entry(*record.key()).or_default() += 1;
                ControlFlow::Continue(())
            });
            done.store(true, Ordering::SeqCst);
            return scanned.map(|()| visits);
        }
        let writes = (0..).take_while(|_| !done.load(Ordering::SeqCst)).try_for_each(|write| {
            let stable = key(write * 7 % STABLE);
            store.change(&stable, at(0), |record| increment(record, "n"))?;
            store.touch(&stable, at(1))?;
            let passing = 1_000_000 * thread as u32 + write;
            store.create(&session(passing), at(0))?;
            store.destroy(&key(passing)).map(drop)
        });
        writes.map(|()| visits)
    })?;
    let visited = &visited[0];
    let is_exact = store.store.capabilities().scan == Kept::Exactly;
    for number in 0..STABLE {
        let times = visited.get(&key(number)).copied().unwrap_or(0);
        let is_right = if is_exact { times == 1 } else { times > 0 };
        ensure!(is_right, "a session that lived throughout was visited {times} times");
    }
    ensure!(!is_exact || visited.values().all(|times| *times == 1), "a session that came or went was visited twice");
    Ok(())
}

fn lets_its_visitor_call<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    if !store.store.capabilities().visitor_may_call {
        return Err(Trouble::Skipped("the store states that a visitor may not call it"));
    }
    for number in 0..5 {
        store.create(&owned(number, "ada"), at(0))?;
    }
    // The visitor waits for a thread, because an executor may not run inside another one.
    let calls = |visited: &Record| -> Checked {
        store.count(at(0))?;
        store.owned_by(&"ada".into(), at(0))?;
        store.touch(visited.key(), at(1))?;
        store.change(visited.key(), at(1), |record| put(record, "visited", 1))?;
        store.destroy(visited.key()).map(drop)
    };
    let mut called = Ok(());
    let mut visits = 0;
    store.scan(at(0), |record| {
        visits += 1;
        let call = || thread::scope(|scope| scope.spawn(|| calls(&record)).join());
        called = call().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if called.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    called?;
    ensure!(visits == 5, "5 sessions were there, each ended when it was visited, and {visits} were visited");
    Ok(())
}

fn leaves_out_expired<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let mut late = session(2);
    late.touch(at(5));
    store.create(&session(1), at(0))?;
    store.create(&late, at(5))?;
    let visited: Vec<_> = store.scanned(at(IDLE))?.iter().map(|record| *record.key()).collect();
    ensure!(visited == [key(2)], "of one live and one expired session {} were visited", visited.len());
    Ok(())
}

fn stops<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in 0..10 {
        store.create(&session(number), at(0))?;
    }
    let mut visits = 0;
    store.scan(at(0), |_| {
        visits += 1;
        if visits < 4 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    ensure!(visits == 4, "the visitor broke at its visit 4, and got {visits}");
    Ok(())
}

fn counts_the_living<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in 0..20 {
        let mut record = session(number);
        record.touch(at(number.into()));
        store.create(&record, at(0))?;
    }
    for (now, live) in [(at(0), 20), (at(IDLE), 19), (at(IDLE + 9), 10), (at(IDLE + 19), 0)] {
        let count = store.count(now)?;
        ensure!(count == live, "of 20 sessions {live} are live, and {count} are counted");
    }
    Ok(())
}

fn clears<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in 0..20 {
        store.create(&if number % 2 == 0 { session(number) } else { owned(number, "ada") }, at(0))?;
    }
    store.clear()?;
    for number in 0..20 {
        ensure!(!store.is_there(&key(number), at(0))?, "a session is there after clear");
    }
    ensure!(store.owned_by(&"ada".into(), at(0))?.is_empty(), "an owner has sessions after clear");
    ensure!(store.scanned(at(0))?.is_empty(), "there is something to scan after clear");
    ensure!(store.count(at(0))? == 0, "there is something to count after clear");
    store.create(&owned(1, "ada"), at(0))?;
    ensure!(store.count(at(0))? == 1, "a session created after clear is not there");
    Ok(())
}
