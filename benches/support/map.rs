//! What the stores are held against.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use cloakroom::{Record, SessionKey, Timestamp};

use super::{IDLE, record};

/// What a server keeps that keeps its sessions in a map.
pub(crate) struct Held {
    ends: AtomicU64,
    pub(crate) data: Vec<u8>,
}

impl Held {
    fn new(ends: Timestamp, data: &[u8]) -> Arc<Self> {
        Arc::new(Self { ends: ends.as_millis().into(), data: data.to_vec() })
    }

    fn ends_after(&self, now: Timestamp) -> bool {
        self.ends.load(Ordering::Relaxed) > now.as_millis()
    }
}

/// Sessions in a plain map behind a lock: the least that a server could do.
#[derive(Default)]
pub(crate) struct Map(RwLock<HashMap<[u8; 16], Arc<Held>>>);

impl Map {
    pub(crate) fn filled(sessions: u64) -> Self {
        let map = Self::default();
        (0..sessions).for_each(|n| map.save(&record(n)));
        map
    }

    pub(crate) fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Arc<Held>> {
        self.0.read().unwrap().get(key.as_bytes()).filter(|held| held.ends_after(now)).cloned()
    }

    pub(crate) fn touch(&self, key: &SessionKey, now: Timestamp) -> bool {
        let map = self.0.read().unwrap();
        let held = map.get(key.as_bytes()).filter(|held| held.ends_after(now));
        held.inspect(|held| held.ends.store(now.plus(IDLE).as_millis(), Ordering::Relaxed)).is_some()
    }

    pub(crate) fn save(&self, record: &Record) {
        let (_, cart) = record.data().iter().next().unwrap();
        let held = Held::new(record.expiry().ends_at(), cart);
        let before = self.0.write().unwrap().insert(*record.key().as_bytes(), held);
        drop(before);
    }

    /// Removes what has ended, which takes a look at everything.
    pub(crate) fn sweep(&self, now: Timestamp) -> u64 {
        let mut map = self.0.write().unwrap();
        let before = map.len();
        map.retain(|_, held| held.ends_after(now));
        (before - map.len()) as u64
    }
}
