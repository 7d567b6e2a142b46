//! What `sweep` promises.

use super::bench::{Bench, Checked, Trouble, ensure, promises};
use super::fixture::{HOUR, IDLE, MINUTE, at, changed, key, lasting, session};
use crate::model::lifetime::Lifetime;
use crate::store::{Kept, Store};

promises! {
    "sweep removes what has expired, within its budget, and says what it did" => keeps_its_budget,
    "sweep removes nothing that lives" => spares_the_living,
}

fn keeps_its_budget<S: Store>(bench: &Bench<'_, S>) -> Checked {
    const EXPIRED: u64 = 25;
    const BUDGET: usize = 10;
    let store = bench.open();
    let kept = store.store.capabilities().sweep;
    if kept == Kept::NotAtAll {
        return Err(Trouble::Skipped("the store states that its medium removes expired sessions by itself"));
    }
    for number in 0..EXPIRED as u32 {
        store.create(&session(number), at(0))?;
    }
    for number in 100..110 {
        store.create(&lasting(number, Lifetime::idle(60 * MINUTE)), at(0))?;
    }
    let swept = store.sweep(at(IDLE - 1), BUDGET)?;
    ensure!(swept.removed == 0 && !swept.more, "before anything has expired it says {swept:?}");

    let mut removed = 0;
    // Some stores need one more call to find out that nothing is left.
    for _ in 0..2 * EXPIRED {
        let swept = store.sweep(at(IDLE), BUDGET)?;
        ensure!(swept.removed <= BUDGET as u64, "with a budget of {BUDGET} it removed {}", swept.removed);
        removed += swept.removed;
        ensure!(
            swept.more || removed == EXPIRED || kept != Kept::Exactly,
            "after {removed} of {EXPIRED} it says that there is no more"
        );
        if !swept.more {
            return Ok(());
        }
    }
    ensure!(removed == EXPIRED, "of {EXPIRED} expired sessions it says to have removed {removed}");
    ensure!(false, "it never says that there is no more");
    Ok(())
}

fn spares_the_living<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let mut revisions = Vec::new();
    for number in 0..6 {
        revisions.push(store.create(&session(number), at(0))?);
    }
    store.touch(&key(1), at(20))?;
    let mut extended = changed(&session(2), 2);
    extended.set_lifetime(Lifetime::idle(2 * 60 * MINUTE), true, at(1));
    store.updated(&extended, revisions[2], at(1))?;
    let mut rotated = changed(&session(3), 3);
    rotated.set_key(key(9));
    rotated.touch(at(25));
    store.rotated(&key(3), revisions[3], &rotated, at(25))?;
    store.create(&lasting(10, Lifetime::absolute(40 * MINUTE)), at(0))?;

    for minute in [10, IDLE, 40, 52, HOUR] {
        let living = |minute| -> Checked<Vec<u32>> {
            let there = (0..11).map(|number| Ok(store.lives(&key(number), at(minute))?.then_some(number)));
            Ok(there.collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect())
        };
        let before = living(minute)?;
        for _ in 0..20 {
            store.sweep(at(minute), 100)?;
        }
        let after = living(minute)?;
        ensure!(before == after, "before the sweep at minute {minute} {before:?} were there, and then {after:?}");
    }
    Ok(())
}
