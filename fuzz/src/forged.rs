//! Frames whose checks are right, whatever they say.

use std::time::Duration;

use cloakroom::fuzzing::Frame;
use cloakroom::{Lifetime, Record, Timestamp};
use libfuzzer_sys::arbitrary::{self, Arbitrary};

use crate::{NOW, data, key_of_byte, owner};

/// How many keys there are.
pub const KEYS: u8 = 4;

/// A frame, most of the time one that makes sense.
#[derive(Arbitrary, Debug)]
pub enum Forged {
    Put { key: u8, session: Session },
    Touch { key: u8, seconds: u16 },
    Destroy { key: u8 },
    Move { key: u8, revision: u64, session: Session },
    Trim { oldest: u32 },
    Sweep { key: u8, seconds: u16 },
    EndOwned { but: Option<u8>, owner: u8 },
    Seal,
    Mark,
    Clear,
    Batch(Vec<Forged>),
    Odd { kind: u8, key: u8, body: Vec<u8> },
}

/// What a put says.
#[derive(Arbitrary, Debug)]
pub struct Session {
    idle: u16,
    owner: u8,
    value: Vec<u8>,
}

impl Session {
    fn record(&self, n: u8) -> Vec<u8> {
        let idle = Lifetime::idle(Duration::from_secs(u64::from(self.idle) + 1));
        let mut record = Record::new(key_of_byte(n), idle, NOW);
        record.set_owner(owner(self.owner).map(Into::into), None);
        record.set_data(data(&self.value));
        record.to_bytes()
    }
}

fn after(seconds: u16) -> Vec<u8> {
    let time: Timestamp = NOW.plus(Duration::from_secs(seconds.into()));
    time.as_millis().to_le_bytes().to_vec()
}

impl Forged {
    pub fn frame(&self) -> Frame {
        let (kind, n, body) = match self {
            Self::Put { key, session } => (1, key % KEYS, session.record(key % KEYS)),
            Self::Touch { key, seconds } => (2, key % KEYS, after(*seconds)),
            Self::Destroy { key } => (3, key % KEYS, Vec::new()),
            Self::Move { key, revision, session } => {
                (5, key % KEYS, [&revision.to_le_bytes()[..], &session.record(key % KEYS)].concat())
            }
            Self::Trim { oldest } => (6, 0, oldest.to_le_bytes().to_vec()),
            Self::Sweep { key, seconds } => (7, key % KEYS, after(*seconds)),
            Self::EndOwned { but, owner: n } => {
                let owner = owner(*n).unwrap_or_default();
                (11, but.unwrap_or(0) % KEYS, [&[u8::from(but.is_some())], owner.as_bytes()].concat())
            }
            Self::Seal => (8, 0, Vec::new()),
            Self::Mark => (9, 0, Vec::new()),
            Self::Clear => (10, 0, Vec::new()),
            Self::Batch(inner) => return Frame::Batch(inner.iter().flat_map(Self::within_batch).collect()),
            Self::Odd { kind, key, body } => (kind % 11 + 1, key % KEYS, body.clone()),
        };
        Frame::Plain { kind, key: *key_of_byte(n).as_bytes(), body }
    }

    /// No writer puts a batch into a batch, and the salts rely on it: two levels down they are the log's again.
    fn within_batch(&self) -> Vec<Frame> {
        match self.frame() {
            Frame::Batch(inner) => inner,
            frame => vec![frame],
        }
    }
}
