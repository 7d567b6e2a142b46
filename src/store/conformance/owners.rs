//! What the operations on a user's sessions promise.

use std::thread;
use std::time::Duration;

use super::bench::{Bench, Checked, Subject, Trouble, ensure, given, promises, together};
use super::beside::beside;
use super::difference::ensure_same;
use super::fixture::{IDLE, at, increment, key, moved, number, owned, put, session};
use crate::model::error::{Error, ErrorKind};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::store::{Kept, Store, Update};

promises! {
    "owned_by finds all sessions of an owner" => finds_all,
    "owned_by tells owners apart byte by byte" => tells_owners_apart,
    "no session has an empty owner" => refuses_empty,
    "owned_by leaves out expired sessions" => leaves_out_expired,
    "owned_by follows a session through rotations" => follows_rotations,
    "owned_by follows a session from owner to owner" => follows_updates,
    "owned_by misses no session that gets another key meanwhile" => misses_none,
    "destroy_owned_by ends exactly the sessions of that owner" => ends_exactly,
    "destroy_owned_by spares the exception and nothing else" => spares_the_exception,
    "destroy_owned_by leaves no trace" => leaves_no_trace,
    "destroy_owned_by misses no session that gets another key meanwhile" => ends_what_rotates,
    "update_owned_by reaches every live session of that owner" => reaches_all,
    "update_owned_by loses no change made meanwhile" => loses_no_change,
    "update_owned_by reaches a session that gets another key meanwhile" => reaches_what_rotates,
}

/// Owners that are equal by some collation, or after trimming, Unicode normalisation, a cut at a zero byte, or the
/// replacement of what is not UTF-8; and owners that begin as others do.
const ALIKE: [&[u8]; 15] = [
    b"ada",
    b"Ada",
    b"ADA",
    b"ada ",
    b" ada",
    b"ada\0",
    b"ada\0b",
    "\u{e1}da".as_bytes(),
    "a\u{301}da".as_bytes(),
    b"ad",
    b"adam",
    b"ada%",
    b"ada\xff",
    b"ada\xfe",
    b"\0",
];

fn keys<S: Store>(store: &Subject<'_, S>, owner: impl Into<Owner>, minute: i64) -> Checked<Vec<SessionKey>> {
    let mut keys: Vec<_> = store.owned_by(&owner.into(), at(minute))?.iter().map(|record| *record.key()).collect();
    keys.sort_unstable();
    Ok(keys)
}

fn finds_all<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in 0..60 {
        let record = match number % 3 {
            0 => session(number),
            1 => owned(number, "bob"),
            _ => owned(number, "ada"),
        };
        store.create(&record, at(0))?;
    }
    let expected: Vec<_> = (2..60).step_by(3).map(key).collect();
    let found = keys(&store, "ada", 0)?;
    ensure!(found == expected, "of an owner's {} sessions, among others, {} were found", expected.len(), found.len());
    ensure!(keys(&store, "nobody", 0)?.is_empty(), "sessions were found of an owner who has none");
    for record in store.owned_by(&"ada".into(), at(0))? {
        let loaded = store.loaded(record.key(), at(0))?;
        ensure_same(&record, &loaded, "owned_by shows another session than load")?;
    }
    Ok(())
}

fn tells_owners_apart<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for (number, owner) in (0..).zip(ALIKE) {
        store.create(&owned(number, owner), at(0))?;
    }
    for (number, owner) in (0..).zip(ALIKE) {
        let found = keys(&store, owner, 0)?;
        let (owner, found_of_it) = (owner.escape_ascii(), found.len());
        ensure!(found == [key(number)], "of the owner {owner}, who has one session, {found_of_it} were found");
    }
    Ok(())
}

fn refuses_empty<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let revision = store.create(&session(1), at(0))?;
    let nobody = |number| owned(number, "");
    let answers = [
        ("create", store.try_create(&nobody(2), at(0)).map(drop)),
        ("update", store.try_update(&nobody(1), revision, at(0)).map(drop)),
        ("rotate", store.try_rotate(&key(1), revision, &nobody(3), at(0)).map(drop)),
    ];
    for (what, answer) in answers {
        ensure!(
            answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::EmptyOwner),
            "a {what} with an empty owner was answered with {answer:?}"
        );
    }
    Ok(())
}

fn leaves_out_expired<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let mut late = owned(2, "ada");
    late.touch(at(5));
    store.create(&owned(1, "ada"), at(0))?;
    store.create(&late, at(5))?;
    let found = keys(&store, "ada", IDLE)?;
    ensure!(found == [key(2)], "of one live and one expired session, {} were found", found.len());
    Ok(())
}

fn follows_rotations<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let record = owned(1, "ada");
    let mut revision = store.create(&record, at(0))?;
    for old in 1..4 {
        revision = store.rotated(&key(old), revision, &moved(&record, old + 1), at(0))?;
        let found = keys(&store, "ada", 0)?;
        ensure!(found.contains(&key(old + 1)), "after rotation {old} its owner's session is not found");
        let stale = found.contains(&key(old)) && !store.is_there(&key(old), at(0))?;
        ensure!(!stale, "after rotation {old} the key of before is still found");
    }
    Ok(())
}

fn follows_updates<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let mut record = session(1);
    let mut revision = store.create(&record, at(0))?;
    for owner in [Some("ada"), Some("bob"), None, Some("ada")] {
        record.set_owner(owner.map(Owner::from), Some(at(0)));
        revision = store.updated(&record, revision, at(0))?;
        for candidate in ["ada", "bob"] {
            let found = keys(&store, candidate, 0)?.len();
            let expected = usize::from(owner == Some(candidate));
            ensure!(found == expected, "of a session whose owner became {owner:?}, {candidate} is shown {found}");
        }
    }
    Ok(())
}

/// Creates three sessions of ada: one with its owner from the beginning, one that got its owner by an update, and one by a
/// rotation. Creates one session for each other owner, from key 100 on, and one without an owner.
fn populate<S: Store>(store: &Subject<'_, S>) -> Checked {
    store.create(&owned(1, "ada"), at(0))?;
    let revision = store.create(&session(2), at(0))?;
    store.updated(&owned(2, "ada"), revision, at(0))?;
    let revision = store.create(&session(9), at(0))?;
    store.rotated(&key(9), revision, &moved(&owned(9, "ada"), 3), at(0))?;
    for (number, owner) in (100..).zip(ALIKE.into_iter().skip(1)) {
        store.create(&owned(number, owner), at(0))?;
    }
    store.create(&session(200), at(0)).map(drop)
}

fn ends_exactly<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    populate(&store)?;
    let ended = store.destroy_owned_by(&"ada".into(), None)?;
    for number in 1..=3 {
        ensure!(!store.is_there(&key(number), at(0))?, "one of an owner's three sessions is still there");
    }
    for other in (100..100 + ALIKE.len() as u32 - 1).chain([200]) {
        ensure!(store.is_there(&key(other), at(0))?, "another user's session was ended");
    }
    ensure!(ended == 3, "of an owner's three sessions it says to have ended {ended}");
    let ended = store.destroy_owned_by(&"ada".into(), None)?;
    ensure!(ended == 0, "of an owner without sessions it says to have ended {ended}");
    Ok(())
}

fn spares_the_exception<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in 1..=4 {
        store.create(&owned(number, "ada"), at(0))?;
    }
    store.create(&owned(5, "bob"), at(0))?;
    for (except, expected) in [(3, [3, 5].as_slice()), (5, &[5])] {
        store.destroy_owned_by(&"ada".into(), Some(&key(except)))?;
        let mut there = Vec::new();
        for number in 1..=5 {
            if store.is_there(&key(number), at(0))? {
                there.push(number);
            }
        }
        ensure!(there == expected, "with the exception of {except}, {expected:?} were to be left, and {there:?} are");
    }
    Ok(())
}

fn leaves_no_trace<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    for number in 1..=3 {
        store.create(&owned(number, "ada"), at(0))?;
    }
    for except in [Some(&key(1)), None] {
        store.destroy_owned_by(&"ada".into(), except)?;
        for number in 1..=3 {
            let found = store.find(&key(number), at(0))?;
            ensure!(found.trace().is_none(), "destroy_owned_by left a trace of a session");
        }
    }
    Ok(())
}

fn ends_what_rotates<S: Store>(bench: &Bench<'_, S>) -> Checked {
    const ROTATIONS: u32 = 5;
    given!(ends_exactly(bench).is_ok(), "destroy_owned_by is wrong without a rotation");
    given!(follows_rotations(bench).is_ok(), "owned_by does not follow a session");
    let store = bench.open();
    if store.store.capabilities().rotate != Kept::Exactly {
        return Err(Trouble::Skipped("the store states that a rotation is not one step"));
    }
    for first in (0..60).map(|round| round * (ROTATIONS + 1)) {
        store.create(&owned(first, "ada"), at(0))?;
        together(2, |thread| {
            if thread > 0 {
                return store.destroy_owned_by(&"ada".into(), None).map(drop);
            }
            (first..first + ROTATIONS).try_for_each(|n| {
                // So that the rotations fall at different moments of what the other thread does.
                thread::sleep(Duration::from_micros(200));
                let Some(record) = store.load(&key(n), at(0))? else { return Ok(()) };
                store.rotate(&key(n), record.revision(), &moved(&record, n + 1), at(0)).map(drop)
            })
        })?;
        let left = store.owned_by(&"ada".into(), at(0))?.len();
        ensure!(left == 0, "of an owner's session that rotated while all were ended, {left} is left");
    }
    Ok(())
}

fn reaches_all<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    populate(&store)?;
    let mut late = owned(4, "ada");
    late.touch(at(5));
    store.create(&late, at(5))?;
    let grant = |record: &mut Record| {
        put(record, "role", 7);
        Ok(record.key() != &key(2))
    };
    let stored = store.update_owned_by(&"ada".into(), grant, at(5))?;
    ensure!(stored == 3, "of four sessions one was not to be stored, and it says to have stored {stored}");
    for (number_of, expected) in [(1, 7), (2, 0), (3, 7), (4, 7), (100, 0), (101, 0), (200, 0)] {
        let role = number(&store.loaded(&key(number_of), at(5))?, "role");
        ensure!(role == expected, "the role of session {number_of} was to become {expected} and is {role}");
    }

    let stored = store.update_owned_by(
        &"ada".into(),
        |record| {
            put(record, "role", 8);
            Ok(true)
        },
        at(IDLE),
    )?;
    ensure!(stored == 1, "of four sessions three are expired, and it says to have stored {stored}");

    let refused = store.try_update_owned_by(&"ada".into(), |_| Err(Error::new(ErrorKind::Config, "changing")), at(5));
    ensure!(refused.is_err(), "the change's own error was answered with {refused:?}");
    Ok(())
}

fn loses_no_change<S: Store>(bench: &Bench<'_, S>) -> Checked {
    const CHANGES: u64 = 20;
    let store = bench.open();
    let mut record = owned(1, "ada");
    put(&mut record, "n", 0);
    store.create(&record, at(0))?;
    let promote = |record: &mut Record| {
        increment(record, "role");
        Ok(true)
    };
    beside(
        |quiet| {
            (0..CHANGES).try_for_each(|_| {
                // Slowly enough that the other thread meets not only conflicts, which it could rightly report.
                thread::sleep(Duration::from_millis(1));
                quiet.until_done(|| {
                    let update = store.attempt(&key(1), at(0), |record| increment(record, "n"))?;
                    Ok(!matches!(update, Update::Conflict(_)))
                })
            })
        },
        || store.update_owned_by(&"ada".into(), promote, at(0)).map(drop),
    )?;
    let counted = number(&store.loaded(&key(1), at(0))?, "n");
    ensure!(counted == CHANGES, "of {CHANGES} changes made meanwhile, {counted} are there");
    Ok(())
}

fn reaches_what_rotates<S: Store>(bench: &Bench<'_, S>) -> Checked {
    given!(reaches_all(bench).is_ok() && loses_no_change(bench).is_ok(), "update_owned_by is wrong without a rotation");
    let store = bench.open();
    while_it_rotates(&store, |round| {
        let promote = |record: &mut Record| {
            put(record, "role", round);
            Ok(true)
        };
        store.update_owned_by(&"ada".into(), promote, at(0))?;
        for record in store.owned_by(&"ada".into(), at(0))? {
            let role = number(&record, "role");
            ensure!(role == round, "in round {round} a session that rotated meanwhile has the role of round {role}");
        }
        Ok(())
    })
}

fn misses_none<S: Store>(bench: &Bench<'_, S>) -> Checked {
    given!(follows_rotations(bench).is_ok() && follows_updates(bench).is_ok(), "owned_by does not follow a session");
    let store = bench.open();
    while_it_rotates(&store, |round| {
        let there = store.owned_by(&"ada".into(), at(0))?.len();
        ensure!(
            there == 1,
            "in round {round} a look at the owner of one session, which rotates meanwhile, finds {there}"
        );
        Ok(())
    })
}

/// Does this again and again while a session of ada's gets one key after another: a few in each round, so that whoever lists
/// until nothing is new comes to an end.
fn while_it_rotates<S: Store>(store: &Subject<'_, S>, each: impl Fn(u64) -> Checked + Sync) -> Checked {
    const ROUNDS: u32 = 60;
    const ROTATIONS: u32 = 5;
    store.create(&owned(1, "ada"), at(0))?;
    for round in 0..ROUNDS {
        beside(
            |quiet| {
                let first = round * ROTATIONS + 1;
                (first..first + ROTATIONS).try_for_each(|n| {
                    // So that the rotations fall at different moments of what the other thread does.
                    thread::sleep(Duration::from_micros(200));
                    quiet.until_done(|| {
                        let mut record = store.loaded(&key(n), at(0))?;
                        let expected = record.revision();
                        record.set_key(key(n + 1));
                        Ok(matches!(store.rotate(&key(n), expected, &record, at(0))?, Update::Stored(_)))
                    })
                })
            },
            || each(u64::from(round) + 1),
        )?;
    }
    Ok(())
}
