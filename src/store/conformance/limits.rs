//! What a store promises about the size of a record.

use std::collections::BTreeMap;

use super::bench::{Bench, Checked, ensure, promises};
use super::difference::in_short;
use super::fixture::{at, key, moved, session};
use crate::model::data::{Data, MAX_NAME_BYTES};
use crate::model::error::{ErrorKind, Result};
use crate::model::handle::Handle;
use crate::model::owner::MAX_OWNER_BYTES;
use crate::model::record::Record;
use crate::model::value;
use crate::store::{Limits, MAX_TRACES, Store};

promises! {
    "create refuses a record beyond a limit on sizes" => create_refuses,
    "update refuses a record beyond a limit on sizes" => update_refuses,
    "rotate refuses a record beyond a limit on sizes" => rotate_refuses,
}

/// Just enough for a session whose owner and whose entry's name have their greatest lengths.
const LIMIT: usize = 1000;

/// A session whose encoded form has this many bytes.
fn sized(bytes: usize) -> Record {
    let mut record = session(2);
    // Without a handle of its own, it would be larger under another key.
    record.set_handle(Handle::from_bytes([2; 16]));
    let fill = |length: usize| {
        let text = value::encode(&"x".repeat(length)).expect("text can be encoded");
        Data::from_entries(&BTreeMap::from([("fill".into(), text)]))
    };
    record.set_data(fill(500));
    let length = 500 + bytes - record.to_bytes().len();
    record.set_data(fill(length));
    assert_eq!(record.to_bytes().len(), bytes, "the suite knows how large its records are");
    record
}

fn owner_of(bytes: usize) -> Record {
    let mut record = session(3);
    record.set_owner(Some("o".repeat(bytes).into()), None);
    record
}

fn name_of(bytes: usize) -> Record {
    let mut record = session(4);
    record.set_data(Data::from_entries(&BTreeMap::from([("n".repeat(bytes).into(), [0])])));
    record
}

/// Records that just fit, each with one that is a byte too large.
fn pairs() -> [(Record, Record, &'static str); 3] {
    [
        (sized(LIMIT), sized(LIMIT + 1), "record"),
        (owner_of(MAX_OWNER_BYTES), owner_of(MAX_OWNER_BYTES + 1), "owner"),
        (name_of(MAX_NAME_BYTES), name_of(MAX_NAME_BYTES + 1), "entry's name"),
    ]
}

const LIMITS: Limits = Limits { record_bytes: LIMIT, per_owner: None, traces: MAX_TRACES };

fn ensure_refused<T: std::fmt::Debug>(answer: &Result<T>, what: &str) -> Checked {
    ensure!(
        answer.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::TooLarge { .. })),
        "one byte too much for a {what} was answered with {answer}",
        answer = in_short(answer)
    );
    Ok(())
}

fn create_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    for (fits, too_large, what) in pairs() {
        let store = bench.open_with(LIMITS);
        ensure_refused(&store.try_create(&moved(&too_large, 9), at(0)), what)?;
        store.create(&fits, at(0))?;
        let loaded = store.loaded(fits.key(), at(0))?;
        ensure!(loaded.data() == fits.data() && loaded.owner() == fits.owner(), "a {what} that just fits is not kept");
    }
    Ok(())
}

fn update_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    for (fits, too_large, what) in pairs() {
        let store = bench.open_with(LIMITS);
        let mut small = session(1);
        small.set_key(*fits.key());
        let revision = store.create(&small, at(0))?;
        ensure_refused(&store.try_update(&too_large, revision, at(0)), what)?;
        store.updated(&fits, revision, at(0))?;
    }
    Ok(())
}

fn rotate_refuses<S: Store>(bench: &Bench<'_, S>) -> Checked {
    for (fits, too_large, what) in pairs() {
        let store = bench.open_with(LIMITS);
        let revision = store.create(&session(1), at(0))?;
        ensure_refused(&store.try_rotate(&key(1), revision, &moved(&too_large, 9), at(0)), what)?;
        store.rotated(&key(1), revision, &moved(&fits, 9), at(0))?;
    }
    Ok(())
}
