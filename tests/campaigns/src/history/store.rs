//! The real store, which carries out the spec's operations: sessions of a group as records, and records as what they show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Data, Error, ErrorKind, FileStore, Lifetime, Record, Revision, SessionKey, Store, Timestamp, Update};

use super::call::Call;
use super::clock::now;
use super::spec::{Answer, Event, Key, Op, Put, Slot};
use crate::support::block_on;

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
        let answered = match op {
            Op::Load { key, now } => match store.load(&self.key_of(key), at(now)).await {
                Ok(record) => Ok(Answer::Loaded(record.map(|record| self.slot(key, &record)).transpose()?)),
                Err(error) => Err(error),
            },
            Op::Create { now, .. } => {
                store.create(record(), &[], at(now)).await.map(|revision| Answer::Stored(revision.as_u64()))
            }
            Op::Update { key, expected, now, .. } => {
                self.updated(key, store.update(record(), Revision::from_u64(expected), at(now)).await)?
            }
            Op::Rotate { old, expected, now, .. } => {
                let rotated =
                    store.rotate(&self.key_of(old), Revision::from_u64(expected), record(), None, at(now)).await;
                self.updated(old, rotated)?
            }
            Op::Touch { key, now } => store.touch(&self.key_of(key), at(now)).await.map(Answer::Touched),
            Op::Destroy { key } => store.destroy(&self.key_of(key), None).await.map(|_| Answer::Done),
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
