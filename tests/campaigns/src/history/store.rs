//! The real store, which carries out the spec's operations: sessions of a group as records, and records as what they show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{
    Data, Error, ErrorKind, FileStore, Found, Lifetime, Record, Revision, SessionKey, Store, Timestamp, Trace, Update,
};

use super::call::Call;
use super::clock::now;
use super::spec::{Answer, Event, Key, Op, Put, Slot, Stands};
use crate::left::Left;
use crate::support::block_on;
use crate::support::model::Standing;

/// Sessions that are checked together: all that one operation may touch.
#[derive(Clone, Copy)]
pub struct Group(pub u32);

impl Group {
    /// A session's key, which says the group as well. The order of a group's keys is that of their numbers.
    pub fn key_of(self, key: Key) -> SessionKey {
        let mut bytes = [0x5e; 16];
        bytes[..4].copy_from_slice(&self.0.to_be_bytes());
        bytes[4] = key;
        SessionKey::from_bytes(bytes)
    }

    pub fn owner(self) -> cloakroom::Owner {
        format!("owner {}", self.0).as_str().into()
    }

    fn record(self, key: Key, put: Put) -> Record {
        let seen = Timestamp::from_millis(put.last_seen);
        let absolute = put.absolute.map(|deadline| Timestamp::from_millis(deadline).since(seen));
        let lifetime = match (put.idle.map(Duration::from_millis), absolute) {
            (Some(idle), Some(absolute)) => Lifetime::new(idle, absolute),
            (Some(idle), None) => Lifetime::idle(idle),
            (None, Some(absolute)) => Lifetime::absolute(absolute),
            (None, None) => unreachable!("a lifetime has an end"),
        };
        let mut record = Record::new(self.key_of(key), lifetime, seen);
        record.set_owner(put.owned.then(|| self.owner()), None);
        record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("value"), value(put.write))])));
        record
    }

    /// What a record shows; an error if it shows what no call wrote.
    fn slot(self, key: Key, record: &Record) -> Result<Slot, String> {
        let wrong = |what: &str| format!("session {key} of group {} was answered with {what}: {record:?}", self.0);
        let bytes = record.data().get("value").ok_or_else(|| wrong("no value"))?;
        let write =
            bytes.first_chunk().map(|write| u64::from_le_bytes(*write)).ok_or_else(|| wrong("a short value"))?;
        if bytes != value(write) {
            return Err(wrong("another value"));
        }
        if record.key() != &self.key_of(key) {
            return Err(wrong("another key"));
        }
        let owned = match record.owner() {
            None => false,
            Some(owner) if *owner == self.owner() => true,
            Some(_) => return Err(wrong("another owner")),
        };
        let expiry = record.expiry();
        let put = Put {
            write,
            last_seen: expiry.last_seen().as_millis(),
            idle: expiry.idle().map(|idle| idle.as_millis() as u64),
            absolute: expiry.absolute().map(Timestamp::as_millis),
            owned,
        };
        Ok(Slot { put, revision: record.revision().as_u64() })
    }

    /// What a call finds.
    fn stands(self, key: Key, found: Found) -> Result<Option<Stands>, String> {
        Ok(match found {
            Found::Live(record) => Some(Standing::Session(self.slot(key, &record)?)),
            Found::Trace(trace) => Some(Standing::Trace(self.left(key, &trace)?)),
            Found::Nothing => None,
            other => return Err(format!("session {key} of group {} is found in a way of its own: {other:?}", self.0)),
        })
    }

    /// What a trace shows; an error if its successors are no sessions of the group's.
    fn left(self, key: Key, trace: &Trace) -> Result<Left, String> {
        let left = Left::of(trace, |key| key.as_bytes()[4]);
        if left.trace(|key| self.key_of(key)) == *trace {
            Ok(left)
        } else {
            Err(format!("session {key} of group {} has a trace that no call left: {trace:?}", self.0))
        }
    }

    /// Carries out an operation, and notes when. Whatever is no answer of the spec's is an error.
    pub fn call(self, store: &FileStore, op: Op) -> Result<Call<Event>, String> {
        let prepared = self.prepare(op);
        let invoked = now();
        let answer = block_on(self.carry_out(store, op, prepared));
        let returned = now();
        let answer = answer.map_err(|why| format!("{op:?} in group {}: {why}", self.0))?;
        Ok(Call { event: Event { op, answer }, invoked, returned })
    }

    fn prepare(self, op: Op) -> Option<Record> {
        match op {
            Op::Create { key, put, .. } | Op::Update { key, put, .. } | Op::Rotate { key, put, .. } => {
                Some(self.record(key, put))
            }
            _ => None,
        }
    }

    async fn carry_out(self, store: &FileStore, op: Op, record: Option<Record>) -> Result<Answer, String> {
        let at = Timestamp::from_millis;
        let record = || record.as_ref().expect("what is written was prepared");
        let of = |left: &Left| left.trace(|key| self.key_of(key));
        let answered = match op {
            Op::Find { key, now } => match store.find(&self.key_of(key), at(now)).await {
                Ok(found) => Ok(Answer::Found(self.stands(key, found)?)),
                Err(error) => Err(error),
            },
            Op::Create { trace, now, .. } => {
                let traces: Vec<_> = trace.iter().map(|(key, left)| (self.key_of(*key), of(left))).collect();
                store.create(record(), &traces, at(now)).await.map(|revision| Answer::Stored(revision.as_u64()))
            }
            Op::Update { key, expected, now, .. } => {
                self.updated(key, store.update(record(), Revision::from_u64(expected), at(now)).await)?
            }
            Op::Rotate { old, expected, trace, now, .. } => {
                let (key, trace) = (self.key_of(old), trace.as_ref().map(of));
                let expected = Revision::from_u64(expected);
                self.updated(old, store.rotate(&key, expected, record(), trace.as_ref(), at(now)).await)?
            }
            Op::Touch { key, now } => store.touch(&self.key_of(key), at(now)).await.map(Answer::Touched),
            Op::Destroy { key, trace } => {
                let ended = store.destroy(&self.key_of(key), trace.as_ref().map(of).as_ref()).await;
                ended.map(|ended| Answer::Counted(ended.into()))
            }
            Op::DestroyOwned { except } => {
                let except = except.map(|key| self.key_of(key));
                store.destroy_owned_by(&self.owner(), except.as_ref()).await.map(Answer::Counted)
            }
            Op::Sweep { now, budget } => {
                let swept = store.sweep(at(now), budget).await;
                swept.map(|swept| Answer::Swept { removed: swept.removed, more: swept.more })
            }
            Op::Count { now } => store.count(at(now)).await.map(Answer::Counted),
            Op::Clear => store.clear().await.map(|()| Answer::Done),
        };
        match answered {
            Ok(answer) => Ok(answer),
            Err(error) if *error.kind() == ErrorKind::KeyTaken => Ok(Answer::KeyTaken),
            Err(error) if matches!(error.kind(), ErrorKind::OwnerLimit { .. }) => Ok(Answer::OwnerLimit),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The outer error is a wrong answer, the inner one the store's.
    fn updated(self, key: Key, update: Result<Update, Error>) -> Result<Result<Answer, Error>, String> {
        Ok(match update {
            Ok(Update::Stored(revision)) => Ok(Answer::Stored(revision.as_u64())),
            Ok(Update::Conflict(current)) => Ok(Answer::Conflict(self.slot(key, &current)?)),
            Ok(Update::Gone) => Ok(Answer::Gone),
            Ok(other) => return Err(format!("{other:?}")),
            Err(error) => Err(error),
        })
    }
}

/// What the session holds that this write stored: of very different lengths, and nothing else of the same.
fn value(write: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(write);
    let length = if random.u8(..32) == 0 { 3000 } else { random.usize(..200) };
    let mut value = write.to_le_bytes().to_vec();
    value.extend(std::iter::repeat_with(|| random.u8(..)).take(length));
    value
}
