//! Sessions in a plain map under a lock: the least that a server could do. The sessions end with the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use cloakroom::{SessionKey, Timestamp};

use super::layout;
use crate::contender::{Contender, Loaded};
use crate::session::Session;

struct Held {
    ends: AtomicU64,
    data: Vec<u8>,
}

impl Held {
    fn of(session: &Session) -> Arc<Self> {
        let (_, entry) = session.record.data().iter().next().unwrap();
        Arc::new(Self { ends: session.ends().as_millis().into(), data: entry.to_vec() })
    }

    fn ends_after(&self, now: Timestamp) -> bool {
        self.ends.load(Ordering::Relaxed) > now.as_millis()
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[derive(Default)]
pub(crate) struct Map(RwLock<HashMap<[u8; 16], Arc<Held>>>);

impl Contender for Map {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, now: Timestamp) {
        sessions.for_each(|mut session| self.save(&mut session, now).unwrap());
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        let held = self.0.read().unwrap().get(key.as_bytes()).filter(|held| held.ends_after(now)).cloned();
        Some(held.map(|held| Loaded::Shared(held)))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let map = self.0.read().unwrap();
        let held = map.get(key.as_bytes()).filter(|held| held.ends_after(now));
        let ends = layout::end_of_seen(now).as_millis();
        Some(held.inspect(|held| held.ends.store(ends, Ordering::Relaxed)).is_some())
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        let held = Held::of(session);
        let before = self.0.write().unwrap().insert(*session.key().as_bytes(), held);
        drop(before);
        Some(())
    }

    /// A sweep looks at every session, since there is no index of ends.
    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let mut map = self.0.write().unwrap();
        let before = map.len();
        map.retain(|_, held| held.ends_after(now));
        Some(Some((before - map.len()) as u64))
    }
}
