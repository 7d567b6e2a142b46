//! What `rotate` promises, but for limits.

use std::sync::atomic::{AtomicU32, Ordering};

use super::bench::{Bench, Checked, ensure, given, promises, together};
use super::difference::{ensure_same, in_short};
use super::fixture::{IDLE, all_kinds, at, changed, key, moved, number, session};
use crate::model::error::ErrorKind;
use crate::model::record::Revision;
use crate::store::{Kept, Store, Update};

promises! {
    "rotate moves a session to its new key, never to be seen under both or none" => moves_at_once,
    "rotate keeps everything of the record" => keeps_everything,
    "rotate moves only against the revision that it expects" => compares_and_swaps,
    "rotate answers a conflict with the session as it is" => answers_with_the_current,
    "rotate takes no key that is taken" => takes_no_taken_key,
    "rotate takes the key of an expired session" => takes_an_expired_key,
    "rotate never brings back a destroyed session" => revives_no_destroyed,
    "rotate never brings back an expired session" => revives_no_expired,
}

fn moves_at_once<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let revision = store.create(&session(1), at(0))?;
    store.rotated(&key(1), revision, &moved(&session(1), 2), at(0))?;
    let kept = number(&store.loaded(&key(2), at(0))?, "n");
    ensure!(kept == 1, "what the session held was lost on the way to its new key");
    ensure!(!store.is_there(&key(1), at(0))?, "the old key is alive after a rotation");
    if store.store.capabilities().rotate != Kept::Exactly {
        return Ok(());
    }

    // One thread moves the session from key to key. A thread that looks at one key and then at the other cannot tell
    // when the session moved in between. But after it has seen the new key, the old one must be gone; and after it has
    // seen that the old one is gone, the new one must be there, unless the session has moved on.
    const FIRST: u32 = 100;
    const LAST: u32 = 140;
    let first = store.create(&session(FIRST), at(0))?;
    let place = AtomicU32::new(FIRST);
    together(4, |thread| {
        if thread == 0 {
            let mut revision = first;
            let moves = (FIRST..LAST).try_for_each(|old| {
                revision = store.rotated(&key(old), revision, &moved(&session(FIRST), old + 1), at(0))?;
                place.store(old + 1, Ordering::SeqCst);
                Ok(())
            });
            place.store(LAST, Ordering::SeqCst);
            return moves;
        }
        loop {
            let old = place.load(Ordering::SeqCst);
            if old == LAST {
                return Ok(());
            }
            let both = store.is_there(&key(old + 1), at(0))? && store.is_there(&key(old), at(0))?;
            ensure!(!both, "a session was there under its new key, and then still under its old one");
            let neither = !store.is_there(&key(old), at(0))? && !store.is_there(&key(old + 1), at(0))?;
            let moved_on = place.load(Ordering::SeqCst) != old;
            ensure!(!neither || moved_on, "a session was gone from its old key, and then not there under its new one");
        }
    })?;
    Ok(())
}

fn keeps_everything<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for (number, record) in (10..).zip(all_kinds()) {
        let mut before = session(1);
        before.set_key(*record.key());
        let revision = store.create(&before, at(0))?;
        let mut after = moved(&record, number);
        let revision = store.rotated(record.key(), revision, &after, at(9))?;
        after.set_revision(revision);
        let loaded = store.loaded(&key(number), at(9))?;
        ensure_same(&loaded, &after, "a session that was rotated is loaded otherwise")?;
    }
    Ok(())
}

fn compares_and_swaps<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let first = store.create(&session(1), at(0))?;
    store.updated(&changed(&session(1), 2), first, at(0))?;
    let stale = store.rotate(&key(1), first, &moved(&session(1), 2), at(0))?;
    ensure!(
        matches!(stale, Update::Conflict(_)),
        "a rotation of a stale revision was answered with {stale}",
        stale = in_short(&stale)
    );
    ensure!(!store.is_there(&key(2), at(0))?, "a rotation of a stale revision created a session");
    let kept = number(&store.loaded(&key(1), at(0))?, "n");
    ensure!(kept == 2, "a rotation of a stale revision changed the session");

    // Of the rotations that come too late, some may find the session gone already.
    let gone = store.rotate(&key(8), first, &moved(&session(8), 9), at(0))?;
    given!(gone == Update::Gone, "rotate brings back what is gone");
    let stored = |answer: &Update| matches!(answer, Update::Stored(_));
    for round in (100..300).step_by(10) {
        let revision = store.create(&session(round), at(0))?;
        // In every second round one of the threads updates.
        let updates = round % 20 == 0;
        let answers = together(4, |thread| {
            if updates && thread == 0 {
                return store.update(&changed(&session(round), 2), revision, at(0));
            }
            store.rotate(&key(round), revision, &moved(&session(round), round + 1 + thread as u32), at(0))
        })?;
        let rotations = &answers[usize::from(updates)..];
        let rotated = rotations.iter().filter(|answer| stored(answer)).count();
        ensure!(rotated <= 1, "of rotations that expect one revision, {rotated} were stored");
        for (new, answer) in (round + 1..).zip(&answers).skip(usize::from(updates)) {
            let there = store.is_there(&key(new), at(0))?;
            ensure!(
                there == stored(answer),
                "a rotation answered {answer}, and its new key being there is {there}",
                answer = in_short(&answer)
            );
        }
        let updated = updates && stored(&answers[0]);
        let lost = updated && rotated == 1 && !store.is_there(&key(round), at(0))?;
        ensure!(!lost, "a rotation that expected the revision before an update was stored, and the update is lost");
    }
    Ok(())
}

fn answers_with_the_current<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let first = store.create(&session(1), at(0))?;
    store.updated(&changed(&session(1), 2), first, at(0))?;
    if let Update::Conflict(current) = store.rotate(&key(1), first, &moved(&session(1), 2), at(0))? {
        let loaded = store.loaded(&key(1), at(0))?;
        ensure_same(&current, &loaded, "the conflict holds another session than the store")?;
    }
    Ok(())
}

fn takes_no_taken_key<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let revision = store.create(&session(1), at(0))?;
    store.create(&session(2), at(0))?;
    let answer = store.try_rotate(&key(1), revision, &moved(&session(1), 2), at(0));
    ensure!(
        answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::KeyTaken),
        "a rotation to a taken key was answered with {answer}",
        answer = in_short(&answer)
    );
    for taken in [1, 2] {
        let kept = number(&store.loaded(&key(taken), at(0))?, "n");
        ensure!(kept == u64::from(taken), "a rotation that was refused changed a session");
    }
    Ok(())
}

fn takes_an_expired_key<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&session(1), at(0))?;
    let mut late = session(2);
    late.touch(at(IDLE));
    let revision = store.create(&late, at(IDLE))?;
    store.rotated(&key(2), revision, &moved(&late, 1), at(IDLE))?;
    let kept = number(&store.loaded(&key(1), at(IDLE))?, "n");
    ensure!(kept == 2, "the expired session is still there");
    Ok(())
}

fn revives_no_destroyed<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let answer = store.rotate(&key(1), Revision::fresh(), &moved(&session(1), 2), at(0))?;
    ensure!(
        answer == Update::Gone,
        "a rotation of a session that never was is answered with {answer}",
        answer = in_short(&answer)
    );
    ensure!(!store.is_there(&key(2), at(0))?, "a rotation created a session");

    let revision = store.create(&session(3), at(0))?;
    store.destroy(&key(3))?;
    given!(!store.is_there(&key(3), at(0))?, "destroy ends no session");
    let answer = store.rotate(&key(3), revision, &moved(&session(3), 4), at(0))?;
    ensure!(
        answer == Update::Gone,
        "a rotation of a destroyed session is answered with {answer}",
        answer = in_short(&answer)
    );
    ensure!(!store.is_there(&key(4), at(0))?, "a rotation brought back a destroyed session under another key");

    for round in (100..200).step_by(10) {
        let revision = store.create(&session(round), at(0))?;
        let answers = together(2, |thread| {
            if thread == 0 {
                // Which of the two threads comes first is open, so there may be nothing left to destroy.
                let _ = store.destroy(&key(round));
                return Ok(None);
            }
            store.rotate(&key(round), revision, &moved(&session(round), round + 1), at(0)).map(Some)
        })?;
        let moved = answers.iter().flatten().any(|answer| matches!(answer, Update::Stored(_)));
        let there = store.is_there(&key(round + 1), at(0))?;
        ensure!(moved == there, "a rotation while another thread destroyed: stored {moved}, there {there}");
    }
    Ok(())
}

fn revives_no_expired<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let revision = store.create(&session(1), at(0))?;
    let mut late = moved(&session(1), 2);
    late.touch(at(IDLE));
    let answer = store.rotate(&key(1), revision, &late, at(IDLE))?;
    ensure!(
        answer == Update::Gone,
        "a rotation of an expired session is answered with {answer}",
        answer = in_short(&answer)
    );
    ensure!(!store.lives(&key(2), at(IDLE))?, "a rotation brought back an expired session");
    Ok(())
}
