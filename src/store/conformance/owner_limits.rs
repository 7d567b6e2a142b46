//! What a store promises about the number of an owner's sessions.

use super::bench::{Bench, Checked, Subject, Trouble, ensure, promises, together};
use super::fixture::{IDLE, at, changed, key, moved, owned, seen, session};
use crate::model::error::{ErrorKind, Result};
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::store::{BeyondLimit, Limits, OwnerLimit, Store, Update};

promises! {
    "create ends an owner's oldest session beyond the limit" => create_ends_oldest,
    "create refuses an owner's session beyond the limit" => create_refuses,
    "update ends an owner's oldest session beyond the limit" => update_ends_oldest,
    "update refuses an owner's session beyond the limit" => update_refuses,
    "rotate ends an owner's oldest session beyond the limit" => rotate_ends_oldest,
    "rotate refuses an owner's session beyond the limit" => rotate_refuses,
    "update and rotate of a session that was its owner's already meet no limit" => leaves_the_full_alone,
}

const SESSIONS: usize = 3;

/// A session that expires during the check. [`ensure_there`] does not look at its number.
const EXPIRED: u32 = 500;

/// The operation by which a session gets its owner.
type Arrival<S> = fn(&Subject<'_, S>, &Record, i64) -> Checked<Result<()>>;

fn by_create<S: Store>(store: &Subject<'_, S>, record: &Record, minute: i64) -> Checked<Result<()>> {
    Ok(store.try_create(record, at(minute)).map(drop))
}

fn by_update<S: Store>(store: &Subject<'_, S>, record: &Record, minute: i64) -> Checked<Result<()>> {
    let mut before = record.clone();
    before.set_owner(None, None);
    let revision = store.create(&before, at(minute))?;
    answer("update", store.try_update(&changed(record, 1), revision, at(minute)))
}

fn by_rotate<S: Store>(store: &Subject<'_, S>, record: &Record, minute: i64) -> Checked<Result<()>> {
    let mut before = record.clone();
    before.set_owner(None, None);
    let before = moved(&before, 1000 + u32::from(record.key().as_bytes()[3]));
    let revision = store.create(&before, at(minute))?;
    answer("rotate", store.try_rotate(before.key(), revision, record, at(minute)))
}

fn answer(what: &str, update: Result<Update>) -> Checked<Result<()>> {
    match update {
        Ok(Update::Stored(_)) => Ok(Ok(())),
        Ok(other) => Err(Trouble::Broken(format!("{what} answered {other:?} where nothing stood against it"))),
        Err(error) => Ok(Err(error)),
    }
}

fn limited(beyond: BeyondLimit) -> Limits {
    Limits { per_owner: Some(OwnerLimit { sessions: SESSIONS, beyond }), ..Limits::default() }
}

fn ensure_there<S: Store>(store: &Subject<'_, S>, minute: i64, expected: &[u32], when: &str) -> Checked {
    let mut there = Vec::new();
    for number in 1..100 {
        if store.is_there(&key(number), at(minute))? {
            there.push(number);
        }
    }
    ensure!(there == expected, "{when}, sessions {expected:?} were to be there, and {there:?} are");
    Ok(())
}

/// Fills the store. After that, only the arrival of one more session is under test.
fn fill<S: Store>(store: &Subject<'_, S>, records: &[Record]) -> Checked {
    records.iter().try_for_each(|record| store.create(record, record.last_seen()).map(drop))
}

fn ends_oldest<S: Store>(bench: &Bench<'_, S>, arrive: Arrival<S>) -> Checked {
    let limits = limited(BeyondLimit::EndOldest);
    let ada = Owner::from("ada");
    let arrive = |store: &Subject<'_, S>, record: &Record, minute| {
        let answer = arrive(store, record, minute)?;
        ensure!(answer.is_ok(), "a session beyond a limit that ends the oldest was answered with {answer:?}");
        Ok(())
    };

    let store = bench.open_with(limits);
    fill(&store, &[seen(1, &ada, 2), seen(2, &ada, 1), seen(3, &ada, 3), owned(4, "Ada"), session(5)])?;
    arrive(&store, &seen(6, &ada, 4), 4)?;
    ensure_there(&store, 4, &[1, 3, 4, 5, 6], "after one session too many, 2 being the one seen longest ago")?;

    let store = bench.open_with(limits);
    fill(&store, &[seen(3, &ada, 1), seen(1, &ada, 2), seen(2, &ada, 1)])?;
    arrive(&store, &seen(6, &ada, 2), 2)?;
    ensure_there(&store, 2, &[1, 3, 6], "after one session too many, 2 and 3 being seen at the same time")?;

    let store = bench.open_with(limits);
    fill(&store, &[seen(1, &ada, 2), seen(2, &ada, 1), seen(3, &ada, 3)])?;
    arrive(&store, &seen(6, &ada, 0), 4)?;
    ensure_there(&store, 4, &[1, 3, 6], "after one session too many that was itself seen longest ago")?;

    let store = bench.open_with(limits);
    fill(&store, &[seen(EXPIRED, &ada, 0), seen(2, &ada, 20), seen(3, &ada, 10)])?;
    arrive(&store, &seen(6, &ada, IDLE), IDLE)?;
    ensure_there(&store, IDLE, &[2, 3, 6], "after one session more than two live and one expired")
}

fn refuses<S: Store>(bench: &Bench<'_, S>, arrive: Arrival<S>) -> Checked {
    let store = bench.open_with(limited(BeyondLimit::Refuse));
    let ada = Owner::from("ada");
    fill(&store, &[seen(1, &ada, 0), seen(2, &ada, 20), seen(3, &ada, 20), owned(4, "Ada"), session(5)])?;
    let answer = arrive(&store, &seen(6, &ada, 20), 20)?;
    ensure!(
        answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::OwnerLimit { limit: SESSIONS }),
        "a session beyond a limit that refuses was answered with {answer:?}"
    );
    let hers = [1, 2, 3, 6].into_iter().map(|number| store.load(&key(number), at(20)));
    let hers: Vec<_> = hers.collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect();
    let count = hers.iter().filter(|record| record.owner() == Some(&ada)).count();
    ensure!(count == SESSIONS, "after a session was refused, its owner has {count}");

    let answer = arrive(&store, &seen(7, &ada, IDLE), IDLE)?;
    ensure!(answer.is_ok(), "one session more than two live and one expired was answered with {answer:?}");
    let answer = arrive(&store, &seen(8, &"bob".into(), IDLE), IDLE)?;
    ensure!(answer.is_ok(), "another owner's first session was answered with {answer:?}");
    Ok(())
}

/// A session that belongs to its owner already is not one too many.
fn leaves_the_full_alone<S: Store>(bench: &Bench<'_, S>) -> Checked {
    for beyond in [BeyondLimit::EndOldest, BeyondLimit::Refuse] {
        let store = bench.open_with(limited(beyond));
        let ada = Owner::from("ada");
        fill(&store, &[seen(1, &ada, 0), seen(2, &ada, 1), seen(3, &ada, 2)])?;
        for number in [1, 2, 3] {
            let record = store.loaded(&key(number), at(2))?;
            let update = store.try_update(&changed(&record, 9), record.revision(), at(2));
            let update = answer("update", update)?;
            ensure!(update.is_ok(), "an update of one of as many sessions as allowed was answered with {update:?}");
        }
        ensure_there(&store, 2, &[1, 2, 3], "after updates of as many sessions as allowed")?;
        let record = store.loaded(&key(2), at(2))?;
        let rotation = store.try_rotate(&key(2), record.revision(), &moved(&record, 4), at(2));
        let rotation = answer("rotate", rotation)?;
        ensure!(rotation.is_ok(), "a rotation of one of as many sessions as allowed was answered with {rotation:?}");
        for number in [1, 3, 4] {
            ensure!(store.is_there(&key(number), at(2))?, "a rotation among as many sessions as allowed ended one");
        }
    }
    Ok(())
}

fn create_ends_oldest<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ends_oldest(bench, by_create)
}

fn create_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    refuses(bench, by_create)?;
    let store = bench.open_with(limited(BeyondLimit::Refuse));
    let attempts = together(8, |thread| Ok(store.try_create(&owned(thread as u32, "ada"), at(0)).is_ok()))?;
    let created = attempts.iter().filter(|created| **created).count();
    ensure!(created == SESSIONS, "of 8 threads that created sessions of one owner, {created} succeeded");
    Ok(())
}

fn update_ends_oldest<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ends_oldest(bench, by_update)
}

fn update_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    refuses(bench, by_update)
}

fn rotate_ends_oldest<S: Store>(bench: &Bench<'_, S>) -> Checked {
    ends_oldest(bench, by_rotate)
}

fn rotate_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    refuses(bench, by_rotate)
}
