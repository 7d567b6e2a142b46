//! What `load` promises.

use super::bench::{Bench, Checked, ensure, given, promises};
use super::difference::in_short;
use super::fixture::{IDLE, MINUTE, at, changed, just_before, key, lasting, number, session};
use crate::model::lifetime::Lifetime;
use crate::store::{Found, Store, Update};

promises! {
    "load answers an expired session as a missing one" => hides_expired,
    "load answers an unreadable session with an error" => tells_damage,
    "find_all answers for each key, whatever fails under another" => answers_for_each,
    "a clock set back ends no session" => survives_a_clock_set_back,
}

fn hides_expired<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    ensure!(!store.is_there(&key(1), at(0))?, "a session was loaded that was never created");
    let lifetimes = [
        (Lifetime::idle(IDLE as u32 * MINUTE), IDLE),
        (Lifetime::absolute(45 * MINUTE), 45),
        (Lifetime::new(50 * MINUTE, 20 * MINUTE), 20),
    ];
    for (number, (lifetime, end)) in (1..).zip(lifetimes) {
        store.create(&lasting(number, lifetime), at(0))?;
        ensure!(store.is_there(&key(number), just_before(at(end)))?, "a session is missing before its end");
        ensure!(!store.is_there(&key(number), at(end))?, "a session is there at the very moment of its end");
        ensure!(!store.is_there(&key(number), at(end + 1))?, "a session is there after its end");
    }
    Ok(())
}

fn tells_damage<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&session(1), at(0))?;
    store.create(&session(2), at(0))?;
    let store = bench.damage(store, key(1))?;
    match store.try_load(&key(1), at(0)) {
        Err(_) => {}
        Ok(None) => ensure!(false, "an unreadable session was answered as missing"),
        Ok(Some(_)) => ensure!(false, "an unreadable session was answered with a session"),
    }
    ensure!(store.is_there(&key(2), at(0))?, "another session went with the unreadable one");
    Ok(())
}

fn answers_for_each<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in [1, 2, 4] {
        store.create(&session(number), at(0))?;
    }
    let store = bench.damage(store, key(1))?;
    given!(store.try_load(&key(1), at(0)).is_err(), "an unreadable session is answered without an error");
    let keys = [4, 1, 3, 2].map(key);
    let found = store.wait("find_all", store.store.find_all(&keys, at(0)));
    ensure!(found.len() == keys.len(), "find_all found {} for {} keys, one being unreadable", found.len(), keys.len());
    for (place, found) in found.into_iter().enumerate() {
        let is_right = match place {
            0 | 3 => found.is_ok_and(|found| found.live().is_some_and(|record| *record.key() == keys[place])),
            2 => found.is_ok_and(|found| found == Found::Nothing),
            _ => found.is_err(),
        };
        ensure!(is_right, "of [live, unreadable, missing, live] find_all answered number {place} otherwise");
    }
    Ok(())
}

fn survives_a_clock_set_back<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let revision = store.create(&session(1), at(0))?;
    for back in [at(-1), at(-1000)] {
        ensure!(store.is_there(&key(1), back)?, "a session is missing for a clock that was set back");
    }
    let answer = store.update(&changed(&session(1), 2), revision, at(-1000))?;
    ensure!(
        matches!(answer, Update::Stored(_)),
        "an update by a clock that was set back was answered with {answer}",
        answer = in_short(&answer)
    );
    let kept = number(&store.loaded(&key(1), at(0))?, "n");
    ensure!(kept == 2, "an update by a clock that was set back is lost");
    Ok(())
}
