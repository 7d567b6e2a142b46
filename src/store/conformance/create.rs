//! What `create` promises, but for limits.

use super::bench::{Bench, Checked, ensure, promises, together};
use super::difference::{ensure_same, in_short};
use super::fixture::{IDLE, all_kinds, at, changed, key, number, session};
use crate::model::error::ErrorKind;
use crate::model::key::SessionKey;
use crate::store::Store;

promises! {
    "create takes a key once, however many threads try" => takes_a_key_once,
    "create takes the key of an expired session" => takes_an_expired_key,
    "create keeps everything of the record" => keeps_everything,
}

fn takes_a_key_once<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let first = session(1);
    store.create(&first, at(0))?;
    let second = store.try_create(&changed(&first, 2), at(0));
    ensure!(
        second.as_ref().is_err_and(|error| error.kind() == &ErrorKind::KeyTaken),
        "a taken key was answered with {second}",
        second = in_short(&second)
    );
    let kept = number(&store.loaded(first.key(), at(0))?, "n");
    ensure!(kept == 1, "the session that had the key was overwritten");

    let contested = session(2);
    let attempts = together(8, |thread| {
        let mine = changed(&contested, thread as u64);
        Ok(store.try_create(&mine, at(0)).map_err(|error| error.kind().clone()))
    })?;
    let created: Vec<_> =
        (0..).zip(&attempts).filter(|(_, attempt)| attempt.is_ok()).map(|(thread, _)| thread).collect();
    ensure!(created.len() == 1, "of 8 threads that created one session, {} succeeded", created.len());
    let refused = attempts.iter().flat_map(|attempt| attempt.as_ref().err()).find(|kind| **kind != ErrorKind::KeyTaken);
    ensure!(refused.is_none(), "a thread that came too late was refused with {refused:?}");
    let kept = number(&store.loaded(contested.key(), at(0))?, "n");
    ensure!(kept == created[0], "another thread's session is stored than the one acknowledged");
    Ok(())
}

fn takes_an_expired_key<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    store.create(&session(1), at(0))?;
    let mut next = changed(&session(1), 2);
    next.touch(at(IDLE));
    store.create(&next, at(IDLE))?;
    let kept = number(&store.loaded(&key(1), at(IDLE))?, "n");
    ensure!(kept == 2, "the expired session is still there");
    Ok(())
}

fn keeps_everything<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let mut records = all_kinds();
    for bytes in [[0; 16], [0xff; 16], *b"a key's 16 bytes"] {
        let mut record = session(9);
        record.set_key(SessionKey::from_bytes(bytes));
        records.push(record);
    }
    for record in &mut records {
        let revision = store.create(record, at(9))?;
        record.set_revision(revision);
    }
    for record in &records {
        let loaded = store.loaded(record.key(), at(9))?;
        ensure_same(&loaded, record, "a session that was created is loaded otherwise")?;
    }
    Ok(())
}
