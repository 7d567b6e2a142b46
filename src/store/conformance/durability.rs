//! What a store states about the end of the process.

use super::bench::{Bench, Checked, Subject, Trouble, ensure, promises};
use super::difference::ensure_same;
use super::fixture::{at, changed, key, moved, number, owned, put, session};
use crate::store::{Acknowledged, Durability, Store};

promises! {
    "what was acknowledged survives the process" => keeps_what_was_stored,
    "what was destroyed stays so beyond the process" => destroy_lasts,
    "what was rotated stays so beyond the process" => rotate_lasts,
    "what was destroyed by its owner stays so beyond the process" => destroy_owned_by_lasts,
    "what was cleared stays so beyond the process" => clear_lasts,
}

/// A store with sessions 1 and 2. Skips a store which states that nothing of the kind survives.
fn open<'a, S: Store>(bench: &Bench<'a, S>, of: fn(Acknowledged) -> Durability) -> Checked<Subject<'a, S>> {
    let store = bench.open();
    if of(store.store.durability()) == Durability::Volatile {
        return Err(Trouble::Skipped("the store states that nothing survives the process"));
    }
    store.create(&owned(1, "ada"), at(0))?;
    store.create(&owned(2, "ada"), at(0))?;
    Ok(store)
}

fn keeps_what_was_stored<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench, |means| means.saves)?;
    let before = store.loaded(&key(1), at(0))?;
    store.change(&key(2), at(0), |record| put(record, "n", 22))?;
    let store = bench.reopen(store)?;
    let after = store.load(&key(1), at(0))?;
    // A revision may differ in the next process, but the revision that it loads must be the one that it updates.
    let Some(after) = after else { return Err(Trouble::Broken("an acknowledged session is gone".into())) };
    let mut same = before;
    same.set_revision(after.revision());
    ensure_same(&after, &same, "a session survives otherwise than it was stored")?;
    store.updated(&changed(&after, 11), after.revision(), at(0))?;
    let kept = number(&store.loaded(&key(2), at(0))?, "n");
    ensure!(kept == 22, "an acknowledged update is gone");
    let listed = store.owned_by(&"ada".into(), at(0))?.len();
    ensure!(listed == 2, "of an owner's two sessions {listed} are listed afterwards");
    Ok(())
}

// Whether the operation ended the session in the first place is for other promises.

fn destroy_lasts<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench, |means| means.endings)?;
    store.destroy(&key(1))?;
    let ended = !store.is_there(&key(1), at(0))?;
    let store = bench.reopen(store)?;
    ensure!(!ended || !store.is_there(&key(1), at(0))?, "a destroyed session came back");
    Ok(())
}

fn rotate_lasts<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench, |means| means.endings)?;
    let record = store.loaded(&key(1), at(0))?;
    store.rotated(&key(1), record.revision(), &moved(&record, 3), at(0))?;
    let ended = !store.is_there(&key(1), at(0))?;
    let store = bench.reopen(store)?;
    ensure!(!ended || !store.is_there(&key(1), at(0))?, "a session came back under the key it had before its rotation");
    ensure!(store.is_there(&key(3), at(0))?, "a session is gone from the key that a rotation gave it");
    Ok(())
}

fn destroy_owned_by_lasts<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench, |means| means.endings)?;
    store.create(&session(3), at(0))?;
    store.destroy_owned_by(&"ada".into(), Some(&key(2)))?;
    let ended = !store.is_there(&key(1), at(0))?;
    let store = bench.reopen(store)?;
    ensure!(
        !ended || !store.is_there(&key(1), at(0))?,
        "a session came back after its owner had logged out everywhere"
    );
    Ok(())
}

fn clear_lasts<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = open(bench, |means| means.endings)?;
    store.clear()?;
    let left = store.count(at(0))?;
    let store = bench.reopen(store)?;
    let count = store.count(at(0))?;
    ensure!(count <= left, "{count} sessions are there after clear had left {left}");
    Ok(())
}
