//! What a store promises about the moment in which a trace is left.

use std::sync::atomic::{AtomicU32, Ordering};

use super::bench::{Bench, Checked, Subject, ensure, given, promises, together};
use super::fixture::{at, key, moved, session};
use super::traces::{ended, moved_to, open};
use crate::model::record::Revision;
use crate::model::trace::Trace;
use crate::store::{Found, Kept, Store};

promises! {
    "a trace is left in the same step as what leaves it" => in_the_same_step,
}

/// How many sessions there are of each kind. The numbers of each kind begin at a multiple of it.
const LAST: u32 = 100;

/// The session that a logout ends.
const fn ending(round: u32) -> u32 {
    2 * LAST + round
}

/// The session that a login begins, and the number under which it leaves its trace.
const fn login(round: u32) -> [u32; 2] {
    [4 * LAST + round, 6 * LAST + round]
}

fn log_in<S: Store>(store: &Subject<'_, S>, [new, old]: [u32; 2]) -> Checked {
    let trace = Trace::replaced(key(new), at(1));
    store.create_leaving(&session(new), &[(key(old), trace)], at(0)).map(drop)
}

/// A store whose traces are steps of their own leaves them first: at no moment is what leaves one done, and the trace not there.
fn in_the_same_step<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench)?;
    let revision = store.create(&session(2_000), at(0))?;
    let record = moved(&session(2_000), 2_001);
    store.rotated_leaving(&key(2_000), revision, &record, &moved_to(2_001), at(0))?;
    given!(store.find(&key(2_000), at(0))? != Found::Nothing, "rotate leaves no trace");
    store.destroy_leaving(&key(2_001), &ended())?;
    given!(store.find(&key(2_001), at(0))? != Found::Nothing, "destroy leaves no trace");
    log_in(&store, [2_002, 2_003])?;
    given!(store.find(&key(2_003), at(0))? != Found::Nothing, "create leaves no trace");

    let first = store.create(&session(0), at(0))?;
    let place = AtomicU32::new(0);
    together(4, |thread| {
        if thread == 0 {
            let done = leave_all(&store, first, &place);
            place.store(LAST, Ordering::SeqCst);
            return done;
        }
        loop {
            match place.load(Ordering::SeqCst) {
                LAST => return Ok(()),
                round => look(&store, round)?,
            }
        }
    })?;
    Ok(())
}

fn leave_all<S: Store>(store: &Subject<'_, S>, mut revision: Revision, place: &AtomicU32) -> Checked {
    for round in 0..LAST {
        let record = moved(&session(0), round + 1);
        revision = store.rotated_leaving(&key(round), revision, &record, &moved_to(round + 1), at(0))?;
        store.create(&session(ending(round)), at(0))?;
        log_in(store, login(round))?;
        place.store(round + 1, Ordering::SeqCst);
        store.destroy_leaving(&key(ending(round)), &ended())?;
    }
    Ok(())
}

/// What another request may find while a round's rotation and login, and the logout of the round before it, are on their way.
fn look<S: Store>(store: &Subject<'_, S>, round: u32) -> Checked {
    let capabilities = store.store.capabilities();
    let rotated = store.find(&key(round), at(0))?;
    ensure!(rotated != Found::Nothing, "another request found neither a session that rotated nor its trace");
    if rotated.trace().is_some() && [capabilities.traces, capabilities.rotate] == [Kept::Exactly; 2] {
        let successor = store.find(&key(round + 1), at(0))?;
        ensure!(successor != Found::Nothing, "another request found a rotation's trace before the session was there");
    }
    if round > 0 {
        let found = store.find(&key(ending(round - 1)), at(0))?;
        ensure!(found != Found::Nothing, "another request found neither a session that ended nor its trace");
    }
    let [new, old] = login(round);
    let is_left = capabilities.traces == Kept::Exactly && store.find(&key(old), at(0))?.trace().is_some();
    let is_there = store.is_there(&key(new), at(0))?;
    ensure!(!is_left || is_there, "another request found a login's trace before its session was there");
    let is_left = !is_there || store.find(&key(old), at(0))?.trace().is_some();
    ensure!(is_left, "another request found a login's session before its trace was there");
    Ok(())
}
