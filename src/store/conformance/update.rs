//! What `update` promises, but for limits.

use std::thread;

use super::bench::{Bench, Checked, ensure, given, promises, together};
use super::difference::{ensure_same, in_short};
use super::fixture::{IDLE, all_kinds, at, changed, increment, key, moved, number, put, session};
use crate::model::record::Revision;
use crate::store::{Store, Update};

promises! {
    "update stores only against the revision that it expects" => compares_and_swaps,
    "update answers a conflict with the session as it is" => answers_with_the_current,
    "update keeps everything of the record" => keeps_everything,
    "update keeps the later last seen" => keeps_the_later_last_seen,
    "update never brings back a destroyed session" => revives_no_destroyed,
    "update never brings back an expired session" => revives_no_expired,
    "update takes no revision from an earlier life of the key" => tells_lives_apart,
}

fn compares_and_swaps<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let first = store.create(&session(1), at(0))?;
    store.updated(&changed(&session(1), 2), first, at(0))?;
    let stale = store.update(&changed(&session(1), 3), first, at(0))?;
    ensure!(
        matches!(stale, Update::Conflict(_)),
        "an update of a stale revision was answered with {stale}",
        stale = in_short(&stale)
    );
    let kept = number(&store.loaded(&key(1), at(0))?, "n");
    ensure!(kept == 2, "an update of a stale revision was stored");

    const THREADS: usize = 8;
    const EACH: usize = 20;
    let mut counter = session(2);
    put(&mut counter, "n", 0);
    store.create(&counter, at(0))?;
    together(THREADS, |_| {
        for _ in 0..EACH {
            let there = store.change(&key(2), at(0), |record| increment(record, "n"))?;
            ensure!(there, "a live session was answered as gone");
        }
        Ok(())
    })?;
    let counted = number(&store.loaded(&key(2), at(0))?, "n");
    let expected = (THREADS * EACH) as u64;
    ensure!(counted == expected, "of {expected} increments by {THREADS} threads, {counted} are there");
    Ok(())
}

fn answers_with_the_current<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let first = store.create(&session(1), at(0))?;
    store.updated(&changed(&session(1), 2), first, at(0))?;
    if let Update::Conflict(current) = store.update(&changed(&session(1), 3), first, at(0))? {
        let loaded = store.loaded(&key(1), at(0))?;
        ensure_same(&current, &loaded, "the conflict holds another session than the store")?;
    }
    Ok(())
}

fn keeps_everything<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for mut record in all_kinds() {
        let mut before = session(1);
        before.set_key(*record.key());
        let revision = store.create(&before, at(0))?;
        let revision = store.updated(&record, revision, at(9))?;
        record.set_revision(revision);
        let loaded = store.loaded(record.key(), at(9))?;
        ensure_same(&loaded, &record, "a session that was updated is loaded otherwise")?;
    }
    Ok(())
}

fn keeps_the_later_last_seen<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let early = session(1);
    let mut later = changed(&early, 2);
    later.touch(at(10));
    let revision = store.create(&early, at(0))?;
    let revision = store.updated(&later, revision, at(10))?;
    let seen = store.loaded(&key(1), at(10))?.last_seen();
    ensure!(seen == at(10), "the new record was last seen at {}, and stored as seen at {seen}", at(10));
    store.updated(&changed(&early, 3), revision, at(10))?;
    let seen = store.loaded(&key(1), at(10))?.last_seen();
    ensure!(seen == at(10), "the stored record was last seen at {}, and an update made it {seen}", at(10));
    Ok(())
}

fn revives_no_destroyed<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let answer = store.update(&session(1), Revision::fresh(), at(0))?;
    ensure!(
        answer == Update::Gone,
        "an update of a session that never was is answered with {answer}",
        answer = in_short(&answer)
    );
    ensure!(!store.is_there(&key(1), at(0))?, "an update created a session");

    let revision = store.create(&session(2), at(0))?;
    store.destroy(&key(2))?;
    given!(!store.is_there(&key(2), at(0))?, "destroy ends no session");
    let answer = store.update(&changed(&session(2), 3), revision, at(0))?;
    ensure!(
        answer == Update::Gone,
        "an update of a destroyed session is answered with {answer}",
        answer = in_short(&answer)
    );
    ensure!(!store.is_there(&key(2), at(0))?, "an update brought back a destroyed session");

    let revision = store.create(&session(4), at(0))?;
    store.rotated(&key(4), revision, &moved(&session(4), 5), at(0))?;
    if !store.is_there(&key(4), at(0))? {
        let answer = store.update(&changed(&session(4), 6), revision, at(0))?;
        ensure!(
            answer == Update::Gone,
            "an update of a key that was rotated away is answered with {answer}",
            answer = in_short(&answer)
        );
    }

    for round in 10..20 {
        store.create(&session(round), at(0))?;
        together(4, |thread| {
            if thread == 0 {
                thread::yield_now();
                return store.destroy(&key(round)).map(drop);
            }
            // The loop is bounded, because a store that brings the session back would keep it running for ever.
            for _ in 0..50 {
                if !store.change(&key(round), at(0), |record| increment(record, "n"))? {
                    break;
                }
            }
            Ok(())
        })?;
        ensure!(!store.is_there(&key(round), at(0))?, "threads that updated a session brought it back after its end");
    }
    Ok(())
}

fn revives_no_expired<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let revision = store.create(&session(1), at(0))?;
    let mut late = changed(&session(1), 2);
    late.touch(at(IDLE));
    let answer = store.update(&late, revision, at(IDLE))?;
    ensure!(
        answer == Update::Gone,
        "an update of an expired session is answered with {answer}",
        answer = in_short(&answer)
    );
    ensure!(!store.lives(&key(1), at(IDLE))?, "an update brought back an expired session");
    Ok(())
}

fn tells_lives_apart<S: Store>(bench: &Bench<'_, S>) -> Checked {
    for by_clear in [false, true] {
        // A fresh store for each case, so that a counter of revisions that starts again reaches the same number.
        let store = bench.open();
        let earlier = store.create(&session(1), at(0))?;
        if by_clear {
            store.clear()?;
        } else {
            store.destroy(&key(1))?;
        }
        given!(!store.is_there(&key(1), at(0))?, "destroy or clear ends no session");
        store.create(&changed(&session(1), 10), at(0))?;
        let random = store.update(&changed(&session(1), 11), Revision::fresh(), at(0))?;
        given!(matches!(random, Update::Conflict(_)), "update compares no revisions");
        let answer = store.update(&changed(&session(1), 11), earlier, at(0))?;
        ensure!(
            matches!(answer, Update::Conflict(_)),
            "an update with the revision of an earlier session of that key is answered with {answer}",
            answer = in_short(&answer)
        );
        let kept = number(&store.loaded(&key(1), at(0))?, "n");
        ensure!(kept == 10, "an update overwrote a later session of the same key");
    }
    Ok(())
}
