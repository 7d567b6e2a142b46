//! What `touch` promises.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bench::{Bench, Checked, ensure, given, promises, together};
use super::difference::in_short;
use super::fixture::{IDLE, MINUTE, at, changed, just_before, key, lasting, number, session};
use crate::model::lifetime::Lifetime;
use crate::store::{Store, Update};

const IDLE_ONLY: Lifetime = Lifetime::idle(Duration::from_secs(IDLE as u64 * 60));

promises! {
    "touch moves the idle deadline" => moves_the_idle_deadline,
    "touch moves no absolute deadline" => moves_no_absolute_deadline,
    "touch moves no deadline backwards" => moves_nothing_backwards,
    "touch says that the session is there, also when nothing moves" => tells_presence,
    "touch changes neither revision nor data" => changes_nothing_else,
    "touch never brings back a destroyed session" => revives_no_destroyed,
    "touch never brings back an expired session" => revives_no_expired,
}

fn moves_the_idle_deadline<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&lasting(1, IDLE_ONLY), at(0))?;
    for now in [at(10), just_before(at(40)), at(60)] {
        store.touch(&key(1), now)?;
        let loaded = store.loaded(&key(1), now)?;
        let end = loaded.expiry().ends_at();
        ensure!(end == now.plus(IDLE as u32 * MINUTE), "after a touch at {now} the session ends at {end}");
        ensure!(loaded.last_seen() == now, "after a touch at {now} it was last seen at {}", loaded.last_seen());
    }
    Ok(())
}

fn moves_no_absolute_deadline<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let lifetimes = [Lifetime::new(IDLE as u32 * MINUTE, 45 * MINUTE), Lifetime::absolute(45 * MINUTE)];
    for (number, lifetime) in (1..).zip(lifetimes) {
        store.create(&lasting(number, lifetime), at(0))?;
        for now in [at(10), at(20), at(29)] {
            store.touch(&key(number), now)?;
            let expiry = *store.loaded(&key(number), now)?.expiry();
            ensure!(expiry.absolute() == Some(at(45)), "a touch at {now} moved an absolute deadline");
            ensure!(expiry.ends_at() <= at(45), "after a touch at {now} a session outlives its absolute deadline");
        }
    }
    Ok(())
}

fn moves_nothing_backwards<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&lasting(1, IDLE_ONLY), at(0))?;
    store.touch(&key(1), at(10))?;
    let before = store.loaded(&key(1), at(10))?;
    for back in [at(9), at(0), at(-1000)] {
        store.touch(&key(1), back)?;
        let after = store.loaded(&key(1), at(10))?;
        ensure!(
            after.expiry() == before.expiry(),
            "a touch by a clock that was set back moved {:?} to {:?}",
            before.expiry(),
            after.expiry()
        );
    }
    Ok(())
}

fn tells_presence<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&lasting(1, Lifetime::new(IDLE as u32 * MINUTE, 20 * MINUTE)), at(0))?;
    for (now, why) in [
        (at(0), "at the moment it was created"),
        (at(10), "when the deadline is the absolute one before and after"),
        (at(10), "when it was touched at this moment already"),
        (at(5), "by a clock that was set back"),
    ] {
        ensure!(store.touch(&key(1), now)?, "a touch of a live session says that it is not there, {why}");
    }
    Ok(())
}

fn changes_nothing_else<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let record = session(1);
    let mut revision = store.create(&record, at(0))?;
    store.touch(&key(1), at(1))?;
    let loaded = store.loaded(&key(1), at(1))?;
    ensure!(loaded.revision() == revision, "a touch changed the revision");
    ensure!(loaded.data() == record.data(), "a touch changed the data");
    revision = store.updated(&changed(&record, 2), revision, at(1))?;

    // Only one thread updates, so each update must meet the revision that its own last update left.
    let done = AtomicBool::new(false);
    together(4, |thread| {
        if thread > 0 {
            let mut minutes = (0..IDLE).cycle();
            while !done.load(Ordering::SeqCst) {
                store.touch(&key(1), at(minutes.next().unwrap_or(0)))?;
            }
            return Ok(());
        }
        let mut revision = revision;
        let updates = (3..53).try_for_each(|number| {
            let answer = store.update(&changed(&record, number), revision, at(1))?;
            ensure!(
                matches!(answer, Update::Stored(_)),
                "an update among touches was answered with {answer}",
                answer = in_short(&answer)
            );
            if let Update::Stored(next) = answer {
                revision = next;
            }
            Ok(())
        });
        done.store(true, Ordering::SeqCst);
        updates
    })?;
    let kept = number(&store.loaded(&key(1), at(1))?, "n");
    ensure!(kept == 52, "a touch undid an update");
    Ok(())
}

fn revives_no_destroyed<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    ensure!(!store.touch(&key(1), at(0))?, "a touch of a session that never was says that it is there");
    store.create(&session(2), at(0))?;
    store.destroy(&key(2))?;
    given!(!store.is_there(&key(2), at(0))?, "destroy ends no session");
    ensure!(!store.touch(&key(2), at(1))?, "a touch of a destroyed session says that it is there");
    ensure!(!store.is_there(&key(2), at(1))?, "a touch brought back a destroyed session");

    for round in 10..20 {
        store.create(&session(round), at(0))?;
        together(4, |thread| {
            if thread == 0 {
                return store.destroy(&key(round)).map(drop);
            }
            for minute in 0..20 {
                store.touch(&key(round), at(minute))?;
            }
            Ok(())
        })?;
        ensure!(!store.is_there(&key(round), at(1))?, "threads that touched a session brought it back after its end");
    }
    Ok(())
}

fn revives_no_expired<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&session(1), at(0))?;
    ensure!(!store.touch(&key(1), at(IDLE))?, "a touch of an expired session says that it is there");
    // By an earlier clock the session may still be there, but with its old end.
    if let Some(record) = store.load(&key(1), just_before(at(IDLE)))? {
        let end = record.expiry().ends_at();
        ensure!(end == at(IDLE), "a touch of an expired session moved its end to {end}");
    }
    Ok(())
}
