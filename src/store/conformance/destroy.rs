//! What `destroy` promises, but for its durability.

use super::bench::{Bench, Checked, ensure, given, promises, together};
use super::fixture::{at, key, owned, session};
use crate::model::owner::Owner;
use crate::store::Store;

promises! {
    "destroy ends a session for every operation" => ends_it,
    "destroy says whether the session was there" => tells_presence,
    "destroy is content when there is nothing to end" => is_idempotent,
}

fn ends_it<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let owner = Owner::from("ada");
    store.create(&owned(1, "ada"), at(0))?;
    store.create(&owned(2, "ada"), at(0))?;
    store.destroy(&key(1))?;
    ensure!(!store.is_there(&key(1), at(0))?, "a destroyed session is loaded");
    let listed = store.owned_by(&owner, at(0))?;
    ensure!(listed.iter().all(|record| record.key() != &key(1)), "a destroyed session is listed among its owner's");
    let scanned = store.scanned(at(0))?;
    ensure!(scanned.iter().all(|record| record.key() != &key(1)), "a destroyed session is scanned");
    let count = store.count(at(0))?;
    ensure!(count == 1, "of two sessions one was destroyed, and {count} are counted");
    ensure!(store.is_there(&key(2), at(0))?, "another session went with the destroyed one");
    Ok(())
}

fn tells_presence<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&owned(1, "ada"), at(0))?;
    ensure!(store.destroy(&key(1))?, "a destroy of a live session says that it was not there");
    given!(!store.is_there(&key(1), at(0))?, "destroy ends no session");
    // Whether a destroy may fail where nothing is to be ended is for another promise.
    for (number, why) in [(1, "that was destroyed"), (2, "that never was")] {
        let answer = store.wait("destroy", store.store.destroy(&key(number), None));
        ensure!(!matches!(answer, Ok(true)), "a destroy of a session {why} says that it was there");
    }
    for round in 10..20 {
        store.create(&session(round), at(0))?;
        let answers = together(4, |_| Ok(store.wait("destroy", store.store.destroy(&key(round), None))))?;
        let ended = answers.iter().filter(|answer| matches!(answer, Ok(true))).count();
        ensure!(ended == 1, "of 4 threads that destroyed one session, {ended} were told that it was there");
    }
    Ok(())
}

fn is_idempotent<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.destroy(&key(1))?;
    store.create(&owned(2, "ada"), at(0))?;
    store.destroy(&key(2))?;
    store.destroy(&key(2)).map(drop)
}
