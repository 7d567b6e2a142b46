//! The index beside a map that is looked through: both hold the same after any effects.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::lifetime::Expiry;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::index::ranks::Ranks;

fn key(n: u32) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

fn owner(n: u32) -> Owner {
    Owner::from(["ada", "bob", "eve"][n as usize])
}

fn seconds(n: u32) -> Timestamp {
    Timestamp::from_secs(n.into())
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: u32, owner: Option<u32>, seen: u32, idle: u32 },
    Touch { key: u32, seen: u32 },
    Destroy { key: u32 },
    Sweep { end: u32, key: u32 },
    EndOwned { owner: u32, but: Option<u32> },
    LetGo { many: usize },
    Clear,
}

const KEYS: u32 = 150;
const LATEST: u32 = 1_000;

fn step() -> impl Strategy<Value = Step> {
    // One owner has so many sessions that it gets ranks, and loses them again.
    let owner = prop_oneof![10 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(Some(2)), 1 => Just(None)];
    prop_oneof![
        12 => (0..KEYS, owner, 0..LATEST, 0..LATEST).prop_map(|(key, owner, seen, idle)| Step::Put { key, owner, seen, idle }),
        4 => (0..KEYS, 0..LATEST).prop_map(|(key, seen)| Step::Touch { key, seen }),
        3 => (0..KEYS).prop_map(|key| Step::Destroy { key }),
        1 => (0..LATEST / 2, 0..KEYS).prop_map(|(end, key)| Step::Sweep { end, key }),
        1 => (0..3u32, prop::option::of(0..KEYS)).prop_map(|(owner, but)| Step::EndOwned { owner, but }),
        1 => (0..40usize).prop_map(|many| Step::LetGo { many }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || prop::collection::vec(step(), 200..400);
    let clear = prop::option::weighted(0.2, Just(Step::Clear));
    // Most sessions go in between, and those that are left change their slots.
    let ends = prop::collection::vec((0..KEYS).prop_map(|key| Step::Destroy { key }), 0..300);
    (some(), ends, clear, some())
        .prop_map(|(before, ends, clear, after)| before.into_iter().chain(ends).chain(clear).chain(after).collect())
}

/// What the index is compared with.
type Map = BTreeMap<SessionKey, (Expiry, Option<Owner>)>;

fn apply(step: &Step, index: &mut Index, map: &mut Map) {
    match *step {
        Step::Put { key: n, owner: of, seen, idle } => {
            let expiry = Expiry::from_parts(seconds(seen), Some(Duration::from_secs(idle.into())), None);
            let owner = of.map(owner);
            let revision = Revision::from_u64(1);
            let meta = RecordMeta {
                at: segment::start(1),
                bytes: 40,
                revision,
                expiry,
                owner: owner.clone(),
                is_trace: false,
            };
            index.apply(Effect::Put(key(n), meta));
            map.insert(key(n), (expiry, owner));
        }
        Step::Touch { key: n, seen } => {
            index.apply(Effect::Touch(key(n), seconds(seen)));
            map.entry(key(n)).and_modify(|(expiry, _)| {
                expiry.touch(seconds(seen));
            });
        }
        Step::Destroy { key: n } => {
            index.apply(Effect::Destroy(key(n)));
            map.remove(&key(n));
        }
        Step::Sweep { end, key: n } => {
            index.apply(Effect::Sweep(seconds(end), key(n)));
            map.retain(|other, (expiry, _)| (expiry.ends_at(), *other) > (seconds(end), key(n)));
        }
        Step::EndOwned { owner: n, but } => {
            let (owner, but) = (owner(n), but.map(key));
            index.apply(Effect::EndOwned(owner.clone(), but));
            map.retain(|key, (_, of)| of.as_ref() != Some(&owner) || Some(*key) == but);
        }
        Step::LetGo { many } => {
            let has_more = index.let_go(many).1;
            assert_eq!(has_more, index.has_dead());
        }
        Step::Clear => {
            index.apply(Effect::Clear);
            map.clear();
        }
    }
}

fn sorted(keys: impl Iterator<Item = SessionKey>) -> Vec<SessionKey> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    keys
}

fn compare(index: &Index, map: &Map) {
    let seen: Map = index.iter().map(|meta| (*meta.key(), (*meta.expiry(), meta.owner().cloned()))).collect();
    assert_eq!(&seen, map);
    assert_eq!(index.len(), map.len());
    let live = 40 * map.len() as u64;
    assert!(if index.has_dead() { index.live_bytes() > live } else { index.live_bytes() == live });
    for n in 0..KEYS {
        let found = index.get(&key(n)).map(|meta| (*meta.key(), meta.owner().cloned()));
        assert_eq!(found, map.get(&key(n)).map(|(_, owner)| (key(n), owner.clone())));
    }
    for at in [0, LATEST / 2, LATEST, 2 * LATEST].map(seconds) {
        let ended = index.ended_at(at).map(|meta| *meta.key());
        let expected = map.iter().filter(|(_, (expiry, _))| expiry.is_expired_at(at)).map(|(key, _)| *key);
        assert_eq!(sorted(ended), sorted(expected));
    }
    for owner in [0, 1, 2].map(owner) {
        let owned = || map.iter().filter(|(_, (_, of))| of.as_ref() == Some(&owner));
        assert_eq!(sorted(index.owned_by(&owner).map(|meta| *meta.key())), sorted(owned().map(|(key, _)| *key)));
        assert_eq!(index.count_of(&owner), owned().count());
        for order in Order::ALL {
            let mut places: Vec<Place> = owned().map(|(key, (expiry, _))| order.place(key, expiry)).collect();
            places.sort_unstable();
            assert_eq!(index.in_order(&owner, order, None).collect::<Vec<_>>(), places);
            let half = places.len() / 2;
            if let Some(place) = places.get(half) {
                let after: Vec<Place> = index.in_order(&owner, order, Some(*place)).collect();
                assert_eq!(after, places[half + 1..]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_holds_what_a_map_holds(are_limited: bool, steps in steps()) {
        let (mut index, mut map) = (Index::new(1).limited(are_limited), Map::new());
        for (n, step) in steps.iter().enumerate() {
            apply(step, &mut index, &mut map);
            if n % 50 == 0 {
                compare(&index, &map);
            }
        }
        compare(&index, &map);
    }
}

#[test]
fn what_a_clear_or_the_end_of_an_owners_sessions_leaves_is_put_aside_to_be_dropped_elsewhere() {
    let (mut index, mut map) = (Index::new(1).limited(true), Map::new());
    for key in 0..KEYS {
        apply(&Step::Put { key, owner: Some(0), seen: 1, idle: 1 }, &mut index, &mut map);
    }
    assert!(!index.has_left());
    index.apply(Effect::Clear);
    assert!(index.has_left());
    let ((cleared, ranks), has_more) = index.let_go(1);
    assert_eq!((cleared.map(|arena| arena.len()), ranks.len(), has_more), (Some(KEYS as usize), 0, false));
    assert!(!index.has_left());
    compare(&index, &Map::new());
    for key in 0..KEYS {
        apply(&Step::Put { key, owner: Some(0), seen: 1, idle: 1 }, &mut index, &mut map);
    }
    apply(&Step::EndOwned { owner: 0, but: None }, &mut index, &mut map);
    assert!(index.has_left());
    let ((cleared, ranks), has_more) = index.let_go(KEYS as usize - 1);
    assert_eq!(
        (cleared.is_some(), ranks.iter().map(Ranks::len).sum::<usize>(), has_more),
        (false, KEYS as usize, true)
    );
    assert!(!index.let_go(1).1 && !index.has_left());
    compare(&index, &Map::new());
}
