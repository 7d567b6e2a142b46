//! What a store promises about traces: when they are left, what they are not, and when they end.

use std::sync::atomic::{AtomicU32, Ordering};

use super::bench::{Bench, Checked, Subject, Trouble, ensure, given, promises, together};
use super::fixture::{HOUR, at, changed, just_before, key, moved, owned, seen, session};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::{BeyondLimit, Durability, Found, Kept, Limits, OwnerLimit, Store, Update};

promises! {
    "create leaves the traces of a login where no session lives" => create_leaves,
    "rotate leaves its trace under the old key" => rotate_leaves,
    "destroy leaves its trace where a session stood, and nowhere else" => destroy_leaves,
    "a trace is left in the same step as what leaves it" => in_the_same_step,
    "a trace that is left over another makes one with it" => joins,
    "what is refused, meets a conflict or finds nothing leaves no trace" => refused_leave_none,
    "a trace is touched, updated, rotated and ended by nothing" => is_no_session,
    "a trace is in no listing, count, scan or limit" => is_counted_nowhere,
    "a trace ends at its end, by the caller's now" => ends_by_now,
    "a session that begins under the key of a trace takes its place" => gives_way,
    "clear ends traces" => clear_ends,
    "sweep counts no trace and removes none that is not over" => sweep_spares,
    "load and find_all find what find finds" => finds_alike,
    "a trace survives the process as what left it does" => survives,
}

fn ended() -> Trace {
    Trace::ended(at(1))
}

fn moved_to(number: u32) -> Trace {
    Trace::moved(key(number), at(1))
}

/// A store, unless it states that it leaves no traces.
fn open<'a, S: Store>(bench: &Bench<'a, S>) -> Checked<Subject<'a, S>> {
    that_leaves(bench.open())
}

fn that_leaves<S: Store>(store: Subject<'_, S>) -> Checked<Subject<'_, S>> {
    match store.store.capabilities().traces {
        Kept::NotAtAll => Err(Trouble::Skipped("the store states that it leaves no traces")),
        _ => Ok(store),
    }
}

/// Leaves this trace under the keys of these numbers.
fn leave<S: Store>(store: &Subject<'_, S>, numbers: &[u32], trace: &Trace) -> Checked {
    for number in numbers {
        store.create(&owned(*number, "ada"), at(0))?;
        store.destroy_leaving(&key(*number), trace)?;
        given!(store.find(&key(*number), at(0))? == Found::Trace(*trace), "destroy leaves no trace");
    }
    Ok(())
}

fn create_leaves<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    store.create(&session(1), at(0))?;
    store.create(&session(2), at(0))?;
    store.create(&session(3), at(-HOUR))?;
    store.destroy(&key(2))?;
    let traces = [1, 2, 3, 4, 5].map(|number| (key(number), Trace::replaced(key(5), at(1))));
    store.create_leaving(&session(5), &traces, at(0))?;
    ensure!(store.find(&key(1), at(0))?.trace().is_none(), "a login left a trace where a session lives");
    ensure!(store.is_there(&key(1), at(0))?, "a login's trace ended a session");
    ensure!(store.is_there(&key(5), at(0))?, "a login that leaves traces left no session");
    for (number, why) in [(2, "a destroyed session"), (4, "no session")] {
        let found = store.find(&key(number), at(0))?;
        ensure!(found == Found::Trace(traces[0].1), "under the key of {why} a login left no trace");
    }
    Ok(())
}

fn rotate_leaves<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    let revision = store.create(&session(1), at(0))?;
    store.rotated_leaving(&key(1), revision, &moved(&session(1), 2), &moved_to(2), at(0))?;
    ensure!(store.find(&key(1), at(0))? == Found::Trace(moved_to(2)), "a rotation left no trace under the old key");
    ensure!(store.is_there(&key(2), at(0))?, "a rotation that leaves a trace left no session");
    let revision = store.loaded(&key(2), at(0))?.revision();
    store.rotated(&key(2), revision, &moved(&session(1), 3), at(0))?;
    ensure!(store.find(&key(2), at(0))? == Found::Nothing, "a rotation that was given no trace left one");
    Ok(())
}

fn destroy_leaves<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    store.create(&session(1), at(0))?;
    store.destroy_leaving(&key(1), &ended())?;
    ensure!(store.find(&key(1), at(0))? == Found::Trace(ended()), "a destroy left no trace of a live session");
    store.destroy_leaving(&key(2), &ended())?;
    ensure!(store.find(&key(2), at(0))? == Found::Nothing, "a destroy left a trace where no session stood");
    store.create(&session(3), at(0))?;
    store.destroy(&key(3))?;
    ensure!(store.find(&key(3), at(0))? == Found::Nothing, "a destroy that was given no trace left one");
    Ok(())
}

fn in_the_same_step<S: Store>(bench: &Bench<'_, S>) -> Checked {
    const LAST: u32 = 100;
    let store = open(bench)?;
    if store.store.capabilities().traces != Kept::Exactly {
        return Err(Trouble::Skipped("the store states that a trace is a step of its own"));
    }
    let first = store.create(&session(0), at(0))?;
    let place = AtomicU32::new(0);
    together(4, |thread| {
        if thread == 0 {
            let mut revision = first;
            let steps = (0..LAST).try_for_each(|old| {
                let record = moved(&session(0), old + 1);
                revision = store.rotated_leaving(&key(old), revision, &record, &moved_to(old + 1), at(0))?;
                store.create(&session(2 * LAST + old), at(0))?;
                place.store(old + 1, Ordering::SeqCst);
                store.destroy_leaving(&key(2 * LAST + old), &ended())?;
                Ok(())
            });
            place.store(LAST, Ordering::SeqCst);
            return steps;
        }
        loop {
            let old = place.load(Ordering::SeqCst);
            if old == LAST {
                return Ok(());
            }
            let ends = if old == 0 { None } else { Some(key(2 * LAST + old - 1)) };
            for key in [Some(key(old)), ends].into_iter().flatten() {
                let found = store.find(&key, at(0))?;
                ensure!(found != Found::Nothing, "another request found neither a session nor its trace");
            }
            if store.is_there(&key(old + 1), at(0))? {
                let found = store.find(&key(old), at(0))?;
                ensure!(found.trace().is_some(), "a session had moved, and no trace stood in its place");
            }
        }
    })?;
    Ok(())
}

fn joins<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    leave(&store, &[1], &Trace::replaced(key(10), at(1)))?;
    let mut expected = Trace::replaced(key(10), at(1));
    for number in 11..16 {
        let trace = Trace::replaced(key(number), at(2));
        store.create_leaving(&session(number), &[(key(1), trace)], at(0))?;
        expected = expected.join(&trace);
        let found = store.find(&key(1), at(0))?;
        given!(found.trace().is_some(), "create leaves no trace");
        let joined = Found::Trace(expected);
        ensure!(found == joined, "after login {number} a trace should be {joined:?}, and it is {found:?}");
    }
    store.create_leaving(&session(20), &[(key(1), moved_to(20))], at(0))?;
    let found = store.find(&key(1), at(0))?;
    ensure!(found == Found::Trace(moved_to(20)), "of a trace over one of another kind there is {found:?}");
    store.create_leaving(&session(21), &[(key(1), Trace::moved(key(21), at(9)))], at(2))?;
    let found = store.find(&key(1), at(2))?;
    ensure!(
        found == Found::Trace(Trace::moved(key(21), at(9))),
        "of a trace over one that had ended there is {found:?}"
    );
    Ok(())
}

fn refused_leave_none<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let limit = OwnerLimit { sessions: 1, beyond: BeyondLimit::Refuse };
    let store = that_leaves(bench.open_with(Limits { per_owner: Some(limit), ..Limits::default() }))?;
    let revision = store.create(&owned(1, "ada"), at(0))?;
    let leaves_none = |what: &str| {
        let found = [1, 7].map(|number| store.find(&key(number), at(0)));
        let left = found.into_iter().any(|found| found.is_ok_and(|found| found.trace().is_some()));
        ensure!(!left, "{what} left a trace");
        Ok(())
    };
    // Whether each is refused is for other promises.
    let create =
        |record: &Record| store.wait("create", store.store.create(record, &[(key(7), ended())], at(0))).is_err();
    if create(&session(1)) {
        leaves_none("a create under a taken key")?;
    }
    if create(&owned(2, "ada")) {
        leaves_none("a create beyond its owner's limit")?;
    }
    let stale = Revision::from_u64(!revision.as_u64());
    for (old, expected, what) in [(1, stale, "a rotation that met a conflict"), (7, revision, "a rotation of nothing")]
    {
        let (old, record, trace) = (key(old), moved(&owned(1, "ada"), 3), moved_to(3));
        let rotation = store.store.rotate(&old, expected, &record, Some(&trace), at(0));
        if !matches!(store.wait("rotate", rotation), Ok(Update::Stored(_))) {
            leaves_none(what)?;
        }
    }
    Ok(())
}

fn is_no_session<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    let trace = moved_to(9);
    leave(&store, &[1], &trace)?;
    let revision = store.create(&session(2), at(0))?;
    ensure!(!store.touch(&key(1), at(0))?, "a touch of a trace says that a session is there");
    let update = store.update(&changed(&session(1), 5), revision, at(0))?;
    ensure!(update == Update::Gone, "an update of a trace is not answered with Gone");
    let rotate = store.rotate(&key(1), revision, &moved(&session(1), 3), at(0))?;
    ensure!(rotate == Update::Gone, "a rotation of a trace is not answered with Gone");
    ensure!(!store.destroy_leaving(&key(1), &ended())?, "a destroy of a trace says that a session was there");
    ensure!(!store.destroy(&key(1))?, "a destroy of a trace says that a session was there");
    let found = store.find(&key(1), at(0))?;
    ensure!(found == Found::Trace(trace), "a trace was {trace:?} before, and then {found:?}");
    Ok(())
}

fn is_counted_nowhere<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let ada = Owner::from("ada");
    let limit = OwnerLimit { sessions: 2, beyond: BeyondLimit::EndOldest };
    let store = that_leaves(bench.open_with(Limits { per_owner: Some(limit), ..Limits::default() }))?;
    leave(&store, &[1, 2, 3], &Trace::ended(at(HOUR)))?;
    store.create(&seen(4, &ada, 1), at(1))?;
    store.create(&seen(5, &ada, 2), at(2))?;
    ensure!(store.is_there(&key(4), at(2))?, "a trace took a place among its owner's sessions");
    let count = store.count(at(2))?;
    ensure!(count == 2, "beside two sessions and three traces {count} are counted");
    let scanned = store.scanned(at(2))?.len();
    ensure!(scanned == 2, "beside two sessions and three traces {scanned} are scanned");
    let listed = store.owned_by(&ada, at(2))?.len();
    ensure!(listed == 2, "beside two sessions and three traces {listed} are listed");
    let ended = store.destroy_owned_by(&ada, None)?;
    ensure!(ended == 2, "beside two sessions and three traces {ended} were ended for their owner");
    Ok(())
}

fn ends_by_now<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    leave(&store, &[1], &ended())?;
    store.touch(&key(1), just_before(at(1)))?;
    for (now, is_there) in [(just_before(at(1)), true), (at(1), false), (at(0), true), (Timestamp::NEVER, false)] {
        let found = store.find(&key(1), now)?;
        let is_found = found == Found::Trace(ended());
        ensure!(is_found == is_there, "a trace that ends at {:?} is {found:?} at {now:?}", at(1));
    }
    Ok(())
}

fn gives_way<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    leave(&store, &[1, 2], &Trace::ended(at(HOUR)))?;
    let Ok(revision) = store.try_create(&session(1), at(0)) else {
        return Err(Trouble::Broken("a session cannot begin under the key of a trace".into()));
    };
    let Ok(Update::Stored(_)) = store.try_rotate(&key(1), revision, &moved(&session(1), 2), at(0)) else {
        return Err(Trouble::Broken("a session cannot move to the key of a trace".into()));
    };
    ensure!(store.is_there(&key(2), at(0))?, "a trace hides the session that began under its key");
    store.destroy(&key(2))?;
    for number in [1, 2] {
        let found = store.find(&key(number), at(0))?;
        ensure!(found == Found::Nothing, "the trace from before a session came back behind it");
    }
    Ok(())
}

fn clear_ends<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    leave(&store, &[1], &ended())?;
    store.clear()?;
    ensure!(store.find(&key(1), at(0))? == Found::Nothing, "a trace stands after everything was cleared");
    Ok(())
}

fn sweep_spares<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    if store.store.capabilities().sweep == Kept::NotAtAll {
        return Err(Trouble::Skipped("the store states that it does not sweep"));
    }
    leave(&store, &[1, 2, 3], &ended())?;
    leave(&store, &[4], &Trace::ended(at(9)))?;
    let (mut removed, mut more, mut times) = (0, true, 0);
    while more && times < 20 {
        let swept = store.sweep(at(2), 2)?;
        (removed, more, times) = (removed + swept.removed, swept.more, times + 1);
    }
    ensure!(removed == 0, "of three traces that were over a sweep counts {removed} as sessions");
    ensure!(!more, "after {times} sweeps of two each it says that there are more, and three traces were over");
    let found = store.find(&key(4), at(2))?;
    ensure!(found == Found::Trace(Trace::ended(at(9))), "a sweep removed a trace that was not over");
    Ok(())
}

fn finds_alike<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&session(1), at(0))?;
    store.create(&session(2), at(0))?;
    store.create(&session(3), at(-HOUR))?;
    store.destroy_leaving(&key(2), &ended())?;
    let keys: Vec<SessionKey> = [3, 2, 4, 1, 2, 1].map(key).into();
    let found = store.find_all(&keys, at(0))?;
    ensure!(found.len() == keys.len(), "find_all found {} for {} keys", found.len(), keys.len());
    for (key, found) in keys.iter().zip(found) {
        let alone = store.find(key, at(0))?;
        ensure!(found == alone, "find_all found {found:?}, and find {alone:?}");
        let loaded = store.load(key, at(0))?;
        ensure!(alone.clone().live() == loaded, "load found {loaded:?}, and find {alone:?}");
    }
    ensure!(store.find_all(&[], at(0))?.is_empty(), "find_all found something for no keys");
    Ok(())
}

fn survives<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    if store.store.durability().endings == Durability::Volatile {
        return Err(Trouble::Skipped("the store states that nothing survives the process"));
    }
    leave(&store, &[1], &Trace::ended(at(HOUR)))?;
    let store = bench.reopen(store)?;
    let found = store.find(&key(1), at(0))?;
    ensure!(found == Found::Trace(Trace::ended(at(HOUR))), "the trace of a session that was ended is {found:?}");
    Ok(())
}
