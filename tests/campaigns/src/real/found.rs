//! Sessions of lanes as records of a store: how they are written, and how they are read back and checked to the last byte.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Data, FileStore, Found, Lifetime, Owner, Record, Revision, SessionKey, Store as _, Timestamp, Trace};

use super::NOW;
use super::op::{COUNTERS, Held, Holdings, LANES, Name, OWNERS};
use crate::run::Failure;
use crate::support::block_on;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// What a counter's key says where a session's has its lane.
const COUNTER: u32 = u32::MAX;

/// A key says the lane as well as the session.
fn key_of_parts(lane: u32, name: u64) -> SessionKey {
    let mut bytes = [0x5e; 16];
    bytes[..4].copy_from_slice(&lane.to_le_bytes());
    bytes[4..12].copy_from_slice(&name.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

/// The key of a lane's session.
pub fn key_of_lane(lane: u32, name: Name) -> SessionKey {
    key_of_parts(lane, name)
}

/// The key of a counter.
pub fn key_of_counter(counter: usize) -> SessionKey {
    key_of_parts(COUNTER, counter as u64)
}

/// A key that no lane uses.
pub fn unused_key() -> SessionKey {
    key_of_parts(COUNTER, u64::MAX)
}

/// The lane and the name, or the counter, that a key was made of.
fn parts(key: &SessionKey) -> (u32, u64) {
    let [a, b, c, d, name @ .., _, _, _, _] = *key.as_bytes();
    (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(name))
}

/// A lane's owners.
pub fn owner(lane: u32, owner: u8) -> Owner {
    format!("lane {lane} owner {owner}").into()
}

/// What a session holds: bytes made of a number, and as many as it says; seldom more than a segment.
fn content(value: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(value);
    let length = match rng.u8(..) {
        0..2 => rng.usize(..40_000),
        2..60 => rng.usize(..3000),
        _ => rng.usize(..300),
    };
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

fn data(value: u64) -> Data {
    let content = content(value);
    let number = value.to_le_bytes();
    Data::from_entries(&BTreeMap::from([(Arc::from("content"), &*content), (Arc::from("number"), &number[..])]))
}

/// A lane's session as a record.
pub fn record(lane: u32, name: Name, held: &Held) -> Record {
    let lifetime = Lifetime::idle(if held.brief { MINUTE } else { DAY });
    let mut record = Record::new(key_of_lane(lane, name), lifetime, NOW);
    record.touch(NOW.plus(Duration::from_secs(held.seen)));
    record.set_owner(Some(owner(lane, held.owner)), Some(NOW));
    record.set_data(data(held.value));
    record
}

/// The same record with what this number makes.
pub fn with_value(mut record: Record, value: u64) -> Record {
    record.set_data(data(value));
    record
}

/// A counter that holds these numbers.
pub fn counter_record(counter: usize, counts: &[u64; LANES]) -> Record {
    let mut record = Record::new(key_of_counter(counter), Lifetime::idle(DAY), NOW);
    let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("counts"), bytes)])));
    record
}

/// The numbers that a counter's record holds.
pub fn counts(record: &Record) -> Result<[u64; LANES], Failure> {
    let bytes = record.data().get("counts").filter(|bytes| bytes.len() == 8 * LANES);
    let bytes = bytes.ok_or_else(|| format!("{} is no counter", record.key()))?;
    let mut counts = [0; LANES];
    for (count, bytes) in counts.iter_mut().zip(bytes.as_chunks().0) {
        *count = u64::from_le_bytes(*bytes);
    }
    Ok(counts)
}

/// What a record says of a session; an error if anything in it is not as some operation left it.
pub fn held(record: &Record) -> Result<(u32, Name, Held), Failure> {
    let (lane, name) = parts(record.key());
    let odd = |what: &str| format!("session {name} of lane {lane} has another {what} than any lane gave it");
    let value = record.data().get("number").and_then(|number| number.try_into().ok()).map(u64::from_le_bytes);
    let value = value.ok_or_else(|| odd("number"))?;
    let whose = (0..=u8::MAX).find(|whose| record.owner() == Some(&owner(lane, *whose)));
    let whose = whose.ok_or_else(|| odd("owner"))?;
    let held = Held {
        owner: whose,
        value,
        seen: record.last_seen().since(NOW).as_secs(),
        brief: record.expiry().idle() == Some(MINUTE),
    };
    let mut expected = self::record(lane, name, &held);
    expected.set_revision(record.revision());
    if expected != *record {
        return Err(odd("content"));
    }
    Ok((lane, name, held))
}

/// All that a store has, by lane.
pub fn all(store: &FileStore) -> Result<BTreeMap<u32, Holdings>, Failure> {
    let mut lanes: BTreeMap<u32, Holdings> = BTreeMap::new();
    let mut odd = None;
    let scanned = block_on(store.scan(NOW, &mut |record| match add(&mut lanes, &record) {
        Ok(()) => ControlFlow::Continue(()),
        Err(why) => {
            odd = Some(why);
            ControlFlow::Break(())
        }
    }));
    scanned.map_err(|error| format!("the sessions could not be read: {error}"))?;
    odd.map_or(Ok(lanes), Err)
}

fn add(lanes: &mut BTreeMap<u32, Holdings>, record: &Record) -> Result<(), Failure> {
    let (lane, name) = parts(record.key());
    if lane == COUNTER {
        let counter = usize::try_from(name).ok().filter(|counter| *counter < COUNTERS);
        let counter = counter.ok_or_else(|| format!("there is a counter {name}, which no lane made"))?;
        for (lane, count) in counts(record)?.into_iter().enumerate() {
            lanes.entry(lane as u32).or_default().counts[counter] = count;
        }
        return Ok(());
    }
    let (lane, name, held) = held(record)?;
    if lanes.entry(lane).or_default().sessions.insert(name, held).is_some() {
        return Err(format!("session {name} of lane {lane} is there twice"));
    }
    Ok(())
}

/// What one lane has, by its owners and the counters.
pub fn of_lane(store: &FileStore, lane: u32) -> Result<Holdings, cloakroom::Error> {
    let damaged = |why| cloakroom::Error::new(cloakroom::ErrorKind::Damaged, "looking at a lane").because(why);
    let mut holdings = Holdings::default();
    for whose in 0..OWNERS {
        for record in block_on(store.owned_by(&owner(lane, whose), NOW))? {
            let (_, name, held) = held(&record).map_err(damaged)?;
            holdings.sessions.insert(name, held);
        }
    }
    for (counter, count) in holdings.counts.iter_mut().enumerate() {
        if let Some(record) = block_on(store.load(&key_of_counter(counter), NOW))? {
            *count = counts(&record).map_err(damaged)?[lane as usize];
        }
    }
    Ok(holdings)
}

/// Later than any sweep.
fn traces_end() -> Timestamp {
    NOW.plus(30 * DAY)
}

/// What a session leaves that goes on under this key.
pub fn moved(to: SessionKey) -> Trace {
    Trace::moved(to, traces_end())
}

/// What a session leaves that was ended.
pub fn ended() -> Trace {
    Trace::ended(traces_end())
}

/// The trace under a lane's name, if there is one; an error if it is none that the lane has left.
pub fn trace(store: &FileStore, lane: u32, name: Name) -> Result<Option<Option<Name>>, Failure> {
    let found = block_on(store.find(&key_of_lane(lane, name), NOW));
    let Found::Trace(trace) = found.map_err(|error| format!("a trace could not be read: {error}"))? else {
        return Ok(None);
    };
    let to = trace.successors().first().copied();
    if trace != to.map_or_else(ended, moved) {
        return Err(format!("session {name} of lane {lane} has left {trace:?}"));
    }
    Ok(Some(to.map(|to| parts(&to).1)))
}

/// Proposes nothing: the store gives revisions of its own.
pub fn without_revision(mut record: Record) -> Record {
    record.set_revision(Revision::from_u64(0));
    record
}
