//! A schedule's writes as records, and back: every field of what a store returns is compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Data, Lifetime, Owner, Record, Revision, Timestamp};

use super::history::History;
use super::state::{Session, Value};
use super::world::World;
use crate::support::key;

pub fn owner(number: u8) -> Owner {
    Owner::from(["ada", "bob"][usize::from(number)])
}

/// The record that this write stores.
pub fn build(history: &History, value: Value) -> Record {
    let written = &history.writes[usize::from(value)];
    let created = Timestamp::from_millis(written.created);
    let idle = written.idle.map(Duration::from_millis);
    let absolute = written.absolute.map(|absolute| Duration::from_millis(absolute - written.created));
    let lifetime = match (idle, absolute) {
        (Some(idle), Some(absolute)) => Lifetime::new(idle, absolute),
        (Some(idle), None) => Lifetime::idle(idle),
        (None, Some(absolute)) => Lifetime::absolute(absolute),
        (None, None) => unreachable!("a session has one of the two"),
    };
    let mut record = Record::new(key(written.key), lifetime, created);
    record.set_owner(written.owner.map(owner), written.owner.map(|_| created));
    let entries: BTreeMap<Arc<str>, Vec<u8>> = BTreeMap::from([
        ("number".into(), value.to_le_bytes().to_vec()),
        ("padding".into(), vec![value as u8; written.padding]),
    ]);
    record.set_data(Data::from_entries(&entries));
    record
}

/// The revision of a write, which is known; or one that no write has.
pub fn revision(history: &History, expected: Option<Value>) -> Revision {
    let known = expected.and_then(|value| history.writes[usize::from(value)].revision);
    Revision::from_u64(known.unwrap_or(7))
}

/// Which write a record is of; every other byte of it must be that write's as well.
pub fn read(world: &World, record: &Record) -> Result<Session, String> {
    let number = record.data().get("number").and_then(|bytes| bytes.try_into().ok());
    let value = Value::from_le_bytes(number.ok_or_else(|| format!("a record that no write made: {record:?}"))?);
    let mut expected = {
        let history = world.history.borrow();
        if usize::from(value) >= history.writes.len() {
            return Err(format!("a record that no write made: {record:?}"));
        }
        build(&history, value)
    };
    expected.touch(record.last_seen());
    expected.set_revision(record.revision());
    if expected != *record {
        return Err(format!("write {value} was {expected:?} and has become {record:?}"));
    }
    know(world, value, record.revision());
    Ok(Session { value, seen: record.last_seen().as_millis() })
}

/// A process was told a write's revision. No write has two, and no two writes have the same.
pub fn know(world: &World, value: Value, revision: Revision) {
    let revision = revision.as_u64();
    let mut history = world.history.borrow_mut();
    match history.writes[usize::from(value)].revision.replace(revision) {
        Some(before) if before != revision => {
            history.wrong(|| format!("write {value} had revision {before:#x} and now has {revision:#x}"));
        }
        _ => {}
    }
    match world.revisions.borrow_mut().insert(revision, value) {
        Some(other) if other != value => {
            history.wrong(|| format!("writes {other} and {value} both have revision {revision:#x}"));
        }
        _ => {}
    }
    let known = &mut world.known.borrow_mut()[history.writes[usize::from(value)].key];
    if known.last() != Some(&value) {
        known.push(value);
    }
}
