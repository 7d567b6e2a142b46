//! What the index will say once a group's earlier operations are written (rule 14). The index itself is only read.

use std::collections::HashMap;
use std::iter::from_fn;

use crate::model::bytes::Bytes;
use crate::model::key::{KeyMap, KeySet, SessionKey};
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::store::file::index::Index;
use crate::store::file::index::ranks::{Order, Rank, Ranks};
use crate::store::file::index::slot::MetaRef;

/// What the index will know of a session or of a trace.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) revision: Revision,
    pub(crate) expiry: Expiry,
    pub(crate) owner: Option<Owner>,
    /// Whether a trace will stand there, and no session.
    pub(crate) is_trace: bool,
    /// The bytes of its frame.
    pub(crate) bytes: u64,
    /// The record or the trace, if this group saves it.
    pub(crate) record: Option<Bytes>,
}

/// The index, and over it what the group's earlier operations will have done.
pub(crate) struct Overlay<'a> {
    pub(crate) index: &'a Index,
    planned: KeyMap<Option<Planned>>,
    /// The same by owner, as soon as an operation asks for an owner's sessions.
    changes: Option<HashMap<Owner, Changes>>,
    /// The earliest end of what the group puts: nothing of it has ended before.
    earliest: Timestamp,
    /// Whether the group has several operations. A single one has no successor that would look here, so it leaves nothing.
    pub(crate) is_group: bool,
}

/// What a group does to the sessions of an owner.
#[derive(Default)]
struct Changes {
    /// Sessions that the index has as the owner's, and of which the group says something newer.
    hidden: KeySet,
    /// Sessions that the group leaves the owner.
    planned: Ranks,
    /// Up to here, all that the index has in each order is hidden. A group of many logins of one owner ends sessions in that
    /// order, and would step over them again for each login.
    passed: [Option<Rank>; 2],
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(index: &'a Index, is_group: bool) -> Self {
        Self { index, planned: KeyMap::default(), changes: None, earliest: Timestamp::NEVER, is_group }
    }

    /// Notes what will stand under a key (`None`: nothing), for the later operations of the group.
    pub(crate) fn set(&mut self, key: SessionKey, planned: Option<Planned>) {
        if self.is_group {
            self.set_by_owner(&key, planned.as_ref());
            let end = planned.as_ref().map_or(Timestamp::NEVER, |planned| planned.expiry.ends_at());
            self.earliest = self.earliest.min(end);
            self.planned.insert(key, planned);
        }
    }

    fn set_by_owner(&mut self, key: &SessionKey, planned: Option<&Planned>) {
        let Some(changes) = &mut self.changes else { return };
        match self.planned.get(key) {
            Some(Some(Planned { owner: Some(owner), expiry, .. })) => {
                changes.entry(owner.clone()).or_default().planned.remove(key, expiry);
            }
            Some(_) => {}
            None => {
                if let Some(owner) = self.index.get(key).and_then(|meta| meta.owner()) {
                    changes.entry(owner.clone()).or_default().hidden.insert(*key);
                }
            }
        }
        if let Some(Planned { owner: Some(owner), expiry, .. }) = planned {
            changes.entry(owner.clone()).or_default().planned.insert(key, expiry);
        }
    }

    /// What the group does to an owner's sessions.
    fn changes(&mut self, owner: &Owner) -> &mut Changes {
        if self.changes.is_none() {
            self.changes = Some(HashMap::new());
            for (key, planned) in std::mem::take(&mut self.planned) {
                self.set(key, planned);
            }
        }
        self.changes.get_or_insert_default().entry(owner.clone()).or_default()
    }

    /// What an earlier operation of the group puts under this key.
    pub(crate) fn planned(&self, key: &SessionKey) -> Option<&Planned> {
        self.planned.get(key)?.as_ref()
    }

    /// The trace under this key that is not over: planned, or in the index.
    pub(crate) fn trace(&self, key: &SessionKey, now: Timestamp) -> Option<Result<&Planned, MetaRef<'_>>> {
        match self.planned.get(key) {
            Some(planned) => {
                planned.as_ref().filter(|planned| planned.is_trace && !planned.expiry.is_expired_at(now)).map(Ok)
            }
            None => self.index.standing_at(key, now).filter(MetaRef::is_trace).map(Err),
        }
    }

    /// The session under this key, if it has not expired.
    pub(crate) fn live(&self, key: &SessionKey, now: Timestamp) -> Option<Planned> {
        match self.planned.get(key) {
            Some(planned) => {
                planned.as_ref().filter(|planned| !planned.is_trace && !planned.expiry.is_expired_at(now)).cloned()
            }
            None => self.index.live_at(key, now).map(|meta| Planned {
                revision: meta.revision(),
                expiry: *meta.expiry(),
                owner: meta.owner().cloned(),
                is_trace: false,
                bytes: meta.bytes().into(),
                record: None,
            }),
        }
    }

    /// Whether a trace stands under this key, over or not.
    pub(crate) fn has_trace(&self, key: &SessionKey) -> bool {
        match self.planned.get(key) {
            Some(planned) => planned.as_ref().is_some_and(|planned| planned.is_trace),
            None => self.index.get(key).is_some_and(|meta| meta.is_trace()),
        }
    }

    /// How many bytes the frame of the session under this key takes; 0 if there is none, or a trace.
    pub(crate) fn bytes_of(&self, key: &SessionKey) -> u64 {
        match self.planned.get(key) {
            Some(planned) => planned.as_ref().filter(|planned| !planned.is_trace).map_or(0, |planned| planned.bytes),
            None => self.index.get(key).filter(|meta| !meta.is_trace()).map_or(0, |meta| u64::from(meta.bytes())),
        }
    }

    /// Whether a session stands under this key, expired or not.
    pub(crate) fn stands(&self, key: &SessionKey) -> bool {
        match self.planned.get(key) {
            Some(planned) => planned.as_ref().is_some_and(|planned| !planned.is_trace),
            None => self.index.get(key).is_some_and(|meta| !meta.is_trace()),
        }
    }

    /// Whether the group says something newer of this session than the index.
    pub(crate) fn is_changed(&self, key: &SessionKey) -> bool {
        self.planned.contains_key(key)
    }

    /// What the group puts and what has ended by this time nevertheless: a clock was set back.
    pub(crate) fn put_and_ended(&self, by: Timestamp) -> Vec<(Timestamp, SessionKey)> {
        let planned = (self.earliest <= by).then_some(&self.planned).into_iter().flatten();
        let ends = planned.filter_map(|(key, planned)| Some((planned.as_ref()?.expiry.ends_at(), *key)));
        ends.filter(|(end, _)| *end <= by).collect()
    }

    /// The sessions of an owner that have to end so that the owner has `most` with a new one under this key, and whether the
    /// live ones alone are too many. Those that have expired come first, then those that were seen longest ago.
    pub(crate) fn beyond(
        &mut self,
        owner: &Owner,
        most: usize,
        key: &SessionKey,
        now: Timestamp,
    ) -> (Vec<SessionKey>, bool) {
        // An expired session under the new key is replaced.
        let is_replaced = match self.planned.get(key) {
            Some(planned) => planned.as_ref().is_some_and(|planned| planned.owner.as_ref() == Some(owner)),
            None => self.index.get(key).is_some_and(|meta| meta.owner() == Some(owner)),
        };
        let index = self.index;
        let changes = self.changes(owner);
        let count = index.count_of(owner) - changes.hidden.len() + changes.planned.len() - usize::from(is_replaced);
        let surplus = (count + 1).saturating_sub(most);
        if surplus == 0 {
            return (Vec::new(), false);
        }
        let expired = changes.in_order(index, owner, Order::End).take_while(|(end, _)| *end <= now);
        let mut ended: Vec<SessionKey> =
            expired.map(|(_, key)| key).filter(|other| other != key).take(surplus).collect();
        let lacking = surplus - ended.len();
        if lacking > 0 {
            let expired: KeySet = ended.iter().copied().collect();
            let seen = changes.in_order(index, owner, Order::Seen).map(|(_, key)| key);
            ended.extend(seen.filter(|other| other != key && !expired.contains(other)).take(lacking));
        }
        (ended, lacking > 0)
    }
}

impl Changes {
    /// The owner's sessions in this order, as the group will leave them.
    fn in_order<'s>(&'s mut self, index: &'s Index, owner: &'s Owner, order: Order) -> impl Iterator<Item = Rank> + 's {
        let Self { hidden, planned, passed } = self;
        let passed = &mut passed[order as usize];
        let mut standing = index.in_order(owner, order, *passed).peekable();
        while let Some(place) = standing.next_if(|(_, key)| hidden.contains(key)) {
            *passed = Some(place);
        }
        let mut standing = standing.filter(|(_, key)| !hidden.contains(key)).peekable();
        let mut planned = planned.after(order, None).peekable();
        from_fn(move || match (standing.peek(), planned.peek()) {
            (Some(one), Some(other)) if one > other => planned.next(),
            (None, _) => planned.next(),
            _ => standing.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::store::file::format::effect::Effect;
    use crate::store::file::format::meta::RecordMeta;
    use crate::store::file::format::segment;
    use crate::store::file::index::ranks::LOOKS;

    fn key(n: u32) -> SessionKey {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        SessionKey::from_bytes(bytes)
    }

    fn owner(n: u8) -> Option<Owner> {
        ["ada", "bob"].get(usize::from(n)).map(|name| Owner::from(*name))
    }

    /// A session that was seen at a time and ends so many seconds later.
    fn session((owner_number, seen, idle): (u8, u64, u64)) -> Planned {
        let expiry = Expiry::from_parts(Timestamp::from_secs(seen), Some(Duration::from_secs(idle)), None);
        Planned {
            revision: Revision::from_u64(1),
            expiry,
            owner: owner(owner_number),
            is_trace: false,
            bytes: 40,
            record: None,
        }
    }

    fn index(sessions: impl Iterator<Item = (u32, Planned)>) -> Index {
        let mut index = Index::new(1).limited(true);
        for (n, Planned { revision, expiry, owner, .. }) in sessions {
            let meta = RecordMeta { at: segment::start(1), bytes: 40, revision, expiry, owner, is_trace: false };
            index.apply(Effect::Put(key(n), meta));
        }
        index
    }

    /// What [`Overlay::beyond`] finds, by looking through all sessions.
    fn beyond(
        all: &BTreeMap<SessionKey, Planned>,
        owner: &Owner,
        most: usize,
        new: &SessionKey,
        now: Timestamp,
    ) -> (Vec<SessionKey>, bool) {
        let others = all.iter().filter(|(key, planned)| *key != new && planned.owner.as_ref() == Some(owner));
        let mut others: Vec<_> = others
            .map(|(key, Planned { expiry, .. })| match expiry.is_expired_at(now) {
                true => (false, expiry.ends_at(), *key),
                false => (true, expiry.last_seen(), *key),
            })
            .collect();
        others.sort_unstable();
        let live = others.iter().filter(|(is_live, ..)| *is_live).count();
        let surplus = (others.len() + 1).saturating_sub(most);
        (others.into_iter().take(surplus).map(|(.., key)| key).collect(), live + 1 > most)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, Option<(u8, u64, u64)>),
        Login { key: u32, owner: u8, seen: u64, idle: u64, most: usize, now: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let set = (0u32..150, prop::option::of((0u8..3, 0u64..100, 0u64..100)));
        let login = (0u32..200, 0u8..2, 0u64..100, 0u64..100, 0usize..120, 0u64..150);
        prop_oneof![
            set.prop_map(|(key, session)| Step::Set(key, session)),
            login.prop_map(|(key, owner, seen, idle, most, now)| Step::Login { key, owner, seen, idle, most, now }),
        ]
    }

    proptest! {
        #[test]
        fn a_limit_ends_what_looking_through_all_sessions_finds(
            standing in prop::collection::vec((0u8..3, 0u64..100, 0u64..100), 0..150),
            steps in prop::collection::vec(step(), 1..40),
        ) {
            let standing: Vec<Planned> = standing.into_iter().map(session).collect();
            let index = index((0..).zip(standing.clone()));
            let mut all: BTreeMap<SessionKey, Planned> = (0..).map(key).zip(standing).collect();
            let mut overlay = Overlay::new(&index, true);
            for step in steps {
                match step {
                    Step::Set(n, planned) => {
                        let planned = planned.map(session);
                        overlay.set(key(n), planned.clone());
                        match planned {
                            Some(planned) => drop(all.insert(key(n), planned)),
                            None => drop(all.remove(&key(n))),
                        }
                    }
                    Step::Login { key: n, owner: of, seen, idle, most, now } => {
                        let (of, now) = (owner(of).unwrap(), Timestamp::from_secs(now));
                        let new = Planned { owner: Some(of.clone()), ..session((0, seen, idle)) };
                        let found = overlay.beyond(&of, most, &key(n), now);
                        prop_assert_eq!(&found, &beyond(&all, &of, most, &key(n), now));
                        let (ended, _) = found;
                        for key in &ended {
                            overlay.set(*key, None);
                            all.remove(key);
                        }
                        overlay.set(key(n), Some(new.clone()));
                        all.insert(key(n), new);
                        let owned = overlay.changes(&of).in_order(&index, &of, Order::Seen);
                        let mut owned: Vec<SessionKey> = owned.map(|(_, key)| key).collect();
                        owned.sort_unstable();
                        let expected = all.iter().filter(|(_, planned)| planned.owner.as_ref() == Some(&of));
                        prop_assert_eq!(owned, expected.map(|(key, _)| *key).collect::<Vec<_>>());
                    }
                }
            }
        }
    }

    #[test]
    fn a_login_of_an_owner_with_twenty_thousand_sessions_looks_at_few_of_them_and_so_does_each_of_a_group() {
        const SESSIONS: u32 = 20_000;
        // Those that end first were seen last.
        let index = index((0..SESSIONS).map(|n| (n, session((0, u64::from(n), 10 * u64::from(SESSIONS - n))))));
        let ada = owner(0).unwrap();
        let now = Timestamp::from_secs(u64::from(SESSIONS) + 1_000);
        let most = SESSIONS as usize;
        let expired = (0..SESSIONS).filter(|n| index.get(&key(*n)).unwrap().expiry().is_expired_at(now)).count();
        assert!((100..200).contains(&expired));
        for logins in [1, 1_000, 3_000] {
            let mut overlay = Overlay::new(&index, logins > 1);
            let before = LOOKS.get();
            for n in 0..logins {
                let (ended, too_many_live) = overlay.beyond(&ada, most, &key(SESSIONS + n), now);
                assert_eq!((ended.len(), too_many_live), (1, n as usize >= expired));
                overlay.set(ended[0], None);
                overlay.set(key(SESSIONS + n), Some(session((0, u64::from(SESSIONS + n), 10_000))));
            }
            let looks = LOOKS.get() - before;
            assert!(looks <= 5 * logins as usize, "{looks} sessions were looked at for {logins} logins");
        }
    }
}
