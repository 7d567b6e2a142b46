//! What a store promises about traces: when they are left, what they are not, and when they end.

use super::bench::{Bench, Checked, Subject, Trouble, ensure, given, promises};
use super::difference::{ensure_same, found_in_short, trace_in_short};
use super::fixture::{HOUR, at, changed, just_before, key, moved, owned, seen, session};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::{BeyondLimit, Durability, Found, Kept, Limits, OwnerLimit, Store, Update};

promises! {
    "create leaves the traces of a login where no session lives" => create_leaves,
    "rotate leaves its trace under the old key" => rotate_leaves,
    "destroy leaves its trace where a session stood, and nowhere else" => destroy_leaves,
    "a trace that is left over another makes one with it" => joins,
    "what is refused, meets a conflict or finds nothing leaves no trace" => refused_leave_none,
    "a trace is touched, updated, rotated and ended by nothing" => is_no_session,
    "a trace is in no listing, count, scan or limit" => is_counted_nowhere,
    "a trace ends at its end, by the caller's now" => ends_by_now,
    "a session that begins under the key of a trace takes its place" => gives_way,
    "clear ends traces" => clear_ends,
    "sweep counts no trace and removes none that is not over" => sweep_spares,
    "load and find_all find what find finds" => finds_alike,
    "traces are bounded in number, and those that end first go" => are_bounded,
    "a trace survives the process as what left it does" => survives,
}

pub(super) fn ended() -> Trace {
    Trace::ended(at(1))
}

pub(super) fn moved_to(number: u32) -> Trace {
    Trace::moved(key(number), at(1))
}

/// A store, unless it states that it leaves no traces.
pub(super) fn open<'a, S: Store>(bench: &Bench<'a, S>) -> Checked<Subject<'a, S>> {
    that_leaves(bench.open())
}

fn that_leaves<S: Store>(store: Subject<'_, S>) -> Checked<Subject<'_, S>> {
    match store.store.capabilities().traces {
        Kept::NotAtAll => Err(Trouble::Skipped("the store states that it leaves no traces")),
        _ => Ok(store),
    }
}

/// Leaves this trace under the keys of these numbers, beside a login.
fn leave<S: Store>(store: &Subject<'_, S>, numbers: &[u32], trace: &Trace) -> Checked {
    let traces: Vec<_> = numbers.iter().map(|number| (key(*number), *trace)).collect();
    store.create_leaving(&session(numbers[0] + 100), &traces, at(0))?;
    for (key, trace) in traces {
        given!(store.find(&key, at(0))? == Found::Trace(trace), "create leaves no trace");
    }
    Ok(())
}

fn create_leaves<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    store.create(&session(1), at(0))?;
    store.create(&session(3), at(-HOUR))?;
    let traces = [1, 3, 4, 5].map(|number| (key(number), Trace::replaced(key(5), at(1))));
    store.create_leaving(&session(5), &traces, at(0))?;
    ensure!(store.find(&key(1), at(0))?.trace().is_none(), "a login left a trace where a session lives");
    ensure!(store.is_there(&key(1), at(0))?, "a login's trace ended a session");
    ensure!(store.is_there(&key(5), at(0))?, "a login that leaves traces left no session");
    let found = store.find(&key(4), at(0))?;
    ensure!(found == Found::Trace(traces[0].1), "under a key without a session a login left no trace");
    Ok(())
}

fn rotate_leaves<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    let revision = store.create(&session(1), at(0))?;
    let revision = store.rotated_leaving(&key(1), revision, &moved(&session(1), 2), &moved_to(2), at(0))?;
    given!(!store.is_there(&key(1), at(0))?, "rotate leaves the old key alive");
    ensure!(store.find(&key(1), at(0))? == Found::Trace(moved_to(2)), "a rotation left no trace under the old key");
    store.rotated(&key(2), revision, &moved(&session(1), 3), at(0))?;
    ensure!(store.find(&key(2), at(0))?.trace().is_none(), "a rotation that was given no trace left one");
    Ok(())
}

fn destroy_leaves<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    store.create(&session(1), at(0))?;
    store.destroy_leaving(&key(1), &ended())?;
    given!(!store.is_there(&key(1), at(0))?, "destroy ends no session");
    ensure!(store.find(&key(1), at(0))? == Found::Trace(ended()), "a destroy left no trace of a live session");
    // Whether a destroy may fail where nothing is to be ended is for another promise.
    let _ = store.wait("destroy", store.store.destroy(&key(2), Some(&ended())));
    ensure!(store.find(&key(2), at(0))?.trace().is_none(), "a destroy left a trace where no session stood");
    store.create(&session(3), at(0))?;
    store.destroy(&key(3))?;
    ensure!(store.find(&key(3), at(0))?.trace().is_none(), "a destroy that was given no trace left one");
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
        let joined = Found::Trace(expected);
        let (is, should_be) = (found_in_short(&found), found_in_short(&joined));
        ensure!(found == joined, "after login {number}, {should_be} should stand there, and it is {is}");
    }
    store.create_leaving(&session(20), &[(key(1), moved_to(20))], at(0))?;
    let found = store.find(&key(1), at(0))?;
    let is = found_in_short(&found);
    ensure!(found == Found::Trace(moved_to(20)), "of a trace over one of another kind there is {is}");
    store.create_leaving(&session(21), &[(key(1), Trace::moved(key(21), at(9)))], at(2))?;
    let found = store.find(&key(1), at(2))?;
    let is = found_in_short(&found);
    ensure!(found == Found::Trace(Trace::moved(key(21), at(9))), "of a trace over one that had ended there is {is}");
    Ok(())
}

fn refused_leave_none<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let limit = OwnerLimit::new(1, BeyondLimit::Refuse);
    let store = that_leaves(bench.open_with(Limits::default().with_per_owner(limit)))?;
    let revision = store.create(&owned(1, "ada"), at(0))?;
    store.create(&session(4), at(0))?;
    // Whether each is refused is for other promises.
    for (taken, number) in [(session(4), 8), (owned(2, "ada"), 9)] {
        let create = store.wait("create", store.store.create(&taken, &[(key(number), ended())], at(0)));
        let found = store.find(&key(number), at(0))?;
        ensure!(create.is_ok() || found.trace().is_none(), "a create that was refused left a trace");
    }
    let stale = Revision::from_u64(!revision.as_u64());
    for (old, expected, what) in [(1, stale, "met a conflict"), (7, revision, "found nothing")] {
        let (record, trace, old) = (moved(&owned(1, "ada"), old + 20), moved_to(old + 20), key(old));
        let rotation = store.store.rotate(&old, expected, &record, Some(&trace), at(0));
        let is_stored = matches!(store.wait("rotate", rotation), Ok(Update::Stored(_)));
        let found = store.find(&old, at(0))?;
        ensure!(is_stored || found.trace().is_none(), "a rotation that {what} left a trace");
    }
    Ok(())
}

fn is_no_session<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    let trace = moved_to(9);
    leave(&store, &[1], &trace)?;
    let revision = store.create(&session(2), at(0))?;
    // The same where there is nothing, which is for other promises, and then where a trace stands.
    for (number, is_trace) in [(50, false), (1, true)] {
        let (key, record) = (key(number), session(number));
        let update = store.wait("update", store.store.update(&changed(&record, 5), revision, at(0)));
        let (next, trace) = (moved(&record, number + 10), ended());
        let rotation = store.store.rotate(&key, revision, &next, Some(&trace), at(0));
        let rotate = store.wait("rotate", rotation);
        let destroy = store.wait("destroy", store.store.destroy(&key, Some(&trace)));
        let says_there = [
            ("touch", store.touch(&key, at(0))?),
            ("update", !matches!(update, Ok(Update::Gone))),
            ("rotate", !matches!(rotate, Ok(Update::Gone))),
            ("destroy", matches!(destroy, Ok(true))),
        ];
        for (what, says_there) in says_there {
            given!(is_trace || !says_there, "{what} does not say of a missing session that it is not there");
            ensure!(!says_there, "{what} does not say of a trace that no session is there");
        }
    }
    let found = store.find(&key(1), at(0))?;
    let (was, is) = (trace_in_short(&trace), found_in_short(&found));
    ensure!(found == Found::Trace(trace), "{was} stood there before, and then {is}");
    Ok(())
}

fn is_counted_nowhere<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let ada = Owner::from("ada");
    let limit = OwnerLimit::new(2, BeyondLimit::EndOldest);
    let store = that_leaves(bench.open_with(Limits::default().with_per_owner(limit)))?;
    let revision = store.create(&owned(1, "ada"), at(0))?;
    let looks = |when: &str| {
        let looks = [
            ("counted", store.count(at(2))?),
            ("scanned", store.scanned(at(2))?.len() as u64),
            ("listed", store.owned_by(&ada, at(2))?.len() as u64),
        ];
        let shown = looks.map(|(what, count)| format!("{count} {what}")).join(", ");
        Ok((looks.map(|(_, count)| count), format!("{when} {shown}")))
    };
    // What is shown of one session is for other promises.
    let (before, shown) = looks("without a trace")?;
    store.rotated_leaving(&key(1), revision, &moved(&owned(1, "ada"), 2), &Trace::moved(key(2), at(HOUR)), at(0))?;
    let (after, shown_then) = looks("beside one")?;
    ensure!(before == after, "of one session {shown}, and {shown_then}");
    store.create(&seen(3, &ada, 1), at(1))?;
    ensure!(store.is_there(&key(2), at(2))?, "a trace took a place among its owner's sessions");
    Ok(())
}

fn ends_by_now<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    leave(&store, &[1], &ended())?;
    for (now, is_there) in [(just_before(at(1)), true), (at(1), false), (at(0), true), (Timestamp::NEVER, false)] {
        let found = store.find(&key(1), now)?;
        let is_found = found == Found::Trace(ended());
        let (end, is) = (at(1), found_in_short(&found));
        ensure!(is_found == is_there, "of a trace that ends at {end} there is {is} at {now}");
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
        ensure!(found.trace().is_none(), "the trace from before a session came back behind it");
    }
    Ok(())
}

fn clear_ends<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    leave(&store, &[1], &ended())?;
    store.create(&owned(2, "ada"), at(0))?;
    store.clear()?;
    given!(store.count(at(0))? == 0, "clear ends not every session");
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

fn are_bounded<S: Store>(bench: &Bench<'_, S>) -> Checked {
    const MOST: usize = 20;
    const LEFT: u32 = 30;
    let store = that_leaves(bench.open_with(Limits::default().with_traces(MOST)))?;
    let capabilities = store.store.capabilities();
    match capabilities.most_traces {
        Some(MOST) => {}
        Some(_) => {
            return Err(Trouble::Skipped("the store states a bound on traces that it does not take from its limits"));
        }
        None => return Err(Trouble::Skipped("the store states that traces are bounded by their time alone")),
    }
    // After a clear the bound is the same.
    for round in 0..2 {
        let (first, begin) = (round * 1_000, round * LEFT);
        // They end in another order than that in which they are left: seven and thirty have no divisor in common.
        let ends = |number: u32| begin + 1 + number * 7 % LEFT;
        let trace = |number| Trace::ended(at(ends(number).into()));
        leave(&store, &[first], &trace(0))?;
        for number in 1..LEFT {
            let key = key(first + number);
            store.create_leaving(&session(first + number + 100), &[(key, trace(number))], at(0))?;
        }
        // A store may leave it to its sweeps.
        let (mut more, mut times) = (capabilities.sweep != Kept::NotAtAll, 0);
        while more && times < 20 {
            (more, times) = (store.sweep(at(0), 4)?.more, times + 1);
        }
        for number in 0..LEFT {
            let stands = store.find(&key(first + number), at(0))?.trace().is_some();
            let is_among_the_last = begin + LEFT - ends(number) < MOST as u32;
            ensure!(stands || !is_among_the_last, "of {LEFT} traces and {MOST} at most, one that ends late went");
            ensure!(!stands || is_among_the_last, "of {LEFT} traces and {MOST} at most, one that ends early stands");
        }
        store.clear()?;
    }
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
        let (together, said) = (found_in_short(&found), found_in_short(&alone));
        match (&found, &alone) {
            (Found::Live(found), Found::Live(alone)) => {
                ensure_same(found, alone, "find_all found the session otherwise than find")?;
            }
            _ => ensure!(found == alone, "find_all found {together}, and find {said}"),
        }
        match (store.load(key, at(0))?, alone.live()) {
            (Some(loaded), Some(alone)) => ensure_same(&loaded, &alone, "load found the session otherwise than find")?,
            (None, None) => {}
            (loaded, _) => {
                let loaded = loaded.map_or(Found::Nothing, Found::Live);
                ensure!(false, "load found {}, and find {said}", found_in_short(&loaded));
            }
        }
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
    let is = found_in_short(&found);
    ensure!(found == Found::Trace(Trace::ended(at(HOUR))), "where the trace of an end was, there is {is}");
    Ok(())
}
